"""Plan mounts, unmounts and the fstab lines of single filesystems."""

from collections.abc import Collection
from dataclasses import dataclass

from iscsictl.errors import InUseError, NotFoundError, RefusedError, UnreachableError, UsageError
from iscsictl.model import actions
from iscsictl.model.fstab import Fstab, FstabLine, plain, tag_of_spec
from iscsictl.model.hold import Hold
from iscsictl.model.inventory import NotObserved
from iscsictl.model.listing import Block, blocks
from iscsictl.model.plan import Plan
from iscsictl.model.shell_form import shell_form
from iscsictl.model.values import is_directory
from iscsictl.planner.builder import PlanBuilder, add_login_service, build_plan
from iscsictl.planner.disks.new_filesystem import add_exclusive_step
from iscsictl.planner.safety.mount_points import exposure
from iscsictl.planner.safety.named_entries import (
    names_of_block,
    names_of_disk,
    names_of_partition,
)
from iscsictl.planner.safety.overwrite import (
    ConsentRequiredError,
    one_of_a_kind,
    require_not_overmounted,
)
from iscsictl.planner.selection.disks import (
    DiskInventory,
    DiskSelection,
    disk_id,
    part_number,
)
from iscsictl.planner.selection.luns import has_name

NOT_MOUNTABLE = frozenset({"swap", "LVM2_member", "crypto_LUKS", "linux_raid_member", "zfs_member"})
# For mount(8) and systemd, which read fstab; no filesystem takes them as options.
_ONLY_FSTAB = frozenset(
    {"auto", "noauto", "fail", "nofail", "_netdev", "defaults", "user", "users", "owner", "group"}
)


@dataclass(frozen=True)
class MountSpec:
    """Where to mount, None for where fstab says; `options` None for those of fstab."""

    directory: str | None = None
    options: tuple[str, ...] | None = None
    over_nonempty: bool = False
    recover: bool = False
    boot: bool = True


def filesystem(chosen: DiskSelection) -> Block:
    """Return the device of the filesystem that is meant: the named one, or the only one there.

    Raises RefusedError if there is none, NotFoundError if there are several.
    """
    ends = [b for b in blocks(chosen.block) if b.fstype and not b.children]
    if len(ends) == 1 and ends[0].uuid is not None:
        return ends[0]
    if len(ends) > 1:
        names = ", ".join(f"{b.device} ({b.fstype})" for b in ends)
        raise NotFoundError(
            f"{chosen.block.device} has several filesystems: {names}", hint="name one of them"
        )
    what = "a filesystem without a UUID" if ends else "no filesystem"
    raise RefusedError(
        f"{chosen.block.device} has {what}",
        hint=f"inspect it: iscsictl disk show {shell_form(chosen.block.device)}",
    )


def directory_of(inventory: DiskInventory, spec: MountSpec) -> str:
    """Return where the filesystem is to be mounted. Raises UsageError if nothing says so.

    Without a directory in `spec` it is that of the one entry of fstab for the filesystem; claims do
    not count. Raises what `filesystem` raises.
    """
    if spec.directory is not None:
        return spec.directory
    block = filesystem(inventory.one)
    lines = [x for x in _lines_for(inventory, block) if not x.is_claim]
    places = {x.mount_point for x in lines if x.mount_point is not None}
    if len(places) != 1:
        why = (
            "/etc/fstab has no line for it"
            if not places
            else ("fstab has several mount points for it")
        )
        raise UsageError(
            f"no mount point is known for {block.device}: {why}",
            hint=f"give the directory: iscsictl mount {shell_form(block.device)} DIR",
        )
    return places.pop() or ""


