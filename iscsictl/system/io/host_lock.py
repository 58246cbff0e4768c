"""The locks for changes of this host. Only root can take them; the kernel ends them (flock(2)).

| lock | taken by | for |
|---|---|---|
| `lock`, exclusive | a command that may change anything | its whole run |
| `lock`, shared | a command that changes only what its `Scope` names | its whole run |
| `names/...` | the latter, for each target and mount point in its scope | its whole run |
| `lock.files` | a run that changes what all targets share, such as fstab | that change |
| `lock.queue` | a run that waits for `lock` | its wait, so that others cannot overtake it forever |
| `turns/...` | a run that does what one process at a time should do (`take_turn`) | that work |

They are taken in the order queue, lock, names (sorted), so no two runs wait for each other; of the
others a process takes one at a time.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from iscsictl.errors import InUseError
from iscsictl.lazy_import import lazy_import
from iscsictl.system.io import runtime_dir, signals
from iscsictl.system.io.files import remove_file, replace_file
from iscsictl.system.io.safe_paths import own_ids
from iscsictl.system.io.waits import waiting

if TYPE_CHECKING:
    import hashlib
else:
    # Only runs that share the host lock names and need it.
    hashlib = lazy_import("hashlib")

_MODE = 0o600
_LOCK = "lock"
_QUEUE = "lock.queue"
_FILES = "lock.files"
_NAMES = "names"
_COUNT = "reconnect.kept-out"
_TURNS = "turns"
#: Seconds between the first two attempts to take a lock; each pause is twice the one before it, up
#: to the last. Many waiting processes must not take CPU time from the one that works.
_FIRST_PAUSE = 0.02
_LAST_PAUSE = 0.5
#: Seconds to wait for `lock.queue` in the middle of a run. A process that keeps it for longer wants
#: the whole host, and is waiting for this very run to end.
_QUEUE_WAIT = 2.0
#: Names that a run may lock, two descriptors of the 1024 (RLIMIT_NOFILE) for each volume of a file.
#: A run that changes more locks the whole host.
_NAMES_LIMIT = 256
#: Limit of the result of a turn, such as the answer of an array with thousands of targets.
_TURN_BYTES = 4 << 20
#: Limit of what the holder of a lock writes: a pid and a name, which may be a path (PATH_MAX).
_HOLDER_BYTES = 4096 + 64
_UNKNOWN = "?"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Scope:
    """All that a run changes, besides the files that every run may change for a moment."""

    targets: frozenset[str]
    mount_points: frozenset[str] = frozenset()

    def modes_by_name(self) -> dict[str, int]:
        """Return how to lock each name: LOCK_EX, or LOCK_SH for what a mount point lies in.

        If one mount point lies in another, the outer one must be mounted first.
        """
        parents = {
            str(parent) for path in self.mount_points for parent in PurePosixPath(path).parents
        }
        modes = dict.fromkeys((f"mount point {path}" for path in parents), fcntl.LOCK_SH)
        own = (f"mount point {path}" for path in self.mount_points)
        targets = (f"target {target}" for target in self.targets)
        modes.update(dict.fromkeys((*own, *targets), fcntl.LOCK_EX))
        return dict(sorted(modes.items()))


@contextlib.contextmanager
def host_lock(
    wait: float, say: Say, root: Path = Path("/"), scope: Scope | None = None
) -> Iterator[None]:
    """Keep out every other run that changes this host, or anything that `scope` names.

    Waits up to `wait` seconds for those that are at work; `say` is called with a message about the
    first one. Raises InUseError at the deadline.
    """
    deadline = time.monotonic() + wait
    directory = runtime_dir.made(root)
    modes = {} if scope is None else scope.modes_by_name()
    whole = scope is None or len(modes) > _NAMES_LIMIT
    with contextlib.ExitStack() as held:
        with contextlib.ExitStack() as queue:
            turn = _Waiting(deadline, say, lambda: _find_holder(directory))
            queue.enter_context(_locked_file(directory / _QUEUE, fcntl.LOCK_EX, turn))
            mode = fcntl.LOCK_EX if whole else fcntl.LOCK_SH
            fd = held.enter_context(_locked_file(directory / _LOCK, mode, turn))
            if whole:
                _write_holder(fd, str(os.getpid()))
        if not whole:
            names = runtime_dir.made(root, _NAMES)
            for name, mode in modes.items():
                path = names / _file_name_for(name)
                holder = partial(_find_name_holder, directory, path, name)
                turn = _Waiting(deadline, say, holder, f"changing {name}")
                fd = held.enter_context(_locked_file(path, mode, turn))
                if mode == fcntl.LOCK_EX:
                    _write_holder(fd, f"{os.getpid()} {name}")
        yield


class FilesLock:
    """The lock on what every run may change for a moment: fstab, units, the udev rule.

    One object belongs to one process. A thread that holds it may take it again.
    """

    def __init__(self, wait: float, root: Path = Path("/")) -> None:
        self._wait = wait
        self._root = root
        self._own = threading.RLock()
        self._depth = 0
        self._held = contextlib.ExitStack()

    def __enter__(self) -> None:
        """Take the lock. Raises InUseError if another process keeps it for `wait` seconds."""
        self._own.acquire()
        try:
            if not self._depth:
                path = runtime_dir.made(self._root) / _FILES
                turn = _short_wait(self._wait, path, "changing files of this host")
                fd = self._held.enter_context(_locked_file(path, fcntl.LOCK_EX, turn))
                _write_holder(fd, str(os.getpid()))
            self._depth += 1
        except BaseException:
            self._own.release()
            raise

    def __exit__(self, *_: object) -> None:
        """Release the lock."""
        self._depth -= 1
        if not self._depth:
            self._held.close()
        self._own.release()


class Turn:
    """The turn of this process to do something, with the result that the one before it left."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        _, began, text = (*os.pread(fd, _TURN_BYTES, 0).split(b"\n", 2), b"", b"")[:3]
        try:
            self.began = float(began)
        except ValueError:
            self.began = 0.0
        self.text = text.decode("utf-8", "surrogateescape")
        # It contains our pid, which a waiting process shows to its user.
        self._write(self.began, self.text)

    def serves(self, since: float) -> bool:
        """Return whether the result left is of work begun after `since` (CLOCK_MONOTONIC seconds).

        Work that began earlier may have missed what this process changed meanwhile.
        """
        return self.began > since

    def leave(self, began: float, text: str = "") -> None:
        """Leave a result for those whose turn comes next, with the time when its work began.

        `began` is in seconds of CLOCK_MONOTONIC, which all processes share until the next boot.
        """
        self._write(began, text)

    def _write(self, began: float, text: str) -> None:
        _write_holder(self._fd, f"{os.getpid()}\n{began!r}\n{text}")


