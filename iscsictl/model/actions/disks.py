"""Actions on the content of disks and filesystems."""

from dataclasses import dataclass
from typing import ClassVar

from iscsictl.model.actions.disk_id import DiskId, OverwriteGround
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.plan import Action, Hazard


@dataclass(frozen=True)
class Wipe(Action):
    """Erase the signatures whose loss the user confirmed.

    With a `part` of None, those of the whole disk and of every partition in its table.
    """

    verb: ClassVar[str] = "wipe"
    hazard: ClassVar[Hazard] = Hazard.DESTROYS
    disk: DiskId
    part: int | None = None


@dataclass(frozen=True)
class Label(Action):
    """Write a partition table of kind `table` (gpt, dos, bsd, sun).

    With a claim it has one partition that spans the disk, and both get the ids of the claim;
    without a claim the table is empty.
    """

    verb: ClassVar[str] = "label"
    hazard: ClassVar[Hazard] = Hazard.DESTROYS
    disk: DiskId
    table: str
    ground: OverwriteGround
    claim: FilesystemClaim | None = None


@dataclass(frozen=True)
class Mkfs(Action):
    """Create the filesystem of a claim, or swap, where the claim says.

    Just before mkfs starts, the claim in fstab is marked as begun. `options` are those that the
    user gave for this mkfs (mke2fs(8), mkfs.xfs(8), ...). Blocks are discarded only with `discard`:
    without it, data that the blank check missed can still be recovered.
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
class GrowFs(Action):
    """Grow a mounted filesystem to the size of its device."""

    verb: ClassVar[str] = "grow-fs"
    hazard: ClassVar[Hazard] = Hazard.RESHAPES
    undoable: ClassVar[bool] = False
    disk: DiskId
    node: str
    fs: str
    path: str
