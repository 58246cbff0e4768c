"""Whether the disks of mounts, and the paths of maps, are still the same disks."""

from collections.abc import Iterable, Iterator

from iscsictl.model.finding import Finding, fail, ok
from iscsictl.model.host_facts import Machine
from iscsictl.model.host_index import HostIndex
from iscsictl.model.inventory import DiskAnswers, Known
from iscsictl.model.listing import Lun, Session, mount_paths
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.safety.changed_luns import (
    find_replaced_luns,
    find_shrunk_luns,
    remove_path_command,
)
from iscsictl.planner.selection.surviving import has_surviving_path


def check(machine: Machine) -> Iterator[Finding]:
    """Report disks of mounts and maps that are gone, replaced or smaller, and unhandled changes.

    Nothing is reported about a disk that was not asked or did not answer in time. A change of LUNs
    in the kernel's log is a failure unless REPORT LUNS agrees with the kernel's disks.
    """
    known = machine.disk_answers
    answers = known.value if isinstance(known, Known) else DiskAnswers()
    changed = machine.trouble.value.lun_changes if isinstance(machine.trouble, Known) else ()
    for session in machine.listing.sessions:
        yield from _check_mounted_disks(session, machine.index, answers)
        own = {unit.hctl for unit in session.luns or ()}
        shown = answers.luns.get(session.sid or 0)
        if own & set(changed) and (shown is None or not _is_as_kernel_has_it(session, shown)):
            yield fail(
                "disk-changed",
                f"the kernel reports that LUNs of {session.target} have changed",
                f"iscsictl rescan {shell_form(session.target)}",
                session.target,
            )


def _is_as_kernel_has_it(session: Session, reported: Iterable[int]) -> bool:
    """Return whether REPORT LUNS agrees with the kernel; it may omit a controller without a disk.

    The kernel always asks LUN 0 (scsi_scan.c), even if the target does not report it.
    """
    disks = {unit.lun for unit in session.luns or () if unit.device is not None}
    return disks <= set(reported) <= session.settled_luns


def _check_mounted_disks(
    session: Session, index: HostIndex, answers: DiskAnswers
) -> Iterator[Finding]:
    wrong = [(unit, why) for unit, why in find_replaced_luns(session, answers)]
    wrong += [(unit, why) for unit, _, why in find_shrunk_luns(session, index, answers)]
    for disk in index.disks_of_session(session.sid):
        paths = mount_paths(disk.block)
        hctls = {path.hctl for path in disk.paths if path.sid == session.sid}
        reasons = [(unit, why) for unit, why in wrong if unit.hctl in hctls]
        device, path = disk.block.device, paths[0] if paths else None
        if not hctls & answers.names.keys():
            continue
        if path is None:
            # Nothing writes to a disk that is not mounted, so that is left to `rescan`. But later
            # writes to a map would go to two disks.
            if reasons and disk.block.kind == "mpath":
                yield _report_foreign_path(session, device, *reasons[0])
            continue
        if reasons:
            unit, why = reasons[0]
            rescan = f"iscsictl rescan {shell_form(session.target)}"
            fix = (
                "do not write to it: map the LUN on the array as before, or umount "
                f"{shell_form(path)}, then: {rescan}"
            )
            if has_surviving_path(disk, frozenset({session.sid}), index):
                fix = f"{remove_path_command(unit)}; then: {rescan}"
                why = f"its path {unit.device}: {why}"
            yield fail("disk-changed", f"{device} is mounted on {path}, but {why}", fix, device)
        else:
            yield ok("disk-changed", "it is the disk that was mounted, with the same size", device)


def _report_foreign_path(session: Session, device: str, unit: Lun, why: str) -> Finding:
    return fail(
        "disk-changed",
        f"one of the paths of {device} leads elsewhere: {unit.device}: {why}",
        f"{remove_path_command(unit)}; then: iscsictl rescan {shell_form(session.target)}",
        device,
    )
