"""The actions: everything that iscsictl can do to a machine, as data."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from iscsictl.lazyclass import dataclass
from iscsictl.model.fstab import Fstab
from iscsictl.model.hold import Hold
from iscsictl.model.names import Portal
from iscsictl.model.plan import Action, Hazard
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
    """Delete a node record."""

    verb: ClassVar[str] = "forget"
    target: str
    portal: Portal
    iface: str


@dataclass(frozen=True)
class EnableService(Action):
    """Have systemd start the login service at boot, or not any more."""

    verb: ClassVar[str] = "enable"
    unit: str
    on: bool = True


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


class Right(StrEnum):
    """Why a disk may be overwritten."""

    BLANK = "blank"
    CLAIMED = "claimed"
    CONFIRMED = "confirmed"


@dataclass(frozen=True)
class DiskId:
    """The disk that is meant: asked again (INQUIRY page 0x83) before each write."""

    target: str
    lun: int
    wwid: str
    device: str


@dataclass(frozen=True)
class Claim(Action):
    """Write the inert fstab line that says: this disk is being made into this filesystem."""

    verb: ClassVar[str] = "claim"
    disk: DiskId
    uuid: str
    directory: str | None
    fs: str


@dataclass(frozen=True)
class Wipe(Action):
    """Erase all signatures of a disk, as confirmed by its WWID."""

    verb: ClassVar[str] = "wipe"
    hazard: ClassVar[Hazard] = Hazard.DESTROYS
    disk: DiskId


@dataclass(frozen=True)
class Label(Action):
    """Write a partition table with one partition over the whole disk."""

    verb: ClassVar[str] = "label"
    hazard: ClassVar[Hazard] = Hazard.DESTROYS
    disk: DiskId
    table: str
    uuid: str
    right: Right


@dataclass(frozen=True)
class Mkfs(Action):
    """Make a filesystem on the disk (`part` None) or on its partition.

    `table` is the partition table that must stand there by then.
    """

    verb: ClassVar[str] = "mkfs"
    hazard: ClassVar[Hazard] = Hazard.DESTROYS
    disk: DiskId
    part: int | None
    fs: str
    uuid: str
    table: str
    right: Right
    label: str | None = None


@dataclass(frozen=True)
class MakeDirectory(Action):
    """Make the mount point."""

    verb: ClassVar[str] = "directory"
    path: str


@dataclass(frozen=True)
class RemoveDirectory(Action):
    """Take an empty mount point away."""

    verb: ClassVar[str] = "rmdir"
    path: str


@dataclass(frozen=True)
class Mount(Action):
    """Mount the filesystem with this UUID from this disk."""

    verb: ClassVar[str] = "mount"
    disk: DiskId
    uuid: str
    path: str
    fs: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Own(Action):
    """Set owner and mode of the root of the mounted filesystem; None leaves them."""

    verb: ClassVar[str] = "owner"
    path: str
    uid: int | None
    gid: int | None
    mode: int | None


@dataclass(frozen=True)
class WriteFstab(Action):
    """Write our fstab line for a filesystem: the claim becomes it, or it is added."""

    verb: ClassVar[str] = "fstab"
    target: str
    lun: int
    wwid: str
    uuid: str
    path: str | None
    fs: str
    options: tuple[str, ...] = ()
    boot: bool = True


@dataclass(frozen=True)
class DropFstab(Action):
    """Take our fstab lines with this WWID out; with `uuid` only the one for it."""

    verb: ClassVar[str] = "unfstab"
    wwid: str
    uuid: str | None = None


@dataclass(frozen=True)
class RestoreFstab(Action):
    """Put our fstab lines for a disk back as they were in `before`; all others stay."""

    verb: ClassVar[str] = "fstab"
    wwid: str
    before: Fstab = field(repr=False)


@dataclass(frozen=True)
class RequireMount(Action):
    """Make a unit wait for the mount (`RequiresMountsFor=` in a drop-in)."""

    verb: ClassVar[str] = "require"
    unit: str
    path: str


@dataclass(frozen=True)
class DropRequire(Action):
    """Take the drop-ins for a mount point away, of all units or of one."""

    verb: ClassVar[str] = "unrequire"
    path: str
    unit: str | None = None


@dataclass(frozen=True)
class Unmount(Action):
    """Unmount a path; `lost` gives up on a dead array and detaches the mount lazily."""

    verb: ClassVar[str] = "umount"
    path: str
    lost: bool = False


@dataclass(frozen=True)
class RemoveDevice(Action):
    """Have the kernel forget a disk, its session staying; sd(4) flushes what it caches."""

    verb: ClassVar[str] = "remove"
    disk: DiskId
    hctls: tuple[str, ...]


@dataclass(frozen=True)
class RemoveMap(Action):
    """Have multipathd let go of a map that nothing uses."""

    verb: ClassVar[str] = "unmap"
    disk: DiskId


@dataclass(frozen=True)
class Logout(Action):
    """End a session that nothing uses."""

    verb: ClassVar[str] = "logout"
    target: str
    portal: Portal
    iface: str
    lost: bool = False


@dataclass(frozen=True)
class RestoreRecord(Action):
    """Put a node record back as it was; `data` may carry secrets and is never shown."""

    verb: ClassVar[str] = "restore"
    path: Path
    data: bytes = field(repr=False)


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
class RemoveTorn(Action):
    """Remove a node record that open-iscsi can neither use nor delete."""

    verb: ClassVar[str] = "forget"
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
