"""What `reconnect --metrics` reports: sessions, paths, disk statistics and its own runs.

Counters are the kernel's: they start at 0 when a disk appears, and a new login creates a new disk.
None means that the kernel does not report the value.
"""

from typing import NamedTuple


class SessionLabels(NamedTuple):
    """The key of a node record, which, unlike a session id, is the same after the next login."""

    target: str
    portal: str
    iface: str


class SessionCount(NamedTuple):
    """How many sessions of a record are up, and how many there should be."""

    labels: SessionLabels
    up: int
    wanted: int


class DiskCounters(NamedTuple):
    """Completed requests, their bytes, and the time they took in milliseconds."""

    reads: int
    read_bytes: int
    read_milliseconds: int
    writes: int
    written_bytes: int
    write_milliseconds: int


class LunPath(NamedTuple):
    """A LUN of one session. `active`: the kernel can send commands through it.

    `errors` and `timeouts` count SCSI commands that failed or timed out.
    """

    session: SessionLabels
    lun: int
    wwid: str | None
    active: bool
    counters: DiskCounters | None = None
    errors: int | None = None
    timeouts: int | None = None


class ReconnectRun(NamedTuple):
    """How a run of reconnect ended. Times are in seconds since the epoch.

    `last_success` is when a run last ended without an error, None if that is not known.
    """

    ended: int
    exit_code: int
    last_success: int | None


class HostMetrics(NamedTuple):
    """Everything that the metrics file contains about sessions and paths."""

    sessions: tuple[SessionCount, ...]
    paths: tuple[LunPath, ...]
