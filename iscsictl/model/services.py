"""systemd units and running daemons."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Daemon:
    """A running daemon: its state as in ps(1); `replaced`: an upgrade replaced its file."""

    pid: int
    state: str = "S"
    replaced: bool = False

    @property
    def stopped(self) -> bool:
        """Whether a signal or a debugger has stopped it, so that it does not answer.

        State T or t in /proc/PID/stat (proc(5)).
        """
        return self.state in {"T", "t"}


@dataclass(frozen=True)
class Unit:
    """A systemd unit according to its files; `active` is None if systemd was not asked.

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
    """The relevant units, by name, and the services that tell systemd that the network is online.

    `stale`: fstab or a unit is newer than what systemd last read. `login_startups` are the values
    of node.startup for which the login service logs in. `iscsid_by_udev`: udev has systemd start
    iscsid when a disk of a session appears.
    """

    running: bool = True
    login_service: str = "open-iscsi.service"
    login_startups: frozenset[str] = frozenset({"automatic"})
    units: Mapping[str, Unit] = field(default_factory=dict)
    online_providers: tuple[str, ...] = ()
    stale: bool = False
    iscsid_by_udev: bool = False
