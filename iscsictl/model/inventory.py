"""The facts about a machine for one request. Not observed never means absent."""

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from iscsictl.errors import InterruptError, IscsictlError
from iscsictl.model.crypttab import CrypttabEntry
from iscsictl.model.fstab import Fstab
from iscsictl.model.grouping import group_by_keys
from iscsictl.model.hold import Hold
from iscsictl.model.host_index import HostIndex
from iscsictl.model.listing import Disk, Session
from iscsictl.model.multipath import MultipathFacts
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord

if TYPE_CHECKING:
    from iscsictl.model.disk_content import Content
    from iscsictl.model.inactive_volumes import InactiveNames
    from iscsictl.model.open_iscsi import Version
    from iscsictl.model.packages import PackageManager
    from iscsictl.model.reservation import LunReservations

T = TypeVar("T")

#: Why a mounted filesystem has no disk.
DISK_GONE = "its disk is gone"
NO_PATHS = "its multipath map has no path left"


@dataclass(frozen=True)
class Known(Generic[T]):
    """It was looked at, and this was seen."""

    value: T


@dataclass(frozen=True)
class ReadFailed:
    """It was looked at, and it could not be read."""

    error: IscsictlError


@dataclass(frozen=True)
class NotObserved:
    """Nobody looked, or nobody can yet."""


# No None: a reader has to say which of the three it was, and mypy has a planner handle each.
Observation = Known[T] | ReadFailed | NotObserved


def observe_value(read: Callable[[], T]) -> Observation[T]:
    """Call `read`; return its value, or why it failed. Raises InterruptError, which is neither.

    An OSError is not caught: a reader says what its errors mean, or it is a defect.
    """
    try:
        return Known(read())
    except InterruptError:
        raise
    except IscsictlError as error:
        return ReadFailed(error)


@dataclass(frozen=True)
class DiscoveredTarget:
    """A target as a portal announced it (SendTargets); `named_by` is that one, where it is known.

    The same target at the same portal is the same, whoever announced it.
    """

    target: str
    portal: Portal
    named_by: Portal | None = field(default=None, compare=False)


@dataclass(frozen=True)
class MountPointState:
    """The directory to mount on. `mounted` is the device number of what is mounted there.

    `exposed` are the directories above it in which users other than root can replace what the
    path goes through.
    """

    exists: bool = False
    directory: bool = True
    empty: bool = True
    mounted: str | None = None
    source: str | None = None
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None
    exposed: tuple[str, ...] = ()


class MountedSource(NamedTuple):
    """What is on top of a mount point: its device number, and the name it was mounted by."""

    device: str
    source: str


@dataclass(frozen=True)
class DiskUsage:
    """Who uses a disk or anything on it, in words.

    `mounts` are its mount points in our namespace, `open_files` who works in them, `other_holders`
    all other use: swap, volumes, other namespaces, open devices. `covered` has each mount point
    over which something else is mounted, and what that is. `releases` are the commands that end the
    other use, what stands on top first; empty where none is known.
    """

    mounts: tuple[str, ...] = ()
    other_holders: tuple[str, ...] = ()
    open_files: tuple[str, ...] = ()
    covered: tuple[tuple[str, str], ...] = ()
    releases: tuple[str, ...] = ()

    @property
    def holders(self) -> tuple[str, ...]:
        """Return all use that keeps the disk from being taken away, in words; open files do not."""
        return (*(f"the mount on {path}" for path in self.mounts), *self.other_holders)

    def joined_with(self, other: "DiskUsage | None") -> "DiskUsage":
        """Return the use of two disks: two under one multipath map can only go together."""
        if other is None:
            return self
        both = zip(astuple(other), astuple(self), strict=True)
        return DiskUsage(*(tuple(dict.fromkeys((*one, *more))) for one, more in both))

    @property
    def release_hint(self) -> str:
        """Say how to end the other use.

        The commands are joined by `&&`: what stands below cannot be released before what is on top.
        """
        if not self.releases:
            return "end that use first, then run this again"
        return f"release it, then run this again: {' && '.join(self.releases)}"


