"""The entries of fstab and crypttab for iSCSI disks: safe for a boot, and for the right disk."""

from collections.abc import Iterator

from iscsictl.model.finding import Finding, fail, ok, skip, warn
from iscsictl.model.fstab import Fstab
from iscsictl.model.host_facts import Machine
from iscsictl.model.inventory import Known, NotObserved, ReadFailed
from iscsictl.planner.safety import fstab_rules
from iscsictl.planner.safety.storage_graph import StorageFacts, storage_facts


def check(machine: Machine) -> Iterator[Finding]:
    """Report lines that would hang the boot or mount the wrong disk.

    The rules are those of `iscsictl fstab check`; the id of a finding is that of the rule, prefixed
    with the name of the file. Without root, crypttab is skipped.
    """
    match machine.fstab:
        case ReadFailed(error):
            yield fail("fstab-readable", error.text, "ls -l /etc/fstab")
        case NotObserved():
            yield skip("fstab-readable", "nobody looked")
        case Known(fstab):
            yield from _check_entries(machine, fstab)
    if isinstance(machine.crypttab, ReadFailed):
        yield skip("crypttab-readable", machine.crypttab.error.text, "sudo iscsictl doctor")


def _check_entries(machine: Machine, fstab: Fstab) -> Iterator[Finding]:
    facts = _gather_storage_facts(machine)
    wrong = set()
    for finding in fstab_rules.check_fstab(fstab, facts):
        if finding.file == "fstab":
            wrong.add(finding.line)
        make = fail if finding.severity == "fail" else warn
        text = f"line {finding.line}: {finding.text}"
        yield make(f"{finding.file}-{finding.id}", text, finding.fix, finding.subject)
    for line in fstab_rules.iscsi_entries(fstab, facts):
        if line.number not in wrong:
            yield ok("fstab-boot", "safe for a boot", line.mount_point or line.spec)


def _gather_storage_facts(machine: Machine) -> StorageFacts:
    return storage_facts(
        machine.listing.disks or (),
        machine.listing.sessions,
        known=machine.filesystems,
        links=machine.links,
        absent=machine.absent,
        records=machine.db.value.records if isinstance(machine.db, Known) else None,
        login_service=machine.systemd.login_service,
        login_startups=machine.systemd.login_startups,
        crypttab=machine.crypttab.value if isinstance(machine.crypttab, Known) else (),
        boot_targets=machine.boot_targets,
        inactive=machine.inactive,
    )
