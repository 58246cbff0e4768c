"""What a capture contains besides sessions: disks, paths and node records.

None means "the capture does not say", also in place of a tuple; `()` means "there are none".
The types of `listing`, on which planners rely, have no such gaps.
"""

from dataclasses import dataclass

from iscsictl.model.names import Portal


@dataclass(frozen=True)
class ListedRecord:
    """A target at a portal, as lists of node records and discoveries print it.

    It is not a session: such a list does not say whether anybody is logged in.
    """

    target: str
    portal: Portal | None
    iface: str | None = None


@dataclass(frozen=True)
class CapturedPath:
    """One path to a disk; `sid` is known if the capture lists the session too.

    `state` is the kernel's (running, offline, ...), `checker` that of multipath's path checker
    (ready, ghost, faulty, ...).
    """

    sid: int | None = None
    hctl: str | None = None
    device: str | None = None
    state: str | None = None
    checker: str | None = None


@dataclass(frozen=True)
class CapturedBlock:
    """A block device and what is on it. `size` is in bytes, as precise as the tool's output."""

    device: str
    kind: str | None = None
    size: int | None = None
    fstype: str | None = None
    label: str | None = None
    uuid: str | None = None
    mounts: tuple[str, ...] | None = None
    children: tuple["CapturedBlock", ...] | None = None


@dataclass(frozen=True)
class CapturedDisk:
    """One disk of `multipath -ll` or `lsblk`; `block` is the map, if there is one."""

    block: CapturedBlock
    wwid: str | None = None
    serial: str | None = None
    vendor: str | None = None
    model: str | None = None
    read_only: bool | None = None
    paths: tuple[CapturedPath, ...] | None = None


@dataclass(frozen=True)
class CaptureDetails:
    """What a capture contains besides its sessions, and whether it lists sessions at all."""

    tells_sessions: bool = True
    disks: tuple[CapturedDisk, ...] | None = None
    records: tuple[ListedRecord, ...] | None = None
