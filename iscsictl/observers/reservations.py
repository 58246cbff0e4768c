"""The persistent reservations of LUNs, as far as they can be read at this moment."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from iscsictl.errors import InterruptError, IscsictlError, UnreachableError
from iscsictl.lazy_import import lazy_import
from iscsictl.model.fstab import Fstab
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Disk
from iscsictl.model.reservation import LunReservations
from iscsictl.system.block import probe
from iscsictl.system.block.reservations import read_reservations
from iscsictl.system.context import Context
from iscsictl.system.iscsi.sessions import read_listing
from iscsictl.system.mount import fstab_file

if TYPE_CHECKING:
    from iscsictl.system.block import path_nexus
else:
    # Needed only where a LUN has registrations.
    path_nexus = lazy_import("iscsictl.system.block.path_nexus")


def observe_exclusive(context: Context, *, asked: bool) -> Inventory:
    """Return fstab; and if `asked`, the disks of its exclusive entries with their reservations."""
    inventory = Inventory(fstab=fstab_file.read_fstab(context.root))
    if not asked:
        return inventory
    disks = read_listing(context.root, details=False).disks or ()
    found = observe_reservations(exclusive_disks(inventory.fstab, disks), context.root)
    return replace(inventory, disks=disks, reservations=found)


def exclusive_disks(fstab: Fstab, disks: Iterable[Disk]) -> list[Disk]:
    """Return the disks of exclusive entries: those that should have a reservation."""
    wwids = {line.wwid for line in fstab.ours if line.exclusive}
    return [disk for disk in disks if disk.wwid in wwids]


def observe_reservations(
    disks: Iterable[Disk], root: Path = Path("/")
) -> dict[str, LunReservations]:
    """Return the reservations of LUNs by WWID; a LUN that cannot be asked now is left out.

    A WWID that two disks have is left out, too, unless both report the same reservations.
    """
    answers: dict[str, list[LunReservations]] = {}
    for disk in disks:
        try:
            reservations = ask_reservations(disk, root)
        except InterruptError:
            raise
        except IscsictlError:
            continue
        if disk.wwid is not None:
            answers.setdefault(disk.wwid, []).append(reservations)
    return {
        wwid: replace(found[0], unregistered=tuple(x for one in found for x in one.unregistered))
        for wwid, found in answers.items()
        if found.count(found[0]) == len(found)
    }


def ask_reservations(disk: Disk, root: Path = Path("/")) -> LunReservations:
    """Return what a LUN reports over a working path, and which paths are not registered.

    A multipath map without a working path would queue the command. Raises UnreachableError if no
    path works, and what `read_reservations` raises.
    """
    working = [path for path in disk.paths if path.works]
    if not working:
        raise UnreachableError(
            f"the reservations of {disk.block.device} cannot be read: none of its paths works",
            hint="to see why: iscsictl doctor",
        )
    with probe.opened(working[0].device, exclusive=False) as fd:
        found = read_reservations(fd, root)
    if not found.registrations:
        return found
    return replace(
        found, unregistered=path_nexus.unregistered_paths(working, found.registrations, root)
    )
