"""LUNs that are no longer what the kernel believes: unmapped, another disk, or smaller.

The kernel keeps the name and the size of a disk until it is told to read them again, so a
filesystem may go on writing to another disk, or beyond the end of its own.
"""

from collections.abc import Iterator

from iscsictl.model.host_index import HostIndex
from iscsictl.model.inventory import DiskAnswers
from iscsictl.model.listing import Disk, Lun, Session
from iscsictl.model.shell_form import shell_form


def find_replaced_luns(session: Session, answers: DiskAnswers) -> Iterator[tuple[Lun, str]]:
    """Yield the LUNs of a session that are gone or are now another disk, with the reason.

    A LUN is gone if REPORT LUNS does not list it, or the target answered that it has no such LUN
    (an empty set of names). If a target or disk could not be asked, or did not know the command,
    nothing is reported, because that proves nothing.
    """
    shown = answers.luns.get(session.sid or 0)
    for unit in session.luns or ():
        if unit.hctl is None or unit.device is None:
            continue
        names = answers.names.get(unit.hctl)
        if (shown is not None and unit.lun not in shown) or names == frozenset():
            yield unit, "the target no longer has it"
        elif names and unit.wwid is not None and unit.wwid not in names:
            yield unit, f"it is now another disk: {min(names)}, not {unit.wwid}"


def find_shrunk_luns(
    session: Session, index: HostIndex, answers: DiskAnswers
) -> Iterator[tuple[Lun, Disk, str]]:
    """Yield the LUNs of a session that are now smaller than the kernel believes.

    Whatever a filesystem has beyond the new end is lost, and the kernel cuts it off at the next
    rescan. A size that could not be read, or that the kernel has not reported, is ignored.
    """
    for unit in session.luns or ():
        size = answers.sizes.get(unit.hctl or "")
        disk = index.disk_of_path(session.sid, unit.hctl)
        has = None if disk is None else disk.block.size
        if disk is not None and size is not None and has is not None and size < has:
            yield unit, disk, f"it now has {size} bytes, not {has}"


def remove_path_command(unit: Lun) -> str:
    """Return the command after which a map no longer uses a path that is now another disk.

    The map continues over its other paths. `rescan` then removes the disk of the path, before
    multipathd can add it again.
    """
    return f"multipathd del path {shell_form((unit.device or '').removeprefix('/dev/'))}"
