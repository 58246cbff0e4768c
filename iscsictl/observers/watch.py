"""Looking again and again: what changed, and how much goes over each LUN."""

import time
from collections.abc import Iterator
from pathlib import Path

from iscsictl.model.listing import Listing
from iscsictl.model.session_diff import Rate, Snapshot, changes
from iscsictl.system.block.kernel_events import Events, read_traffic
from iscsictl.system.io import signals
from iscsictl.system.iscsi.sessions import read_listing


def watch(root: Path, *, interval: float = 1.0, until: float | None = None) -> Iterator[Snapshot]:
    """Yield a snapshot at once, then at each event and at least every `interval` seconds.

    `until` (time.monotonic) ends it. SIGINT and SIGTERM raise InterruptError between looks, at
    once while it waits, so that whoever draws can leave the terminal as it was.
    """
    events = Events(root)
    signals.defer()
    listing = read_listing(root, details=False)
    counted, when = _count(root, listing), time.monotonic()
    yield Snapshot(listing, (), {})
    rates: dict[str, Rate] = {}
    while until is None or time.monotonic() < until:
        left = interval if until is None else min(interval, until - time.monotonic())
        with signals.at_once():
            events.wait(left)
        new = read_listing(root, details=False)
        now = time.monotonic()
        # Events come in bursts; over a few milliseconds a rate says nothing.
        if now - when >= interval / 2:
            counts = _count(root, new)
            rates = _rates(counted, counts, now - when)
            counted, when = counts, now
        yield Snapshot(new, tuple(changes(listing, new)), rates)
        listing = new


def _count(root: Path, listing: Listing) -> dict[str, tuple[int, int]]:
    devices = {
        lun.device for session in listing.sessions for lun in session.luns or () if lun.device
    }
    counts = {device: read_traffic(root, device) for device in devices}
    return {device: count for device, count in counts.items() if count is not None}


def _rates(
    before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]], seconds: float
) -> dict[str, Rate]:
    """Return the rates of what was there both times; a counter that fell is another disk's."""
    found = {}
    for device, (read, written) in after.items():
        was = before.get(device)
        if was is not None and read >= was[0] and written >= was[1]:
            found[device] = Rate((read - was[0]) / seconds, (written - was[1]) / seconds)
    return found
