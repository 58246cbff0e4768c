"""Which disks still work while one of their paths does not."""

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet

from iscsictl.model.listing import Disk, Session


def has_surviving_path(
    disk: Disk, leaving: AbstractSet[int | None], sessions: Iterable[Session]
) -> bool:
    """Tell whether a map stands over the disk and a path that stays works.

    `leaving` are the ids of the sessions that go. A path works where its session is up and the
    kernel has its state as `running`; without a map nothing goes around a lost path.
    """
    up = {s.sid for s in sessions if s.status == "up"} - leaving
    return disk.block.kind == "mpath" and any(
        path.sid in up and path.state == "running" for path in disk.paths
    )


def disks_with_maps(disks: Iterable[Disk] | None) -> tuple[Disk, ...]:
    """Return the disks, or none of them where no map is among them: then nothing has two paths.

    None, for disks that are not known, is none too.
    """
    found = tuple(disks or ())
    return found if any(disk.block.kind == "mpath" for disk in found) else ()


def has_other_paths(
    target: str, session: Session | None, disks: Iterable[Disk], sessions: Collection[Session]
) -> bool:
    """Tell whether I/O goes around a session that does not work, or that is missing (None).

    It does where every disk that the session leads to is a map that another session serves; for
    one that is missing these are the disks that the other sessions to the target lead to. Under a
    map a session that is down is no outage: multipathd fails its path after 5 s (fast_io_fail_tmo).
    """
    disks = tuple(disks)
    if not disks:
        return False
    down = set() if session is None else {session.sid}
    sids = {one.sid for one in sessions if one.target == target} if session is None else down
    behind = [disk for disk in disks if any(path.sid in sids for path in disk.paths)]
    return bool(behind) and all(has_surviving_path(disk, down, sessions) for disk in behind)


def is_under_maps(session: Session, disks: Iterable[Disk]) -> bool:
    """Tell whether all disks that a session leads to are maps; False where it leads to none.

    With no path left it is the map that lets I/O wait, for `no_path_retry` checks
    (multipath.conf(5)); the recovery timeout of the session only ends the use of its path.
    """
    behind = [disk for disk in disks if any(path.sid == session.sid for path in disk.paths)]
    return bool(behind) and all(disk.block.kind == "mpath" for disk in behind)
