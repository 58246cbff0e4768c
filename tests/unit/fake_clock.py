"""A clock for code that waits: its seconds do not depend on how busy the machine is."""

from collections.abc import Callable


class FakeClock:
    """Stands for the module `time`: only what is slept passes, and `meanwhile` is called in it."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None, now: float = 0.0) -> None:
        self.seconds = 0.0
        self.meanwhile = meanwhile
        self.now = now

    def monotonic(self) -> float:
        """Return the seconds that were slept so far."""
        return self.seconds

    def time(self) -> float:
        """Return the time of day, in seconds since 1970."""
        return self.now + self.seconds

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self.seconds += seconds
        self.meanwhile()
