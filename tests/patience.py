"""How long a test waits for what has to come: only a test that fails waits for all of it.

A disk that syncs for seconds, a busy processor or a guest that stood still must not fail a test.
"""

import time
from collections.abc import Callable

#: Seconds that no run needs whose code works, however slow its machine is.
PATIENCE = 120.0


def await_until(happened: Callable[[], bool]) -> None:
    """Wait until something has happened; fail when it has not within PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)
