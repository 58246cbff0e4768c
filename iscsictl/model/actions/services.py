"""Actions on systemd units."""

from dataclasses import dataclass
from typing import ClassVar

from iscsictl.model.plan import Action


@dataclass(frozen=True)
class EnableService(Action):
    """Have systemd start the login service at boot, or no longer (`on` False).

    `boot_targets` are the targets that logged in at boot before the service was enabled: if this is
    rolled back, they are no reason to keep it enabled.
    """

    verb: ClassVar[str] = "enable"
    shares_files: ClassVar[bool] = True
    unit: str
    on: bool = True
    boot_targets: frozenset[str] = frozenset()


@dataclass(frozen=True)
class StartService(Action):
    """Have systemd start a unit now."""

    verb: ClassVar[str] = "start"
    shares_files: ClassVar[bool] = True
    unit: str


@dataclass(frozen=True)
class StopService(Action):
    """Have systemd stop multipathd, which this run started; refused while any map exists."""

    verb: ClassVar[str] = "stop"
    shares_files: ClassVar[bool] = True
    unit: str


@dataclass(frozen=True)
class Reload(Action):
    """Have systemd read fstab and its units again."""

    verb: ClassVar[str] = "daemon-reload"


@dataclass(frozen=True)
class RequireMount(Action):
    """Make a unit require and wait for the mount (`RequiresMountsFor=` in a drop-in)."""

    verb: ClassVar[str] = "require"
    shares_files: ClassVar[bool] = True
    unit: str
    path: str


@dataclass(frozen=True)
class DropRequire(Action):
    """Remove the drop-ins for a mount point, those of all units or of one."""

    verb: ClassVar[str] = "unrequire"
    undoable: ClassVar[bool] = False
    shares_files: ClassVar[bool] = True
    path: str
    unit: str | None = None
