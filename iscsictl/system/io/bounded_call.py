"""Calls that may never return, such as reading a pipe, made within a deadline."""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def call_within(seconds: float, call: Callable[[], T]) -> T:
    """Return what `call` returns, or raise what it raises, within so many seconds.

    Raises TimeoutError at the deadline. The call then goes on in a thread of its own, which does
    not keep the process alive; so it must not change anything.
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
