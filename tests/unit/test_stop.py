"""A wish to stop reaches what is at work, in every thread, and is never taken for an answer."""

import signal
import threading

import pytest

from iscsictl.errors import InterruptError, RefusedError
from iscsictl.model.inventory import ReadFailed, observe_value
from iscsictl.system.io import signals


def test_an_interrupt_reaches_the_threads_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_asked", [])
    before = signal.getsignal(signal.SIGINT)
    heard: list[InterruptError] = []
    there = threading.Event()

    def work() -> None:
        there.wait(60)
        try:
            signals.check()
        except InterruptError as error:
            heard.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        signals.in_threads()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
        there.set()
        thread.join()
    assert [int(error.exit) for error in heard] == [128 + signal.SIGINT]


def test_a_look_that_was_interrupted_saw_nothing() -> None:
    def refused() -> int:
        raise RefusedError("no")

    def interrupted() -> int:
        raise InterruptError("stopped", signal=2)

    answer = observe_value(refused)
    assert isinstance(answer, ReadFailed)
    assert answer.error.text == "no"
    with pytest.raises(InterruptError):
        observe_value(interrupted)
