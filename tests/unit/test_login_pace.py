"""How many logins are sent at once."""

import pytest

from iscsictl.engine.handlers.logins import (
    ALONE,
    FEWEST,
    FIRST,
    LANES,
    MOST,
    adapt_batch_width,
    batch_size,
)
from iscsictl.errors import AuthError, IscsictlError, UnreachableError

LATE = UnreachableError("no answer within 10 s")
REFUSED = AuthError("the array refused the account")


@pytest.mark.parametrize(
    ("width", "errors", "then"),
    [
        (FIRST, [None, None], FIRST * 2),
        (FIRST, [None, LATE], FIRST // 2),
        (FIRST, [None, REFUSED], FIRST),
        (MOST, [None], MOST),
        (FEWEST, [LATE], FEWEST),
    ],
)
def test_batches_grow_after_successes_and_shrink_after_timeouts(
    width: int, errors: list[IscsictlError | None], then: int
) -> None:
    assert adapt_batch_width(width, errors, batches=True) == then


def test_without_batches_there_are_never_more_processes_than_at_first() -> None:
    assert adapt_batch_width(ALONE, [None], batches=False) == ALONE
    assert adapt_batch_width(ALONE, [LATE], batches=False) == ALONE // 2
    assert adapt_batch_width(ALONE // 2, [None], batches=False) == ALONE // 2 + 1


@pytest.mark.parametrize(
    ("width", "steps", "sizes"),
    [(64, 50, [25, 25]), (64, 3, [2, 1]), (64, 1, [1]), (8, 20, [4, 4]), (64, 300, [32, 32])],
)
def test_the_first_batches_share_what_there_is_to_do(
    width: int, steps: int, sizes: list[int]
) -> None:
    found, left = [], steps
    for lanes in range(LANES, 0, -1):
        if left:
            found.append(batch_size(width, left, lanes))
            left -= found[-1]
    assert found == sizes
