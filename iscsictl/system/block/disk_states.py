"""Whether the disks below a block device accept commands; a map without a path queues its I/O."""

from pathlib import Path

from iscsictl.errors import UnreachableError
from iscsictl.system.io.sysfs_attributes import list_names, path_below, read_attribute


def disk_states(kname: str, root: Path = Path("/")) -> tuple[str, ...]:
    """Return the state of each SCSI disk that a block device stands on ("running", "blocked").

    Empty if there is none. `kname` is the kernel's name: sda1, dm-3.
    """
    base = path_below(root, f"sys/class/block/{kname}")
    if below := list_names(f"{base}/slaves"):
        return tuple(state for name in sorted(below) for state in disk_states(name, root))
    # The directory of a partition is inside that of its disk.
    places = (f"{base}/device/state", f"{base}/../device/state")
    found = (read_attribute(place) for place in places)
    return tuple(state for state in found if state is not None)[:1]


def takes_commands(kname: str, root: Path = Path("/")) -> bool:
    """Return whether I/O reaches a disk below a block device, according to the kernel.

    True if there is no SCSI disk below: other devices have no such state.
    """
    states = disk_states(kname, root)
    return not states or "running" in states


def require_path(device: str) -> None:
    """Raise UnreachableError for a map none of whose paths works.

    Its I/O waits for a path (no_path_retry), and SG_IO waits forever: neither a timeout nor a
    signal ends the calling process (drivers/md/dm-mpath.c).
    """
    if not device.startswith("/dev/mapper/"):
        return
    kname = Path(device).resolve().name
    if not takes_commands(kname):
        raise UnreachableError(
            f"no path of {device} works, so it cannot be read",
            hint="restore the array or a network path to it; see: iscsictl doctor",
        )
