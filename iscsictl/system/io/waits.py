"""What this process waits for, told to whoever shows it: a terminal, or nobody."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Display(Protocol):
    """Shows waits to the user; it is told of them from any thread."""

    def begin(self, what: str, limit: float | None = None) -> Any:
        """Take a wait, and how many seconds it may last; return what `end` needs.

        `limit` is None for a wait without an end of its own.
        """

    def end(self, wait: Any) -> None:
        """Take the end of a wait."""


_displays: list[Display] = []


def show_waits_on(display: Display) -> None:
    """Have each wait that begins from now on told to `display`, and to no other.

    Waits that have begun are ended where they began.
    """
    _displays[:] = [display]


@contextmanager
def waiting(what: str, limit: float | None = None) -> Iterator[None]:
    """Tell the display what is waited for meanwhile, and for how many seconds at most.

    The text is a phrase such as "asking 192.0.2.5:3260 for its targets".
    """
    display = _displays[0] if _displays else None
    if display is None:
        yield
        return
    wait = display.begin(what, limit)
    try:
        yield
    finally:
        display.end(wait)
