"""Actions on partition tables, partitions, filesystems and block devices."""

from dataclasses import dataclass
from typing import ClassVar

from iscsictl.model.actions.disk_id import DiskId, OverwriteGround
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.partition_table import Entry, Table
from iscsictl.model.plan import Action, Hazard


@dataclass(frozen=True)
class Wipe(Action):
    """Erase the signatures that the user confirmed to lose.

    `part` None: those of the whole disk and of every partition in its table.
    """

    verb: ClassVar[str] = "wipe"
    hazard: ClassVar[Hazard] = Hazard.DESTROYS
    disk: DiskId
    part: int | None = None


@dataclass(frozen=True)
class Label(Action):
    """Write a partition table of kind `table` (gpt, dos, bsd, sun).

    With a claim it has one partition over the whole disk, and both get the ids of the claim;
    without one the table is empty.
    """

    verb: ClassVar[str] = "label"
    hazard: ClassVar[Hazard] = Hazard.DESTROYS
    disk: DiskId
    table: str
    ground: OverwriteGround
    claim: FilesystemClaim | None = None


@dataclass(frozen=True)
class Mkfs(Action):
    """Make the filesystem of a claim, or swap, at the place that the claim names.

    Just before mkfs starts, the claim in fstab gets the mark that it has begun. `options` are the
    user's own for the mkfs of this kind (mke2fs(8), mkfs.xfs(8), ...). Blocks are discarded only
    with `discard`: what a proof of blankness missed can be rescued otherwise.
    """

    verb: ClassVar[str] = "mkfs"
    hazard: ClassVar[Hazard] = Hazard.DESTROYS
    disk: DiskId
    claim: FilesystemClaim
    ground: OverwriteGround
    label: str | None = None
    options: tuple[str, ...] = ()
    discard: bool = False


@dataclass(frozen=True)
class RemoveDevice(Action):
    """Have the kernel forget a disk while its session stays; sd(4) flushes its write cache first.

    `hctls` are its SCSI addresses (host:channel:target:lun), one for each path.
    """

    verb: ClassVar[str] = "remove"
    disk: DiskId
    hctls: tuple[str, ...]


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
    """Have the kernel read the size of the disk again, over every path (`device/rescan`)."""

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