def _lines_for(inventory: DiskInventory, block: Block) -> tuple[FstabLine, ...]:
    """Return the lines of fstab for a filesystem: by UUID and, of an admin's lines, by any name.

    A line whose mount point another device has now is for a copy of the filesystem.
    """
    disk = inventory.one.disk
    number = part_number(disk, block) if block.kind == "part" else None
    if block is disk.block:
        names = names_of_disk(inventory, disk)
    elif number is not None:
        names = names_of_partition(inventory, disk, number, block)
    else:
        names = names_of_block(inventory, block)
    places = {mount.path for mount in block.mounts}
    by_uuid = inventory.fstab.by_uuid(block.uuid or "")

    def is_for_block(line: FstabLine) -> bool:
        if line in by_uuid:
            return True
        now = inventory.mounted.get(line.mount_point or "")
        elsewhere = now is not None and now.source.startswith("/dev/")
        if line.is_ours or (elsewhere and line.mount_point not in places):
            return False
        return names.include(inventory, line.spec or "")

    return tuple(line for line in inventory.fstab.entries if is_for_block(line))


def plan_mount(inventory: DiskInventory, spec: MountSpec) -> Plan:
    """Plan to mount one filesystem, which also ends a hold on its mount point.

    Refused are: a filesystem of which another disk has a copy, or that fstab pins to another disk;
    a directory that is not empty or belongs to something else; and, without consent to recover it,
    a filesystem that was not unmounted cleanly and has no entry written by iscsictl, because
    another host may have it mounted.
    """
    return build_plan(lambda builder: _add_mount_steps(builder, inventory, spec))


def _add_mount_steps(builder: PlanBuilder, inventory: DiskInventory, spec: MountSpec) -> str:
    block, path = filesystem(inventory.one), directory_of(inventory, spec)
    device = disk_id(inventory, inventory.one, spanning=True)
    fs, uuid = block.fstype or "auto", block.uuid or ""
    held = [h for h in inventory.holds if h.covers_mount(path)]
    for hold in held:
        builder.add(actions.DropHold(hold), path, "no longer on hold")
    lines = [x for x in _lines_for(inventory, block) if not x.is_claim]
    line = next((x for x in lines if _is_same_path(x.mount_point, path)), None)
    options = spec.options if spec.options is not None else _mount_options_of(line)
    mount = actions.Mount(device, uuid, path, fs, options)
    if path in {m.path for m in block.mounts}:
        builder.add(mount, path, "is mounted", done=True)
        return block.device
    if fs in NOT_MOUNTABLE:
        raise RefusedError(f"{block.device} carries {fs}, which is not mounted")
    one_of_a_kind(uuid, inventory.one.disk, inventory.index.disks_with_uuid(uuid))
    _require_same_disk(inventory, lines, uuid)
    if block.mounts:
        raise InUseError(
            f"{block.device} is mounted on {block.mounts[0].path}",
            hint=f"unmount it there first: iscsictl umount {shell_form(block.mounts[0].path)}",
        )
    _require_free_directory(inventory, path, lines, over_nonempty=spec.over_nonempty)
    _note_exposure(builder, inventory, path)
    # `found` raises where the probe failed: what could not be read is not clean.
    seen = None if isinstance(inventory.content, NotObserved) else inventory.found.filesystem
    if seen is not None and seen.dirty and not any(x.is_ours for x in lines) and not spec.recover:
        raise ConsentRequiredError(
            f"the {fs} on {block.device} was not unmounted cleanly: another host may have it "
            "mounted",
            question=f"Mount {block.device} and recover its journal?",
            grant="recover",
            hint="unmount it there; if no host has it mounted: --yes",
        )
    exists = inventory.mount_point_state.exists
    builder.add(actions.MakeDirectory(path), path, "the mount point", done=exists)
    if line is not None and line.exclusive:
        name = f"{device.target} LUN {device.lun}"
        add_exclusive_step(builder, device, name, inventory.reservations.get(device.wwid))
    builder.add(mount, path, f"mounts {fs} {uuid}")
    return block.device


