"""What `doctor` looked at: facts of a machine, without judgement.

A fact that nobody looked at, or could not read, says so (`Observation`): it is never taken for one
that is not there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from iscsictl.model.crypttab import CrypttabEntry
from iscsictl.model.firewall import Firewall
from iscsictl.model.fstab import Fstab
from iscsictl.model.hold import Hold
from iscsictl.model.host_index import HostIndex
from iscsictl.model.inactive_volumes import InactiveNames
from iscsictl.model.initiator_name import InitiatorName
from iscsictl.model.inventory import DiskAnswers, Known, NotObserved, Observation
from iscsictl.model.listing import Listing
from iscsictl.model.multipath import MultipathFacts
from iscsictl.model.names import Portal
from iscsictl.model.open_iscsi import Version
from iscsictl.model.packages import PackageManager
from iscsictl.model.record import DiscoveryRecord, IfaceRecord, NodeRecord
from iscsictl.model.reservation import LunReservations
from iscsictl.model.root_boot import RootBoot
from iscsictl.model.services import Daemon, Systemd

# `blocked` is a module that modprobe.d(5) forbids, `missing` one without a file of its own.
ModuleState = Literal["loaded", "builtin", "loadable", "blocked", "missing"]


@dataclass(frozen=True)
class Kernel:
    """The running kernel, and what its modules are: by name with underscores.

    `has_modules` is False where the files of the running kernel are gone (after an upgrade).
    `blockers` names the file that forbids a blocked module. A `contained` one is that of the host
    of this container, which alone can load a module.
    """

    release: str | None = None
    has_modules: bool = True
    modules: Mapping[str, ModuleState] = field(default_factory=dict)
    blockers: Mapping[str, str] = field(default_factory=dict)
    contained: bool = False


@dataclass(frozen=True)
class Program:
    """A program that was looked for; `version` is None where it was not asked or not said.

    `path` is the one that PATH finds first; `also_at` are other files of the same name in it.
    """

    name: str
    path: str | None = None
    version: str | None = None
    also_at: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lock:
    """The lock of the node database that somebody holds; `owners` are who may be at work."""

    path: str
    age: float
    owners: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodeDb:
    """The node database, and the version of the open-iscsi that reads it (None: not known).

    `other_holders` are directories with records that it does not read, `strays` the paths of
    files that stand where it expects directories.
    """

    path: str
    records: tuple[NodeRecord, ...] = ()
    discovery: tuple[DiscoveryRecord, ...] = ()
    ifaces: tuple[IfaceRecord, ...] = ()
    other_holders: tuple[str, ...] = ()
    config_mode: int | None = None
    config_secret: bool = False
    shared_secrets: tuple[tuple[str, ...], ...] = ()
    strays: tuple[str, ...] = ()
    open_iscsi: Version | None = None


@dataclass(frozen=True)
class Nic:
    """A network interface. `speed` is in Mbit/s; the sysctls are the ones in force.

    `vlan` is its VLAN id, None too for users other than root, and `parent` the NIC that carries
    it. `addresses` have their prefix length, as in 192.0.2.9/24; None where they are not known.
    """

    name: str
    mtu: int = 1500
    mac: str | None = None
    state: str = "up"
    speed: int | None = None
    duplex: str | None = None
    driver: str | None = None
    arp_ignore: int = 0
    arp_announce: int = 0
    rp_filter: int = 0
    vlan: int | None = None
    parent: str | None = None
    addresses: tuple[str, ...] | None = None


@dataclass(frozen=True)
class IscsiHost:
    """An iSCSI host of the kernel: an adapter, or one that the software initiator made.

    The software initiator makes one for each session. What a driver does not tell is None.
    """

    number: int
    transport: str | None = None
    mac: str | None = None
    address: str | None = None
    initiator: str | None = None
    netdev: str | None = None
    port_state: str | None = None
    port_speed: str | None = None


@dataclass(frozen=True)
class KernelRoute:
    """One line of the kernel's routing table; `prefix` as in 192.0.2.0/24, with no host bits."""

    prefix: str
    nic: str
    gateway: str | None = None
    metric: int = 0


@dataclass(frozen=True)
class Policy:
    """An outgoing IPsec policy of the kernel's, with the addresses that it covers."""

    destination: str
    protects: bool = True


@dataclass(frozen=True)
class PathMtu:
    """What came back through a path: an echo of `small`, and of `large` bytes (IP packets)."""

    small: bool
    large: bool
    bytes: int


