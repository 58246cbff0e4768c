"""Wait for a disk: udev's events wake us, sysfs is what we believe."""

import contextlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from iscsictl.lazy_import import lazy_import
from iscsictl.system.io import signals
from iscsictl.system.io.waits import waiting

pyudev = lazy_import("pyudev")

T = TypeVar("T")
# Bytes: when it overflows the kernel drops events (ENOBUFS).
_BUFFER = 16 * 1024 * 1024
# Seconds: sysfs is read again after that, for some changes make no event.
RECHECK = 0.25


class Waiter:
    """Listens to block events from the moment it is entered, so that none is missed."""

    def __enter__(self) -> Self:
        self._monitor = self._open_monitor()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._monitor = None

    @staticmethod
    def _open_monitor() -> Any:
        try:
            monitor = pyudev.Monitor.from_netlink(pyudev.Context())
            monitor.filter_by("block")
            with contextlib.suppress(OSError):
                monitor.set_receive_buffer_size(_BUFFER)
            monitor.start()
        except (OSError, ImportError):
            return None
        return monitor

    def wait(
        self, read: Callable[[], T | None], deadline: float, what: str = "waiting for udev"
    ) -> T | None:
        """Call `read` until it returns something; None at the deadline (monotonic seconds).

        `what` is what a terminal shows of the wait. An overflowing event
        buffer makes a new monitor: nothing is lost, for `read` reads the truth each time.
        """
        with waiting(what, round(max(0.0, deadline - time.monotonic()))):
            while True:
                counted = self.count_events()
                found = read()
                if found is not None:
                    return found
                signals.check()
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self.pause(min(left, RECHECK), counted)

    def count_events(self) -> int:
        """Return how many events came so far, where somebody else counts them; 0 here."""
        return 0

    def pause(self, seconds: float, _: int) -> None:
        """Wait for an event. One that came since events were counted waits in the monitor."""
        self.listen(seconds)

    def listen(self, seconds: float) -> bool:
        """Return at the next event, or after so many seconds; tell whether an event came.

        Without udev it always takes all of the time. True says only that it is worth reading again.
        """
        if self._monitor is None:
            time.sleep(seconds)
            return False
        try:
            return self._monitor.poll(seconds) is not None
        except OSError:
            self._monitor = self._open_monitor()
            return True
