"""Wait for a disk: udev's events wake us, sysfs is what we believe."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from iscsictl.system.block.kernel_events import Events
from iscsictl.system.io import signals
from iscsictl.system.io.waits import waiting

T = TypeVar("T")
# Seconds: sysfs is read again after that, for some changes make no event.
RECHECK = 0.25


class Waiter:
    """Listens to block events from the moment it is entered, so that none is missed."""

    def __enter__(self) -> Self:
        # The events that are there are taken together, and those that follow wake us again.
        self._monitor = Events(Path("/"), ("block",), settle=0.0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._monitor.close()

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

        Events that came in a burst are taken together, so that what they say is read once. Without
        udev it always takes all of the time. True says only that it is worth reading again.
        """
        return self._monitor.wait(seconds)
