"""What `ls` shows: sessions and disks, live or from a capture. The JSON has the same structure.

Sizes are bytes. None means that the source does not say, also in place of a tuple: `luns is None`
means "not known", `()` means "none". The types are named tuples: `ls` creates thousands of them,
and a dataclass, of which nothing is needed here, takes ten times as long to define.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from iscsictl.model.names import Portal

if TYPE_CHECKING:
    from iscsictl.model.capture import CaptureDetails
    from iscsictl.model.reservation import LunReservations

# sfnet and libiscsi occur only in captures; on this host the sources are sysfs and iscsiadm.
Source = Literal["sysfs", "iscsiadm", "sfnet", "libiscsi"]
Status = Literal["up", "recovering", "down", "unknown"]
Kind = Literal["disk", "part", "mpath", "lvm", "crypt", "md", "loop"]


class Timeouts(NamedTuple):
    """Seconds, as the kernel counts them."""

    recovery: int | None = None
    target_reset: int | None = None
    lun_reset: int | None = None
    abort: int | None = None


class ChapNames(NamedTuple):
    """The account names of a session; secrets have no place in a listing."""

    username: str | None = None
    username_in: str | None = None


class Host(NamedTuple):
    """The SCSI host (adapter) that carries the session."""

    number: int
    state: str | None = None


class SessionErrors(NamedTuple):
    """Digest errors and timeouts of PDUs since the login; None if the source does not say."""

    digest: int | None = None
    timeout: int | None = None


# Peripheral device types (SPC-5, 6.7.2) for which the drivers sd and sr of Linux create a disk.
_GETS_DISK = frozenset({0x00, 0x04, 0x05, 0x07, 0x0E, 0x14})

# States of a SCSI device (scsi_sysfs.c of the kernel) in which commands wait or fail. `created` and
# `cancel` are not among them: they are transient.
_STOPPED = frozenset({"offline", "transport-offline", "blocked", "created-blocked", "quiesce",
                      "deleted"})  # fmt: skip


# Asymmetric access states (SPC-4, 5.15.2; sdev_access_states in scsi_sysfs.c of the kernel) in
# which a port of the array serves no reads and writes of a LUN. A standby one takes over when the
# other controller is lost; those that are closed do not.
_PASSIVE = frozenset({"standby", "unavailable", "offline", "transitioning"})
_CLOSED = frozenset({"unavailable", "offline"})


class LunLoad(NamedTuple):
    """Requests in flight, the most that the kernel sends at once, and the mean latency in ms."""

    in_flight: int
    queue_depth: int | None = None
    latency: float | None = None


class Lun(NamedTuple):
    """One logical unit of a session; `device` is None while it has no disk.

    `type` is its peripheral device type (SPC-5, 6.7.2), which is only read if it has no disk.
    `access` is as for a `Path`.
    """

    lun: int
    hctl: str | None = None
    device: str | None = None
    state: str | None = None
    wwid: str | None = None
    vendor: str | None = None
    model: str | None = None
    page83: str | None = None
    page80: str | None = None
    type: int | None = None
    load: LunLoad | None = None
    access: str | None = None

    @property
    def works(self) -> bool:
        """Whether commands get to it; True if its state is not known."""
        return _takes_commands(self.state, self.access)

    @property
    def shown_state(self) -> str | None:
        """The kernel's state, or what keeps reads and writes off a path that runs."""
        return self.access if self.is_passive else self.state

    @property
    def is_passive(self) -> bool:
        """Whether the array serves no reads and writes over this path, which runs."""
        return self.state in {"running", None} and self.access in _PASSIVE

    @property
    def is_settled(self) -> bool:
        """Whether the kernel has finished with it: it has its disk, or will never get one.

        Array controllers (type 0x0c), enclosures and tapes get no disk, and many arrays have one of
        these at LUN 0. A LUN whose type is not known may still get a disk.
        """
        return self.device is not None or not (self.type is None or self.type in _GETS_DISK)