@contextlib.contextmanager
def take_turn(doing: str, wait: float, root: Path = Path("/")) -> Iterator[Turn]:
    """Wait until no other process is `doing` this, a phrase such as "reloading systemd".

    Raises InUseError if one of them takes more than `wait` seconds.
    """
    path = runtime_dir.made(root, _TURNS) / _file_name_for(doing)
    with _locked_file(path, fcntl.LOCK_EX, _short_wait(wait, path, doing)) as fd:
        yield Turn(fd)


@dataclass
class _Waiting:
    """How to wait for a lock, and what to tell the user about its holder.

    With `each`, every holder has so many seconds: when another one takes the lock, the deadline is
    renewed.
    """

    deadline: float
    say: Say
    holder: Callable[[], str]
    doing: str = "changing this host"
    each: float | None = None
    announced: bool = False
    _pause: float = _FIRST_PAUSE
    _last: str = ""

    def pause_once(self) -> None:
        """Wait a moment. Raises InUseError at the deadline, InterruptError after a signal."""
        if self.each is not None and (holder := self.holder()) != self._last:
            self._last, self.deadline = holder, time.monotonic() + self.each
        if time.monotonic() >= self.deadline:
            raise InUseError(
                f"another iscsictl (pid {self.holder()}) is {self.doing}",
                hint="wait for it to end, or allow more time with --timeout",
            )
        if not self.announced:
            self.say(f"waiting for another iscsictl (pid {self.holder()}) to end")
            self.announced = True
        signals.check()
        time.sleep(self._pause)
        self._pause = min(2 * self._pause, _LAST_PAUSE)


