"""Whether a disk may be written to, and on which ground: blank, claimed or confirmed only."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from iscsictl.errors import InUseError, RefusedError
from iscsictl.model.actions import OverwriteGround
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.disk_content import Content, Filesystem, Signature
from iscsictl.model.host_index import HostIndex
from iscsictl.model.inventory import DiskUsage
from iscsictl.model.listing import Disk
from iscsictl.model.partition_table import Table
from iscsictl.model.shell_form import shell_form
from iscsictl.model.spec import Consent
from iscsictl.planner.safety.duplicates import are_confusable, copies, outside_map


class ConsentRequiredError(RefusedError):
    """Refused unless the user says yes; `grant` names what the yes permits."""

    def __init__(self, text: str, *, question: str, grant: str, hint: str) -> None:
        super().__init__(text, hint=hint)
        self.question = question
        self.grant = grant


def verify_identity(
    disk: Disk,
    disks: Iterable[Disk],
    wanted: str | None,
    *,
    one_disk: str | None = None,
    to_be_mapped: bool = False,
) -> str:
    """Return the WWID of the disk to write to, if it is certain which disk that is.

    `disks` are those of the host, at least all that have its WWID or its device. `wanted` is the
    WWID that it must have, `one_disk` the one that the user confirmed to be a single disk behind
    several targets. Raises RefusedError if it has no WWID, is not the one that was named, shares
    the WWID or its map with another disk, or has several paths and no map; with `to_be_mapped`, a
    step of the plan makes that map.
    """
    device, wwid = disk.block.device, disk.wwid
    # A LUN number or a letter can be another disk tomorrow.
    if wwid is None:
        raise RefusedError(
            f"{device} reports no WWID and cannot be identified reliably",
            hint="give the LUN a WWID (NAA or EUI-64) on the array; zeroes, or a name that the "
            "target derives from its own numbering, do not identify it: other arrays have "
            "the same",
        )
    if wanted is not None and wanted != wwid:
        raise RefusedError(
            f"{device} is the disk {wwid}, not {wanted}",
            hint="compare with the array; iscsictl ls -o json shows the WWIDs",
        )
    confusable = [other for other in disks if other is not disk and are_confusable(disk, other)]
    if confusable:
        _refuse_confusable(disk, confusable, confirmed=one_disk == wwid)
    unmapped = confusable or (len(disk.paths) > 1 and not to_be_mapped)
    if disk.block.kind != "mpath" and unmapped:
        paths = (path.device for one in (disk, *confusable) for path in one.paths)
        raise RefusedError(
            f"{', '.join(sorted(paths))} are paths of one disk, {wwid}, without a multipath map",
            hint="install multipath-tools and attach it again, or log out of all portals but one",
        )
    return wwid


def require_all_paths_in_map(disk: Disk, disks: Iterable[Disk], index: HostIndex) -> None:
    """Raise RefusedError if a path of the disk is outside the map that is over the others.

    Otherwise that path would look like another disk with the same WWID.
    """
    for other in outside_map(disk, disks, index):
        outside, mapped = (other, disk) if disk.block.kind == "mpath" else (disk, other)
        names = [path.device for path in outside.paths]
        raise RefusedError(
            f"{', '.join(names)} is a path of {disk.wwid}, but not in its map "
            f"{mapped.block.device}",
            hint="attach it again, which verifies that the path leads to that disk and adds it; "
            f"to see why it is not in the map: multipath -v3 {shell_form(names[0])}",
        )


def _refuse_confusable(disk: Disk, confusable: list[Disk], *, confirmed: bool) -> None:
    """Raise RefusedError unless these are the same disk, and the user confirmed that."""
    identity = (disk.wwid, disk.serial, disk.block.size)
    words = "; ".join(
        f"{', '.join(path.device for path in one.paths)} (serial {one.serial or 'none'}, "
        f"{one.block.size} bytes)"
        for one in (disk, *confusable)
    )
    if any((one.wwid, one.serial, one.block.size) != identity for one in confusable):
        raise RefusedError(
            f"different disks share the WWID {disk.wwid} or a multipath map: {words}",
            hint="give each LUN its own WWID on the array; until then, log out of the others",
        )
    if not confirmed:
        raise RefusedError(
            f"LUNs of several targets have the WWID {disk.wwid}, and no portal is known to offer "
            f"all of these targets: {words}",
            hint="log out of the others, or, if you are certain that they are one disk: attach "
            f"--confirm {disk.wwid}",
        )


def require_usable(content: Content, device: str, wwid: str) -> None:
    """Raise RefusedError unless the disk is the expected one and no other host has it.

    `content.wwid` is what the disk itself reported around the probe, not what the kernel remembers:
    a LUN number may now lead to another disk. A SCSI-3 persistent reservation (SPC-4) means that
    another host is using the disk.
    """
    if content.wwid != wwid:
        raise RefusedError(
            f"{device} is no longer the disk {wwid}: it reports the WWID {content.wwid}",
            hint="the LUN was mapped to another disk; run: iscsictl rescan",
        )
    refusal = content.reservations.refusal(device)
    if refusal is not None:
        raise refusal


def require_writable(content: Content, device: str, wwid: str) -> None:
    """Raise RefusedError unless the disk may be used and is writable (SBC-3, the WP bit).

    The hint names the way to mount the existing filesystem without a write.
    """
    require_usable(content, device, wwid)
    if content.read_only:
        there = content.filesystem is not None
        also = ", or mount the filesystem read-only: --options ro" if there else ""
        raise RefusedError(
            f"{device} is read-only", hint=f"make the LUN writable on the array{also}"
        )


def matches_claim(content: Content, claim: FilesystemClaim) -> bool:
    """Tell whether everything on the disk can have been left by the claim's own interrupted run.

    `content` is that of the whole disk if the claim owns it, otherwise that of the partition that
    it names. The ids of table and partition must be the chosen ones. Data without a signature, and
    the filesystem itself, are explained only once mkfs has begun.
    """
    if content.blank:
        return True
    if any(part.has_content for part in content.stale_partitions):
        return False
    if not (claim.owns_disk and claim.table is not None):
        return (
            content.table is None
            and not content.partitions
            and _is_unfinished(content.signatures, content.data_at, claim)
        )
    if (content.table, content.table_id) != (claim.table, claim.table_id) or content.signatures:
        return False
    if len(content.partitions) != 1:
        return False
    (part,) = content.partitions
    wanted = (claim.part, claim.partition_id, claim.partition_type)
    return (
        (part.number, part.id, part.type) == wanted
        # Alignment and the copy of a GPT at the end take a few MiB; the rest is the partition.
        and part.size > content.size * 9 // 10 - (16 << 20)
        and _is_unfinished(part.signatures, part.data_at, claim)
    )


def _is_unfinished(
    signatures: Collection[Signature], data_at: int | None, claim: FilesystemClaim
) -> bool:
    """Tell whether this is what may be there before mkfs has begun, or after."""
    if not claim.begun:
        return not signatures and data_at is None
    return all(signature.uuid == claim.uuid for signature in signatures)


def claim_fits_table(table: Table | None, claim: FilesystemClaim) -> bool:
    """Tell whether the partition that the claim names is the one in the disk's partition table.

    Without a table, the claim must be one for the whole disk.
    """
    if table is None:
        return claim.table is None
    entry = None if claim.part is None else table.entry(claim.part)
    return (
        entry is not None
        and (table.label, table.id) == (claim.table, claim.table_id)
        and (entry.uuid, entry.type) == (claim.partition_id, claim.partition_type)
    )


def may_label(content: Content, ground: OverwriteGround) -> bool:
    """Tell, just before a partition table is written, whether the disk still permits that.

    By then, a confirmed disk has been wiped of its signatures; remaining data may be overwritten.
    """
    confirmed = ground is OverwriteGround.CONFIRMED
    return content.blank or (confirmed and not _has_structure(content))


def may_make_filesystem(content: Content, ground: OverwriteGround, claim: FilesystemClaim) -> bool:
    """Tell, just before mkfs, whether the disk is still in a state that `ground` permits.

    `content` is as for `matches_claim`. By then the claim is in fstab, a blank disk may have been
    given the claim's table, and a confirmed one has been wiped of its signatures.
    """
    match ground:
        case OverwriteGround.BLANK:
            return matches_claim(content, replace(claim, begun=False))
        case OverwriteGround.CLAIMED:
            return matches_claim(content, claim)
        case OverwriteGround.CONFIRMED:
            # Partitions that the kernel or udev still has were confirmed with the rest.
            return matches_claim(content, replace(claim, begun=True)) or (
                claim.table is None and not _has_structure(content)
            )


def _has_structure(content: Content) -> bool:
    return bool(content.table or content.partitions or content.signatures)


def overwrite_ground(
    content: Content, device: str, consent: Consent, *, claim: FilesystemClaim | None,
    keep: str = "",
) -> OverwriteGround:  # fmt: skip
    """Return why the disk may be overwritten. `claim` is the one for it in fstab, if any.

    `keep` is the part of the hint about keeping the content. Raises InUseError and RefusedError;
    the latter says what was found.
    """
    if content.usage:
        raise InUseError(
            f"{device} is in use: {', '.join(content.usage)}",
            hint=f"see what holds it: iscsictl detach {shell_form(device)} --dry-run",
        )
    require_writable(content, device, content.wwid)
    refusal = content.reservations.format_refusal(device)
    if refusal is not None:
        raise refusal
    # Before "blank" too: whoever named another disk has the wrong one in mind.
    if consent.wipe not in {None, content.wwid}:
        raise RefusedError(
            f"--confirm {consent.wipe} does not name this disk: {device} is {content.wwid}",
            hint="compare it with the array before you wipe anything",
        )
    # The ground is the mildest that holds: --wipe on a blank disk erases nothing.
    if content.blank:
        return OverwriteGround.BLANK
    if claim is not None and matches_claim(content, claim):
        return OverwriteGround.CLAIMED
    if consent.wipe is not None:
        return OverwriteGround.CONFIRMED
    raise RefusedError(
        f"{device} is not blank: it carries {content.description}",
        hint=f"{keep}to destroy it: --wipe --confirm {content.wwid}",
    )


def require_not_overmounted(used: DiskUsage) -> None:
    """Raise InUseError if an unmount would remove what is mounted over the disk's mount.

    umount(8) takes a path, and of several mounts on it the topmost is unmounted, whosever it is.
    """
    for path, source in used.covered:
        raise InUseError(
            f"{source} is mounted over {path}",
            hint=f"unmount that first: umount {shell_form(path)}",
        )


_REPAIR = {
    "ext2": "e2fsck", "ext3": "e2fsck", "ext4": "e2fsck", "vfat": "fsck.fat",
    "xfs": "mount and unmount it once", "btrfs": "btrfs rescue zero-log",
}  # fmt: skip


def may_adopt(filesystem: Filesystem, disk: Disk, disks: Iterable[Disk], consent: Consent) -> None:
    """Raise RefusedError unless a foreign filesystem may be mounted as it is.

    It must have a UUID, be the only one with it, and be known to have been unmounted cleanly:
    mounting a filesystem that another host has mounted destroys it, and replaying its journal while
    the other host uses it is a write. Raises ConsentRequiredError if a yes of the user would permit
    it. `disks` are as for `one_of_a_kind`.
    """
    what = f"{filesystem.type} filesystem on {filesystem.device}"
    label = f" labelled {filesystem.label!r}" if filesystem.label else ""
    if filesystem.uuid is None:
        raise RefusedError(f"the {what} has no UUID", hint="give it one, then attach it")
    one_of_a_kind(filesystem.uuid, disk, disks)
    if filesystem.dirty:
        repair = _REPAIR.get(filesystem.type, f"fsck.{filesystem.type}")
        raise RefusedError(
            f"the {what} was not unmounted cleanly: another host may have it mounted",
            hint=(
                f"unmount it there; if no host has it mounted, recover it by hand: {repair}, then "
                "--adopt"
            ),
        )
    if filesystem.dirty is None and not consent.adopt_unverified:
        raise ConsentRequiredError(
            f"{disk.block.device} is not blank: it has the {what}{label}, and {filesystem.type} "
            "does not record whether another host has it mounted",
            question=f"Mount the {what}{label} as it is? {filesystem.type} does not record "
            "whether another host has it mounted, and two hosts would destroy it.",
            grant="adopt-unverified",
            hint="to mount it as it is, if no other host has it mounted: --adopt-unverified; "
            f"to destroy it: --wipe --confirm {disk.wwid}",
        )
    if not (consent.adopt or consent.adopt_unverified):
        raise ConsentRequiredError(
            f"{disk.block.device} is not blank: it has the {what}{label}, which is not in "
            "/etc/fstab",
            question=f"Mount the {what}{label} as it is?",
            grant="adopt",
            hint=f"to mount it as it is: --adopt; to destroy it: --wipe --confirm {disk.wwid}",
        )


def one_of_a_kind(uuid: str, disk: Disk, disks: Iterable[Disk]) -> None:
    """Raise RefusedError if another disk has a copy of the disk's filesystem.

    `disks` are those of the host, at least all that have the UUID on them. fstab names filesystems
    by UUID, and it depends on chance which of two disks gets the link in /dev/disk/by-uuid. XFS
    refuses a second mount of a UUID, ext4 does not. Members of one btrfs, and devices that LVM or
    md span over several disks, are not copies.
    """
    others = [d.block.device for d in copies(uuid, disks, disk) if d is not disk]
    if others:
        raise RefusedError(
            f"the UUID {uuid} is also on {', '.join(others)}: one is a snapshot",
            hint="detach the other, or give the copy its own UUID (tune2fs -U, xfs_admin -U)",
        )
