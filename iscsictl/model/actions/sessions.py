"""Actions on sessions, their disks, and holds."""

from dataclasses import dataclass
from typing import ClassVar

from iscsictl.model.actions.disk_id import DiskId
from iscsictl.model.hold import Hold
from iscsictl.model.names import Portal
from iscsictl.model.plan import Action


@dataclass(frozen=True)
class Login(Action):
    """Log in and wait for the disk of `lun`, or for any disk."""

    verb: ClassVar[str] = "login"
    frontier: ClassVar[bool] = True
    target: str
    portal: Portal
    iface: str
    lun: int | None


@dataclass(frozen=True)
class Scan(Action):
    """Ask the kernel to look for a LUN on a session that is up, and wait for its disk."""

    verb: ClassVar[str] = "scan"
    frontier: ClassVar[bool] = True
    target: str
    lun: int | None
    hosts: tuple[int, ...]


@dataclass(frozen=True)
class Logout(Action):
    """End a session that nothing uses.

    `lost`: its disks may be in use, for their array is gone. `sid`: this session, and only while
    it is down; what waits for it fails at once.
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
    """Look for new LUNs on a session, and ask its disks `hctls` for their sizes again."""

    verb: ClassVar[str] = "rescan"
    sid: int
    hctls: tuple[str, ...] = ()


@dataclass(frozen=True)
class RemoveDevice(Action):
    """Have the kernel forget a disk while its session stays; sd(4) flushes its write cache first.

    `hctls` are its SCSI addresses (host:channel:target:lun), one for each path.
    """

    verb: ClassVar[str] = "remove"
    undoable: ClassVar[bool] = False
    disk: DiskId
    hctls: tuple[str, ...]


@dataclass(frozen=True)
class SetHold(Action):
    """Note that an admin took this down, so that reconnect leaves it."""

    verb: ClassVar[str] = "hold"
    hold: Hold
    seconds: float | None = None


@dataclass(frozen=True)
class DropHold(Action):
    """Take the note away."""

    verb: ClassVar[str] = "unhold"
    hold: Hold
