"""Wait for a disk: udev's events end the wait, but only sysfs is trusted."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from iscsictl.system.block.kernel_events import Events
from iscsictl.system.io import signals
from iscsictl.system.io.waits import waiting

T = TypeVar("T")
# Seconds after which sysfs is read again, because some changes cause no event.
RECHECK = 0.25


class Waiter:
    """Listens to block events from the moment it is entered, so that none is missed."""

    def __enter__(self) -> Self:
        # Events that are waiting count as one, and those that follow end the next wait.
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

        `what` is shown on a terminal during the wait. If the event buffer overflows, a new monitor
        is created: nothing is lost, because `read` reads the present state each time.
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
        """Return how many events have come so far, for a subclass that counts them; 0 here."""
        return 0

    def pause(self, seconds: float, _: int) -> None:
        """Wait for an event. One that came after `count_events` is still in the monitor."""
        self.listen(seconds)

    def listen(self, seconds: float) -> bool:
        """Wait for the next event, or for so many seconds; return whether an event came.

        A burst of events counts as one, so that the state is read once. Without udev, the wait
        always takes the whole time. True means only that the state must be read again.
        """
        return self._monitor.wait(seconds)
