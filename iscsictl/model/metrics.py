"""What `reconnect --metrics` tells of a host: sessions, paths, the work of disks and its own runs.

Counters are the kernel's, from 0 when a disk appeared; a new login makes a new disk. None means
that the kernel does not tell.
"""

from typing import NamedTuple


class SessionLabels(NamedTuple):
    """The key of a node record, which stays the same over logins; a session id does not."""

    target: str
    portal: str
    iface: str


class SessionCount(NamedTuple):
    """How many sessions of a record are up, and how many there should be."""

    labels: SessionLabels
    up: int
    wanted: int


class DiskCounters(NamedTuple):
    """Requests that were completed, their bytes, and the time that they took in milliseconds."""

    reads: int
    read_bytes: int
    read_milliseconds: int
    writes: int
    written_bytes: int
    write_milliseconds: int


class LunPath(NamedTuple):
    """A LUN of one session. `active` tells whether the kernel can send commands through it.

    `errors` and `timeouts` count SCSI commands that ended with an error, or not in time.
    """

    session: SessionLabels
    lun: int
    wwid: str | None
    active: bool
    counters: DiskCounters | None = None
    errors: int | None = None
    timeouts: int | None = None


class ReconnectRun(NamedTuple):
    """How a run of reconnect ended. Times are seconds of the epoch.

    `last_success` is when a run last ended without an error, None if that is not known.
    """

    ended: int
    exit_code: int
    last_success: int | None


class HostMetrics(NamedTuple):
    """All that the file says of sessions and paths."""

    sessions: tuple[SessionCount, ...]
    paths: tuple[LunPath, ...]
