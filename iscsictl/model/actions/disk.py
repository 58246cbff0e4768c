"""Actions on partition tables, partitions, filesystems and block devices."""

from dataclasses import dataclass
from typing import ClassVar

from iscsictl.model.actions.disk_id import DiskId, OverwriteGround
from iscsictl.model.partition_table import Entry, Table
from iscsictl.model.plan import Action, Hazard


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
    right: OverwriteGround


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
    right: OverwriteGround
    label: str | None = None


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
class NewTable(Action):
    """Write an empty partition table."""

    verb: ClassVar[str] = "label"
    hazard: ClassVar[Hazard] = Hazard.DESTROYS
    disk: DiskId
    table: str
    right: OverwriteGround


@dataclass(frozen=True)
class Reshape(Action):
    """Change one partition of a table that must still be `before`; all others stay as they are."""

    hazard: ClassVar[Hazard] = Hazard.RESHAPES
    disk: DiskId
    before: Table
    number: int


@dataclass(frozen=True)
class AddPart(Reshape):
    """Add a partition. `start` and `size` are sectors."""

    verb: ClassVar[str] = "part-add"
    start: int
    size: int
    type: str
    bootable: bool = False


@dataclass(frozen=True)
class RemovePart(Reshape):
    """Take a partition out of the table; what is in it is not erased."""

    verb: ClassVar[str] = "part-rm"


@dataclass(frozen=True)
class SetType(Reshape):
    """Give a partition another type."""

    verb: ClassVar[str] = "part-type"
    type: str


@dataclass(frozen=True)
class SetBootable(Reshape):
    """Mark a partition bootable, or not any more; `after` is how it will be."""

    verb: ClassVar[str] = "bootable"
    after: Entry
    on: bool


@dataclass(frozen=True)
class GrowPart(Reshape):
    """Make a partition larger where it stands; `size` in sectors."""

    verb: ClassVar[str] = "grow-part"
    size: int


@dataclass(frozen=True)
class Reread(Action):
    """Have the kernel ask the disk for its size again, over every path."""

    verb: ClassVar[str] = "rescan"
    frontier: ClassVar[bool] = True
    disk: DiskId
    hctls: tuple[str, ...]


@dataclass(frozen=True)
class GrowFs(Action):
    """Let a mounted filesystem take all of its device."""

    verb: ClassVar[str] = "grow-fs"
    hazard: ClassVar[Hazard] = Hazard.RESHAPES
    disk: DiskId
    node: str
    fs: str
    path: str


@dataclass(frozen=True)
class WipeNode(Action):
    """Erase the signatures of one partition, as confirmed or left by our own stopped run."""

    verb: ClassVar[str] = "wipe"
    hazard: ClassVar[Hazard] = Hazard.DESTROYS
    disk: DiskId
    node: str
    uuid: str
    right: OverwriteGround


@dataclass(frozen=True)
class MakeFs(Action):
    """Make a filesystem on the disk (`part` None) or in its partition, with the user's options."""

    verb: ClassVar[str] = "mkfs"
    hazard: ClassVar[Hazard] = Hazard.DESTROYS
    disk: DiskId
    part: int | None
    node: str
    fs: str
    uuid: str
    right: OverwriteGround
    label: str | None = None
    extra: tuple[str, ...] = ()
