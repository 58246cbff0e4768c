"""The facts about a machine that `doctor` judges.

A fact that was not read, or could not be read, says so (`Observation`): it is never mistaken for
one that is absent.
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

# `blocked`: modprobe.d(5) forbids loading the module; `missing`: there is no file for it.
ModuleState = Literal["loaded", "builtin", "loadable", "blocked", "missing"]


@dataclass(frozen=True)
class Kernel:
    """The running kernel and the state of its modules, by name with underscores.

    `has_modules` is False if the module files of the running kernel are gone (after an upgrade).
    `blockers` names the file that blocks a module. `contained`: this is a container, so only its
    host can load a module.
    """

    release: str | None = None
    has_modules: bool = True
    modules: Mapping[str, ModuleState] = field(default_factory=dict)
    blockers: Mapping[str, str] = field(default_factory=dict)
    contained: bool = False


@dataclass(frozen=True)
class Program:
    """A program that was looked for; `version` is None if it was not asked for or not printed.

    `path` is the first match in PATH; `also_at` are further files of the same name in PATH.
    """

    name: str
    path: str | None = None
    version: str | None = None
    also_at: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lock:
    """A held lock of the node database: its age in seconds, and who may hold it (`owners`)."""

    path: str
    age: float
    owners: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodeDb:
    """The node database, and the version of the open-iscsi that reads it (None: not known).

    `other_holders` are directories with records that this open-iscsi does not read, `strays` the
    paths of files where it expects directories. `config_mode` is the mode of iscsid.conf,
    `config_secret` whether that file has a secret. `shared_secrets` are groups of targets with one
    secret.
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
    """A network interface. `speed` is in Mbit/s; the sysctls have their effective values.

    `vlan` is its VLAN id, which only root can read, and `parent` the NIC below it. `addresses`
    include the prefix length, as in 192.0.2.9/24; None if they are not known.
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
    """An iSCSI host of the kernel: an adapter, or one that the software initiator created.

    The software initiator creates one for each session. What a driver does not report is None.
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
    """An outgoing IPsec policy of the kernel; `destination` is the addresses that it covers."""

    destination: str
    protects: bool = True


@dataclass(frozen=True)
class PathMtu:
    """Whether an echo request in a small packet, and in an IP packet of `bytes`, was answered."""

    small: bool
    large: bool
    bytes: int


@dataclass(frozen=True)
class Network:
    """NICs, routes and the answers of the portals. `silent` has the reason for each silent portal.

    `own_addresses` maps the address of a portal to the one from which the kernel would send to it.
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
    """Seconds since the epoch, and whether the kernel reports that the clock is synchronized.

    None means that this is not known.
    """

    now: float
    synchronized: bool | None = None


@dataclass(frozen=True)
class KernelLogErrors:
    """Recent errors in the kernel's log: broken connections by session id, errors by disk.

    `lun_changes` are the H:C:T:L whose target reported that its LUNs were reassigned.
    """

    breaks: Mapping[int, int] = field(default_factory=dict)
    disk_errors: Mapping[str, str] = field(default_factory=dict)
    lun_changes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class MountHealth:
    """A mount on an iSCSI disk. `error` is the error with which the filesystem answered a query.

    `stranded` says why it has lost its disk.
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
    """All facts about a host. `root`: they were read by root; `now` is when, in epoch seconds.

    `filesystems` are the UUIDs of all that udev knows, None if there is no udev. `links` maps names
    in fstab and crypttab to devices of sessions; `absent` are the names that no device has now.
    `mount_points` has, for each directory on which a disk of a session is or will be mounted, the
    directories above it that users other than root can write. `boot_targets` are those that the
    firmware names or that have the root filesystem. `disk_answers` is what mounted disks and maps
    report about themselves. `reservations` are those of exclusive volumes, by WWID;
    `reserve_program` reserves them at boot before they are mounted. `root_boot` is what the next
    boot depends on, None if the root filesystem is not on iSCSI. `inactive` has, by device, the
    names of the volumes on it that are not active. `package_manager` is None for an unknown
    distribution.
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
        """Records, sessions and disks by name; there are no records if they could not be read."""
        records = self.db.value.records if isinstance(self.db, Known) else ()
        return HostIndex(records, self.listing.sessions, self.listing.disks or ())

    def has_program(self, name: str) -> bool:
        """Return whether a program is installed; False for one that was not looked for."""
        program = self.programs.get(name)
        return program is not None and program.path is not None
