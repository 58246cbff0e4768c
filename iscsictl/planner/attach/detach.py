"""Plan a detach: unmount, release the disk, and log out if nothing else needs the session."""

from iscsictl.errors import InUseError, IscsictlError, NotFoundError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.fstab import FstabLine
from iscsictl.model.inventory import DiskUsage, Inventory
from iscsictl.model.listing import Disk, Lun, Session, blocks, mount_paths
from iscsictl.model.names import Portal
from iscsictl.model.plan import Plan
from iscsictl.model.record import startup_values
from iscsictl.model.reservation import format_key
from iscsictl.model.shell_form import shell_form
from iscsictl.model.spec import DetachRequest
from iscsictl.model.word_lists import first_names
from iscsictl.planner.attach.detach_entries import (
    drop_entries,
    entries_to_drop,
    note_entries_of_others,
)
from iscsictl.planner.attach.multipath import add_forget_steps, add_read_step, add_release_steps
from iscsictl.planner.builder import PlanBuilder
from iscsictl.planner.disks.new_filesystem import add_release_step
from iscsictl.planner.iscsi.boot import hint_for_boot_target
from iscsictl.planner.safety.lost_disks import (
    list_losses,
    require_losses_agreed,
    require_same_wwid,
    require_stranded_mount_given_up,
    require_unreachable,
)
from iscsictl.planner.safety.named_entries import entries_for, names_of_disk
from iscsictl.planner.safety.overwrite import require_not_overmounted
from iscsictl.planner.selection.luns import ResolvedLun, find
from iscsictl.planner.selection.names import SHOWN, similar_names
from iscsictl.planner.selection.paths import LoginPath
from iscsictl.planner.selection.session_index import SessionIndex

# Processors, array controllers, enclosures and well known units (SPC-5, 6.7.2) are nobody's here.
_OF_THE_ARRAY = frozenset({0x03, 0x0C, 0x0D, 0x1E, 0x1F})


def plan_detach(
    inventory: Inventory, request: DetachRequest, *, boots_from: frozenset[str] = frozenset()
) -> Plan:
    """Return the steps to be done. Never raises: whatever forbids them is the plan's refusal.

    `boots_from` are the targets that the machine booted from; their sessions stay.
    """
    builder = PlanBuilder()
    refusal: IscsictlError | None = None
    try:
        meant = find(inventory, request.name, request.lun)
        if meant:
            _detach_luns(builder, inventory, request, meant, boots_from)
        elif inventory.in_journal:
            builder.notes.append(f"{request.name} is not attached")
        else:
            raise NotFoundError(
                f"nothing on this host is named {request.name}",
                hint=_hint_for_unknown_name(inventory, request.name),
            )
        add_read_step(builder, inventory)
    except IscsictlError as error:
        refusal = error
    return builder.build(refusal)


def _hint_for_unknown_name(inventory: Inventory, name: str) -> str:
    """Return the hint for a name that nothing has: which names it may be a misspelling of."""
    names = {session.target for session in inventory.sessions}
    names |= {record.target for record in inventory.records}
    names |= {line.mount_point for line in inventory.fstab.ours if line.mount_point}
    near = similar_names(name, names)
    return f"did you mean: {first_names(near, SHOWN)}" if near else "list what exists: iscsictl ls"


