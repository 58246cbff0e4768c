"""Actions on mount points, mounts and /etc/fstab."""

from dataclasses import dataclass, field
from typing import ClassVar

from iscsictl.model.actions.disk_id import DiskId
from iscsictl.model.fstab import Fstab
from iscsictl.model.plan import Action


@dataclass(frozen=True)
class Claim(Action):
    """Write the inert fstab line that says: this disk is being made into this filesystem."""

    verb: ClassVar[str] = "claim"
    disk: DiskId
    uuid: str
    directory: str | None
    fs: str


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
class ClaimPart(Claim):
    """A claim that leaves our lines for other filesystems on the same disk alone.

    It is for one partition, 0 for the whole disk.
    """

    part: int


@dataclass(frozen=True)
class PutLine(WriteFstab):
    """Our line for one filesystem, in the place of an older one for the same filesystem only."""


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
