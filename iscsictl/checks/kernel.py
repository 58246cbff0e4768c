"""The running kernel and its modules."""

from collections.abc import Iterator

from iscsictl.model.finding import Finding, Level, fail, ok, warn
from iscsictl.model.host_facts import Machine, ModuleState
from iscsictl.model.inventory import Known
from iscsictl.model.transports import TRANSPORT_MODULES

#: How to get the modules of the running kernel back.
_GONE = "reboot into an installed kernel, or install the package of the running one"
_FINE: frozenset[ModuleState] = frozenset({"loaded", "builtin", "loadable"})


def wanted_transports(machine: Machine) -> tuple[str, ...]:
    """Return the transports that the records use, sorted; plain TCP if there are no records.

    The transport of a record is that of its interface definition or, without one, its own. Records
    that could not be read do not count.
    """
    if not isinstance(machine.db, Known):
        return ("tcp",)
    db = machine.db.value
    by_name = {iface.name: iface.transport for iface in db.ifaces}
    used = {by_name.get(record.iface, record.transport) for record in db.records}
    return tuple(sorted(used)) or ("tcp",)


def check(machine: Machine) -> Iterator[Finding]:
    """Report whether the kernel modules that iSCSI needs are loaded or can be loaded.

    After an upgrade, the directory of the running kernel in /lib/modules may be gone; then only the
    modules that are already loaded work until the reboot. A container has the kernel of its host.
    """
    kernel = machine.kernel
    release = kernel.release or "of unknown release"
    transports = tuple(_check_transports(machine))
    if kernel.has_modules:
        yield ok("kernel-modules", f"kernel {release}", release)
    elif kernel.contained:
        yield ok("kernel-modules", f"kernel {release}, of the host of this container", release)
    # The finding about a missing module mentions the directory already.
    elif all(finding.level is Level.OK for finding in transports):
        yield warn(
            "kernel-modules",
            f"/lib/modules/{release} does not exist: the running kernel's modules were removed",
            _GONE,
            release,
        )
    yield from transports


def _check_transports(machine: Machine) -> Iterator[Finding]:
    for transport in wanted_transports(machine):
        module = TRANSPORT_MODULES.get(transport)
        if module is None:
            yield fail(
                "kernel-transport",
                f"a record has the transport {transport}, which open-iscsi does not have",
                "iscsictl iface show",
                transport,
            )
            continue
        yield _check_module(machine, module, transport)


def _check_module(machine: Machine, module: str, transport: str) -> Finding:
    kernel = machine.kernel
    state = kernel.modules.get(module, "missing")
    if state in _FINE:
        return ok("kernel-transport", f"{module} is {state}", transport)
    if state == "blocked":
        where = kernel.blockers.get(module, "/etc/modprobe.d")
        return fail(
            "kernel-transport",
            f"{module} cannot be loaded: {where} forbids it",
            f"delete the line about {module} from {where}, then: modprobe {module}",
            transport,
        )
    problem = f"the running kernel has no module {module}"
    fix = (
        "install the full kernel package (linux-image-ARCH on Debian, kernel-modules on "
        "RHEL) and reboot"
    )
    if kernel.contained:
        fix = f"on the host of this container: modprobe {module}"
    elif not kernel.has_modules:
        problem, fix = f"{problem}: there is no /lib/modules/{kernel.release or 'of it'}", _GONE
    return fail("kernel-transport", problem, fix, transport)