def _detach_luns(
    builder: PlanBuilder,
    inventory: Inventory,
    request: DetachRequest,
    meant: tuple[ResolvedLun, ...],
    boots_from: frozenset[str],
) -> None:
    target = meant[0].target
    sessions = tuple(s for s in inventory.sessions if s.target == target)
    others = _other_units(inventory, sessions, meant)
    entries = tuple(entries_to_drop(inventory, meant))
    needed = _reasons_to_stay(inventory, target, sessions, others, entries)
    booted = bool(sessions) and target in boots_from
    session_stays = bool(needed or (booted and others)) and not (
        request.lun is None and request.name == target
    )
    # Before the processes that use it are named: all of them work in the root filesystem.
    _require_not_booted_from(inventory, meant, booted=booted and not session_stays)
    # Two disks under one map are one device, and go down once; each must be free to go.
    devices: set[str] = set()
    for one in meant:
        if one.disk is not None:
            _require_may_go(inventory, request, one, one.disk)
            if one.disk.block.device not in devices:
                name = _lun_name_for_steps(one, meant)
                _add_unmounts_of_disk(builder, inventory, request, one, one.disk, name)
            devices.add(one.disk.block.device)
    _release_stranded(builder, inventory, request, entries)
    if session_stays:
        reasons = [f"LUN {lun} {why}" for lun, why in sorted(needed.items())]
        if booted:
            reasons.append("the machine booted from it")
        builder.notes.append(f"the session to {target} stays: {'; '.join(reasons)}")
        if request.forget:
            builder.notes.append(f"the records of {target} are kept with its session")
        for one in meant:
            if one.disk is not None:
                hctls = tuple(path.hctl for path in one.disk.paths)
                remove = actions.RemoveDevice(_disk_id_of(one, one.disk), hctls)
                builder.add(
                    remove, _lun_name_for_steps(one, meant), "removes the disk from the kernel"
                )
    else:
        _end_sessions(builder, inventory, request, target, sessions)
    # By its WWID: two LUNs that tell one have the same settings.
    for wwid, one in {one.wwid: one for one in reversed(meant)}.items():
        add_forget_steps(builder, inventory, wwid, _lun_name_for_steps(one, meant))
    drop_entries(builder, inventory, entries)
    note_entries_of_others(builder, inventory, meant)


def _require_not_booted_from(
    inventory: Inventory, meant: tuple[ResolvedLun, ...], *, booted: bool
) -> None:
    """Raise InUseError if the root filesystem is on one of the LUNs.

    With `booted`, raise even if it is not: the session that would end is one that the machine
    booted from.
    """
    for one in meant:
        if one.disk is None:
            continue
        used = inventory.usage_of(one.disk) or _usage_from_listing(one.disk)
        if "/" in used.mounts:
            raise InUseError(
                f"the machine booted from {one.target}: the root filesystem is on LUN {one.lun}",
                hint="see: iscsictl boot check",
            )
    if booted:
        raise InUseError(
            f"the machine booted from {meant[0].target}: it cannot be logged out",
            hint=hint_for_boot_target(inventory, meant[0].target),
        )


def _other_units(
    inventory: Inventory, sessions: tuple[Session, ...], meant: tuple[ResolvedLun, ...]
) -> list[Lun]:
    """Return the units of the sessions that are not detached, except those of the array itself.

    A number alone does not identify the disk behind it: two sessions can show two disks.
    """
    ours = {path.hctl for one in meant if one.disk is not None for path in one.disk.paths}
    numbers = {one.lun for one in meant}
    on_disks = {path.hctl for disk in inventory.disks for path in disk.paths}
    return [
        unit
        for session in sessions
        for unit in session.luns or ()
        if unit.type not in _OF_THE_ARRAY
        and unit.hctl not in ours
        and (unit.lun not in numbers or unit.hctl in on_disks)
    ]


def _reasons_to_stay(
    inventory: Inventory,
    target: str,
    sessions: tuple[Session, ...],
    others: list[Lun],
    dropped: tuple[FstabLine, ...],
) -> dict[int, str]:
    """Return the other LUNs of a target that need its session, each with the reason.

    `dropped` are the entries of fstab that no longer count: another disk may have the same WWID. A
    LUN without a disk counts too: a tape or a changer belongs to somebody even while it is idle.
    """
    sids = {session.sid for session in sessions}
    disks = {p.hctl: d for d in inventory.disks for p in d.paths if p.sid in sids}
    found: dict[int, str] = {}
    for unit in others:
        disk = disks.get(unit.hctl or "")
        if disk is None:
            why: str | None = (
                "is not a disk, so its use could not be checked; to end the session anyway: "
                f"iscsictl detach {shell_form(target)}"
            )
        else:
            why = _why_disk_is_needed(inventory, target, unit.lun, disk, dropped)
        if why is not None:
            found[unit.lun] = why
    return found


