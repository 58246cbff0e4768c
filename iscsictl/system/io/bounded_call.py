"""Calls that may never return, such as reading a pipe, made within a deadline."""

import os
import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

T = TypeVar("T")
# What a call returned, or the error that it raised.
_Outcome = tuple[Any, BaseException | None]
_Inbox = SimpleQueue[tuple[Callable[[], Any], SimpleQueue[_Outcome]]]
# Those of the threads that have no call to make: to start a thread for each takes longer than most
# calls do.
_idle: deque[_Inbox] = deque()


def call_within(seconds: float, call: Callable[[], T]) -> T:
    """Return what `call` returns, or raise what it raises, within so many seconds.

    Raises TimeoutError at the deadline. The call then continues in its own thread, so it must not
    change anything. That thread does not keep the process alive, unless it sleeps in the kernel
    where no signal can end it.
    """
    try:
        inbox = _idle.pop()
    except IndexError:
        inbox = SimpleQueue()
        threading.Thread(target=_make_calls, args=(inbox,), daemon=True).start()
    outcomes: SimpleQueue[_Outcome] = SimpleQueue()
    inbox.put((call, outcomes))
    try:
        result, error = outcomes.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return cast("T", result)


def _make_calls(inbox: _Inbox) -> None:
    """Make one call after the other; the thread is free again before the caller gets the answer."""
    while True:
        call, outcomes = inbox.get()
        outcome: _Outcome
        try:
            outcome = call(), None
        except BaseException as error:
            outcome = None, error
        _idle.append(inbox)
        outcomes.put(outcome)
        # A thread that waits for its next call keeps nothing of this one.
        del call, outcomes, outcome


def open_within(seconds: float, path: str, flags: int) -> int:
    """Open a file as os.open does, within so many seconds; return its descriptor.

    Raises TimeoutError at the deadline, OSError. If the kernel opens it later all the same, it is
    closed at once: a forgotten descriptor with O_EXCL would keep a disk busy.
    """
    lock = threading.Lock()
    opened: list[int] = []
    given_up = threading.Event()

    def open_file() -> None:
        descriptor = os.open(path, flags)
        with lock:
            if not given_up.is_set():
                opened.append(descriptor)
                return
        os.close(descriptor)

    try:
        call_within(seconds, open_file)
    except TimeoutError:
        # It may have been opened since the deadline.
        with lock:
            if not opened:
                given_up.set()
                raise
    return opened[0]
