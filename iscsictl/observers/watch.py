"""Repeated observation: what has changed, and the traffic of each LUN."""

import time
from collections.abc import Iterator
from pathlib import Path

from iscsictl.model.listing import Listing
from iscsictl.model.session_diff import Rate, Snapshot, changes
from iscsictl.planner.selection.listing import keep_targets, named_targets
from iscsictl.system.block.kernel_events import Events, read_traffic
from iscsictl.system.io import signals
from iscsictl.system.iscsi.sessions import read_listing


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
    listing = read_listing(root, details=False)
    is_meant = None if target is None else named_targets(listing, target)

    def read_meant() -> Listing:
        new = read_listing(root, details=False)
        return new if is_meant is None else keep_targets(new, is_meant)

    if is_meant is not None:
        listing = keep_targets(listing, is_meant)
    counted, when = _read_traffic_counters(root, listing), time.monotonic()
    yield Snapshot(listing, (), {})
    rates: dict[str, Rate] = {}
    while until is None or time.monotonic() < until:
        left = interval if until is None else min(interval, until - time.monotonic())
        with signals.at_once():
            events.wait(left, wake)
        new = read_meant()
        now = time.monotonic()
        # Events come in bursts; a rate over a few milliseconds means nothing.
        if now - when >= interval / 2:
            counts = _read_traffic_counters(root, new)
            rates = _rates_between(counted, counts, now - when)
            counted, when = counts, now
        yield Snapshot(new, tuple(changes(listing, new)), rates)
        listing = new


def _read_traffic_counters(root: Path, listing: Listing) -> dict[str, tuple[int, int]]:
    devices = {
        lun.device for session in listing.sessions for lun in session.luns or () if lun.device
    }
    counts = {device: read_traffic(root, device) for device in devices}
    return {device: count for device, count in counts.items() if count is not None}


def _rates_between(
    before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]], seconds: float
) -> dict[str, Rate]:
    """Return the rates of devices that exist in both; a counter that fell is another disk's."""
    found = {}
    for device, (read, written) in after.items():
        was = before.get(device)
        if was is not None and read >= was[0] and written >= was[1]:
            found[device] = Rate((read - was[0]) / seconds, (written - was[1]) / seconds)
    return found
