"""How many logins are sent at once."""

import signal
from pathlib import Path

import pytest

from iscsictl.engine.handlers import logins
from iscsictl.engine.handlers.logins import (
    ALONE,
    FEWEST,
    FIRST,
    LANES,
    MOST,
    adapt_batch_width,
    batch_size,
)
from iscsictl.errors import AuthError, InterruptError, IscsictlError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.listing import Session
from iscsictl.model.names import Portal
from iscsictl.model.plan import Status, Step
from iscsictl.system.context import Context
from iscsictl.system.io import signals
from iscsictl.system.iscsi import login_batch, session_view

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


@pytest.mark.parametrize("number", [0, 1])
def test_a_signal_during_the_last_logins_tells_of_those_that_were_made_and_ends_the_run(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "_asked", [])
    made, lost = (f"iqn.2026-01.example:{name}" for name in "ab")
    portal = Portal("192.0.2.5", 3260, 1)

    def interrupted(*_: object, **__: object) -> None:
        signals._remember_signal(signal.SIGINT, None)
        signals.check()

    there = Session("sysfs", made, sid=1, portal=portal, persistent_portal=portal, status="up")
    monkeypatch.setattr(session_view, "is_possible", lambda _: True)
    monkeypatch.setattr(login_batch, "log_in", interrupted)
    monkeypatch.setattr(logins, "read_sessions", lambda *_, **__: (there,) * number)
    monkeypatch.setattr(logins, "LANES", 1)
    steps = [Step(actions.Login(t, portal, "default", None), t, "") for t in (made, lost)]
    told: list[tuple[str, Status]] = []
    ended = logins.log_in(steps, Context(wait=30, root=tmp_path), lambda _: None)
    with pytest.raises(InterruptError) as stopped:
        told.extend((outcome.step.subject, outcome.step.status) for outcome in ended)
    assert stopped.value.exit == 130
    assert told == [(made, Status.DONE)] * number