def _why_disk_is_needed(
    inventory: Inventory, target: str, lun: int, disk: Disk, dropped: tuple[FstabLine, ...]
) -> str | None:
    """Return what needs a disk: a mount, another holder, an entry of fstab or crypttab, or None."""
    used = inventory.usage_of(disk) or _usage_from_listing(disk)
    if used.mounts:
        return f"is mounted on {', '.join(used.mounts)}"
    if used.other_holders:
        return f"is in use: {'; '.join(used.other_holders)}"
    return _entry_for_disk(inventory, target, lun, disk, dropped)


def _entry_for_disk(
    inventory: Inventory, target: str, lun: int, disk: Disk, dropped: tuple[FstabLine, ...]
) -> str | None:
    """Return the entry of fstab or crypttab for a disk; those of iscsictl go by their notes."""
    others = []
    for line in inventory.fstab.entries:
        if not line.is_ours:
            others.append(line)
        elif line in dropped:
            continue
        elif line.wwid == disk.wwid or (line.target, line.lun) == (target, lun):
            return f"is in /etc/fstab: {line.mount_point or line.spec}"
    names = names_of_disk(inventory, disk)
    for entry in entries_for(inventory, others, names):
        if isinstance(entry, FstabLine):
            return f"is in /etc/fstab: {entry.mount_point or entry.spec}"
        return f"is in /etc/crypttab: {entry.name}"
    return None


def _disk_id_of(meant: ResolvedLun, disk: Disk) -> DiskId:
    return DiskId(meant.target, meant.lun or 0, disk.wwid or "?", disk.block.device)


def _lun_name_for_steps(one: ResolvedLun, meant: tuple[ResolvedLun, ...]) -> str:
    """Return the name of a LUN for its steps, with the disk if two disks have the same number.

    An array may have put another disk there while a session still has the first one.
    """
    name = f"{one.target} LUN {one.lun}"
    if one.disk is None or sum(other.lun == one.lun for other in meant) == 1:
        return name
    return f"{name} {one.disk.paths[0].device}"


def _require_may_go(
    inventory: Inventory,
    request: DetachRequest,
    meant: ResolvedLun,
    disk: Disk,
) -> None:
    """Raise IscsictlError if something else uses the disk, or more is lost than was agreed to."""
    used = inventory.usage_of(disk) or _usage_from_listing(disk)
    if request.consent.lost is not None:
        require_same_wwid(request.consent, disk.wwid)
        require_unreachable(disk, inventory.sessions)
    require_not_overmounted(used)
    if request.consent.lost is not None:
        require_losses_agreed(disk.block.device, list_losses(used), request.consent)
        return
    _require_free(inventory, request, disk, used)
    if used.mounts and not inventory.index.has_session_up(disk):
        raise UnreachableError(
            f"the array of {meant.target} does not answer, so {used.mounts[0]} cannot be "
            "unmounted without losing data that is not written yet",
            hint="bring the array back; if it is gone forever: "
            f"iscsictl detach {shell_form(request.name)} --lost "
            f"--confirm {shell_form(disk.wwid)}",
        )


def _add_unmounts_of_disk(
    builder: PlanBuilder,
    inventory: Inventory,
    request: DetachRequest,
    meant: ResolvedLun,
    disk: Disk,
    subject: str,
) -> None:
    """Add the permitted unmounts of one disk, and the end of its reservation and of its map."""
    used = inventory.usage_of(disk) or _usage_from_listing(disk)
    lost = request.consent.lost is not None
    if lost:
        builder.notes += list_losses(used)
    # With the disk's id the handler tests once more that no session of it is up.
    given_up = _disk_id_of(meant, disk) if lost else None
    # The longest first: what is mounted below another mount point is in the way of its unmount.
    for path in sorted(used.mounts, key=len, reverse=True):
        builder.add(actions.Unmount(path, lost, given_up), path, "takes the filesystem down")
    found = inventory.reservations.get(disk.wwid or "")
    exclusive = inventory.fstab.is_exclusive(disk.wwid)
    asked = not lost and inventory.index.has_session_up(disk)
    add_release_step(
        builder, _disk_id_of(meant, disk), subject, found, exclusive=exclusive and asked
    )
    if exclusive and not asked:
        builder.notes.append(_note_on_reservation(inventory, subject))
    add_release_steps(
        builder, inventory, _disk_id_of(meant, disk), subject,
        mapped=disk.block.kind == "mpath", lost=lost,
    )  # fmt: skip