@dataclass(frozen=True)
class Network:
    """NICs, routes, and what the portals said. `silent` has the reason of each that is.

    `own_addresses` has, by the address of a portal, the one from which the kernel would send to it.
    """

    nics: Mapping[str, Nic] = field(default_factory=dict)
    routes: tuple[KernelRoute, ...] = ()
    silent: Observation[Mapping[Portal, str]] = field(default_factory=NotObserved)
    path_mtu: Mapping[Portal, PathMtu] = field(default_factory=dict)
    policies: Observation[tuple[Policy, ...]] = field(default_factory=NotObserved)
    open_port: str | None = None
    firewall: Observation[Firewall] = field(default_factory=NotObserved)
    own_addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Clock:
    """Seconds of the epoch, and whether the kernel says that it is kept right (None: unknown)."""

    now: float
    synchronized: bool | None = None


@dataclass(frozen=True)
class KernelLogErrors:
    """What the kernel's log has of late: times a connection broke by sid, errors by disk.

    `lun_changes` are the H:C:T:L whose target told that its LUNs were assigned anew.
    """

    breaks: Mapping[int, int] = field(default_factory=dict)
    disk_errors: Mapping[str, str] = field(default_factory=dict)
    lun_changes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class MountHealth:
    """A mount on an iSCSI disk. `error` is what the filesystem answered to a question.

    `stranded` says why it has no disk any more.
    """

    path: str
    device: str
    fstype: str
    read_only: bool = False
    meant_read_only: bool = False
    errors: int = 0
    error: str | None = None
    stranded: str | None = None


@dataclass(frozen=True)
class Machine:
    """Everything. `root` tells whether root looked; `now` is when.

    `filesystems` are the UUIDs of all that udev knows, None where there is no udev; `links` maps
    what fstab and crypttab name to devices of sessions, `absent` are names that nothing has now.
    `mount_points` has, for each directory that a disk of a session is or will be mounted on, the
    directories above it that users other than root can write. `boot_targets` are those that the
    firmware names or the root filesystem is on. `disk_answers` is what mounted disks and maps say
    of themselves. `reservations` are those of exclusive volumes, by WWID, and `reserve_program`
    what reserves them before they are mounted at boot. `root_boot` is what the next boot depends
    on, None where the root filesystem is not on iSCSI. `inactive` are the names of what is on a
    device and not active, by the device. `package_manager` is None for a distribution that is not
    known.
    """

    root: bool = True
    now: float = 0.0
    kernel: Kernel = Kernel()
    programs: Mapping[str, Program] = field(default_factory=dict)
    iscsid: Daemon | None = None
    iscsid_error: str | None = None
    multipathd: Daemon | None = None
    multipath: MultipathFacts = field(default_factory=MultipathFacts)
    systemd: Systemd = field(default_factory=Systemd)
    initiator: InitiatorName = field(default_factory=InitiatorName)
    initiator_error: str | None = None
    lock: Lock | None = None
    db: Observation[NodeDb] = field(default_factory=NotObserved)
    listing: Listing = field(default_factory=Listing)
    network: Network = Network()
    clock: Clock = Clock(0.0)
    trouble: Observation[KernelLogErrors] = field(default_factory=NotObserved)
    mounts: tuple[MountHealth, ...] = ()
    mount_points: Mapping[str, Observation[tuple[str, ...]]] = field(default_factory=dict)
    fstab: Observation[Fstab] = field(default_factory=NotObserved)
    filesystems: frozenset[str] | None = None
    crypttab: Observation[tuple[CrypttabEntry, ...]] = field(default_factory=NotObserved)
    links: Mapping[str, str] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    holds: tuple[Hold, ...] = ()
    boot_targets: frozenset[str] = frozenset()
    disk_timeouts: Mapping[str, int] = field(default_factory=dict)
    disk_answers: Observation[DiskAnswers] = field(default_factory=NotObserved)
    reservations: Observation[Mapping[str, LunReservations]] = field(default_factory=NotObserved)
    reserve_program: str | None = None
    root_boot: RootBoot | None = None
    inactive: Mapping[str, InactiveNames] = field(default_factory=dict)
    package_manager: PackageManager | None = None

    @cached_property
    def index(self) -> HostIndex:
        """Records, sessions and disks by name; records that could not be read are none."""
        records = self.db.value.records if isinstance(self.db, Known) else ()
        return HostIndex(records, self.listing.sessions, self.listing.disks or ())

    def has_program(self, name: str) -> bool:
        """Tell whether a program that was looked for is installed; one that was not is none."""
        program = self.programs.get(name)
        return program is not None and program.path is not None
