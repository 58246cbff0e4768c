"""Actions on mount points and mounts."""

from dataclasses import dataclass
from typing import ClassVar

from iscsictl.model.actions.disk_id import DiskId
from iscsictl.model.plan import Action


@dataclass(frozen=True)
class MakeDirectory(Action):
    """Create the mount point and the directories above it (mode 0755)."""

    verb: ClassVar[str] = "directory"
    path: str


@dataclass(frozen=True)
class RemoveDirectory(Action):
    """Remove an empty mount point."""

    verb: ClassVar[str] = "rmdir"
    path: str


@dataclass(frozen=True)
class Mount(Action):
    """Mount the filesystem with this UUID; refused if it is not on this disk."""

    verb: ClassVar[str] = "mount"
    disk: DiskId
    uuid: str
    path: str
    fs: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Own(Action):
    """Set owner and mode of the root of the mounted filesystem; None leaves a value unchanged."""

    verb: ClassVar[str] = "owner"
    path: str
    uid: int | None
    gid: int | None
    mode: int | None


@dataclass(frozen=True)
class Unmount(Action):
    """Unmount a path. `lost`: the array is gone for good, so the mount is detached lazily.

    `disk` is then the disk, which must still be unreachable.
    """

    verb: ClassVar[str] = "umount"
    undoable: ClassVar[bool] = False
    path: str
    lost: bool = False
    disk: DiskId | None = None
