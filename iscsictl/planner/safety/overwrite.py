"""Whether a disk may be written, and why: blank, claimed or confirmed. Nothing else will do."""

import shlex

from iscsictl.errors import InUseError, RefusedError
from iscsictl.model.actions import OverwriteGround
from iscsictl.model.disk_content import Content, Filesystem
from iscsictl.model.inventory import DiskUsage
from iscsictl.model.listing import Disk
from iscsictl.model.spec import Consent
from iscsictl.planner.safety.duplicates import copies


class ConsentRequiredError(RefusedError):
    """Refused unless the user says yes; `grant` names what the yes gives."""

    def __init__(self, text: str, *, question: str, grant: str, hint: str) -> None:
        super().__init__(text, hint=hint)
        self.question = question
        self.grant = grant


def verify_identity(disk: Disk, disks: tuple[Disk, ...], wanted: str | None) -> str:
    """Return the WWID of the disk to write, if it is certain which disk that is.

    Raises RefusedError where it has none, is not the one that was named, or where two disks
    have it and no map stands over them.
    """
    device, wwid = disk.block.device, disk.wwid
    if wwid is None:
        raise RefusedError(f"{device} tells no WWID, so it cannot be told from other disks")
    if wanted is not None and wanted != wwid:
        raise RefusedError(
            f"{device} is the disk {wwid}, not {wanted}",
            hint="compare with the array; iscsictl ls -o json shows the WWIDs",
        )
    twins = [d.block.device for d in disks if d.wwid == wwid and d is not disk]
    if twins or (len(disk.paths) > 1 and disk.block.kind != "mpath"):
        names = ", ".join(sorted({device, *twins, *(p.device for p in disk.paths)}))
        raise RefusedError(
            f"{names} all say they are {wwid}, with no multipath map over them",
            hint="log out of all portals but one, or have multipathd running",
        )
    return wwid


def require_writable(content: Content, device: str, wwid: str) -> None:
    """Raise unless the disk is who it should be and takes writes."""
    if content.wwid != wwid:
        raise RefusedError(
            f"{device} is not the disk {wwid} any more: it says it is {content.wwid}",
            hint="the LUN was mapped to another disk; run: iscsictl rescan",
        )
    if content.reserved:
        raise RefusedError(
            f"{device} is under a SCSI-3 persistent reservation of another host",
            hint="see who holds it: sg_persist --in --read-full-status " + device,
        )
    if content.read_only:
        raise RefusedError(f"{device} is read-only", hint="make the LUN writable on the array")


def matches_claim(content: Content, uuid: str, table: str) -> bool:
    """Tell whether all that stands on the disk can be the work of a run that was stopped.

    Data without a signature may stand where an interrupted mkfs wrote; anything that has
    another name than the claimed one is foreign.
    """
    known = [s for s in content.signatures if s.uuid == uuid]
    if len(known) != len(content.signatures):
        return False
    if content.table is None and content.partitions:
        return False
    if table == "none":
        return content.table is None
    if content.table is None:
        return content.data_at is None and not content.signatures
    if content.table != table or content.signatures or len(content.partitions) > 1:
        return False
    inside = [s for part in content.partitions for s in part.signatures]
    spans = all(part.size > content.size * 9 // 10 - (16 << 20) for part in content.partitions)
    return spans and all(s.uuid == uuid for s in inside)


def may_write(content: Content, right: OverwriteGround, uuid: str, table: str) -> bool:
    """Tell, just before a write, whether the disk is still one that `right` stands for.

    By then our claim on `uuid` is in fstab, a disk that was blank may have got our table, and a
    confirmed one was wiped of its signatures. Data that no signature explains is forgiven only
    where a stopped run can have left it, or where the user confirmed that it goes.
    """
    if content.blank:
        return True
    ours = matches_claim(content, uuid, table)
    match right:
        case OverwriteGround.BLANK:
            return (
                ours
                and content.data_at is None
                and all(part.data_at is None and not part.signatures for part in content.partitions)
            )
        case OverwriteGround.CLAIMED:
            return ours
        case OverwriteGround.CONFIRMED:
            bare = content.table is None and not content.partitions and not content.signatures
            return ours or bare


def overwrite_ground(
    content: Content, device: str, consent: Consent, *, claim: str | None, table: str,
    keep: str = "keep it with --adopt if it is the filesystem you want; ",
) -> OverwriteGround:  # fmt: skip
    """Return why the disk may be overwritten. `claim` is the UUID of our claim on it, if any.

    `keep` is what the hint says of a way to keep what is there. Raises InUseError and RefusedError;
    the latter says what was found.
    """
    if content.users:
        raise InUseError(
            f"{device} is in use: {', '.join(content.users)}",
            hint=f"see what holds it: iscsictl detach {device} --dry-run",
        )
    require_writable(content, device, content.wwid)
    if consent.wipe not in {None, content.wwid}:
        raise RefusedError(
            f"--confirm {consent.wipe} does not name this disk: {device} is {content.wwid}",
            hint="compare with the array before you wipe anything",
        )
    if content.blank:
        return OverwriteGround.BLANK
    if claim is not None and matches_claim(content, claim, table):
        return OverwriteGround.CLAIMED
    if consent.wipe is not None:
        return OverwriteGround.CONFIRMED
    raise RefusedError(
        f"{device} is not blank: it carries {content.description}",
        hint=f"{keep}to destroy it: --wipe --confirm {content.wwid}",
    )


def require_not_overmounted(used: DiskUsage) -> None:
    """Raise InUseError where an unmount would take down what is mounted over the disk's mount."""
    for path, source in used.covered:
        raise InUseError(
            f"{source} is mounted over {path}",
            hint=f"unmount that first: umount {shlex.quote(path)}",
        )


def may_adopt(
    filesystem: Filesystem, disk: Disk, disks: tuple[Disk, ...], consent: Consent
) -> None:
    """Raise unless a foreign filesystem may be mounted as it is."""
    what = f"{filesystem.type} filesystem on {filesystem.device}"
    label = f" labelled {filesystem.label!r}" if filesystem.label else ""
    if filesystem.uuid is None:
        raise RefusedError(f"the {what} has no UUID", hint="give it one, then attach it")
    one_of_a_kind(filesystem.uuid, disk, disks)
    if filesystem.dirty:
        raise RefusedError(
            f"the {what} was not unmounted cleanly: another host may have it mounted",
            hint="unmount it there; if no host has it, recover it by hand: e2fsck, then --adopt",
        )
    if not consent.adopt:
        raise ConsentRequiredError(
            f"{disk.block.device} is not blank: no line of /etc/fstab knows the {what}{label}",
            question=f"Mount the {what}{label} as it is?",
            grant="adopt",
            hint="to mount it as it is: --adopt",
        )


def one_of_a_kind(uuid: str, disk: Disk, disks: tuple[Disk, ...]) -> None:
    """Raise RefusedError where another disk has a copy of the disk's filesystem."""
    others = [d.block.device for d in copies(uuid, disks, disk) if d is not disk]
    if others:
        raise RefusedError(
            f"the UUID {uuid} is also on {', '.join(others)}: one is a snapshot",
            hint="detach the other, or give the copy its own UUID (tune2fs -U, xfs_admin -U)",
        )
