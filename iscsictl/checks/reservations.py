"""Whether exclusive volumes are reserved for this host, now and after the next boot."""

from collections.abc import Iterator

from iscsictl.model.finding import Finding, fail, ok, skip
from iscsictl.model.fstab import FstabLine
from iscsictl.model.host_facts import Machine
from iscsictl.model.inventory import Known
from iscsictl.model.listing import Disk
from iscsictl.model.reservation import format_key
from iscsictl.model.reserve_unit import TEMPLATE
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.disks.new_filesystem import is_kept_over


def check(machine: Machine) -> Iterator[Finding]:
    """Report, for each exclusive entry of fstab, who holds its LUN.

    LUNs that are missing are left to the checks of sessions.
    """
    entries = machine.fstab.value.ours if isinstance(machine.fstab, Known) else ()
    exclusive = [line for line in entries if line.exclusive and not line.is_claim]
    for line in exclusive:
        disk = next((d for d in machine.listing.disks or () if d.wwid == line.wwid), None)
        if disk is not None:
            yield _check_reservation(machine, line, disk)
    if exclusive and machine.systemd.running and machine.reserve_program is None:
        path = exclusive[0].mount_point or exclusive[0].uuid
        yield fail(
            "reservation-unit",
            f"/etc/systemd/system/{TEMPLATE} or the program that it runs is missing: {path} is "
            "not mounted at boot",
            f"run the attach command of {shell_form(path)} again, with --exclusive",
        )


def _check_reservation(machine: Machine, line: FstabLine, disk: Disk) -> Finding:
    path = line.mount_point or line.uuid or ""
    known = machine.reservations.value if isinstance(machine.reservations, Known) else {}
    reservations = known.get(disk.wwid or "")
    if reservations is None:
        why = "the disk did not answer" if machine.root else "only root can query a disk"
        fix = "iscsictl doctor" if machine.root else "sudo iscsictl doctor"
        return skip(
            "reservation", f"cannot tell who has reserved {disk.block.device}: {why}", fix, path
        )
    refusal = reservations.exclusive_refusal(disk.block.device)
    if refusal is not None:
        return fail("reservation", refusal.text, refusal.hint or "iscsictl ls --long", path)
    if not is_kept_over(disk, reservations):
        return fail(
            "reservation",
            f"{disk.block.device} is not reserved over all of its paths (it is held by "
            f"{reservations.held_by}): another host can write to it, or this host cannot",
            "iscsictl reconnect",
            path,
        )
    key = "" if reservations.own_key is None else f", key {format_key(reservations.own_key)}"
    return ok("reservation", f"{disk.block.device} is reserved for this host{key}", path)
