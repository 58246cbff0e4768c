"""Actions on dm-multipath: what it may make a map of, how the map waits, and the map itself."""

from dataclasses import dataclass
from typing import ClassVar

from iscsictl.model.actions.disk_id import DiskId
from iscsictl.model.actions.services import StartService
from iscsictl.model.plan import Action


@dataclass(frozen=True)
class StartMultipathd(StartService):
    """Start multipathd; only then does it tell how it spells the WWID of a path."""

    frontier: ClassVar[bool] = True


@dataclass(frozen=True)
class WriteMapSettings(Action):
    """Write the section for one map into our multipath configuration, and have it read.

    `wwid` is spelled as multipathd spells it; for the other values see `MapSettings`.
    """

    verb: ClassVar[str] = "map-settings"
    shares_files: ClassVar[bool] = True
    disk: DiskId
    wwid: str
    no_path_retry: int
    reservation_key: int | None = None


@dataclass(frozen=True)
class DropMapSettings(Action):
    """Remove the section for the map of a disk from our multipath configuration.

    `is_read`: multipathd reads it too. Otherwise the file notes that it still has to, until
    ReadMapSettings.
    """

    verb: ClassVar[str] = "drop-map-settings"
    undoable: ClassVar[bool] = False
    shares_files: ClassVar[bool] = True
    wwid: str
    is_read: bool = False


@dataclass(frozen=True)
class ReadMapSettings(Action):
    """Have multipathd read its configuration, from which a section of ours was removed."""

    verb: ClassVar[str] = "read-map-settings"
    undoable: ClassVar[bool] = False
    rolls_back: ClassVar[bool] = False
    shares_files: ClassVar[bool] = True


@dataclass(frozen=True)
class AllowMap(Action):
    """Add the WWID to /etc/multipath/wwids, so that multipathd makes a map (multipath -a)."""

    verb: ClassVar[str] = "allow-map"
    shares_files: ClassVar[bool] = True
    disk: DiskId
    wwid: str


@dataclass(frozen=True)
class DisallowMap(Action):
    """Take the WWID off /etc/multipath/wwids (multipath -w)."""

    verb: ClassVar[str] = "disallow-map"
    undoable: ClassVar[bool] = False
    shares_files: ClassVar[bool] = True
    wwid: str


@dataclass(frozen=True)
class MakeMap(Action):
    """Have multipathd look at the paths again, and wait until its map is there and has them.

    `joins`: the map was there, and only gets more paths. An undo leaves it.
    """

    verb: ClassVar[str] = "map"
    frontier: ClassVar[bool] = True
    disk: DiskId
    joins: bool = False


@dataclass(frozen=True)
class RemoveMap(Action):
    """Have multipathd let go of a map that nothing uses.

    `lost`: its array is gone for good; what was not written yet fails instead of waiting.
    """

    verb: ClassVar[str] = "unmap"
    undoable: ClassVar[bool] = False
    disk: DiskId
    lost: bool = False