def _mount_options_of(line: FstabLine | None) -> tuple[str, ...]:
    """Return those options of an fstab line that are for the mount itself."""
    found = line.options if line is not None else ()
    return tuple(o for o in found if o not in _ONLY_FSTAB and not o.startswith(("x-", "comment=")))


def _is_same_path(one: str | None, other: str) -> bool:
    return one is not None and plain(one) == plain(other)


def _require_same_disk(inventory: DiskInventory, lines: list[FstabLine], uuid: str) -> None:
    """Raise RefusedError if a line pins the filesystem to a disk that is not part of it."""
    disk = inventory.one.disk
    parts = {d.wwid for d in inventory.disks if any(b.uuid == uuid for b in blocks(d.block))}
    for line in lines:
        if line.wwid is not None and line.wwid not in {disk.wwid, *parts}:
            raise RefusedError(
                f"/etc/fstab line {line.number} is for the disk {line.wwid}, but "
                f"{disk.block.device} is {disk.wwid}",
                hint="it may be a snapshot; see: iscsictl fstab check",
            )


def _require_free_directory(
    inventory: DiskInventory, path: str, own: Collection[FstabLine], *, over_nonempty: bool
) -> None:
    place = inventory.mount_point_state
    _require_no_other_line(inventory.fstab, path, own)
    if place.mounted is not None:
        raise InUseError(
            f"{path} is already the mount point of {place.source}",
            hint=f"choose another directory, or unmount it first: umount {shell_form(path)}",
        )
    if place.exists and not place.directory:
        raise RefusedError(f"{path} is not a directory", hint="choose another mount point")
    if not place.empty and not over_nonempty:
        raise RefusedError(
            f"{path} is not empty: a mount would hide its content",
            hint="choose an empty directory, or use --over-nonempty",
        )


def _note_exposure(builder: PlanBuilder, inventory: DiskInventory, path: str) -> None:
    note = exposure(path, inventory.mount_point_state.exposed)
    if note is not None:
        builder.notes.append(note)


def _require_no_other_line(fstab: Fstab, path: str, own: Collection[FstabLine]) -> None:
    for line in fstab.by_dir(path):
        if line not in own and not line.is_claim:
            raise RefusedError(
                f"/etc/fstab line {line.number} mounts something else on {path}",
                hint="use another directory, or delete that line first",
            )


def plan_umount(inventory: DiskInventory, name: str) -> Plan:
    """Plan to unmount a directory, or everything on a device; reconnect then leaves it unmounted.

    The deepest mount goes first. Refused while a process works in it, while something is mounted
    over it, and while no session is up: an unmount would wait for the array indefinitely, or lose
    data that is not written yet.
    """
    return build_plan(lambda builder: _add_unmount_steps(builder, inventory, name))


def _add_unmount_steps(builder: PlanBuilder, inventory: DiskInventory, name: str) -> None:
    paths: list[str] = []
    chosen = inventory.chosen
    if chosen is not None:
        mounts = [m.path for b in blocks(chosen.block) for m in b.mounts]
        paths = [p for p in mounts if _is_same_path(p, name)] or (
            [] if is_directory(name) else mounts
        )
    elif inventory.mount_point_state.mounted is not None:
        raise NotFoundError(
            f"the filesystem on {name} is not on a disk of a session",
            hint=f"use umount(8): umount {shell_form(name)}",
        )
    if "/" in paths:
        raise InUseError(
            "the root filesystem cannot be unmounted while the machine is running",
            hint="see: iscsictl boot check",
        )
    if paths and chosen is not None:
        require_not_overmounted(inventory.used)
        if not inventory.index.has_session_up(chosen.disk):
            raise UnreachableError(
                f"the array of {chosen.target} does not answer, so {paths[0]} cannot be unmounted "
                "without losing data that is not written yet",
                hint="bring the array back; if it is gone forever: "
                f"iscsictl detach {shell_form(name)} --lost "
                f"--confirm {shell_form(chosen.disk.wwid)}",
            )
        if inventory.used.open_files:
            raise InUseError(
                f"{', '.join(paths)} is in use: {'; '.join(inventory.used.open_files)}",
                hint="end these processes, or leave the directory, then run this again",
            )
    for path in sorted(set(paths), key=lambda one: (-len(one), one)):
        builder.add(actions.Unmount(path), path, "takes the filesystem down")
    down = sorted(set(paths)) or _mount_points_in_fstab(inventory, name)
    for path in down:
        if path not in paths:
            builder.add(actions.Unmount(path), path, "is not mounted", done=True)
        held = any(h.covers_mount(path) and h.until is None for h in inventory.holds)
        hold = actions.SetHold(Hold(mount_point=path, why="umount"))
        builder.add(hold, path, "stays down until it is mounted again", done=held)
    if not down and not inventory.facts.again:
        builder.notes.append(f"{name} is not mounted")


