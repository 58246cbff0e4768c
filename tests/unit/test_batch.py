"""Rounds of work: nobody waits for ever, nobody gets what was read before he asked."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from iscsictl.engine import coalescing
from iscsictl.engine.coalescing import Answer, Batch, Reading, Table
from tests.patience import PATIENCE, await_until
from tests.unit.fake_clock import FakeClock


def test_who_comes_while_a_round_is_at_work_shares_the_next() -> None:
    rounds: list[list[int]] = []
    first_began, go_on = threading.Event(), threading.Event()

    def work(items: Sequence[int]) -> list[int | Exception]:
        rounds.append(sorted(items))
        if len(rounds) == 1:
            first_began.set()
            assert go_on.wait(PATIENCE)
        return [ValueError("three") if item == 3 else item * 10 for item in items]

    batch: Batch[int, int] = Batch(work)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(batch.do, 0)
        assert first_began.wait(PATIENCE)
        rest = [pool.submit(batch.do, number) for number in range(1, 8)]
        await_until(lambda: len(batch._waiting) == 7)
        go_on.set()
        assert first.result(PATIENCE) == 0
        for number, future in enumerate(rest, 1):
            if number == 3:
                with pytest.raises(ValueError, match="three"):
                    future.result(PATIENCE)
            else:
                assert future.result(PATIENCE) == number * 10
    assert rounds == [[0], [1, 2, 3, 4, 5, 6, 7]]


def test_a_round_waits_for_those_who_are_on_their_way_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rounds: list[list[int]] = []

    def work(items: Sequence[int]) -> list[int | Exception]:
        rounds.append(sorted(items))
        return list(items)

    pauses = [0.0]
    batch: Batch[int, int] = Batch(work, lambda: pauses[0])
    assert batch.do(0) == 0
    pauses[0] = 0.3
    late = [2, 3]
    futures = []

    def bring_another() -> None:
        if late:
            futures.append(pool.submit(batch.do, late.pop(0)))
            await_until(lambda: len(batch._waiting) == 1 + len(futures))

    clock = FakeClock(bring_another)
    monkeypatch.setattr(coalescing, "time", clock)
    with ThreadPoolExecutor(2) as pool:
        assert batch.do(1) == 1
        assert [future.result(PATIENCE) for future in futures] == [2, 3]
    assert rounds == [[0], [1, 2, 3]]
    # The last of the pauses is the one in which nobody came.
    assert clock.seconds == pytest.approx(3 * 0.3)


def test_an_error_of_a_round_is_that_of_all_in_it_and_the_next_round_works() -> None:
    broken = [True]

    def work(items: Sequence[int]) -> list[int | Exception]:
        if broken.pop():
            raise OSError("no")
        return list(items)

    batch: Batch[int, int] = Batch(work)
    with pytest.raises(OSError, match="no"):
        batch.do(1)
    broken.append(False)
    assert batch.do(2) == 2


def test_a_reading_is_never_one_that_began_before_the_question() -> None:
    clock = [0]
    lock = threading.Lock()
    reading = Reading()

    def tick() -> int:
        with lock:
            clock[0] += 1
            return clock[0]

    def ask(_: int) -> tuple[int, int]:
        asked = tick()
        return asked, reading.read(tick)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(400)))
    assert all(asked < answer for asked, answer in answers)


def test_a_question_is_put_once_and_its_error_is_an_answer() -> None:
    asked: list[str] = []
    answers = Table(Answer)

    def ask(what: str) -> str:
        asked.append(what)
        if what == "bad":
            raise OSError(what)
        return what.upper()

    def get(what: str) -> str:
        try:
            return str(answers.get(what).get(lambda: ask(what)))
        except OSError as error:
            return f"error {error}"

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(get, ["good", "bad"] * 20))
    assert found == ["GOOD", "error bad"] * 20
    assert sorted(asked) == ["bad", "good"]
