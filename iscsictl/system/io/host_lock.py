"""The host-wide lock for changes: who changes the machine is alone."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from iscsictl.errors import InUseError
from iscsictl.system.io import runtime_dir, signals


@contextlib.contextmanager
def host_lock(wait: float, say: Callable[[str], None], root: Path = Path("/")) -> Iterator[None]:
    """Hold the lock, waiting up to `wait` seconds for the one who has it.

    The kernel lets go of it when we end, however we end. Raises InUseError at the deadline.
    """
    path = runtime_dir.made(root) / "lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    deadline, said = time.monotonic() + wait, False
    try:
        while not _taken(fd):
            owner = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "?"
            if time.monotonic() >= deadline:
                raise InUseError(
                    f"another iscsictl (pid {owner}) is changing this host",
                    hint="wait for it to end, or give it longer with --timeout",
                )
            if not said:
                say(f"waiting for another iscsictl (pid {owner}) to end")
                said = True
            signals.check()
            time.sleep(0.1)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
