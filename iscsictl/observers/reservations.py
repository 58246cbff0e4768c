"""The persistent reservations of LUNs, as far as they can be asked just now."""

from collections.abc import Iterable
from pathlib import Path

from iscsictl.errors import InterruptError, IscsictlError
from iscsictl.model.listing import Disk
from iscsictl.model.reservation import LunReservations
from iscsictl.system.block import probe
from iscsictl.system.block.reservations import read_reservations


def observe_reservations(
    disks: Iterable[Disk], root: Path = Path("/")
) -> dict[str, LunReservations]:
    """Return by WWID what these LUNs say; one that cannot be asked, or only by root, is left out.

    Each is asked over a path that works: a multipath map without one would keep the question.
    """
    found = {}
    for disk in disks:
        working = [path.device for path in disk.paths if path.state in {"running", None}]
        if disk.wwid is None or not working:
            continue
        try:
            with probe.opened(working[0], exclusive=False) as fd:
                found[disk.wwid] = read_reservations(fd, root)
        except InterruptError:
            raise
        except IscsictlError:
            continue
    return found
