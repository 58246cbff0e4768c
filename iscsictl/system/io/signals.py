"""Signals that ask for a stop: the current step is finished, so nothing is left half done."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from iscsictl.errors import InterruptError
from iscsictl.limits import REPEAT_SIGNAL

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STANDARD_STREAMS = (0, 1, 2)
_asked: list[int] = []
_terminals: list[int] = []
_shield = threading.local()


def defer() -> None:
    """From now on, remember a signal instead of ending the process at once.

    This applies to SIGINT, SIGTERM and SIGHUP. Code that works must call `check` between its steps.
    """
    # Once a terminal is gone, isatty(3) no longer recognises it.
    _terminals[:] = filter(os.isatty, _STANDARD_STREAMS)
    for number in _handled_signals():
        signal.signal(number, _remember_signal)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        # exec(2) resets what is handled, and keeps what is ignored. A program on a terminal of ours
        # has to end with this process, below nohup(1), too.
        signal.signal(signal.SIGHUP, _ignore_signal)


def in_threads() -> None:
    """From now on, have SIGINT interrupt the main thread at once and stop other threads, too.

    For commands that only read. The main thread gets KeyboardInterrupt; other threads get nothing
    from Python (signal, "Signals and threads") and must call `check`.
    """
    signal.signal(signal.SIGINT, _interrupt_all)


def _interrupt_all(number: int, frame: FrameType | None) -> None:
    _remember_signal(number, frame)
    signal.default_int_handler(number, frame)


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Have a signal raise InterruptError in the body: for waits on the user.

    A signal that was remembered before raises it, too, at the beginning. The earlier handlers are
    restored at the end.
    """
    waiting = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        _remember_signal(number, frame)
        # Before or after the wait, it would keep the earlier handlers from being restored, and the
        # thread that repeats it from ending.
        if waiting.is_set():
            check()

    before = {number: signal.signal(number, interrupt) for number in _handled_signals()}
    try:
        with _repeated_meanwhile():
            waiting.set()
            try:
                check()
                yield
            finally:
                waiting.clear()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _repeated_meanwhile() -> Iterator[None]:
    """Repeat a signal that came to the main thread until the body has ended.

    Python runs a handler between two of its own instructions. A signal that comes after the last of
    them and before read(2) blocks is noticed only with the next input, unless another signal
    interrupts that read. The first one is received through signal.set_wakeup_fd.
    """
    done = threading.Event()
    read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(read_end, True)
    repeater = threading.Thread(target=_repeat_signals, args=(read_end, done), daemon=True)
    earlier = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    repeater.start()
    try:
        yield
    finally:
        done.set()
        signal.set_wakeup_fd(earlier)
        os.close(write_end)
        repeater.join()
        os.close(read_end)


def _repeat_signals(read_end: int, done: threading.Event) -> None:
    while number := os.read(read_end, 1):
        while number[0] in _SIGNALS and not done.wait(REPEAT_SIGNAL):
            signal.pthread_kill(threading.main_thread().ident or 0, number[0])


def _handled_signals() -> Iterator[signal.Signals]:
    """Yield the signals, without SIGHUP if nohup(1) has it ignored."""
    for number in _SIGNALS:
        if number is not signal.SIGHUP or signal.getsignal(number) not in _IGNORED:
            yield number


def _ignore_signal(_number: int, _frame: FrameType | None) -> None:
    """Do nothing."""


_IGNORED = (signal.SIG_IGN, _ignore_signal)


def _remember_signal(number: int, _frame: FrameType | None) -> None:
    if number == signal.SIGHUP:
        _leave_terminals()
    _asked.append(number)


def _leave_terminals() -> None:
    """Redirect the streams of a terminal that is gone to /dev/null: writing to it would fail."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in _terminals:
        os.dup2(null, descriptor)
    os.close(null)


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """Have this thread finish the body in spite of signals: a roll-back must not stop half way.

    In the body, `asked` and `check` report no signal. It may be nested; other threads are not
    shielded.
    """
    before = getattr(_shield, "up", False)
    _shield.up = True
    try:
        yield
    finally:
        _shield.up = before


def asked() -> bool:
    """Return whether a signal asked for a stop and this thread is not shielded from it.

    A signal is never forgotten.
    """
    return bool(_asked) and not getattr(_shield, "up", False)


def check() -> None:
    """Raise InterruptError if a signal asked for a stop; to be called between steps.

    The exit code is 128 plus the number of the first signal. In `shielded` it does nothing.
    """
    if asked():
        raise InterruptError(
            f"stopped by {signal.Signals(_asked[0]).name}",
            signal=_asked[0],
            hint="run the same command again to finish",
        )
