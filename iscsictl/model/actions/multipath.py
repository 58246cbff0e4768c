"""Actions on dm-multipath: which disks get a map, how the map waits for paths, and the map."""

from dataclasses import dataclass
from typing import ClassVar

from iscsictl.model.actions.disk_id import DiskId
from iscsictl.model.actions.services import StartService
from iscsictl.model.plan import Action


@dataclass(frozen=True)
class StartMultipathd(StartService):
    """Start multipathd, which is needed to know how it spells the WWID of a path."""

    frontier: ClassVar[bool] = True


@dataclass(frozen=True)
class WriteMapSettings(Action):
    """Write the section for one map into iscsictl's multipath configuration, and have it read.

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
    """Remove the section for the map of a disk from iscsictl's multipath configuration.

    `is_read`: multipathd then reads the configuration again. Otherwise the file notes that this
    remains to be done by ReadMapSettings.
    """

    verb: ClassVar[str] = "drop-map-settings"
    undoable: ClassVar[bool] = False
    shares_files: ClassVar[bool] = True
    wwid: str
    is_read: bool = False


@dataclass(frozen=True)
class ReadMapSettings(Action):
    """Have multipathd read its configuration, from which iscsictl has removed a section."""

    verb: ClassVar[str] = "read-map-settings"
    undoable: ClassVar[bool] = False
    rolls_back: ClassVar[bool] = False
    shares_files: ClassVar[bool] = True


@dataclass(frozen=True)
class AllowMap(Action):
    """Add the WWID to /etc/multipath/wwids, so that multipathd creates a map (multipath -a)."""

    verb: ClassVar[str] = "allow-map"
    shares_files: ClassVar[bool] = True
    disk: DiskId
    wwid: str


@dataclass(frozen=True)
class DisallowMap(Action):
    """Remove the WWID from /etc/multipath/wwids (multipath -w)."""

    verb: ClassVar[str] = "disallow-map"
    undoable: ClassVar[bool] = False
    shares_files: ClassVar[bool] = True
    wwid: str


@dataclass(frozen=True)
class MakeMap(Action):
    """Have multipathd check the paths again, and wait until its map exists and has them.

    `joins`: the map exists already and only gets more paths, so an undo leaves it.
    """

    verb: ClassVar[str] = "map"
    frontier: ClassVar[bool] = True
    disk: DiskId
    joins: bool = False


@dataclass(frozen=True)
class RemoveMap(Action):
    """Have multipathd remove a map that nothing uses.

    `lost`: its array is gone for good, so pending writes fail instead of waiting.
    """

    verb: ClassVar[str] = "unmap"
    undoable: ClassVar[bool] = False
    disk: DiskId
    lost: bool = False
