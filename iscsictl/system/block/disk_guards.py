"""The checks before every write: which disk it is, and whether another host holds it."""

from dataclasses import dataclass
from pathlib import Path

from iscsictl.errors import InUseError, RefusedError, UnreachableError
from iscsictl.model.actions import DiskId
from iscsictl.model.shell_form import shell_form
from iscsictl.system.block import multipath, probe, reservations, scsi_commands
from iscsictl.system.io.sysfs_attributes import path_below, read_attribute


def require_same_disk(fd: int, disk: DiskId) -> None:
    """Raise RefusedError unless the disk itself says that it is the one that was planned.

    An array may map a LUN number to another disk at any time; the kernel's name stays the same.
    """
    names = scsi_commands.wwids(fd)
    if disk.wwid not in names:
        reported = ", ".join(sorted(names)) or "without a name"
        raise RefusedError(
            f"{disk.device} is not the disk {disk.wwid}: it reports the WWID {reported}",
            hint="the LUN was mapped to another disk; run: iscsictl rescan, and check again",
        )


def is_in_use(disk: DiskId, root: Path = Path("/")) -> bool:
    """Return whether the kernel reports a disk, or a partition of it, as opened exclusively."""
    for end in multipath.ends(disk.device, root):
        try:
            with probe.opened(end, exclusive=True):
                pass
        except InUseError:
            return True
    return False


@dataclass(frozen=True)
class PathIdentity:
    """What a path reports about its disk; `size` is in bytes, None if it is not reported."""

    path: str
    names: frozenset[str]
    serial: str | None
    size: int | None


def require_same_paths(
    disk: DiskId, root: Path = Path("/"), *, with_dead_paths: bool = False
) -> None:
    """Ask every path of a multipath map which disk it leads to; a plain disk is not asked.

    The map answers through one of its paths, and a write may use another. multipathd keeps a path
    whose LUN was mapped to another disk (recheck_wwid is off by default, multipath.conf(5)). Raises
    RefusedError if a path leads to another disk, and UnreachableError if one does not answer: it
    may work again by the time of the write. `with_dead_paths` skips such paths, and those that
    answer with an error and are not used by the map: an existing filesystem can be mounted while a
    path is down.
    """
    paths = multipath.paths_of(disk.device, root)
    if with_dead_paths:
        paths = tuple(path for path in paths if _read_scsi_state(path, root) == "running")
    found = []
    for path in paths:
        try:
            found.append(_identify_path(disk, path, root))
        except UnreachableError:
            if not (with_dead_paths and multipath.is_failed(path, root)):
                raise
    for one in found:
        if disk.wwid not in one.names:
            reported = ", ".join(sorted(one.names)) or "without a name"
            raise RefusedError(
                f"{one.path}, a path of {disk.device}, is not the disk {disk.wwid}: it reports "
                f"the WWID {reported}",
                hint="on that port of the array, the LUN was mapped to another disk; correct "
                f"that, or: multipathd del path {shell_form(Path(one.path).name)}; then "
                "rescan",
            )
    if len({(one.serial, one.size) for one in found}) > 1:
        words = "; ".join(f"{x.path} (serial {x.serial or 'none'}, {x.size} bytes)" for x in found)
        raise RefusedError(
            f"{disk.device} joins different disks: {words}",
            hint="give each LUN its own WWID on the array; until then, log out of the others",
        )


def _require_running(path: str, root: Path) -> None:
    """Raise UnreachableError for a disk that is blocked or offline: a command would hang."""
    state = _read_scsi_state(path, root)
    if state != "running":
        raise UnreachableError(f"its state is {state or 'unknown'}")


def _read_scsi_state(path: str, root: Path) -> str | None:
    """Return the state that sysfs shows for a SCSI disk, such as running or transport-offline."""
    return read_attribute(path_below(root, f"sys/class/block/{Path(path).name}/device/state"))


def _identify_path(disk: DiskId, path: str, root: Path) -> PathIdentity:
    try:
        _require_running(path, root)
        with probe.opened(path, exclusive=False) as fd:
            capacity = scsi_commands.capacity(fd)
            return PathIdentity(
                path,
                scsi_commands.wwids(fd),
                scsi_commands.unit_serial(fd),
                None if capacity is None else capacity.size,
            )
    except UnreachableError as error:
        raise UnreachableError(
            f"{path}, a path of {disk.device}, does not answer: {error.text}",
            hint="restore the path, or log out of its portal: nothing is written while a path may "
            "lead to another disk",
        ) from None


def require_unreserved(fd: int, disk: DiskId, *, reserved: bool = False) -> None:
    """Raise RefusedError if another host holds a SCSI-3 persistent reservation on the disk.

    With `reserved`, also if the reservation that this run made is gone: an array that was restarted
    may have lost it (APTPL is 0), and then nothing keeps other hosts out. Raises UnreachableError,
    ScsiError or GarbledAnswerError if the disk gives no valid answer.
    """
    found = reservations.read_reservations(fd)
    refusal = found.refusal(disk.device)
    if refusal is not None:
        raise refusal
    if reserved and not (found.is_ours and found.holder is not None):
        raise RefusedError(
            f"the array no longer has the reservation of {disk.device} that this run made: another "
            "host may write to it",
            hint=(
                "perhaps the array was restarted; run the command again: it reserves the LUN first"
            ),
        )


def verify_writable(disk: DiskId, *, reserved: bool = False) -> None:
    """Check identity and reservations again, immediately before a tool writes.

    Every path of a map is asked. With `reserved`, the reservation that this run made must still
    exist. Raises RefusedError, UnreachableError.
    """
    require_same_paths(disk)
    with probe.opened(disk.device, exclusive=False) as fd:
        require_same_disk(fd, disk)
        require_unreserved(fd, disk, reserved=reserved)
