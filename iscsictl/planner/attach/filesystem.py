"""Plan the filesystem of a disk: it is created, adopted or found, and mounted."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iscsictl.errors import InUseError, IscsictlError, RefusedError
from iscsictl.lazy_import import lazy_import
from iscsictl.model import actions
from iscsictl.model.actions import DiskId, OverwriteGround
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.disk_content import BlankProof, Content
from iscsictl.model.fstab import FstabLine, is_read_only_mount
from iscsictl.model.inventory import Inventory, Known, ReadFailed
from iscsictl.model.listing import Block, Disk, blocks
from iscsictl.model.shell_form import shell_form
from iscsictl.model.spec import AttachSpec
from iscsictl.planner.attach.mount_point import (
    UNKNOWN,
    require_free_mount_point,
    require_own_lines,
)
from iscsictl.planner.builder import PlanBuilder
from iscsictl.planner.disks import layout
from iscsictl.planner.disks.new_filesystem import (
    NewFilesystem,
    add_exclusive_step,
    add_filesystem_steps,
    add_release_step,
    claim_whole_disk,
    is_kept_over,
)
from iscsictl.planner.safety import overwrite
from iscsictl.planner.safety.mount_points import exposure

if TYPE_CHECKING:
    from iscsictl.planner.safety import destroyed_entries
else:
    # Needed only for --wipe.
    destroyed_entries = lazy_import("iscsictl.planner.safety.destroyed_entries")

DEFAULT_FS = "ext4"
DEFAULT_TABLE = "gpt"


@dataclass(frozen=True)
class TargetFilesystem:
    """The filesystem that will be on the disk, whether it is created or already there."""

    uuid: str
    fs: str


@dataclass(frozen=True)
class FilesystemPlanner:
    """The part of an attach that concerns the disk. `name` is the subject of its steps."""

    builder: PlanBuilder
    inventory: Inventory
    spec: AttachSpec
    device: DiskId
    name: str

    def forecast(self) -> None:
        """Add the steps that will follow once the disk can be observed: the strongest possible.

        Raises what is already certain: that the mount point is not free.
        """
        spec = self.spec
        require_free_mount_point(self.inventory, self.spec, self.device.wwid)
        fs = spec.fs or DEFAULT_FS
        chosen = TargetFilesystem(spec.new_uuid(fs), fs)
        if spec.fs or spec.consent.wipe is not None:
            self._add_making_steps(
                claim_whole_disk(chosen.uuid, fs, self._requested_table, spec.uuid),
                self._expected_ground,
            )
        elif spec.exclusive:
            add_exclusive_step(self.builder, self.device, self.name, None)
        if spec.mount:
            self._add_mount_steps(chosen)
        self._add_release()
        if spec.fs or spec.mount:
            self._add_fstab_steps(chosen)

    def plan(self, disk: Disk) -> str:
        """Add the steps for the disk. Returns the device of the filesystem.

        A filesystem of this very disk that is mounted on the requested directory stays. Raises
        InUseError if the disk or the directory is in use, RefusedError if the content, fstab or the
        directory forbids it (ConsentRequiredError if a yes would allow it), and the error of a
        probe that failed: what could not be read never counts as blank.
        """
        mounted = self._find_mounted_block(disk)
        if mounted is not None:
            if mounted.uuid is None:
                raise RefusedError(
                    f"{mounted.device} is mounted on {self.spec.mount}, but has no UUID",
                    hint="see what udev knows about it: udevadm info " + mounted.device,
                )
            require_own_lines(self.inventory, self.spec.mount or "/", self.device.wwid)
            chosen = TargetFilesystem(mounted.uuid, mounted.fstype or self.spec.fs or "auto")
            self._add_reservation(disk, mounted=True)
            self._add_mount_steps(chosen, mounted=True)
            self._add_release()
            self._add_fstab_steps(chosen)
            return mounted.device
        require_free_mount_point(self.inventory, self.spec, self.device.wwid)
        content = self._require_content()
        if content.usage:
            raise InUseError(
                f"{self.device.device} is in use: {', '.join(content.usage)}",
                hint="see what holds it: "
                f"iscsictl detach {shell_form(self.device.device)} --dry-run",
            )
        # A filesystem that stays as it is, and is mounted read-only, takes no write at all. Where
        # one is to be made, `overwrite_ground` refuses.
        check = overwrite.require_writable
        if is_read_only_mount(self.spec.options):
            check = overwrite.require_usable
        check(content, self.device.device, self.device.wwid)
        kept = self._filesystem_to_keep(disk, content)
        chosen = kept or self._plan_new_filesystem(content)
        if kept is not None:
            self._note_what_stays(content)
            # What an interrupted run reserved keeps this host out too, once its session is new.
            self._add_release()
            self._add_reservation(disk)
        if self.spec.mount:
            self._add_mount_steps(chosen)
        if kept is None:
            self._add_release()
        self._add_fstab_steps(chosen)
        there = content.filesystem
        return there.device if kept is not None and there is not None else self.device.device

    @property
    def _requested_table(self) -> str:
        return self.spec.table or DEFAULT_TABLE

    @property
    def _interrupted_claim(self) -> FilesystemClaim | None:
        """The claim of an interrupted attach; those of `disk mkfs` are for that command alone."""
        claims = (line.claim for line in self.inventory.fstab.by_wwid(self.device.wwid))
        return next((claim for claim in claims if claim is not None and claim.owns_disk), None)

    @property
    def _expected_ground(self) -> OverwriteGround:
        """The ground on which a disk that is not there yet may be overwritten, as far as known."""
        if self.spec.consent.wipe is not None:
            return OverwriteGround.CONFIRMED
        lines = self.inventory.fstab.ours
        begun = any(
            line.target == self.device.target and line.mount_point == self.spec.mount
            for line in lines
            if line.is_claim
        )
        return OverwriteGround.CLAIMED if begun else OverwriteGround.BLANK

    @property
    def _final_entry(self) -> FstabLine | None:
        lines = self.inventory.fstab.by_wwid(self.device.wwid)
        fitting = (x for x in lines if not x.is_claim and x.mount_point == self.spec.mount)
        return next(fitting, None)

    @property
    def _entry_that_stays(self) -> FstabLine | None:
        """Return the entry that mounts this filesystem at boot, if this run neither does nor wipes.

        Without a directory, nothing is said about where it is mounted.
        """
        seen = self.inventory.contents.get(self.device.wwid)
        if self.spec.mount or self.spec.consent.wipe is not None or not isinstance(seen, Known):
            return None
        there = seen.value.filesystem
        lines = self.inventory.fstab.by_wwid(self.device.wwid)
        mounting = (x for x in lines if not x.is_claim and x.mount_point is not None)
        return next((x for x in mounting if there is not None and x.uuid == there.uuid), None)

    @property
    def _was_exclusive(self) -> bool:
        """Whether fstab says that only this host may write; its line names a disk not yet there.

        A forecast needs it too: a step that is not in the forecast is not executed.
        """
        if self.device.wwid != UNKNOWN:
            return self.inventory.fstab.is_exclusive(self.device.wwid)
        own = (x for x in self.inventory.fstab.ours if x.target == self.device.target)
        return any(x.exclusive and self.spec.lun in {None, x.lun} for x in own)

    def _find_mounted_block(self, disk: Disk) -> Block | None:
        """Return the part of the disk that is mounted at the requested directory."""
        for block in blocks(disk.block):
            if self.spec.mount in {mount.path for mount in block.mounts}:
                # What udev does not know, as in the middle of an event, is no contradiction.
                if self.spec.fs and block.fstype not in {None, self.spec.fs}:
                    raise RefusedError(
                        f"{self.spec.mount} is mounted from this disk, but as {block.fstype}, "
                        f"not {self.spec.fs}",
                        hint=f"take --fs {block.fstype}",
                    )
                return block
        return None

    def _require_content(self) -> Content:
        seen = self.inventory.contents.get(self.device.wwid)
        if isinstance(seen, Known):
            return seen.value
        if isinstance(seen, ReadFailed):
            raise seen.error
        raise IscsictlError(f"{self.device.device} was not probed")

    def _filesystem_to_keep(self, disk: Disk, content: Content) -> TargetFilesystem | None:
        """Return the filesystem that stays as it is; None if a new one is to be created.

        Raises RefusedError if neither is allowed.
        """
        there, spec = content.filesystem, self.spec
        real = self._final_entry or self._entry_that_stays
        claim = self._interrupted_claim
        if real is not None:
            if there is not None and there.uuid == real.uuid and spec.fs in {None, there.type}:
                return TargetFilesystem(there.uuid or "", there.type)
            raise RefusedError(
                f"/etc/fstab line {real.number} says that {real.uuid} is on this disk, "
                f"but {self.device.device} carries {content.description}",
                hint="if the data is gone, remove the line: iscsictl fstab rm "
                f"{shell_form(real.uuid)}",
            )
        if spec.consent.wipe is not None:
            return None
        # The UUID was chosen for this claim, so what has it was made by that run.
        ours = claim is not None and there is not None and there.uuid == claim.uuid
        if there is not None and ours and spec.fs in {None, there.type}:
            # A stopped mkfs leaves a superblock too; only mkfs.btrfs writes the magic number of its
            # own last.
            if there.used is True or there.type == "btrfs":
                return TargetFilesystem(there.uuid or "", there.type)
            if spec.fs is None:
                raise RefusedError(
                    f"an interrupted run was making {there.type} on {self.device.device}",
                    hint=f"finish it with --fs {there.type}",
                )
            return None
        if there is not None and spec.fs in {None, there.type} and _is_only_filesystem(content):
            same = self.inventory.index.disks_with_uuid(there.uuid or "")
            overwrite.may_adopt(there, disk, same, spec.consent)
            self._propose_options()
            return TargetFilesystem(there.uuid or "", there.type)
        if spec.fs is None:
            raise RefusedError(
                f"{self.device.device} has no filesystem to mount: it carries "
                f"{content.description}",
                hint=f"to create one: --fs {DEFAULT_FS}",
            )
        return None

    def _note_what_stays(self, content: Content) -> None:
        """Note which requested properties the existing filesystem, which is kept, does not have."""
        there, spec = content.filesystem, self.spec
        has = None if there is None else there.label
        if spec.fs_label is not None and has != spec.fs_label:
            self.builder.notes.append(
                "the filesystem is kept as it is: its label is "
                f"{'none' if has is None else repr(has)}, not {spec.fs_label!r}"
            )
        table = content.table or "none"
        if spec.table is not None and table != spec.table:
            self.builder.notes.append(
                f"the disk is kept as it is: its partition table is {table}, not {spec.table}"
            )

    def _propose_options(self) -> None:
        """Note the options that make another host's programs and device files ineffective.

        Whoever wrote to the filesystem before may have left programs there that run as root
        (nosuid) and nodes of this host's disks (nodev); see mount(8).
        """
        missing = [option for option in ("nosuid", "nodev") if option not in self.spec.options]
        if self.spec.mount is not None and missing:
            options = ",".join((*self.spec.options, *missing))
            self.builder.notes.append(
                "the filesystem was created elsewhere: unless you trust its programs and device "
                f"files, use --options {options}"
            )

    def _plan_new_filesystem(self, content: Content) -> TargetFilesystem:
        """Add the steps that create the filesystem, if the disk may be overwritten for it."""
        spec, table = self.spec, self._requested_table
        fs = spec.fs or DEFAULT_FS
        old = self._interrupted_claim
        kind = None if table == "none" else table
        # A claim for another kind of table covers nothing that this run would make.
        fitting = old if old is not None and old.table == kind else None
        ground = overwrite.overwrite_ground(
            content, self.device.device, spec.consent, claim=fitting, keep=_way_to_keep(content)
        )
        if table == "dos" and content.size // content.sector > layout.DOS_LIMIT:
            raise RefusedError(
                f"{self.device.device} has more than {layout.DOS_LIMIT} sectors: "
                "a DOS table cannot hold it",
                hint="use --table gpt",
            )
        if ground is OverwriteGround.CONFIRMED:
            destroyed_entries.require_not_in_fstab(self.inventory, self.device, content)
        resumed = old if ground is not OverwriteGround.CONFIRMED else None
        if resumed is not None and resumed.fs != fs:
            raise RefusedError(
                f"an interrupted run was making {resumed.fs} on this disk, not {fs}",
                hint=f"finish it with --fs {resumed.fs}, or: "
                f"iscsictl fstab rm {shell_form(resumed.uuid)}",
            )
        fs_uuid = spec.new_uuid(fs) if resumed is None else resumed.uuid
        claim = claim_whole_disk(fs_uuid, fs, table, spec.uuid)
        if resumed is not None and fitting is not None:
            # On a disk that is blank again, mkfs has not begun: the mark must not outlive it.
            claim = fitting if ground is OverwriteGround.CLAIMED else replace(fitting, begun=False)
        self._add_making_steps(
            claim,
            ground,
            claimed=claim == resumed,
            labelled=ground is OverwriteGround.CLAIMED and content.table is not None,
            proof=content.proof,
        )
        return TargetFilesystem(claim.uuid, fs)

    def _add_making_steps(
        self,
        claim: FilesystemClaim,
        ground: OverwriteGround,
        *,
        claimed: bool = False,
        labelled: bool = False,
        proof: BlankProof | None = None,
    ) -> None:
        new = NewFilesystem(
            self.device, self.name, claim, ground, self.spec.mount, self.spec.fs_label,
            discard=self.spec.discard, claimed=claimed, labelled=labelled, proof=proof,
            reservations=self.inventory.reservations.get(self.device.wwid),
            exclusive=self.spec.exclusive,
        )  # fmt: skip
        add_filesystem_steps(self.builder, new)

    def _add_reservation(self, disk: Disk, *, mounted: bool = False) -> None:
        """Add the reservation that an exclusive volume keeps, before it is mounted.

        Before a mount it is requested again in any case: the present one may belong to a session
        that no longer exists.
        """
        if self.spec.exclusive:
            found = self.inventory.reservations.get(self.device.wwid)
            done = mounted and found is not None and is_kept_over(disk, found)
            add_exclusive_step(self.builder, self.device, self.name, found, done=done)

    def _add_release(self) -> None:
        """Add the end of the reservation under which this command, or an earlier run, formats.

        It comes before the entry in fstab becomes final: if the power fails in between, there is no
        mount at the next boot that the reservation of an earlier session would make fail.
        """
        spec, was_exclusive = self.spec, self._was_exclusive
        kept = self._entry_that_stays
        if kept is not None and kept.exclusive:
            return
        if not spec.exclusive and (spec.fs or spec.consent.wipe is not None or was_exclusive):
            found = self.inventory.reservations.get(self.device.wwid)
            add_release_step(self.builder, self.device, self.name, found, exclusive=was_exclusive)

    def _add_mount_steps(self, chosen: TargetFilesystem, *, mounted: bool = False) -> None:
        add, place = self.builder.add, self.inventory.mount_point_state
        spec, path = self.spec, self.spec.mount or ""
        exposed = exposure(path, place.exposed)
        if exposed is not None and not mounted:
            self.builder.notes.append(exposed)
        made = actions.MakeDirectory(path)
        add(made, path, "the mount point", done=mounted or place.exists)
        mount = actions.Mount(self.device, chosen.uuid, path, chosen.fs, spec.options)
        add(mount, path, "mounts it", done=mounted)
        wanted = (spec.uid, spec.gid, spec.mode)
        if wanted != (None, None, None):
            pairs = zip(wanted, (place.uid, place.gid, place.mode), strict=True)
            same = mounted and all(want in {None, has} for want, has in pairs)
            if not same and is_read_only_mount(spec.options):
                raise RefusedError(
                    f"{path} is to be mounted read-only: its owner and mode cannot be set",
                    hint="omit --owner and --mode, or the option ro",
                )
            add(actions.Own(path, *wanted), path, "owner and mode", done=same)

    def _add_fstab_steps(self, chosen: TargetFilesystem) -> None:
        spec, line, device = self.spec, self._final_entry, self.device
        boot = spec.boot and spec.mount is not None and "noauto" not in spec.options
        # Whether it is mounted at boot is `boot`, and `defaults` is nothing that a line would keep.
        wanted = set(spec.options) - {"defaults", "auto", "noauto"}
        write = actions.WriteFstab(
            device, chosen.uuid, spec.mount, chosen.fs, spec.options, boot, spec.exclusive
        )
        same = line is not None and line.uuid == chosen.uuid and line.auto == boot
        same = same and line is not None and line.exclusive == spec.exclusive
        same = same and line is not None and wanted <= set(line.options)
        why = "mounted again after a boot" if boot else "notes which filesystem it is for"
        kept = self._entry_that_stays
        if kept is not None:
            same, why = True, f"line {kept.number} mounts it on {kept.mount_point}"
        self.builder.add(write, spec.mount or self.name, why, done=same)
        for unit in spec.required_by:
            waits = spec.mount in self.inventory.host.required.get(unit, ())
            require = actions.RequireMount(unit, spec.mount or "")
            self.builder.add(require, unit, f"waits for {spec.mount}", done=waits)


def _way_to_keep(content: Content) -> str:
    """Return what the hint says of keeping what is there; nothing where it cannot be mounted.

    Where this is asked, the filesystem is none of the type that was requested.
    """
    there = content.filesystem
    if there is None or not _is_only_filesystem(content):
        return ""
    return f"to mount the {there.type} as it is: --adopt without --fs; "


def _is_only_filesystem(content: Content) -> bool:
    """Tell whether the disk contains one filesystem only: on all of it, or in its one partition.

    wipefs shows several signatures of some kinds (vfat).
    """
    if content.table is None:
        return len({(s.type, s.uuid) for s in content.signatures}) == 1
    inside = {(s.type, s.uuid) for part in content.partitions for s in part.signatures}
    return not content.signatures and len(content.partitions) == 1 and len(inside) == 1
