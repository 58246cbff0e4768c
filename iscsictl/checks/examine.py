"""All checks of `doctor`, in the order of the layers."""

from collections.abc import Callable, Iterator

from iscsictl.checks import (
    boot,
    changed_luns,
    clock,
    filesystem,
    firewall,
    fstab,
    initramfs,
    kernel,
    multipath,
    names,
    network,
    nodedb,
    portals,
    reservations,
    root_session,
    security,
    services,
    sessions,
    timeouts,
    tools,
)
from iscsictl.model.finding import Finding
from iscsictl.model.host_facts import Machine

#: The checks of `boot check`: the layers below a root filesystem on iSCSI.
BOOT_CHECKS: tuple[Callable[[Machine], Iterator[Finding]], ...] = (
    boot.check,
    initramfs.check,
    root_session.check,
)
CHECKS: tuple[Callable[[Machine], Iterator[Finding]], ...] = (
    kernel.check,
    tools.check,
    services.check,
    *BOOT_CHECKS,
    names.check,
    nodedb.check,
    sessions.check,
    portals.check,
    network.check,
    firewall.check,
    clock.check,
    multipath.check,
    changed_luns.check,
    reservations.check,
    filesystem.check,
    fstab.check,
    timeouts.check,
    security.check,
)


def examine(machine: Machine) -> tuple[Finding, ...]:
    """Return the findings of all checks, in the order of the layers, from the kernel up.

    What could not be observed is skipped by the check that needs it. No check reads the machine or
    depends on another.
    """
    return tuple(finding for check in CHECKS for finding in check(machine))


def examine_boot(machine: Machine) -> tuple[Finding, ...]:
    """Return the findings about the next boot; none if `machine.root_boot` is None."""
    if machine.root_boot is None:
        return ()
    # If booting from iSCSI is only planned, the machine does not boot from a target yet.
    checks = BOOT_CHECKS[1:] if machine.root_boot.is_planned else BOOT_CHECKS
    return tuple(finding for check in checks for finding in check(machine))