def _short_wait(wait: float, path: Path, doing: str) -> _Waiting:
    deadline = time.monotonic() + wait
    return _Waiting(deadline, lambda _: None, partial(_read_holder, path), doing, each=wait)


def _file_name_for(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:32]


@contextlib.contextmanager
def _locked_file(path: Path, mode: int, turn: _Waiting) -> Iterator[int]:
    fd = _open_private(path)
    try:
        if not _try_lock(fd, mode):
            limit = turn.each or turn.deadline - time.monotonic()
            with waiting(f"another run is {turn.doing}", round(max(0.0, limit))):
                while not _try_lock(fd, mode):
                    turn.pause_once()
        yield fd
    finally:
        os.close(fd)


def _open_private(path: Path) -> int:
    """Open a lock file; one that other users could open, and so lock, is replaced."""
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


def _try_lock(fd: int, mode: int) -> bool:
    try:
        fcntl.flock(fd, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_holder(fd: int, text: str) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{text}\n".encode("utf-8", "surrogateescape"), 0)


def _read_holder(path: Path) -> str:
    """Return the pid that the last exclusive holder of a lock wrote into it."""
    return _read_exclusive_holder(path)[0]


def _read_exclusive_holder(path: Path) -> tuple[str, str, bool]:
    """Return pid and name that the last exclusive holder wrote, and whether it has the lock now.

    Holders that share a lock write nothing: the text of the last one would stay even after its end.
    """
    fd = _open_private(path)
    try:
        text = os.pread(fd, _HOLDER_BYTES, 0).decode("utf-8", "surrogateescape")
        free = _try_lock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)
    pid, _, name = text.rstrip("\n").partition("\n")[0].partition(" ")
    return pid or _UNKNOWN, name, not free


def _find_holder(directory: Path) -> str:
    """Return the pid of a run that keeps others from the whole host, `?` if there is none.

    Runs that share the host write nothing into `lock`: the first of them by name is returned, and
    always the same as long as it runs.
    """
    for pid, _ in _scoped_holders(directory):
        return pid
    pid, _, now = _read_exclusive_holder(directory / _LOCK)
    return pid if now else _UNKNOWN


def _find_name_holder(directory: Path, path: Path, name: str) -> str:
    """Return the pid of a run that changes the named thing, or a mount point below it."""
    pid, _, now = _read_exclusive_holder(path)
    if now:
        return pid
    below = f"{name.rstrip('/')}/"
    inner = (pid for pid, other in _scoped_holders(directory) if other.startswith(below))
    return next(inner, _UNKNOWN)


def _scoped_holders(directory: Path) -> Iterator[tuple[str, str]]:
    """Yield pid and name for each name that a run has locked exclusively, sorted by file."""
    for path in sorted((directory / _NAMES).glob("*")):
        pid, name, now = _read_exclusive_holder(path)
        if now:
            yield pid, name


@contextlib.contextmanager
def no_other_run(root: Path = Path("/")) -> Iterator[bool]:
    """Yield whether no other run shares this host with ours; in the body, none can begin.

    Also False if another run waits for the whole host: it lets none begin, and waits for ours.
    """
    directory = runtime_dir.made(root)
    with contextlib.ExitStack() as queue:
        turn = _short_wait(_QUEUE_WAIT, directory / _QUEUE, "waiting for this host")
        try:
            queue.enter_context(_locked_file(directory / _QUEUE, fcntl.LOCK_EX, turn))
        except InUseError:
            yield False
            return
        yield {pid for pid, _ in _scoped_holders(directory)} <= {str(os.getpid())}


def count_kept_out(root: Path = Path("/")) -> int:
    """Record that the holder of the lock kept this run out; return how often in a row it has.

    Its start time (proc_pid_stat(5)) distinguishes a process from a later one with the same pid.
    """
    directory = runtime_dir.made(root)
    holder = _find_holder(directory)
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
    """Record that the lock was available, so that `count_kept_out` begins at 1 again.

    Only the run that has the lock calls it, so nobody else writes the record meanwhile.
    """
    if (runtime_dir.place(root) / _COUNT).exists():
        remove_file(runtime_dir.place(root) / _COUNT)