def _mount_points_in_fstab(inventory: DiskInventory, name: str) -> list[str]:
    """Return the mount points that lines of fstab have for the name."""
    if is_directory(name):
        lines = inventory.fstab.by_dir(name)
    else:
        own = {b.uuid for b in blocks(inventory.one.block)} if inventory.chosen else {name}
        lines = tuple(x for x in inventory.fstab.ours if x.uuid in own)
    return sorted({x.mount_point for x in lines if x.mount_point is not None})


def plan_fstab_add(inventory: DiskInventory, spec: MountSpec) -> Plan:
    """Plan the line that mounts a filesystem at boot (DIR `none` for swap).

    The plan refuses if fstab has somebody else's line for the filesystem, another line for the
    directory, or a claim on the disk. That a target is not logged in to at boot is only noted: the
    line has nofail, so the boot continues without it.
    """
    return build_plan(lambda builder: _add_fstab_steps(builder, inventory, spec))


def _add_fstab_steps(builder: PlanBuilder, inventory: DiskInventory, spec: MountSpec) -> str:
    block = filesystem(inventory.one)
    device = disk_id(inventory, inventory.one, spanning=True)
    uuid, fs, path = block.uuid or "", block.fstype or "auto", spec.directory
    if (fs == "swap") != (path is None):
        what, where = ("has no", "none") if path else ("needs a", "DIR")
        raise UsageError(
            f"{block.device} is {fs}: it {what} directory",
            hint=f"iscsictl fstab add {shell_form(block.device)} {where}",
        )
    if path is not None and fs in NOT_MOUNTABLE:
        raise RefusedError(f"{block.device} carries {fs}, which is not mounted")
    one_of_a_kind(uuid, inventory.one.disk, inventory.index.disks_with_uuid(uuid))
    lines = _lines_for(inventory, block)
    options = spec.options or ()
    exclusive = any(line.exclusive for line in lines)
    write = actions.WriteFstab(device, uuid, path, fs, options, spec.boot, exclusive)
    name = path or uuid
    for line in inventory.fstab.by_wwid(device.wwid):
        if line.is_claim:
            raise RefusedError(
                f"/etc/fstab line {line.number} says that {line.uuid} is being made on this disk",
                hint=f"finish that first, or: iscsictl fstab rm {shell_form(line.uuid)}",
            )
    for line in lines:
        if not line.is_ours:
            raise RefusedError(
                f"/etc/fstab line {line.number} is already for {uuid}, and not written by iscsictl",
                hint=(
                    "iscsictl fstab check says whether it is safe; delete it to have "
                    "iscsictl's own entry"
                ),
            )
        if line.mount_point != path and line.mount_point is not None:
            raise RefusedError(
                f"/etc/fstab line {line.number} mounts {uuid} on {line.mount_point}",
                hint=f"remove it first: iscsictl fstab rm {shell_form(line.mount_point)}",
            )
    _require_same_disk(inventory, list(lines), uuid)
    # Before the entry, whose step starts the service: enabling it makes its alias iscsi.service,
    # and the reload in which another unit's `After=iscsi.service` first finds that alias makes
    # systemd 252 forget that the service runs.
    add_login_service(builder, inventory.host, boot=spec.boot)
    if path is not None:
        _require_no_other_line(inventory.fstab, path, lines)
        place = inventory.mount_point_state
        if place.exists and not place.directory:
            raise RefusedError(f"{path} is not a directory", hint="choose another mount point")
        _note_exposure(builder, inventory, path)
        builder.add(actions.MakeDirectory(path), path, "the mount point", done=place.exists)
    same = any(
        x.mount_point == path and x.auto == spec.boot
        and (spec.options is None or _options_from_user(x) == set(options))
        for x in lines
    )  # fmt: skip
    builder.add(write, name, "mounted at boot" if spec.boot else "adds a line for it", done=same)
    records = [record for record in inventory.records if record.target == device.target]
    if spec.boot and not any(r.logged_in_by(inventory.host.login_startups) for r in records):
        builder.notes.append(
            f"{device.target} is not logged in at boot: iscsictl "
            f"startup {shell_form(device.target)} automatic"
        )
    return block.device


