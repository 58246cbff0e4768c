"""Whether the time that code takes grows as what it is given does, on whatever machine."""

import time
from collections.abc import Callable

import pytest

#: How many times larger the larger input is. Time that grows with its square is 64 times as long.
_TIMES = 8
_LIMIT = 24.0
_RUNS = 8


def _measure(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def require_linear_time(prepare: Callable[[int], Callable[[], object]], size: int) -> None:
    """Fail if what `prepare(size)` returns takes far more than 8 times as long as for an eighth.

    Processor time counts, and of several runs the shortest one: a busy machine, or a host that
    takes the processor away from its guest, only makes a run longer.
    """
    few, many = prepare(size // _TIMES), prepare(size)
    shorter = min(_measure(few) for _ in range(3))
    longer = float("inf")
    for _ in range(_RUNS):
        longer = min(longer, _measure(many))
        shorter = min(shorter, _measure(few))
        if longer < _LIMIT * shorter:
            return
    pytest.fail(f"{_TIMES} times as much takes {longer / shorter:.1f} times as long")
