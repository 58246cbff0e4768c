"""The facts about a machine for one request. "Not observed" never means "absent"."""

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from iscsictl.errors import InterruptError, IscsictlError
from iscsictl.model.fstab import Fstab
from iscsictl.model.grouping import group_by_keys
from iscsictl.model.host_index import HostIndex
from iscsictl.model.listing import Disk, Session
from iscsictl.model.multipath import MultipathFacts
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord

if TYPE_CHECKING:
    from iscsictl.model.crypttab import CrypttabEntry
    from iscsictl.model.disk_content import Content
    from iscsictl.model.hold import Hold
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
    """It was read, and this is the value."""

    value: T


@dataclass(frozen=True)
class ReadFailed:
    """It could not be read, for this reason."""

    error: IscsictlError


@dataclass(frozen=True)
class NotObserved:
    """It was not read, or cannot be read yet."""


# None is not among them: a reader must say which of the three applies, and mypy makes planners
# handle each.
Observation = Known[T] | ReadFailed | NotObserved


def observe_value(read: Callable[[], T]) -> Observation[T]:
    """Call `read` and return its value, or the IscsictlError with which it failed.

    InterruptError is raised. An OSError is not caught: a reader that lets one through has a bug.
    """
    try:
        return Known(read())
    except InterruptError:
        raise
    except IscsictlError as error:
        return ReadFailed(error)


@dataclass(frozen=True)
class DiscoveredTarget:
    """A target and the portal at which it was announced by discovery.

    `named_by` is the portal that announced it, if known; it is ignored in comparisons.
    """

    target: str
    portal: Portal
    named_by: Portal | None = field(default=None, compare=False)


@dataclass(frozen=True)
class MountPointState:
    """The directory to mount on. `mounted` is the device number of what is mounted there.

    `exposed` are the directories above it in which users other than root can replace a component
    of the path.
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
    """The topmost mount on a mount point: its device number and the source as it was given."""

    device: str
    source: str


@dataclass(frozen=True)
class DiskUsage:
    """Who uses a disk or anything on it, in words.

    `mounts` are its mount points in this mount namespace, `open_files` the processes that use files
    in them, `other_holders` all other use: swap, volumes, other namespaces, open devices. `covered`
    has each mount point over which something else is mounted, and what that is. `releases` are the
    commands that end the other use, the topmost layer first; empty if none is known.
    """

    mounts: tuple[str, ...] = ()
    other_holders: tuple[str, ...] = ()
    open_files: tuple[str, ...] = ()
    covered: tuple[tuple[str, str], ...] = ()
    releases: tuple[str, ...] = ()

    @property
    def holders(self) -> tuple[str, ...]:
        """All use that keeps the disk from being removed, in words; open files are not included."""
        return (*(f"the mount on {path}" for path in self.mounts), *self.other_holders)

    def joined_with(self, other: "DiskUsage | None") -> "DiskUsage":
        """Return the combined use of two disks, for two that only one map can release together."""
        if other is None:
            return self
        both = zip(astuple(other), astuple(self), strict=True)
        return DiskUsage(*(tuple(dict.fromkeys((*first, *second))) for first, second in both))

    @property
    def release_hint(self) -> str:
        """How to end the other use, in words.

        The commands are joined by `&&`, as a lower layer cannot be released before those above it.
        """
        if not self.releases:
            return "stop that use first, then run this again"
        return f"release it, then run this again: {' && '.join(self.releases)}"


@dataclass(frozen=True)
class DiskAnswers:
    """What targets and disks report when they are asked, rather than what the kernel remembers.

    `luns` has the LUNs that a target reports, by session id. `names` has all names of a disk, and
    `sizes` its size in bytes, both by H:C:T:L; the names are empty if the target answered that it
    has no such LUN. A disk that could not be asked, or reported no name, is missing.
    """

    luns: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class HostFacts:
    """What runs on the machine. `required` maps a unit to the mount points that it waits for.

    `login_startups` are the values of node.startup for which the login service logs in.
    `login_retries` is node.session.initial_login_retry_max of new records (iscsid.conf).
    `reservation_key` is the one that this host registers, None without a machine-id.
    `service_defined` is False if the login service has no unit, as on a host without systemd.
    `by_script`: a SysV script logs in at boot, or would if the init of the host started it.
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
    """Everything that a plan may depend on.

    `unsettled` names the values of a record that differ from the spec, by the record's path.
    `luns` is the answer to REPORT LUNS, by session id; sessions for which it failed are missing.
    `contents` is keyed by WWID, `usage` by the device of the disk: two disks can report one WWID,
    and the use of one says nothing about the other. For two disks under one map, `usage` has the
    use of both.
    `silent` are portals that do not answer, with the reason. `open_devices` is who has a device
    of a session open that is not a disk, by session id. `open_iscsi` is the installed version.
    `stranded` says why a filesystem of an fstab entry has no disk, by mount point.
    `reservations` has those of the LUNs that were asked, by WWID.
    `device_links` maps each device name that is a link, and each name in fstab and crypttab, to its
    node; it has no other names. `names_in_use` are those of the swap areas and volumes of crypttab
    that are in use now, as `tag_of_spec` returns them.
    `in_journal`: the requested name, which nothing has now, is in the journal as that of a change
    (or was changed in this run), or is an empty directory, such as a detach leaves behind.
    `mounted` has what is mounted, by path. `inactive` has, by device, the names of the volumes on
    it that are not active.
    `index` finds these records, sessions and disks by name.
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
    holds: "tuple[Hold, ...]" = ()
    open_iscsi: "Version | None" = None
    stranded: Mapping[str, str] = field(default_factory=dict)
    in_journal: bool | None = None
    device_links: Mapping[str, str] = field(default_factory=dict)
    crypttab: "tuple[CrypttabEntry, ...]" = ()
    names_in_use: frozenset[tuple[str, str]] = frozenset()
    mounted: Mapping[str, MountedSource] = field(default_factory=dict)
    inactive: "Mapping[str, InactiveNames]" = field(default_factory=dict)
    index: HostIndex = field(default=HostIndex((), ()), compare=False, repr=False)

    def __post_init__(self) -> None:
        # `dataclasses.replace` passes the old index on; it is still valid after most changes.
        listed = (self.records, self.sessions, self.disks)
        if not self.index.is_of(*listed):
            object.__setattr__(self, "index", HostIndex(*listed))

    @cached_property
    def _holds_by_target(self) -> "dict[str | None, tuple[Hold, ...]]":
        return group_by_keys(self.holds, lambda hold: (hold.target,))

    def holds_on(self, target: str | None) -> "tuple[Hold, ...]":
        """Return the holds on a target, including those on single portals and interfaces of it.

        A `target` of None, one that is not known, has none. Holds on mount points belong to no
        target.
        """
        return () if target is None else self._holds_by_target.get(target, ())

    @property
    def mount_point_state(self) -> MountPointState:
        """The state of the directory to mount on; the default, a free one, if it was not observed.

        Raises the IscsictlError with which reading it failed.
        """
        if isinstance(self.place, ReadFailed):
            raise self.place.error
        return self.place.value if isinstance(self.place, Known) else MountPointState()

    def node_of(self, device: str) -> str:
        """Return the kernel's node for a device, such as /dev/dm-3 for a link in /dev/mapper."""
        return self.device_links.get(device, device)

    def usage_of(self, disk: Disk) -> DiskUsage | None:
        """Return who uses a disk; None if that was not observed."""
        return self.usage.get(disk.block.device)
