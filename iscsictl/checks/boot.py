"""The disk that the machine itself boots from."""

from collections.abc import Iterator

from iscsictl.model.finding import Finding, ok, warn
from iscsictl.model.host_facts import Machine
from iscsictl.model.inventory import Known
from iscsictl.model.shell_form import shell_form


def check(machine: Machine) -> Iterator[Finding]:
    """Report whether the targets that the machine boots from are left to firmware and initramfs.

    Their records should be `onboot`, not `automatic`: when it is stopped, the login service may log
    out of automatic targets, and at shutdown the root filesystem still needs its disk at that time.
    """
    for target in sorted(machine.boot_targets):
        records = machine.db.value.records if isinstance(machine.db, Known) else ()
        wrong = [r for r in records if r.target == target and r.startup == "automatic"]
        if wrong:
            yield warn(
                "boot-firmware",
                "the machine boots from it, but its record is automatic: at shutdown the login "
                "service may log it out before the root filesystem is unmounted",
                f"iscsictl startup {shell_form(target)} onboot",
                target,
            )
        elif any(session.target == target for session in machine.listing.sessions):
            yield ok("boot-firmware", "the machine boots from it; it is never logged out", target)
        else:
            yield warn(
                "boot-firmware",
                "the firmware's boot table names it, but there is no session",
                "iscsictl boot login",
                target,
            )
