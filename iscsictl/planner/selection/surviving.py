"""Which disks still work while one of their paths does not."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from iscsictl.model.host_index import HostIndex
from iscsictl.model.listing import Disk, Path, Session


def has_surviving_path(disk: Disk, leaving: AbstractSet[int | None], index: HostIndex) -> bool:
    """Tell whether there is a map over the disk and a path that stays serves I/O.

    `leaving` are the ids of the sessions that end. A path serves I/O if its session is up and its
    state in the kernel is `running`, unless its map has it as `failed` or the array does not serve
    the LUN over it (ALUA). One that is standby does not count: the array moves the LUN when it
    loses a controller, not when a host logs out of one. Without a map, I/O cannot avoid a lost
    path.
    """
    return any(not path.is_passive for path in _remaining_paths(disk, leaving, index))


def describe_passive_paths(disk: Disk, leaving: AbstractSet[int | None], index: HostIndex) -> str:
    """Return the paths of a map that stay, but over which the array serves no reads and writes.

    The words follow those that say who uses the disk; "" if no such path stays. `leaving` is as for
    `has_surviving_path`.
    """
    states = ", ".join(
        f"{path.device} is {path.access}"
        for path in _remaining_paths(disk, leaving, index)
        if path.is_passive
    )
    return f"; the array serves it over no other path: {states}" if states else ""


def _remaining_paths(
    disk: Disk, leaving: AbstractSet[int | None], index: HostIndex
) -> Iterator[Path]:
    """Yield the paths of a map over which commands still get to the array."""
    for path in disk.paths if disk.block.kind == "mpath" else ():
        if path.state == "running" and path.sid not in leaving and index.is_up(path.sid):
            yield path


def has_other_paths(target: str, session: Session | None, index: HostIndex) -> bool:
    """Tell whether I/O avoids a session that does not work, or that is missing (None).

    It does if every disk that the session leads to is a map that another session serves; for a
    missing session, these are the disks that the other sessions to the target lead to. Under a map,
    a session that is down is not an outage: multipathd fails its path after 5 s (fast_io_fail_tmo).
    """
    if session is None:
        down, behind = set(), index.disks_of_target(target)
    else:
        down, behind = {session.sid}, index.disks_of_session(session.sid)
    return bool(behind) and all(has_surviving_path(disk, down, index) for disk in behind)


def is_under_maps(session: Session, index: HostIndex) -> bool:
    """Tell whether all disks that a session leads to are maps; False if it leads to none.

    With no path left, I/O waits in the map, for `no_path_retry` checks (multipath.conf(5)); the
    recovery timeout of the session only ends the use of its path.
    """
    behind = index.disks_of_session(session.sid)
    return bool(behind) and all(disk.block.kind == "mpath" for disk in behind)
