"""The actions of the disk, mount and fstab commands, as data."""

from dataclasses import field
from typing import ClassVar

from iscsictl.lazyclass import dataclass
from iscsictl.model.actions import Claim, DiskId, Right, WriteFstab
from iscsictl.model.plan import Action, Hazard
from iscsictl.model.table import Entry, Table


@dataclass(frozen=True)
class NewTable(Action):
    """Write an empty partition table."""

    verb: ClassVar[str] = "label"
    hazard: ClassVar[Hazard] = Hazard.DESTROYS
    disk: DiskId
    table: str
    right: Right


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
class ClaimPart(Claim):
    """A claim that leaves our lines for other filesystems on the same disk alone.

    It is for one partition, 0 for the whole disk.
    """

    part: int


@dataclass(frozen=True)
class PutLine(WriteFstab):
    """Our line for one filesystem, in the place of an older one for the same filesystem only."""


@dataclass(frozen=True)
class WipeNode(Action):
    """Erase the signatures of one partition, as confirmed or left by our own stopped run."""

    verb: ClassVar[str] = "wipe"
    hazard: ClassVar[Hazard] = Hazard.DESTROYS
    disk: DiskId
    node: str
    uuid: str
    right: Right


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
    right: Right
    label: str | None = None
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class NoteFs(Action):
    """Turn the claim on a filesystem into the inert line that says we made it."""

    verb: ClassVar[str] = "note"
    disk: DiskId
    uuid: str
    fs: str


@dataclass(frozen=True)
class DropLine(Action):
    """Take exactly this line out of fstab."""

    verb: ClassVar[str] = "unfstab"
    raw: bytes = field(repr=False)
