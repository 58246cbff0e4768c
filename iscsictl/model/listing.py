"""What `ls` shows: sessions and disks, live or from a capture. The JSON has this shape.

Sizes are bytes. None means that the source does not tell, also where a tuple would stand:
`luns is None` is not known, `()` is none. The types are named tuples, for `ls` makes thousands
of them and nothing of them has to be a dataclass, which takes ten times as long to define.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from iscsictl.model.names import Portal

if TYPE_CHECKING:
    from iscsictl.model.capture import CaptureDetails
    from iscsictl.model.reservation import LunReservations

# sfnet and libiscsi are found in captures alone: sysfs and iscsiadm are the sources on this host.
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
    """How often a digest was wrong and a PDU was late, since the login; None is not told."""

    digest: int | None = None
    timeout: int | None = None


# Peripheral device types (SPC-5, 6.7.2) that the drivers sd and sr of Linux make a disk of.
_GETS_DISK = frozenset({0x00, 0x04, 0x05, 0x07, 0x0E, 0x14})

# States of a SCSI device (scsi_sysfs.c of the kernel) in which commands wait or fail. `created` and
# `cancel` pass by themselves.
_STOPPED = frozenset({"offline", "transport-offline", "blocked", "created-blocked", "quiesce",
                      "deleted"})  # fmt: skip


class LunLoad(NamedTuple):
    """Requests under way, how many the kernel sends at most, and the mean latency in ms."""

    in_flight: int
    queue_depth: int | None = None
    latency: float | None = None


class Lun(NamedTuple):
    """One logical unit behind a session; `device` is None while it has no disk.

    `type` is its peripheral device type (SPC-5, 6.7.2), known of what has no disk alone.
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

    @property
    def works(self) -> bool:
        """Tell whether the kernel sends commands to it, or whether its state is not known."""
        return self.state in {"running", None}

    @property
    def is_settled(self) -> bool:
        """Tell whether the kernel is done with it: it has its disk, or never gets one.

        Array controllers (type 0x0c), enclosures and tapes are no disks, and many arrays have one
        at LUN 0. One whose type is not known may still get a disk.
        """
        return self.device is not None or not (self.type is None or self.type in _GETS_DISK)


class Session(NamedTuple):
    """One login (I_T nexus), with both portals: where it is and where it was asked for.

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
        """The portal that the login was sent to; after a redirect it is not the current one.

        Node records have this one: a target may send a login elsewhere (RFC 7143, 11.13.5), and
        open-iscsi keeps asking here first. None where the source shows no portal.
        """
        return self.persistent_portal or self.portal

    @property
    def settled_luns(self) -> frozenset[int]:
        """The numbers of the LUNs that the kernel is done with, see `Lun.is_settled`."""
        return frozenset(unit.lun for unit in self.luns or () if unit.is_settled)

    @property
    def stopped_luns(self) -> tuple[Lun, ...]:
        """The LUNs that do not run though the session is up.

        While it is away they are blocked or offline too, which says nothing more.
        """
        return tuple(
            lun for lun in self.luns or () if self.status == "up" and lun.state in _STOPPED
        )

    @property
    def over_tcp(self) -> bool:
        """Tell whether the host's own TCP carries it, as far as its source tells.

        Sessions of iSER and of offload adapters have no socket: to ask their portal proves nothing.
        """
        return self.transport in {None, "tcp"}


class Mount(NamedTuple):
    """One place where a filesystem is mounted."""

    path: str
    options: tuple[str, ...] = ()


class Block(NamedTuple):
    """A block device and what stands on it; `children` nest as in `lsblk --json`.

    `member` is which device of its filesystem it is, where one has several (ID_FS_UUID_SUB).
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
    """Walk over a device and all that stands on it, the device first.

    A device over several parents, such as an md array, comes once for each of them.
    """
    yield block
    for child in block.children:
        yield from blocks(child)


def mount_paths(block: Block) -> tuple[str, ...]:
    """Return where a device and what stands on it is mounted, each path once."""
    return tuple(dict.fromkeys(mount.path for one in blocks(block) for mount in one.mounts))


def in_use(block: Block, besides: Collection[str] = ("part",)) -> bool:
    """Tell whether something is mounted from it, or stands on it other than devices `besides`.

    Open files and swap do not show here: `system.mount.usage` has them.
    """
    return bool(block.mounts) or any(
        child.kind not in besides or in_use(child, besides) for child in block.children
    )


class Path(NamedTuple):
    """One way to a disk: a LUN of a session."""

    sid: int
    hctl: str
    device: str
    state: str | None = None

    @property
    def works(self) -> bool:
        """Tell whether the kernel sends commands over it, or whether its state is not known."""
        return self.state in {"running", None}


class Disk(NamedTuple):
    """One disk, however many paths lead to it; `block` is what to open (the map, if any).

    `reservations` are None where nobody asked, and where there is nothing to tell.
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

    `is_general` is set where it only says that lines were skipped, so that it may be shown last.
    """

    text: str
    line: int | None = None
    is_general: bool = False


class Listing(NamedTuple):
    """The whole of `ls`. `disks` is None where the source cannot know them.

    `capture` is what a capture tells besides, None for a live listing.
    """

    sessions: tuple[Session, ...] = ()
    disks: tuple[Disk, ...] | None = None
    warnings: tuple[Note, ...] = ()
    capture: "CaptureDetails | None" = None
