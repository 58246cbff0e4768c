"""Actions on mount points, mounts and /etc/fstab."""

from dataclasses import dataclass, field
from typing import ClassVar

from iscsictl.model.actions.disk_id import DiskId
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.fstab import Fstab, FstabLine
from iscsictl.model.plan import Action


@dataclass(frozen=True)
class Claim(Action):
    """Write the inert fstab entry that says which filesystem is being made on the disk.

    It takes the place of an older claim on the same part of the disk.
    """

    verb: ClassVar[str] = "claim"
    disk: DiskId
    claim: FilesystemClaim
    directory: str | None = None


@dataclass(frozen=True)
class MakeDirectory(Action):
    """Make the mount point, and the directories above it (mode 0755)."""

    verb: ClassVar[str] = "directory"
    path: str


@dataclass(frozen=True)
class RemoveDirectory(Action):
    """Remove an empty mount point."""

    verb: ClassVar[str] = "rmdir"
    path: str


@dataclass(frozen=True)
class Mount(Action):
    """Mount the filesystem with this UUID, and refuse to if it is not on this disk."""

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
    """Write the fstab entry of a filesystem, in the place of its claim or of an older entry.

    `path` None is an entry without a mount point: it says that iscsictl made the filesystem. `boot`
    False is `noauto`. systemd is told, and the login service is started if the boot left it out.
    """

    verb: ClassVar[str] = "fstab"
    disk: DiskId
    uuid: str
    path: str | None
    fs: str
    options: tuple[str, ...] = ()
    boot: bool = True


@dataclass(frozen=True)
class DropFstab(Action):
    """Remove exactly this entry, which iscsictl wrote, from fstab."""

    verb: ClassVar[str] = "unfstab"
    entry: FstabLine = field(repr=False)


@dataclass(frozen=True)
class RestoreFstab(Action):
    """Restore the fstab entries that iscsictl wrote for a disk as they were in `before`.

    All other lines stay as they are now.
    """

    verb: ClassVar[str] = "fstab"
    wwid: str
    before: Fstab = field(repr=False)


@dataclass(frozen=True)
class RequireMount(Action):
    """Make a unit wait for the mount (`RequiresMountsFor=` in a drop-in)."""

    verb: ClassVar[str] = "require"
    shares_files: ClassVar[bool] = True
    unit: str
    path: str


@dataclass(frozen=True)
class DropRequire(Action):
    """Remove the drop-ins for a mount point, of all units or of one."""

    verb: ClassVar[str] = "unrequire"
    shares_files: ClassVar[bool] = True
    path: str
    unit: str | None = None


@dataclass(frozen=True)
class Unmount(Action):
    """Unmount a path; `lost` gives up on a dead array and detaches the mount lazily.

    `disk` is then the one that must still be unreachable.
    """

    verb: ClassVar[str] = "umount"
    path: str
    lost: bool = False
    disk: DiskId | None = None