class Session(NamedTuple):
    """One login (I_T nexus), with its current portal and the one that was asked for.

    `target` is empty only in a capture that lost the line of the target.
    """

    source: Source
    target: str
    sid: int | None = None
    alias: str | None = None
    transport: str | None = None
    portal: Portal | None = None
    persistent_portal: Portal | None = None
    iface: str | None = None
    initiator: str | None = None
    initiator_address: str | None = None
    status: Status = "unknown"
    connection_state: str | None = None
    session_state: str | None = None
    internal_state: str | None = None
    timeouts: Timeouts | None = None
    chap: ChapNames | None = None
    params: Mapping[str, str] | None = None
    host: Host | None = None
    luns: tuple[Lun, ...] | None = None
    since: str | None = None
    isid: str | None = None
    tsih: str | None = None
    errors: SessionErrors | None = None

    @property
    def requested_portal(self) -> Portal | None:
        """The portal to which the login was sent, which differs from the current one if redirected.

        Node records have this one: a target may redirect a login (RFC 7143, 11.13.5), and
        open-iscsi always asks here first. None if the source shows no portal.
        """
        return self.persistent_portal or self.portal

    @property
    def settled_luns(self) -> frozenset[int]:
        """The numbers of the LUNs that the kernel has finished with, see `Lun.is_settled`."""
        return frozenset(unit.lun for unit in self.luns or () if unit.is_settled)

    @property
    def stopped_luns(self) -> tuple[Lun, ...]:
        """The LUNs that do not work although the session is up.

        Empty while the session is not up: then all of its LUNs are blocked or offline.
        """
        return tuple(
            lun for lun in self.luns or () if self.status == "up" and lun.state in _STOPPED
        )

    @property
    def over_tcp(self) -> bool:
        """Whether it uses the host's own TCP; True if the source does not say.

        Sessions of iSER and of offload adapters have no socket: connecting to their portal proves
        nothing.
        """
        return self.transport in {None, "tcp"}


class Mount(NamedTuple):
    """One place where a filesystem is mounted."""

    path: str
    options: tuple[str, ...] = ()


class Block(NamedTuple):
    """A block device and what is on it; `children` nest as in `lsblk --json`.

    `member` identifies it among the devices of its filesystem, if that has several
    (ID_FS_UUID_SUB).
    """

    device: str
    kind: Kind = "part"
    size: int | None = None
    fstype: str | None = None
    label: str | None = None
    uuid: str | None = None
    mounts: tuple[Mount, ...] = ()
    children: tuple["Block", ...] = ()
    member: str | None = None


def blocks(block: Block) -> Iterator[Block]:
    """Yield a device and everything on top of it, the device first.

    A device with several parents, such as an md array, is yielded once for each of them.
    """
    yield block
    for child in block.children:
        yield from blocks(child)


def mount_paths(block: Block) -> tuple[str, ...]:
    """Return where a device and everything on top of it is mounted, each path once."""
    return tuple(dict.fromkeys(mount.path for each in blocks(block) for mount in each.mounts))


def in_use(block: Block, besides: Collection[str] = ("part",)) -> bool:
    """Return whether a device is mounted or has a device on top whose kind is not in `besides`.

    Devices of the kinds in `besides` count only if they are in use themselves. Open files and swap
    are not considered; `system.mount.usage` has them.
    """
    return bool(block.mounts) or any(
        child.kind not in besides or in_use(child, besides) for child in block.children
    )


class Path(NamedTuple):
    """One way to a disk: a LUN of a session.

    `access` is the asymmetric access state of the array's port, "active/optimized" or "standby",
    where a device handler of the kernel knows it.
    """

    sid: int
    hctl: str
    device: str
    state: str | None = None
    access: str | None = None

    @property
    def works(self) -> bool:
        """Whether commands get over it; True if its state is not known."""
        return _takes_commands(self.state, self.access)

    @property
    def is_passive(self) -> bool:
        """Whether the array serves no reads and writes over this path, which runs."""
        return self.state in {"running", None} and self.access in _PASSIVE


def _takes_commands(state: str | None, access: str | None) -> bool:
    return state in {"running", None} and access not in _CLOSED


class Disk(NamedTuple):
    """One disk, however many paths lead to it; `block` is what to open (the map, if any).

    `reservations` is None if the disk was not asked, or there is nothing to report.
    """

    wwid: str | None
    paths: tuple[Path, ...]
    block: Block
    serial: str | None = None
    vendor: str | None = None
    model: str | None = None
    type: str | None = None
    read_only: bool = False
    reservations: "LunReservations | None" = None


class Note(NamedTuple):
    """Something that could not be read or looks wrong; `line` counts from 1 in a capture.

    `is_general`: it only says that lines were skipped, so it may be shown last.
    """

    text: str
    line: int | None = None
    is_general: bool = False


class Listing(NamedTuple):
    """Everything that `ls` shows. `disks` is None if the source cannot know them.

    `capture` is what else a capture contains, None for a live listing.
    """

    sessions: tuple[Session, ...] = ()
    disks: tuple[Disk, ...] | None = None
    warnings: tuple[Note, ...] = ()
    capture: "CaptureDetails | None" = None
