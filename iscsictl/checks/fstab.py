"""The lines of fstab for iSCSI disks: safe for a boot, and of the disk that was meant."""

from collections.abc import Iterator

from iscsictl.model.finding import Finding, fail, ok, skip, warn
from iscsictl.model.fstab import Fstab
from iscsictl.model.host_facts import Machine
from iscsictl.model.inventory import Known, NotObserved, ReadFailed
from iscsictl.planner.safety import fstab_rules


def check(machine: Machine) -> Iterator[Finding]:
    """Tell which lines would hang a boot, or mount the wrong disk."""
    match machine.fstab:
        case ReadFailed(error):
            yield fail("fstab-readable", error.text, "ls -l /etc/fstab")
        case NotObserved():
            yield skip("fstab-readable", "nobody looked")
        case Known(fstab):
            yield from _lines(machine, fstab)


def _lines(machine: Machine, fstab: Fstab) -> Iterator[Finding]:
    facts = _facts(machine)
    wrong = set()
    for found in fstab_rules.check_fstab(fstab, facts):
        wrong.add(found.line)
        make = fail if found.severity == "fail" else warn
        text = f"line {found.line}: {found.text}"
        yield make(f"fstab-{found.id}", text, found.fix, found.subject)
    for line in fstab.entries:
        if line.number not in wrong and fstab_rules.is_iscsi(line, facts):
            yield ok("fstab-boot", "safe for a boot", line.mount_point or line.spec)


def _facts(machine: Machine) -> fstab_rules.Machine:
    listing = machine.listing
    disks = listing.disks or ()
    facts = fstab_rules.machine_of(
        disks,
        machine.specs,
        machine.filesystems,
        machine.db.value.records if isinstance(machine.db, Known) else None,
        machine.systemd.login_service,
    )
    return fstab_rules.iscsi_devices_behind(facts, disks, listing.sessions)
