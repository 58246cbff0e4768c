"""Words of `schedule`: the files that have reconnect run by itself, and how they come about."""

from dataclasses import field
from typing import ClassVar, Literal

from iscsictl.lazyclass import dataclass
from iscsictl.model.plan import Action

Means = Literal["systemd", "cron"]

SERVICE = "/etc/systemd/system/iscsictl-reconnect.service"
TIMER = "/etc/systemd/system/iscsictl-reconnect.timer"
TIMER_UNIT = "iscsictl-reconnect.timer"
CRON = "/etc/cron.d/iscsictl"


@dataclass(frozen=True)
class Scheduled:
    """What is there: the text of each file of ours by path, and whether the timer is enabled."""

    files: dict[str, str] = field(default_factory=dict)
    timer_enabled: bool = False


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
