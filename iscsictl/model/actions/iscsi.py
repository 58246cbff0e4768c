"""Actions on node records, discovery records, sessions and holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from iscsictl.model.hold import Hold
from iscsictl.model.names import Portal
from iscsictl.model.plan import Action
from iscsictl.model.secret import Secret


@dataclass(frozen=True)
class CreateRecord(Action):
    """Make a node record with the defaults of iscsid.conf."""

    verb: ClassVar[str] = "record"
    target: str
    portal: Portal
    iface: str


@dataclass(frozen=True)
class WriteRecord(Action):
    """Set values of a node record; None clears one. Secrets are written to the file directly."""

    verb: ClassVar[str] = "settings"
    target: str
    portal: Portal
    iface: str
    changes: Mapping[str, str | Secret | None] = field(hash=False, default_factory=dict)


@dataclass(frozen=True)
class DeleteRecord(Action):
    """Delete a node record; `direct` without iscsiadm, which takes long for hundreds."""

    verb: ClassVar[str] = "forget"
    target: str
    portal: Portal
    iface: str
    direct: bool = False


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
    target: str
    portal: Portal
    iface: str
    lost: bool = False
    sid: int | None = None


@dataclass(frozen=True)
class RestoreRecord(Action):
    """Give the settings that an edit of a file changed their earlier values, and no others.

    `before` and `after` are what the file held around the edit. They may carry secrets and are
    never shown.
    """

    verb: ClassVar[str] = "restore"
    path: Path
    before: bytes = field(repr=False)
    after: bytes = field(repr=False)


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


@dataclass(frozen=True)
class RemoveCorruptRecord(Action):
    """Remove a record that open-iscsi cannot use; with `keep_copy` what it held is kept."""

    verb: ClassVar[str] = "forget"
    path: Path
    keep_copy: bool = False


@dataclass(frozen=True)
class RemoveLink(Action):
    """Remove a link in the node database that leads to no record."""

    verb: ClassVar[str] = "unlink"
    path: Path


@dataclass(frozen=True)
class CreateDiscovery(Action):
    """Make a discovery record of a portal (SendTargets) with the defaults of iscsid.conf."""

    verb: ClassVar[str] = "discovery"
    portal: Portal


@dataclass(frozen=True)
class DeleteDiscovery(Action):
    """Delete a discovery record."""

    verb: ClassVar[str] = "undiscover"
    portal: Portal


@dataclass(frozen=True)
class WriteDiscovery(Action):
    """Set values of a discovery record; None clears one. Secrets go to the file directly."""

    verb: ClassVar[str] = "settings"
    portal: Portal
    changes: Mapping[str, str | Secret | None] = field(hash=False, default_factory=dict)


@dataclass(frozen=True)
class WriteDefaults(Action):
    """Set values of iscsid.conf, from which new records are made; None takes one out."""

    verb: ClassVar[str] = "defaults"
    changes: Mapping[str, str | Secret | None] = field(hash=False, default_factory=dict)


@dataclass(frozen=True)
class Rescan(Action):
    """Look for new LUNs on a session, and ask its disks `hctls` for their sizes again."""

    verb: ClassVar[str] = "rescan"
    sid: int
    hctls: tuple[str, ...] = ()
