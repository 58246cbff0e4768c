"""Plan what becomes of a disk: a filesystem is made, taken over or found, and mounted."""

import shlex
from dataclasses import dataclass

from iscsictl.errors import InUseError, IscsictlError, RefusedError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId, OverwriteGround
from iscsictl.model.disk_content import Content
from iscsictl.model.fstab import FstabLine
from iscsictl.model.inventory import Inventory, Known, MountPointState, ReadFailed
from iscsictl.model.listing import Block, Disk, blocks
from iscsictl.model.spec import AttachSpec
from iscsictl.planner.builder import PlanBuilder
from iscsictl.planner.safety import overwrite
from iscsictl.planner.safety.mount_points import exposure

DOS_LIMIT_SECTORS = 2**32
DEFAULT_FS = "ext4"
UNKNOWN = "?"
DEFAULT_TABLE = "gpt"


@dataclass(frozen=True)
class TargetFilesystem:
    """The filesystem that will be on the disk: in partition `part`, or on the whole disk."""

    uuid: str
    fs: str
    part: int | None


@dataclass(frozen=True)
class FilesystemPlanner:
    """The part of an attach that is about the disk. `name` is the subject of its steps."""

    draft: PlanBuilder
    inventory: Inventory
    wish: AttachSpec
    device: DiskId
    name: str

    def forecast(self) -> None:
        """Add what will follow once the disk can be seen: the strongest it may be.

        Raises what is certain already: that the mount point is not free.
        """
        wish = self.wish
        self._require_free_place()
        fs = wish.fs or DEFAULT_FS
        chosen = TargetFilesystem(wish.new_uuid(fs), fs, None)
        if wish.fs or wish.consent.wipe is not None:
            self._make(
                chosen,
                OverwriteGround.BLANK if wish.consent.wipe is None else OverwriteGround.CONFIRMED,
            )
        if wish.mount:
            self._mount(chosen)
        if wish.fs or wish.mount:
            self._fstab(chosen)

    def plan(self, disk: Disk) -> str:
        """Add what is to be done with the disk. Returns the device of the filesystem.

        Raises RefusedError, InUseError.
        """
        mounted = self._mounted(disk)
        if mounted is not None:
            if mounted.uuid is None:
                raise RefusedError(
                    f"{mounted.device} is mounted on {self.wish.mount}, but tells no UUID",
                    hint="see what udev knows of it: udevadm info " + mounted.device,
                )
            self._require_own_lines()
            chosen = TargetFilesystem(mounted.uuid, mounted.fstype or "auto", None)
            self._mount(chosen, mounted=True)
            self._fstab(chosen)
            return mounted.device
        self._require_free_place()
        content = self._content()
        if content.users:
            raise InUseError(
                f"{self.device.device} is in use: {', '.join(content.users)}",
                hint=f"see what holds it: iscsictl detach {self.device.device} --dry-run",
            )
        overwrite.require_writable(content, self.device.device, self.device.wwid)
        kept = self._kept(disk, content)
        chosen = kept or self._made(content)
        if self.wish.mount:
            self._mount(chosen)
        self._fstab(chosen)
        there = content.filesystem
        return there.device if kept is not None and there is not None else self.device.device

    @property
    def _table(self) -> str:
        return self.wish.table or DEFAULT_TABLE

    @property
    def _claim(self) -> FstabLine | None:
        lines = self.inventory.fstab.by_wwid(self.device.wwid)
        return next((line for line in lines if line.is_claim and line.part is None), None)

    @property
    def _real(self) -> FstabLine | None:
        lines = self.inventory.fstab.by_wwid(self.device.wwid)
        fitting = (x for x in lines if not x.is_claim and x.mount_point == self.wish.mount)
        return next(fitting, None)

    @property
    def _place(self) -> MountPointState:
        seen = self.inventory.place
        if isinstance(seen, ReadFailed):
            raise seen.error
        return seen.value if isinstance(seen, Known) else MountPointState()

    def _mounted(self, disk: Disk) -> Block | None:
        """Return what of the disk is mounted where it is wished."""
        for block in blocks(disk.block):
            if self.wish.mount in {mount.path for mount in block.mounts}:
                if self.wish.fs and block.fstype != self.wish.fs:
                    raise RefusedError(
                        f"{self.wish.mount} is mounted from this disk, but as {block.fstype}, "
                        f"not {self.wish.fs}",
                        hint=f"take --fs {block.fstype}",
                    )
                return block
        return None

    def _require_free_place(self) -> None:
        """Raise unless the mount point is free for this disk."""
        path, place = self.wish.mount, self._place
        if path is None:
            return
        self._require_own_lines()
        if place.mounted is not None:
            if self.device.wwid == UNKNOWN and self.inventory.fstab.by_dir(path):
                return
            raise InUseError(
                f"{path} is already the mount point of {place.source}",
                hint=f"unmount it first: iscsictl umount {shlex.quote(path)}",
            )
        if place.exists and not place.directory:
            raise RefusedError(f"{path} is not a directory", hint="choose another mount point")
        if not place.empty and not self.wish.consent.over_nonempty:
            raise RefusedError(
                f"{path} is not empty: a mount would hide what is in it",
                hint="choose an empty directory, or insist with --over-nonempty",
            )

    def _require_own_lines(self) -> None:
        """Raise where a line of fstab that is not for this disk has the mount point."""
        path = self.wish.mount or "/"
        lines = self.inventory.fstab.by_dir(path)
        how = "edit /etc/fstab to take it out"
        if all(line.is_ours for line in lines):
            how = f"take it out: iscsictl fstab rm {shlex.quote(path)}"
        for line in lines:
            if not line.is_ours or self.device.wwid not in {line.wwid, UNKNOWN}:
                raise RefusedError(
                    f"/etc/fstab line {line.number} mounts something else on {path}",
                    hint=f"use another directory, or {how}",
                )

    def _content(self) -> Content:
        seen = self.inventory.contents.get(self.device.wwid)
        if isinstance(seen, Known):
            return seen.value
        if isinstance(seen, ReadFailed):
            raise seen.error
        raise IscsictlError(f"{self.device.device} was not probed")

    def _kept(self, disk: Disk, content: Content) -> TargetFilesystem | None:
        """Return the filesystem that stays as it is; None where one is to be made.

        Raises RefusedError where neither is right.
        """
        there, real, claim, wish = content.filesystem, self._real, self._claim, self.wish
        if real is not None:
            if there is not None and there.uuid == real.uuid and wish.fs in {None, there.type}:
                return TargetFilesystem(there.uuid or "", there.type, there.part)
            raise RefusedError(
                f"/etc/fstab line {real.number} says that {real.uuid} is on this disk, "
                f"but {self.device.device} carries {content.description}",
                hint=f"if the data is gone, take the line out: iscsictl fstab rm {real.uuid}",
            )
        if wish.consent.wipe is not None:
            return None
        ours = claim is not None and there is not None and there.uuid == claim.uuid
        if there is not None and ours and wish.fs in {None, there.type}:
            if there.used is True or there.type == "btrfs":
                return TargetFilesystem(there.uuid or "", there.type, there.part)
            if wish.fs is None:
                raise RefusedError(
                    f"a run that was stopped was making {there.type} on {self.device.device}",
                    hint=f"finish it with --fs {there.type}",
                )
            return None
        if there is not None and wish.fs in {None, there.type} and _alone(content):
            overwrite.may_adopt(there, disk, self.inventory.disks, wish.consent)
            self._propose_options()
            return TargetFilesystem(there.uuid or "", there.type, there.part)
        if wish.fs is None:
            raise RefusedError(
                f"{self.device.device} has no filesystem to mount: it carries "
                f"{content.description}",
                hint=f"to make one: --fs {DEFAULT_FS}",
            )
        return None

    def _propose_options(self) -> None:
        """Note the options that keep another host's programs and device files from taking effect.

        Whoever wrote to the filesystem before may have left programs there that run as root
        (nosuid) and nodes of this host's disks (nodev); mount(8).
        """
        missing = [option for option in ("nosuid", "nodev") if option not in self.wish.options]
        if self.wish.mount is not None and missing:
            options = ",".join((*self.wish.options, *missing))
            self.draft.notes.append(
                f"the filesystem was made elsewhere: unless its programs and device files are "
                f"trusted, use --options {options}"
            )

    def _made(self, content: Content) -> TargetFilesystem:
        """Add the steps that make the filesystem, if the disk may be written for that."""
        wish, claim, table = self.wish, self._claim, self._table
        fs = wish.fs or DEFAULT_FS
        claimed = claim.uuid if claim is not None else None
        right = overwrite.overwrite_ground(
            content, self.device.device, wish.consent, claim=claimed, table=table
        )
        if table == "dos" and content.size // content.sector > DOS_LIMIT_SECTORS:
            raise RefusedError(
                f"{self.device.device} has more than {DOS_LIMIT_SECTORS} sectors: "
                "a DOS table cannot hold it",
                hint="use --table gpt",
            )
        if claim is not None and right is not OverwriteGround.CONFIRMED and claim.fstype != fs:
            raise RefusedError(
                f"a run that was stopped was making {claim.fstype} on this disk, not {fs}",
                hint=f"finish it with --fs {claim.fstype}, or: iscsictl fstab rm {claimed}",
            )
        resumed = claimed if right is not OverwriteGround.CONFIRMED else None
        chosen = TargetFilesystem(resumed or wish.new_uuid(fs), fs, None if table == "none" else 1)
        labelled = (
            right is OverwriteGround.CLAIMED and content.table == table and bool(content.partitions)
        )
        self._make(chosen, right, claimed=resumed is not None, labelled=labelled)
        return chosen

    def _make(
        self,
        chosen: TargetFilesystem,
        right: OverwriteGround,
        *,
        claimed: bool = False,
        labelled: bool = False,
    ) -> None:
        add, device, table = self.draft.add, self.device, self._table
        claim = actions.Claim(device, chosen.uuid, self.wish.mount, chosen.fs)
        add(claim, self.name, "notes in fstab that the disk is being made", done=claimed)
        if right is OverwriteGround.CONFIRMED:
            add(actions.Wipe(device), self.name, "erases what is there, as confirmed")
        if table != "none":
            label = actions.Label(device, table, chosen.uuid, right)
            add(label, self.name, f"{table} table, one partition", done=labelled)
        part = None if table == "none" else 1
        mkfs = actions.Mkfs(
            device, part, chosen.fs, chosen.uuid, table, right, self.wish.fs_label
        )  # fmt: skip
        add(mkfs, self.name, f"{chosen.fs} {chosen.uuid}")

    def _mount(self, chosen: TargetFilesystem, *, mounted: bool = False) -> None:
        add, wish, path, place = self.draft.add, self.wish, self.wish.mount or "", self._place
        exposed = exposure(path, place.exposed)
        if exposed is not None and not mounted:
            self.draft.notes.append(exposed)
        made = actions.MakeDirectory(path)
        add(made, path, "the mount point", done=mounted or place.exists)
        mount = actions.Mount(self.device, chosen.uuid, path, chosen.fs, wish.options)
        add(mount, path, "mounts it", done=mounted)
        wanted = (wish.uid, wish.gid, wish.mode)
        if wanted != (None, None, None):
            pairs = zip(wanted, (place.uid, place.gid, place.mode), strict=True)
            same = mounted and all(want in {None, has} for want, has in pairs)
            add(actions.Own(path, *wanted), path, "owner and mode", done=same)

    def _fstab(self, chosen: TargetFilesystem) -> None:
        wish, line, device = self.wish, self._real, self.device
        boot = wish.boot and wish.mount is not None and "noauto" not in wish.options
        wanted = set(wish.options) - {"defaults", "auto", "noauto"}
        write = actions.WriteFstab(
            device.target, device.lun, device.wwid, chosen.uuid, wish.mount, chosen.fs,
            wish.options, boot,
        )  # fmt: skip
        same = line is not None and line.uuid == chosen.uuid and line.auto == boot
        same = same and line is not None and wanted <= set(line.options)
        why = "mounted again after a boot" if boot else "notes whose filesystem it is"
        self.draft.add(write, wish.mount or self.name, why, done=same)
        for unit in wish.required_by:
            waits = wish.mount in self.inventory.host.required.get(unit, ())
            require = actions.RequireMount(unit, wish.mount or "")
            self.draft.add(require, unit, f"waits for {wish.mount}", done=waits)


def _alone(content: Content) -> bool:
    """Tell whether the filesystem is all there is: on the whole disk, or in its one partition.

    Of some kinds (vfat) wipefs shows several signatures.
    """
    if content.table is None:
        return len({(s.type, s.uuid) for s in content.signatures}) == 1
    inside = {(s.type, s.uuid) for part in content.partitions for s in part.signatures}
    return not content.signatures and len(content.partitions) == 1 and len(inside) == 1
