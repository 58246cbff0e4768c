"""Actions on the persistent reservations of a LUN (SPC-4 5.12)."""

from dataclasses import dataclass
from typing import ClassVar

from iscsictl.model.actions.disk_id import DiskId
from iscsictl.model.plan import Action


@dataclass(frozen=True)
class Reserve(Action):
    """Keep other hosts from writing to the LUN with a persistent reservation of this host.

    If the LUN does not support reservations, the step says so and does nothing, but an `exclusive`
    reservation, which lasts as long as the volume is attached, fails. If the disk has no device
    yet, the filesystem with this `uuid` is waited for.
    """

    verb: ClassVar[str] = "reserve"
    explained: ClassVar[bool] = True
    disk: DiskId
    exclusive: bool = False
    uuid: str | None = None


@dataclass(frozen=True)
class Release(Action):
    """End the reservation of this host, and all its registrations with the LUN.

    `exclusive`: so far the fstab entry says that only this host may write, so a rollback reserves
    the LUN again.
    """

    verb: ClassVar[str] = "release"
    disk: DiskId
    exclusive: bool = False


@dataclass(frozen=True)
class TakeOver(Action):
    """End the reservation and all registrations of the host with this key, which the user gave.

    This destroys no data itself, but if that host is running after all, two hosts can write to the
    LUN.
    """

    verb: ClassVar[str] = "take-over"
    undoable: ClassVar[bool] = False
    disk: DiskId
    key: int