def _note_on_reservation(inventory: Inventory, subject: str) -> str:
    key = inventory.host.reservation_key
    named = "this host" if key is None else f"this host, {format_key(key)},"
    return (
        f"the array did not answer: if it comes back, {subject} is still reserved for {named} "
        "until that is ended by take-over on another host or by a command of the array"
    )


def _release_stranded(
    builder: PlanBuilder,
    inventory: Inventory,
    request: DetachRequest,
    entries: tuple[FstabLine, ...],
) -> None:
    """Add the unmounts of filesystems without a disk: the LUN is gone, or came back as another.

    The fstab entry is then the only thing that still says which LUN it was.
    """
    lost = request.consent.lost is not None
    for line in entries:
        path = line.mount_point
        reason = None if path is None else inventory.stranded.get(path)
        if path is not None and reason is not None:
            require_stranded_mount_given_up(line, reason, request.name, request.consent)
            given_up = DiskId(line.target or "", line.lun or 0, line.wwid or "?", "")
            unmount = actions.Unmount(path, lost, given_up if lost else None)
            builder.add(unmount, path, f"takes the filesystem down: {reason}")


def _usage_from_listing(disk: Disk) -> DiskUsage:
    """Return what the listing says about a disk without a name, whose users were not observed."""
    return DiskUsage(tuple(m.path for block in blocks(disk.block) for m in block.mounts))


def _require_free(
    inventory: Inventory, request: DetachRequest, disk: Disk, used: DiskUsage
) -> None:
    device = disk.block.device
    if used.other_holders:
        raise InUseError(
            f"{device} is in use: {'; '.join(used.other_holders)}",
            hint=used.release_hint,
        )
    if used.open_files:
        raise InUseError(
            f"{', '.join(used.mounts)} is in use: {'; '.join(used.open_files)}",
            hint="end these processes, or leave the directory, then run this again",
        )
    managed = {line.mount_point for line in inventory.fstab.ours}
    foreign = [path for path in used.mounts if path not in managed and path != request.name]
    path = foreign[0] if foreign else ""
    if foreign and not (request.lun is None and request.name.startswith("/dev/")):
        raise InUseError(
            f"{device} is mounted on {', '.join(foreign)}, which iscsictl did not set up",
            hint=(
                f"if it is not needed: iscsictl detach {shell_form(path)}, or umount "
                f"{shell_form(path)}"
            ),
        )
    if not set(used.mounts) <= set(mount_paths(disk.block)):
        raise InUseError(f"{device} is mounted through another device")


def _end_sessions(
    builder: PlanBuilder,
    inventory: Inventory,
    request: DetachRequest,
    target: str,
    sessions: tuple[Session, ...],
) -> None:
    records = [r for r in inventory.records if r.target == target]
    for record in records:
        name = _subject_of_path(target, record.portal, record.iface)
        if not request.forget and record.problem is None:
            write = actions.WriteRecord(
                target, record.portal, record.iface, startup_values("manual")
            )
            builder.add(write, name, "not at the next boot", done=not record.onboot)
    # After the records: a boot between the two must not log in again.
    for session in sessions:
        portal = session.persistent_portal or session.portal
        if portal is not None:
            logout = actions.Logout(
                target, portal, session.iface or "default", lost=request.consent.lost is not None
            )
            builder.add(logout, _subject_of_path(target, portal, logout.iface), "ends the session")
    index = SessionIndex(records, sessions)
    for record in records:
        name = _subject_of_path(target, record.portal, record.iface)
        if index.session_of(record) is None:
            done = actions.Logout(target, record.portal, record.iface)
            builder.add(done, name, "ends the session", done=True)
        if request.forget:
            builder.add(
                actions.DeleteRecord(target, record.portal, record.iface),
                name,
                "deletes the record",
            )


def _subject_of_path(target: str, portal: Portal, iface: str) -> str:
    return LoginPath(target, portal, iface).subject
