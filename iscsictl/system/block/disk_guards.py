"""What every writer asks of a disk first: which disk it is, and whether another host holds it."""

from iscsictl.errors import RefusedError
from iscsictl.model.actions import DiskId
from iscsictl.system.block import probe, scsi_commands


def require_same_disk(fd: int, disk: DiskId) -> None:
    """Raise RefusedError unless the disk itself says that it is the one that was planned.

    A LUN number may be mapped to another disk at any time, and the kernel keeps its name.
    """
    names = scsi_commands.wwids(fd)
    if disk.wwid not in names:
        told = ", ".join(sorted(names)) or "without a name"
        raise RefusedError(
            f"{disk.device} is not the disk {disk.wwid}: it says it is {told}",
            hint="the LUN was mapped to another disk; run: iscsictl rescan, and look again",
        )


def require_unreserved(fd: int, disk: DiskId) -> None:
    """Raise RefusedError where a host holds a SCSI-3 persistent reservation on the disk."""
    if scsi_commands.reserved(fd):
        raise RefusedError(
            f"{disk.device} is under another host's SCSI-3 persistent reservation",
            hint="release it on the host that holds it: sg_persist --in --read-full-status",
        )


def verify_writable(disk: DiskId) -> None:
    """Ask the disk both, as the last thing before a tool writes: what was read may be old by then.

    Raises RefusedError, UnreachableError.
    """
    with probe.opened(disk.device, exclusive=False) as fd:
        require_same_disk(fd, disk)
        require_unreserved(fd, disk)
