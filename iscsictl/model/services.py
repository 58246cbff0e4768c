"""Units of systemd, and running daemons."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Daemon:
    """A running daemon: its state as ps(1) has it; `replaced` if its file was, by an upgrade."""

    pid: int
    state: str = "S"
    replaced: bool = False

    @property
    def stopped(self) -> bool:
        """Whether a signal or a debugger stopped it, so that it answers nobody.

        State T or t in /proc/PID/stat (proc(5)).
        """
        return self.state in {"T", "t"}


@dataclass(frozen=True)
class Unit:
    """A unit of systemd as its files say it; `active` is None where systemd was not asked.

    `environment` has the names of the variables that it sets, without their values.
    """

    name: str
    defined: bool = False
    enabled: bool = False
    masked: bool = False
    after: frozenset[str] = frozenset()
    before: frozenset[str] = frozenset()
    active: str | None = None
    environment: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Systemd:
    """The units that matter, by name, and who tells systemd that the network is there.

    `stale` is set where fstab or a unit is newer than what systemd last read. `login_startups` are
    the values of node.startup that the login service logs in to. `iscsid_by_udev`: udev has systemd
    start iscsid when a disk of a session appears.
    """

    running: bool = True
    login_service: str = "open-iscsi.service"
    login_startups: frozenset[str] = frozenset({"automatic"})
    units: Mapping[str, Unit] = field(default_factory=dict)
    online_providers: tuple[str, ...] = ()
    stale: bool = False
    iscsid_by_udev: bool = False
