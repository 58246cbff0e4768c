"""The host-wide lock for changes, which root alone can take."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from iscsictl.errors import InUseError
from iscsictl.system.io import runtime_dir, signals
from iscsictl.system.io.files import remove_file, replace_file
from iscsictl.system.io.safe_paths import own_ids

_MODE = 0o600
_COUNT = "reconnect.kept-out"
#: Seconds between two attempts to take the lock.
_PAUSE = 0.1


@contextlib.contextmanager
def host_lock(wait: float, say: Callable[[str], None], root: Path = Path("/")) -> Iterator[None]:
    """Hold the lock, waiting up to `wait` seconds for the process that has it.

    The kernel releases it when this process ends, however it ends (flock(2)). Raises InUseError
    at the deadline.
    """
    path = runtime_dir.made(root) / "lock"
    deadline, said = time.monotonic() + wait, False
    fd = _open_private(path)
    try:
        while not _taken(fd):
            owner = _holder(fd)
            if time.monotonic() >= deadline:
                raise InUseError(
                    f"another iscsictl (pid {owner}) is changing this host",
                    hint="wait for it to end, or give it longer with --timeout",
                )
            if not said:
                say(f"waiting for another iscsictl (pid {owner}) to end")
                said = True
            signals.check()
            time.sleep(_PAUSE)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


def _open_private(path: Path) -> int:
    """Open the lock file; one that others could open, and so lock, is replaced."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    while True:
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            if status.st_uid not in own_ids() or status.st_mode & 0o777 & ~_MODE:
                path.unlink()
        fd = os.open(path, flags, _MODE)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(fd), path.lstat()):
                return fd
        os.close(fd)


def _holder(fd: int) -> str:
    return os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "?"


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def count_kept_out(root: Path = Path("/")) -> int:
    """Note that the process that has the lock kept this run out; return how often it did in a row.

    A process is told from a later one with its number by when it started (proc_pid_stat(5)).
    """
    directory = runtime_dir.made(root)
    fd = _open_private(directory / "lock")
    try:
        holder = _holder(fd)
    finally:
        os.close(fd)
    try:
        started = (root / "proc" / holder / "stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        started = "?"
    name = f"{holder} {started}"
    try:
        before, _, count = (directory / _COUNT).read_text().strip().rpartition(" ")
        number = int(count) + 1 if before == name else 1
    except (OSError, ValueError):
        number = 1
    replace_file(directory / _COUNT, f"{name} {number}\n".encode(), mode=_MODE)
    return number


def forget_kept_out(root: Path = Path("/")) -> None:
    """Note that the lock was to be had."""
    if (runtime_dir.place(root) / _COUNT).exists():
        remove_file(runtime_dir.place(root) / _COUNT)
