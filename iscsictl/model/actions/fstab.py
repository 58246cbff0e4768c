"""Actions on /etc/fstab."""

from dataclasses import dataclass, field
from typing import ClassVar

from iscsictl.model.actions.disk_id import DiskId
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.fstab import Fstab, FstabLine
from iscsictl.model.plan import Action


@dataclass(frozen=True)
class Claim(Action):
    """Write the inert fstab entry that says which filesystem is being created on the disk.

    It replaces an older claim on the same part of the disk.
    """

    verb: ClassVar[str] = "claim"
    disk: DiskId
    claim: FilesystemClaim
    directory: str | None = None


@dataclass(frozen=True)
class WriteFstab(Action):
    """Write the fstab entry of a filesystem, replacing its claim or an older entry.

    With a `path` of None the entry has no mount point and only records that iscsictl created the
    filesystem. `boot` False means `noauto`. An `exclusive` filesystem is mounted only while this
    host has reserved the LUN. systemd is reloaded, and the login service is started if it was not
    started at boot.
    """

    verb: ClassVar[str] = "fstab"
    disk: DiskId
    uuid: str
    path: str | None
    fs: str
    options: tuple[str, ...] = ()
    boot: bool = True
    exclusive: bool = False


@dataclass(frozen=True)
class DropFstab(Action):
    """Remove exactly this entry, which iscsictl wrote, from fstab."""

    verb: ClassVar[str] = "unfstab"
    undoable: ClassVar[bool] = False
    entry: FstabLine = field(repr=False)


@dataclass(frozen=True)
class RestoreFstab(Action):
    """Restore the fstab entries that iscsictl wrote for a disk to those in `before`.

    All other lines stay as they are now.
    """

    verb: ClassVar[str] = "fstab"
    wwid: str
    before: Fstab = field(repr=False)
