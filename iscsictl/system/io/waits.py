"""What this process waits for, reported to a display, if there is one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Display(Protocol):
    """Shows waits to the user; it is called from any thread."""

    def begin(self, what: str, limit: float | None = None) -> Any:
        """Show that a wait of at most `limit` seconds begins; return what `end` needs.

        `limit` is None for a wait without a limit.
        """

    def end(self, wait: Any) -> None:
        """Show that a wait has ended."""


_displays: list[Display] = []


def show_waits_on(display: Display) -> None:
    """Report each wait that begins from now on to `display`, and to no other.

    The end of a wait is reported to the display that its beginning was reported to.
    """
    _displays[:] = [display]


def show_no_waits() -> None:
    """Report no wait from now on, for the terminal shows a picture."""
    _displays.clear()


@contextmanager
def waiting(what: str, limit: float | None = None) -> Iterator[None]:
    """Report to the display what the body waits for, and for how many seconds at most.

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
