"""Calls within a deadline, in threads that are used again."""

import threading

import pytest

from iscsictl.system.io.bounded_call import call_within
from tests.patience import PATIENCE


def test_calls_one_after_the_other_share_a_thread() -> None:
    threads = [call_within(PATIENCE, threading.current_thread) for _ in range(20)]
    assert len(set(threads)) == 1
    assert threading.current_thread() not in threads


def test_a_call_that_hangs_keeps_its_thread_until_it_returns() -> None:
    let_go, returned = threading.Event(), threading.Event()
    hanging: list[int] = []

    def hang() -> None:
        hanging.append(threading.get_ident())
        let_go.wait(PATIENCE)
        returned.set()

    with pytest.raises(TimeoutError):
        call_within(0.05, hang)
    assert call_within(PATIENCE, threading.get_ident) not in hanging
    let_go.set()
    assert returned.wait(PATIENCE)


def test_an_error_is_raised_and_the_thread_makes_the_next_call() -> None:
    with pytest.raises(OSError, match="no such disk"):
        call_within(PATIENCE, open_nothing)
    assert call_within(PATIENCE, lambda: 7) == 7


def open_nothing() -> None:
    raise OSError("no such disk")


def test_no_thread_keeps_the_process_alive() -> None:
    call_within(PATIENCE, lambda: None)
    assert call_within(PATIENCE, lambda: threading.current_thread().daemon)
