"""The clock, on which comparing logs, generated names and certificates depend."""

from collections.abc import Iterator

from iscsictl.model.finding import Finding, fail, ok, skip, warn
from iscsictl.model.host_facts import Machine
from iscsictl.model.packages import install_command

# 2024-01-01 in epoch seconds: iscsictl itself is newer.
EARLIEST = 1704067200.0


def check(machine: Machine) -> Iterator[Finding]:
    """Report whether the clock is right, according to the kernel (adjtimex(2)).

    A time before EARLIEST means that the clock was never set, as on a board without a battery.
    """
    clock = machine.clock
    if 0 < clock.now < EARLIEST:
        yield fail(
            "clock",
            "the clock is years behind",
            "timedatectl set-ntp true; then: hwclock --systohc",
        )
    elif clock.synchronized is None:
        yield skip("clock", "the kernel does not report whether the clock is synchronized")
    elif clock.synchronized:
        yield ok("clock", "synchronized with a time server")
    else:
        yield warn(
            "clock",
            "no time server keeps the clock right: logs of host and array cannot be compared",
            _time_server_fix(machine),
        )


def _time_server_fix(machine: Machine) -> str:
    if machine.kernel.contained:
        return (
            "synchronize the clock of this container's host: the container has no clock of its own"
        )
    chrony = install_command("chrony", machine.package_manager)
    return f"{chrony}, or: timedatectl set-ntp true" if machine.systemd.running else chrony