@dataclass(frozen=True)
class DiskAnswers:
    """What targets and disks said just now, past what the kernel remembers.

    `luns` has the LUNs that a target shows, by session id. By H:C:T:L, `names` has all names of a
    disk, none where the target answered that it has no such LUN, and `sizes` its bytes. A disk that
    could not be asked, or told no name, is not there.
    """

    luns: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class HostFacts:
    """What the machine runs. `required` maps a unit to the mount points it waits for.

    `login_startups` are the values of node.startup that the login service logs in to.
    `login_retries` is node.session.initial_login_retry_max of new records (iscsid.conf).
    `reservation_key` is the one that this host registers, None without a machine-id.
    `service_defined` is False where there is no unit of the login service, as without systemd;
    `by_script` where a SysV script logs in at boot, or would if the init of the host started it.
    """

    login_service: str = "open-iscsi.service"
    service_enabled: bool = True
    multipath: MultipathFacts = field(default_factory=MultipathFacts)
    required: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    login_startups: frozenset[str] = frozenset({"automatic"})
    reservation_key: int | None = None
    service_defined: bool = True
    by_script: bool = False
    package_manager: "PackageManager | None" = None
    login_retries: str = "8"


@dataclass(frozen=True)
class Inventory:
    """All that a plan may rest on.

    `unsettled` names the values of a record that differ from the spec, by the record's path.
    `luns` is what REPORT LUNS says, by session id; a session of which it failed is not there.
    `contents` go by WWID, `usage` by the device of the disk: two disks can tell one WWID, and the
    use of one says nothing of the other. Of two disks under one map it has the use of both.
    `silent` are portals that do not answer, with the reason. `open_devices` is who has a device
    of a session open that is no disk's, by session id. `open_iscsi` is the installed version.
    `stranded` says why a filesystem of an fstab entry has no disk, by mount point.
    `reservations` has those of the LUNs that were asked, by WWID.
    `device_links` has the node of each name of a device that is a link, and of what the entries of
    fstab and crypttab name; no other names. `names_in_use` are those of swap areas and volumes of
    crypttab that are in use now, as `tag_of_spec` returns them.
    `in_journal` tells, of a name that nothing has, whether this run or the journal has a change
    under it, or it is an empty directory, as a detach leaves one.
    `mounted` has what is mounted, by path. `inactive` are the names of what is on a device and not
    active, by the device.
    `index` finds records, sessions and disks by name; it is always the one of these.
    """

    records: tuple[NodeRecord, ...] = ()
    sessions: tuple[Session, ...] = ()
    disks: tuple[Disk, ...] = ()
    fstab: Fstab = field(default_factory=Fstab)
    offers: Observation[tuple[DiscoveredTarget, ...]] = field(default_factory=NotObserved)
    silent: Mapping[Portal, str] = field(default_factory=dict)
    unsettled: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    luns: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    contents: "Mapping[str, Observation[Content]]" = field(default_factory=dict)
    reservations: "Mapping[str, LunReservations]" = field(default_factory=dict)
    usage: Mapping[str, DiskUsage] = field(default_factory=dict)
    open_devices: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    place: Observation[MountPointState] = field(default_factory=NotObserved)
    host: HostFacts = HostFacts()
    holds: tuple[Hold, ...] = ()
    open_iscsi: "Version | None" = None
    stranded: Mapping[str, str] = field(default_factory=dict)
    in_journal: bool | None = None
    device_links: Mapping[str, str] = field(default_factory=dict)
    crypttab: tuple[CrypttabEntry, ...] = ()
    names_in_use: frozenset[tuple[str, str]] = frozenset()
    mounted: Mapping[str, MountedSource] = field(default_factory=dict)
    inactive: "Mapping[str, InactiveNames]" = field(default_factory=dict)
    index: HostIndex = field(default=HostIndex((), ()), compare=False, repr=False)

    def __post_init__(self) -> None:
        # `replace` hands the index of the old inventory on: most changes leave it as it is.
        listed = (self.records, self.sessions, self.disks)
        if not self.index.is_of(*listed):
            object.__setattr__(self, "index", HostIndex(*listed))

    @cached_property
    def _holds_by_target(self) -> dict[str | None, tuple[Hold, ...]]:
        return group_by_keys(self.holds, lambda hold: (hold.target,))

    def holds_on(self, target: str | None) -> tuple[Hold, ...]:
        """Return the holds on a target, and on single portals and interfaces of it.

        None, a target that is not known, has none; holds on mount points are of no target.
        """
        return () if target is None else self._holds_by_target.get(target, ())

    @property
    def mount_point_state(self) -> MountPointState:
        """The state of the directory to mount on; that of a free one where nobody looked.

        Raises the IscsictlError for which it could not be read.
        """
        if isinstance(self.place, ReadFailed):
            raise self.place.error
        return self.place.value if isinstance(self.place, Known) else MountPointState()

    def node_of(self, device: str) -> str:
        """Return the kernel's own node of a device: /dev/dm-3 for a link in /dev/mapper."""
        return self.device_links.get(device, device)

    def usage_of(self, disk: Disk) -> DiskUsage | None:
        """Return who uses a disk; None where nobody looked."""
        return self.usage.get(disk.block.device)
