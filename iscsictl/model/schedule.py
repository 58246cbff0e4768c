"""Words of `schedule`: the files that have reconnect run by itself, and how they come about."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from iscsictl.model.packages import PackageManager
from iscsictl.model.plan import Action

Method = Literal["systemd", "cron"]

SERVICE = "/etc/systemd/system/iscsictl-reconnect.service"
TIMER = "/etc/systemd/system/iscsictl-reconnect.timer"
SERVICE_UNIT = "iscsictl-reconnect.service"
TIMER_UNIT = "iscsictl-reconnect.timer"
#: The period and the options, where a package brought the units.
TIMER_DROP_IN = "/etc/systemd/system/iscsictl-reconnect.timer.d/schedule.conf"
SERVICE_DROP_IN = "/etc/systemd/system/iscsictl-reconnect.service.d/schedule.conf"
#: The prune before each reconnect, whoever brought the units.
PRUNE_DROP_IN = "/etc/systemd/system/iscsictl-reconnect.service.d/prune.conf"
#: The unit of each drop-in.
DROP_INS = {
    TIMER_DROP_IN: TIMER_UNIT,
    SERVICE_DROP_IN: SERVICE_UNIT,
    PRUNE_DROP_IN: SERVICE_UNIT,
}
# No dot in the name: cron(8) of Debian passes over files that have one.
CRON = "/etc/cron.d/iscsictl"


@dataclass(frozen=True)
class Cron:
    """A cron that reads /etc/cron.d: its name, and whether it runs now."""

    name: str
    runs: bool


@dataclass(frozen=True)
class PackagedUnits:
    """The service and the timer that a package brought, and the program that the service runs."""

    files: tuple[str, ...]
    program: str


@dataclass(frozen=True)
class Scheduled:
    """What is there: the text of each file of ours by path, the timer, and who would run it.

    `files` are those in /etc, `packaged` the units in the system's own directory, which the ones
    in /etc override. `timer_active` is None where nobody was asked; `systemd` tells whether it is
    the init.
    """

    files: dict[str, str] = field(default_factory=dict)
    packaged: PackagedUnits | None = None
    timer_enabled: bool = False
    timer_active: bool | None = None
    systemd: bool = False
    cron: Cron | None = None
    package_manager: PackageManager | None = None

    @property
    def method(self) -> tuple[Method, ...]:
        """By what it is scheduled: both for a moment, when one takes over from the other.

        Empty where it is not. A timer file that is not enabled does not count: nothing would start
        it.
        """
        timer = self.timer_enabled and (TIMER in self.files or self.packaged is not None)
        by: tuple[tuple[Method, bool], ...] = (("systemd", timer), ("cron", CRON in self.files))
        return tuple(method for method, there in by if there)

    @property
    def prunes(self) -> bool:
        """Tell whether `prune` runs before each reconnect."""
        by = self.method
        return ("systemd" in by and PRUNE_DROP_IN in self.files) or (
            "cron" in by and " prune " in self.files[CRON]
        )

    @property
    def sources(self) -> tuple[str, ...]:
        """The files that the schedule is made of, those of a package that are in use included.

        A timer in /etc hides the package's file of the same name (systemd.unit(5)), which is left
        out then.
        """
        units = self.packaged.files if self.packaged and "systemd" in self.method else ()
        return (*self.files, *(() if TIMER in self.files else units))


@dataclass(frozen=True)
class InstallFile(Action):
    """Write a file of ours, 0644."""

    verb: ClassVar[str] = "install"
    path: str
    text: str


@dataclass(frozen=True)
class RemoveFile(Action):
    """Take a file of ours away."""

    verb: ClassVar[str] = "remove"
    path: str


@dataclass(frozen=True)
class SetTimer(Action):
    """Enable and start the timer, or stop and disable it."""

    verb: ClassVar[str] = "timer"
    on: bool
