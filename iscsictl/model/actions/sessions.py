"""Actions on sessions, their disks, and holds."""

from dataclasses import dataclass
from typing import ClassVar

from iscsictl.model.actions.disk_id import DiskId
from iscsictl.model.hold import Hold
from iscsictl.model.names import Portal
from iscsictl.model.plan import Action


@dataclass(frozen=True)
class Login(Action):
    """Log in and wait for the disk of `lun`; if that is None, for any disk."""

    verb: ClassVar[str] = "login"
    frontier: ClassVar[bool] = True
    target: str
    portal: Portal
    iface: str
    lun: int | None


@dataclass(frozen=True)
class Scan(Action):
    """Have the kernel scan a session that is up for a LUN, and wait for its disk."""

    verb: ClassVar[str] = "scan"
    frontier: ClassVar[bool] = True
    target: str
    lun: int | None
    hosts: tuple[int, ...]


@dataclass(frozen=True)
class Logout(Action):
    """End a session that nothing uses.

    `lost`: its disks may be in use, because their array is gone. `sid`: only this session, and only
    while it is down; I/O that waits for it fails at once.
    """

    verb: ClassVar[str] = "logout"
    undoable: ClassVar[bool] = False
    target: str
    portal: Portal
    iface: str
    lost: bool = False
    sid: int | None = None


@dataclass(frozen=True)
class Rescan(Action):
    """Scan a session for new LUNs, and read the sizes of its disks `hctls` again."""

    verb: ClassVar[str] = "rescan"
    sid: int
    hctls: tuple[str, ...] = ()


@dataclass(frozen=True)
class RemoveDevice(Action):
    """Have the kernel remove a disk but keep its session; sd(4) flushes its write cache first.

    `hctls` are its SCSI addresses (host:channel:target:lun), one for each path.
    """

    verb: ClassVar[str] = "remove"
    undoable: ClassVar[bool] = False
    disk: DiskId
    hctls: tuple[str, ...]


@dataclass(frozen=True)
class SetHold(Action):
    """Record that an admin took this down, so that reconnect leaves it down."""

    verb: ClassVar[str] = "hold"
    hold: Hold
    seconds: float | None = None


@dataclass(frozen=True)
class DropHold(Action):
    """Remove a hold."""

    verb: ClassVar[str] = "unhold"
    hold: Hold
