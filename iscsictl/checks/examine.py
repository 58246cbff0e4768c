"""All rules of `doctor`, in the order of the layers."""

from collections.abc import Callable, Iterator

from iscsictl.checks import (
    boot,
    changed_luns,
    clock,
    filesystem,
    firewall,
    fstab,
    kernel,
    multipath,
    names,
    network,
    nodedb,
    portals,
    reservations,
    security,
    services,
    sessions,
    timeouts,
    tools,
)
from iscsictl.model.finding import Finding
from iscsictl.model.host_facts import Machine

CHECKS: tuple[Callable[[Machine], Iterator[Finding]], ...] = (
    kernel.check,
    tools.check,
    services.check,
    boot.check,
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
