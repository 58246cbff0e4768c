"""Repeated observation: what has changed, the traffic and load of each LUN, and errors."""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from iscsictl.errors import IscsictlError
from iscsictl.limits import SESSION_ERRORS_WAIT
from iscsictl.model.listing import Listing, LunLoad, SessionErrors
from iscsictl.model.metrics import DiskCounters
from iscsictl.model.session_diff import Rate, Snapshot, changes
from iscsictl.observers.listing import read_session_errors, with_errors
from iscsictl.parse.statistics import parse_disk_counters, parse_disk_load
from iscsictl.planner.selection.listing import keep_targets, named_targets
from iscsictl.system.block.kernel_events import Events
from iscsictl.system.io import signals, waits
from iscsictl.system.io.sysfs_attributes import read_disk_attribute
from iscsictl.system.iscsi.sessions import read_listing

# Seconds between two questions about errors: iscsid answers for one session after the other, and
# does nothing else meanwhile. After an answer that took longer than a second, ten times as long.
_ERRORS_PAUSE = 10.0


class _Counted(NamedTuple):
    """What a disk has done since it appeared, and what it is doing."""

    counters: DiskCounters
    load: LunLoad


class _ErrorCounts:
    """The errors of each session, which are asked for in the background."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._thread: threading.Thread | None = None
        self._due = 0.0
        self.latest: Mapping[int, SessionErrors] = {}

    def refresh(self) -> None:
        """Ask for them anew, unless that was done a short time ago or is under way."""
        if (self._thread is not None and self._thread.is_alive()) or time.monotonic() < self._due:
            return
        # It only reads, and may still be under way when the process ends.
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        begun = time.monotonic()
        # Without an answer, or while iscsictl is being stopped, the last counts stay.
        with contextlib.suppress(IscsictlError):
            self.latest = read_session_errors(self._root, SESSION_ERRORS_WAIT) or self.latest
        now = time.monotonic()
        self._due = now + max(_ERRORS_PAUSE, _ERRORS_PAUSE * (now - begun))


def watch(
    root: Path, *, target: str | None = None, interval: float = 1.0, until: float | None = None,
    wake: int | None = None,
) -> Iterator[Snapshot]:  # fmt: skip
    """Yield a snapshot at once, then at each event and at least every `interval` seconds.

    `target` is a target's name, or a part of the names of those to watch. `until` (time.monotonic)
    ends it. `wake` is a file descriptor that also causes a snapshot when it becomes readable.
    Raises NotFoundError if no session matches at the beginning. SIGINT and SIGTERM raise
    InterruptError between snapshots, or at once during a wait, so that the caller can restore the
    terminal.
    """
    events = Events(root)
    signals.defer()
    waits.show_no_waits()
    errors = _ErrorCounts(root)
    listing = read_listing(root, details=False)
    is_meant = None if target is None else named_targets(listing, target)

    def read_meant() -> Listing:
        new = with_errors(read_listing(root, details=False), errors.latest)
        return new if is_meant is None else keep_targets(new, is_meant)

    if is_meant is not None:
        listing = keep_targets(listing, is_meant)
    counted, when = _count_disks(root, listing), time.monotonic()
    yield Snapshot(listing, (), {})
    rates: dict[str, Rate] = {}
    while until is None or time.monotonic() < until:
        if listing.sessions:
            errors.refresh()
        left = interval if until is None else min(interval, until - time.monotonic())
        with signals.at_once():
            events.wait(left, wake)
        new = read_meant()
        now = time.monotonic()
        # Events come in bursts; a rate over a few milliseconds means nothing.
        if now - when >= interval / 2:
            counts = _count_disks(root, new)
            rates = _rates_between(counted, counts, now - when)
            counted, when = counts, now
        yield Snapshot(new, tuple(changes(listing, new)), rates)
        listing = new


def _count_disks(root: Path, listing: Listing) -> dict[str, _Counted]:
    devices = {
        lun.device for session in listing.sessions for lun in session.luns or () if lun.device
    }
    return {device: found for device in devices if (found := _count_disk(root, device)) is not None}


def _count_disk(root: Path, device: str) -> _Counted | None:
    stat = read_disk_attribute(root, device, "stat") or ""
    counters = parse_disk_counters(stat)
    load = parse_disk_load(stat, read_disk_attribute(root, device, "device/queue_depth") or "")
    return None if counters is None or load is None else _Counted(counters, load)


def _rates_between(
    before: Mapping[str, _Counted], after: Mapping[str, _Counted], seconds: float
) -> dict[str, Rate]:
    """Return the rates of devices that exist in both; a counter that fell is another disk's."""
    found = {}
    for device, now in after.items():
        was = before.get(device)
        if was is None:
            continue
        each = [new - old for old, new in zip(was.counters, now.counters, strict=True)]
        if min(each) < 0:
            continue
        done = DiskCounters(*each)
        requests = done.reads + done.writes
        took = done.read_milliseconds + done.write_milliseconds
        load = now.load._replace(latency=took / requests if requests else None)
        found[device] = Rate(done.read_bytes / seconds, done.written_bytes / seconds, load)
    return found
