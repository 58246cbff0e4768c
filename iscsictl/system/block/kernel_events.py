"""Waiting for the kernel's events about disks and sessions, with a timeout."""

import contextlib
import select
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iscsictl.lazy_import import lazy_import

pyudev = lazy_import("pyudev")


# Logins, lost connections and scans cause events of these; unfiltered, every NIC would wake us.
SUBSYSTEMS = ("block", "iscsi_session", "iscsi_connection", "scsi")
# Bytes: a login of hundreds of LUNs sends thousands of events at once, and the kernel drops those
# for which there is no room (ENOBUFS).
BUFFER = 1 << 24
# Seconds: one login causes a dozen events, and the disk comes with the last one.
SETTLE = 0.05


class Events:
    """Waits for an event or a timeout.

    Events come from pyudev. Without udev (another root directory, a container) only the timeout
    ends a wait. When the buffer overflows, the kernel drops events and pyudev raises: a new monitor
    is created, and nothing is missed, because callers read everything again after a wait.
    """

    def __init__(
        self, root: Path, subsystems: Sequence[str] = SUBSYSTEMS, settle: float = SETTLE
    ) -> None:
        """Listen from now on; a burst of events gets `settle` seconds to end."""
        self._live = root == Path("/")
        self._subsystems = subsystems
        self._settle = settle
        self._monitor = self._open_monitor()

    def _open_monitor(self) -> Any:
        if not self._live:
            return None
        try:
            monitor = pyudev.Monitor.from_netlink(pyudev.Context())
            for name in self._subsystems:
                monitor.filter_by(name)
            # Only root may have more than net.core.rmem_max.
            with contextlib.suppress(OSError):
                monitor.set_receive_buffer_size(BUFFER)
            monitor.start()
        except (ImportError, OSError):
            return None
        return monitor

    def close(self) -> None:
        """Stop listening: from now on only the timeout ends a wait."""
        self._live, self._monitor = False, None

    def wait(self, seconds: float, also: int | None = None) -> bool:
        """Wait for an event; return True as soon as one comes, False after `seconds`.

        `also` is a file descriptor, such as a terminal's, that ends the wait when it becomes
        readable. A burst of events counts as one. True means only that the state must be read
        again.
        """
        end = time.monotonic() + seconds
        sources = [source for source in (self._monitor, also) if source is not None]
        try:
            ready = select.select(sources, [], [], max(0.0, seconds))[0]
            if self._monitor is None or self._monitor not in ready:
                return bool(ready)
            time.sleep(min(self._settle, max(0.0, end - time.monotonic())))
            while self._monitor.poll(0) is not None:
                pass
        except OSError:
            self._monitor = self._open_monitor()
        return True
