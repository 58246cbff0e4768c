"""SIGINT and SIGTERM as a wish: the step at work ends, nothing half done, then we stop."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from iscsictl.errors import InterruptError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_asked: list[int] = []


def defer() -> None:
    """From here on a signal is remembered instead of ending the process at once."""
    for number in _SIGNALS:
        signal.signal(number, _remember)


def in_threads() -> None:
    """From here on SIGINT still interrupts at once, and stops what other threads are at, too."""
    signal.signal(signal.SIGINT, _interrupt_all)


def _interrupt_all(number: int, frame: FrameType | None) -> None:
    _remember(number, frame)
    signal.default_int_handler(number, frame)


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Have a signal raise InterruptError meanwhile: for waits on the user."""
    before = {number: signal.signal(number, _interrupt) for number in _SIGNALS}
    try:
        check()
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _remember(number, frame)
    check()


def _remember(number: int, _frame: FrameType | None) -> None:
    _asked.append(number)


def asked() -> bool:
    """Tell whether somebody asked us to stop."""
    return bool(_asked)


def check() -> None:
    """Raise InterruptError if somebody asked us to stop; to be called between steps."""
    if _asked:
        raise InterruptError(
            f"stopped by {signal.Signals(_asked[0]).name}",
            signal=_asked[0],
            hint="run the same command again to finish",
        )
