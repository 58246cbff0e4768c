"""All rules of `doctor`, in the order of the layers."""

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

#: Those of `boot check`: the layers below the root filesystem, where that is on iSCSI.
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
    """Return what all checks find, in the order of the layers, from the kernel up.

    What could not be observed is skipped by the check that needs it. No check reads the machine, or
    depends on another.
    """
    return tuple(finding for check in CHECKS for finding in check(machine))


def examine_boot(machine: Machine) -> tuple[Finding, ...]:
    """Return what the checks on the next boot find; nothing where `machine.root_boot` is None."""
    if machine.root_boot is None:
        return ()
    # What is planned to be booted from is not yet booted from.
    checks = BOOT_CHECKS[1:] if machine.root_boot.is_planned else BOOT_CHECKS
    return tuple(finding for check in checks for finding in check(machine))
