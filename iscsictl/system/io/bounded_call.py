"""Calls that may never return, such as reading a pipe, made within a deadline."""

import os
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def call_within(seconds: float, call: Callable[[], T]) -> T:
    """Return what `call` returns, or raise what it raises, within so many seconds.

    Raises TimeoutError at the deadline. The call then continues in its own thread, so it must not
    change anything. That thread does not keep the process alive, unless it sleeps in the kernel
    where no signal can end it.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError
    return results[0]


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
