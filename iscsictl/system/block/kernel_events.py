"""Waiting for the kernel's events about disks and sessions, with a clock beside them."""

import contextlib
import os
import select
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iscsictl.lazy_import import lazy_import
from iscsictl.system.io.sysfs_attributes import path_below

pyudev = lazy_import("pyudev")


# What a login, a break and a scan send events of; without a filter every NIC would wake us.
SUBSYSTEMS = ("block", "iscsi_session", "iscsi_connection", "scsi")
# Bytes: a login of hundreds of LUNs sends thousands of events at once, and the kernel drops those
# for which there is no room (ENOBUFS).
BUFFER = 1 << 24
# Seconds: one login is a dozen events, and the last one brings the disk.
SETTLE = 0.05


class Events:
    """Wakes up on an event, or when the time is over.

    pyudev feeds it. Where there is no udev (another root, a container) only the clock does.
    The kernel drops events when the buffer overflows and pyudev then raises: a new monitor is
    made, and since whoever waits looks at everything again, nothing is missed.
    """

    def __init__(
        self, root: Path, subsystems: Sequence[str] = SUBSYSTEMS, settle: float = SETTLE
    ) -> None:
        """Listen from now on; `settle` is how many seconds a burst is given to end."""
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
        """Listen no more: from now on only the clock wakes."""
        self._live, self._monitor = False, None

    def wait(self, seconds: float, also: int | None = None) -> bool:
        """Return True as soon as something happened, False when the time is over.

        `also` is a file descriptor that ends the wait when it can be read, such as a terminal's.
        Events that come in a burst are taken together. True says only that the kernel has to be
        asked.
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


def read_traffic(root: Path, device: str) -> tuple[int, int] | None:
    """Return the bytes read and written of /dev/KNAME since it came (Documentation/block/stat).

    None where it is gone. The kernel counts in 512 bytes, whatever the sectors of the disk are.
    """
    name = device.removeprefix("/dev/").replace("/", "!")
    try:
        fd = os.open(path_below(root, f"sys/class/block/{name}/stat"), os.O_RDONLY)
    except OSError:
        return None
    try:
        fields = os.read(fd, 4096).split()
        return int(fields[2]) * 512, int(fields[6]) * 512
    except (OSError, IndexError, ValueError):
        return None
    finally:
        os.close(fd)