def _options_from_user(line: FstabLine) -> set[str]:
    """Return the options of a line written by iscsictl that came from the user."""
    return {o for o in line.options if o not in _ONLY_FSTAB and not o.startswith("x-")}


def plan_fstab_rm(inventory: DiskInventory, name: str) -> Plan:
    """Plan to remove the entries that iscsictl wrote for a directory, UUID or device.

    Entries of others are refused. For a device, the lines for everything on it are meant.

    What is mounted stays mounted. Drop-ins that make units wait for the mount point are removed
    first. If there is no such line, a note says so.
    """

    def add_steps(builder: PlanBuilder) -> None:
        lines = _lines_named(inventory, name)
        foreign = [line for line in lines if not line.is_ours]
        if foreign:
            raise RefusedError(
                f"/etc/fstab line {foreign[0].number} for {name} was not written by iscsictl",
                hint="edit /etc/fstab by hand to remove it",
            )
        if not lines and not inventory.facts.again:
            builder.notes.append(f"/etc/fstab has no line for {name}")
        for line in lines:
            path = line.mount_point
            waiting = [unit for unit, paths in inventory.host.required.items() if path in paths]
            if path is not None and waiting:
                builder.add(
                    actions.DropRequire(path), path, f"{', '.join(waiting)} no longer waits for it"
                )
            subject = path or line.uuid or name
            builder.add(actions.DropFstab(line), subject, f"removes line {line.number}")
            if path in inventory.mounted:
                builder.notes.append(
                    f"{path} stays mounted, but only until the next boot; to unmount it: "
                    f"iscsictl umount {shell_form(path)}"
                )
            if line.exclusive:
                builder.notes.append(
                    "the LUN stays reserved for this host until: iscsictl detach "
                    f"{shell_form(line.target, '--lun', line.lun)}"
                )

    return build_plan(add_steps)


def _lines_named(inventory: DiskInventory, name: str) -> tuple[FstabLine, ...]:
    """Return the lines for a mount point, a UUID, or a device by any of its names.

    A snapshot has the UUID of its origin: a line that is pinned to the origin's disk is not for the
    snapshot.
    """
    fstab = inventory.fstab
    if is_directory(name):
        return fstab.by_dir(name)
    tag, value = tag_of_spec(name)
    if tag == "UUID":
        return fstab.by_uuid(value)
    found = [
        line
        for disk in inventory.disks
        for block in blocks(disk.block)
        if has_name(inventory, block, name)
        for inside in blocks(block)
        if inside.uuid is not None
        for line in fstab.by_uuid(inside.uuid)
        if line.wwid in {None, disk.wwid}
    ]
    found += fstab.by_uuid(name)
    found += [line for line in fstab.entries if line.spec == name]
    return tuple(dict.fromkeys(found))
