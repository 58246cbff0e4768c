"""SIGINT and SIGTERM as a wish: the step at work ends, nothing half done, then we stop."""

import signal
from types import FrameType

from iscsictl.errors import InterruptError

_asked: list[int] = []


def defer() -> None:
    """From here on a signal is remembered instead of ending the process at once."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _remember)


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
