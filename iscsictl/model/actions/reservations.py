"""Actions on the persistent reservations of a LUN (SPC-4 5.12)."""

from dataclasses import dataclass
from typing import ClassVar

from iscsictl.model.actions.disk_id import DiskId
from iscsictl.model.plan import Action


@dataclass(frozen=True)
class Reserve(Action):
    """Keep other hosts from writing to the LUN, by a persistent reservation of this host.

    Where the LUN has none, the step says so and does nothing; an `exclusive` one, which is kept as
    long as the volume is attached, fails then. While the disk has no device yet, it is awaited by
    the `uuid` of its filesystem.
    """

    verb: ClassVar[str] = "reserve"
    explained: ClassVar[bool] = True
    disk: DiskId
    exclusive: bool = False
    uuid: str | None = None


@dataclass(frozen=True)
class Release(Action):
    """End the reservation of this host, and all of its registrations with the LUN.

    `exclusive`: until now fstab has it that only this host may write, so a roll-back reserves the
    LUN again.
    """

    verb: ClassVar[str] = "release"
    disk: DiskId
    exclusive: bool = False


@dataclass(frozen=True)
class TakeOver(Action):
    """End the reservation and all registrations of the host that has this key; the user named it.

    It destroys no data itself. If that host is running after all, two hosts can write to the LUN.
    """

    verb: ClassVar[str] = "take-over"
    undoable: ClassVar[bool] = False
    disk: DiskId
    key: int
