"""Actions on the partitions of a disk."""

from dataclasses import dataclass
from typing import ClassVar

from iscsictl.model.actions.disk_id import DiskId
from iscsictl.model.partition_table import Entry, Table
from iscsictl.model.plan import Action, Hazard


@dataclass(frozen=True)
class Reshape(Action):
    """Change one partition, and no other, of a table that must still equal `before`."""

    hazard: ClassVar[Hazard] = Hazard.RESHAPES
    undoable: ClassVar[bool] = False
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
    """Remove a partition from the table; its content is not erased."""

    verb: ClassVar[str] = "part-rm"


@dataclass(frozen=True)
class SetType(Reshape):
    """Change the type of a partition."""

    verb: ClassVar[str] = "part-type"
    type: str


@dataclass(frozen=True)
class SetBootable(Reshape):
    """Mark a partition as bootable, or no longer so; `after` is its entry after the change."""

    verb: ClassVar[str] = "bootable"
    after: Entry
    on: bool


@dataclass(frozen=True)
class GrowPart(Reshape):
    """Grow a partition in place; `size` is its new size in sectors."""

    verb: ClassVar[str] = "grow-part"
    size: int


@dataclass(frozen=True)
class Reread(Action):
    """Have the kernel read the size of the disk again, over every path (`device/rescan`)."""

    verb: ClassVar[str] = "rescan"
    frontier: ClassVar[bool] = True
    disk: DiskId
    hctls: tuple[str, ...]
