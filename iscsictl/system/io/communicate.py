"""Communicate with a child process until it ends, somebody asks for a stop, or it does nothing."""

import contextlib
import subprocess
import time
from pathlib import Path
from typing import Final

from iscsictl.system.io import signals

#: Seconds between two checks whether the user asked to stop: a tenth feels immediate.
_HEED: Final = 0.1
# How often within its timeout a program is looked at that may go on as long as it does something,
# and how many timeouts it may take at most: it may compute without end.
_SAMPLES: Final = 4
_PATIENCE: Final = 10


def communicate(
    process: subprocess.Popen[bytes],
    stdin: bytes | None,
    timeout: float | None,
    *,
    interruptible: bool,
    idle_only: bool,
) -> tuple[bytes, bytes]:
    """Communicate as Popen does; `timeout` is in seconds, None means without end.

    A deferred signal ends the wait for a program that is `interruptible`. With `idle_only`, the
    deadline is put off while the program computes or reads. Raises subprocess.TimeoutExpired,
    InterruptError; the program goes on.
    """
    if interruptible:
        return _communicate_until_asked(process, stdin, timeout)
    if idle_only and timeout is not None:
        return _communicate_until_idle(process, stdin, timeout)
    return process.communicate(stdin, timeout)


def _communicate_until_asked(
    process: subprocess.Popen[bytes], stdin: bytes | None, timeout: float | None
) -> tuple[bytes, bytes]:
    """Communicate as Popen does, but raise InterruptError soon after a signal asked for a stop."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = _HEED if deadline is None else deadline - time.monotonic()
        try:
            return process.communicate(stdin, max(0.0, min(left, _HEED)))
        except subprocess.TimeoutExpired:
            # Popen continues from where it stopped: what was read so far is not lost.
            stdin = None  # it is kept from the first call
            if deadline is not None and time.monotonic() >= deadline:
                raise
            signals.check()


def _communicate_until_idle(
    process: subprocess.Popen[bytes], stdin: bytes | None, timeout: float
) -> tuple[bytes, bytes]:
    """Communicate as Popen does, but count only the time since the program last did something.

    After `_PATIENCE` times the timeout it ends all the same.
    """
    started = active = time.monotonic()
    before: tuple[bytes, ...] = ()
    while True:
        try:
            return process.communicate(stdin, timeout / _SAMPLES)
        except subprocess.TimeoutExpired:
            stdin = None  # it is kept from the first call
            now, activity = time.monotonic(), _activity_of(process.pid)
            if activity != before:
                before, active = activity, now
            if now - active >= timeout or now - started >= _PATIENCE * timeout:
                raise


def _activity_of(pid: int) -> tuple[bytes, ...]:
    """Return the processor time and the number of reads of a process, as text (proc_pid_stat(5)).

    Equal at two times, they mean that it did nothing in between.
    """
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()
        reads = Path(f"/proc/{pid}/io").read_bytes().splitlines()[2]
        return fields[11], fields[12], reads
    return ()
