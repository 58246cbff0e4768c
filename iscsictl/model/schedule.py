"""The data of `schedule`: the files that run reconnect periodically, and the actions on them."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from iscsictl.model.packages import PackageManager
from iscsictl.model.plan import Action

Method = Literal["systemd", "cron"]

SERVICE = "/etc/systemd/system/iscsictl-reconnect.service"
TIMER = "/etc/systemd/system/iscsictl-reconnect.timer"
SERVICE_UNIT = "iscsictl-reconnect.service"
TIMER_UNIT = "iscsictl-reconnect.timer"
#: The period and the options, if a package installed the units.
TIMER_DROP_IN = "/etc/systemd/system/iscsictl-reconnect.timer.d/schedule.conf"
SERVICE_DROP_IN = "/etc/systemd/system/iscsictl-reconnect.service.d/schedule.conf"
#: The prune before each reconnect, whoever installed the units.
PRUNE_DROP_IN = "/etc/systemd/system/iscsictl-reconnect.service.d/prune.conf"
#: The unit of each drop-in.
DROP_INS = {
    TIMER_DROP_IN: TIMER_UNIT,
    SERVICE_DROP_IN: SERVICE_UNIT,
    PRUNE_DROP_IN: SERVICE_UNIT,
}
# No dot in the name: Debian's cron(8) ignores files that have one.
CRON = "/etc/cron.d/iscsictl"


@dataclass(frozen=True)
class Cron:
    """A cron that reads /etc/cron.d: its name, and whether it is running."""

    name: str
    runs: bool


@dataclass(frozen=True)
class PackagedUnits:
    """The service and the timer that a package installed, and the program that the service runs.

    `texts` are the contents of the files.
    """

    files: tuple[str, ...]
    program: str
    texts: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Scheduled:
    """The current schedule.

    `files` has the text of iscsictl's files in /etc, by path; `packaged` are the units in the
    directory of the system, which those in /etc override. `timer_active` is None if it was not
    asked for; `systemd`: it is the init of the host. `period` is the time between two runs in
    seconds and `metrics` the file to which each writes them, where the files say so.
    """

    files: dict[str, str] = field(default_factory=dict)
    packaged: PackagedUnits | None = None
    timer_enabled: bool = False
    timer_active: bool | None = None
    systemd: bool = False
    cron: Cron | None = None
    package_manager: PackageManager | None = None
    period: int | None = None
    metrics: str | None = None

    @property
    def method(self) -> tuple[Method, ...]:
        """What runs reconnect: systemd, cron, or briefly both while one replaces the other.

        Empty if nothing does. A timer that is not enabled does not count: nothing would start it.
        """
        timer = self.timer_enabled and (TIMER in self.files or self.packaged is not None)
        by: tuple[tuple[Method, bool], ...] = (("systemd", timer), ("cron", CRON in self.files))
        return tuple(method for method, is_used in by if is_used)

    @property
    def service_text(self) -> str:
        """The file that says what the timer runs: a drop-in, else the unit."""
        packaged = self.packaged.texts[0] if self.packaged else ""
        return self.files.get(SERVICE_DROP_IN) or self.files.get(SERVICE) or packaged

    @property
    def timer_text(self) -> str:
        """The file that says when the timer runs it: a drop-in, else the unit."""
        packaged = self.packaged.texts[1] if self.packaged else ""
        return self.files.get(TIMER_DROP_IN) or self.files.get(TIMER) or packaged

    @property
    def prunes(self) -> bool:
        """Whether `prune` runs before each reconnect."""
        by = self.method
        return ("systemd" in by and PRUNE_DROP_IN in self.files) or (
            "cron" in by and " prune " in self.files[CRON]
        )

    @property
    def sources(self) -> tuple[str, ...]:
        """The files that make up the schedule, including those of a package that are in use.

        A timer in /etc hides the package's file of the same name (systemd.unit(5)), which is then
        left out.
        """
        units = self.packaged.files if self.packaged and "systemd" in self.method else ()
        return (*self.files, *(() if TIMER in self.files else units))


@dataclass(frozen=True)
class InstallFile(Action):
    """Write a file of the schedule, with mode 0644."""

    verb: ClassVar[str] = "install"
    path: str
    text: str


@dataclass(frozen=True)
class RemoveFile(Action):
    """Remove a file of the schedule."""

    verb: ClassVar[str] = "remove"
    path: str


@dataclass(frozen=True)
class SetTimer(Action):
    """Enable and start the timer, or stop and disable it."""

    verb: ClassVar[str] = "timer"
    on: bool
