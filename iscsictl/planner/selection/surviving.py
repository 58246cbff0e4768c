"""Which disks still work while one of their paths does not."""

from collections.abc import Set as AbstractSet

from iscsictl.model.host_index import HostIndex
from iscsictl.model.listing import Disk, Session


def has_surviving_path(disk: Disk, leaving: AbstractSet[int | None], index: HostIndex) -> bool:
    """Tell whether there is a map over the disk and a path that stays works.

    `leaving` are the ids of the sessions that end. A path works if its session is up and its state
    in the kernel is `running`, unless its map has it as `failed` or the array does not serve the
    LUN over it; without a map, I/O cannot avoid a lost path.
    """
    return disk.block.kind == "mpath" and any(
        path.state == "running" and path.works and path.sid not in leaving and index.is_up(path.sid)
        for path in disk.paths
    )


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
