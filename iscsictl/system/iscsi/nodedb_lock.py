"""The lock of open-iscsi's node database, following its own protocol but without its faults.

`idbm_lock` of open-iscsi (usr/idbm.c, libopeniscsiusr/idbm.c) takes the lock by creating the hard
link `lock.write`, and retries every 10 ms for 30 s. The link contains no pid and outlives a killed
owner. Two things are added here.

- Runs of iscsictl take turns with a flock that ends with their process. The one that has it knows
  that no other iscsictl owns the link.
- A link that stays unchanged (its ctime is the moment it was made) while no program of open-iscsi
  could be inside its critical section was left behind. Inside, those programs read and write files,
  and iscsiadm may also resolve names: a process that sleeps, or one other than iscsiadm that polls
  or waits for a message, is not the owner; neither is one that started after we first saw the link.
  The link is then taken over as it is. It is never removed and created again, so that no new lock
  of another process can be removed by mistake.
"""

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from iscsictl.errors import InUseError
from iscsictl.system.io import signals
from iscsictl.system.io.files import explained
from iscsictl.system.io.waits import waiting

# Seconds between two attempts, as in idbm_lock().
RETRY: Final = 0.01
# Seconds: most owners are gone by then, and searching for them costs more than waiting.
FIRST_LOOK: Final = 0.05
# Seconds for which the link must stay unchanged, and after which no suspect may be left.
PROOF: Final = 0.3
# Seconds, if processes of other PID namespaces cannot be seen: longer than open-iscsi itself waits
# for a lock (DB_LOCK_RETRIES of usr/idbm.c, 10 ms each).
BLIND_PROOF: Final = 31.0
_PROGRAMS: Final = frozenset({"iscsiadm", "iscsid", "iscsistart", "iscsi-gen-initi"})
_LIBRARY: Final = b"libopeniscsiusr"
# PROC_PID_INIT_INO of linux/proc_ns.h: only there /proc shows every process of the host.
_INITIAL_PID_NAMESPACE: Final = 0xEFFFFFFC

# As /proc/PID/syscall numbers them: nanosleep clock_nanosleep; then poll select pselect ppoll
# epoll_wait epoll_pwait wait4 futex recvfrom recvmsg accept accept4 rt_sigtimedwait.
_SLEEPS: Final = {"x86_64": frozenset({35, 230}), "aarch64": frozenset({101, 115})}
_WAITS: Final = {
    "x86_64": frozenset({7, 23, 270, 271, 232, 281, 61, 202, 45, 47, 43, 288, 128}),
    "aarch64": frozenset({73, 72, 22, 260, 98, 207, 212, 202, 242, 137}),
}
_SLEEPS_IN: Final = re.compile(r"(hrtimer|do)_nanosleep")
_WAITS_IN: Final = re.compile(
    r"(do_)?(poll|sys_poll|select|epoll_wait|wait)(\.\w+)*|ep_poll|futex_wait_queue\w*"
    r"|__skb_wait_for_more_packets|inet_csk_accept"
)


@dataclass(frozen=True)
class Owner:
    """A process that may be inside open-iscsi's critical section."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def possible_owners(uid: int, proc: Path = Path("/proc")) -> Iterator[Owner]:
    """Yield the processes, of root or `uid`, that may own the lock at this moment.

    `uid` is that of the lock's directory. A process that certainly waits for something else is left
    out, see above; one that the kernel reports nothing about is not.
    """
    for entry in os.scandir(proc):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        process = Path(entry.path)
        try:
            if process.stat().st_uid not in {0, uid}:
                continue
            name = (process / "comm").read_text(errors="replace").strip()
            if name not in _PROGRAMS and not _maps_library(process):
                continue
            if (process / "stat").read_bytes().rpartition(b") ")[2][:1] in b"ZX":
                continue
            threads = sorted((process / "task").iterdir())
            if not all(
                _is_surely_outside(thread, only_sleep=name == "iscsiadm") for thread in threads
            ):
                yield Owner(int(entry.name), name)
        except (FileNotFoundError, ProcessLookupError):
            continue


def _maps_library(process: Path) -> bool:
    try:
        return _LIBRARY in (process / "maps").read_bytes()
    except PermissionError:
        return False


def _is_surely_outside(thread: Path, *, only_sleep: bool) -> bool:
    """Return whether this thread is certainly outside; False if the kernel does not say."""
    machine = os.uname().machine
    with suppress(PermissionError):
        first = (thread / "syscall").read_text().partition(" ")[0].strip()
        if machine in _SLEEPS:
            number = int(first) if first.isdigit() else -1
            return number in _SLEEPS[machine] or (not only_sleep and number in _WAITS[machine])
    with suppress(PermissionError):
        place = (thread / "wchan").read_text().strip()
        return bool(_SLEEPS_IN.fullmatch(place) or (not only_sleep and _WAITS_IN.fullmatch(place)))
    return False


def _sees_all_processes(proc: Path) -> bool:
    try:
        return (proc / "self/ns/pid").stat().st_ino == _INITIAL_PID_NAMESPACE
    except OSError:
        return False


@dataclass
class NodeDbLock:
    """Own the node database for a moment: `with NodeDbLock(root, say=warn): ...`.

    `timeout` is in seconds. `say` is called with one line when a lock that was left behind is
    cleared. Raises InUseError at the deadline, naming the possible owners; NeedsRootError without
    permission.
    """

    root: Path = Path("/")
    timeout: float = 35.0
    say: Callable[[str], None] = lambda _: None
    proc: Path = Path("/proc")
    _turn: int | None = field(default=None, init=False, repr=False)
    _stamp: tuple[int, int] | None = field(default=None, init=False, repr=False)

    @property
    def link(self) -> Path:
        """The link that is the lock; all versions of open-iscsi in use have the same one."""
        return self.root / "run/lock/iscsi/lock.write"

    def __enter__(self) -> Self:
        deadline = time.monotonic() + self.timeout
        try:
            with waiting("waiting for the lock of the node database", self.timeout):
                self._wait_for_turn(deadline)
                self._wait_for_link(deadline)
        except OSError as error:
            self._end_turn()
            raise explained(error, "lock", self.link) from error
        except BaseException:
            self._end_turn()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # A waiter of open-iscsi that timed out may have removed our link and created its own.
            if self._stamp is not None and self._read_holder() == self._stamp:
                self.link.unlink(missing_ok=True)
        finally:
            self._stamp = None
            self._end_turn()

    def _wait_for_turn(self, deadline: float) -> None:
        directory = self.link.parent
        if not directory.is_dir():
            # The mode that open-iscsi itself gives it (idbm_lock).
            directory.mkdir(mode=0o770, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        os.close(os.open(directory / "lock", flags, 0o600))
        self._turn = os.open(directory / "iscsictl", flags, 0o600)
        while True:
            try:
                fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise self._lock_timeout_error(["another iscsictl"]) from None
                signals.check()
                time.sleep(RETRY)
            else:
                return

    def _end_turn(self) -> None:
        if self._turn is not None:
            os.close(self._turn)
            self._turn = None

    def _read_holder(self) -> tuple[int, int] | None:
        try:
            status = self.link.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_ctime_ns

    def _wait_for_link(self, deadline: float) -> None:
        seen: tuple[int, int] | None = None
        suspects: list[Owner] | None = None
        since = time.monotonic()
        proof = PROOF if _sees_all_processes(self.proc) else BLIND_PROOF
        while not self._try_link():
            now, stamp = time.monotonic(), self._read_holder()
            if stamp != seen:
                seen, since, suspects = stamp, now, None
            elif stamp is not None and suspects is None and now - since > FIRST_LOOK:
                suspects = self._possible_owners()
            elif stamp is not None and suspects is not None and now - since > proof:
                suspects = [owner for owner in self._possible_owners() if owner in suspects]
                if not suspects and self._take_over(stamp):
                    return
                since = now
            if now > deadline:
                raise self._lock_timeout_error(
                    [str(owner) for owner in suspects or self._possible_owners()]
                )
            signals.check()
            time.sleep(RETRY)

    def _try_link(self) -> bool:
        try:
            os.link(self.link.with_name("lock"), self.link)
        except FileExistsError:
            return False
        self._stamp = self._read_holder()
        return True

    def _possible_owners(self) -> list[Owner]:
        return list(possible_owners(self.link.parent.stat().st_uid, self.proc))

    def _take_over(self, stamp: tuple[int, int]) -> bool:
        if self._read_holder() != stamp:
            return False
        # A new ctime marks it as ours from now on.
        os.utime(self.link)
        self._stamp = self._read_holder()
        self.say(f"removed a lock that a killed process had left behind: {self.link}")
        return True

    def _lock_timeout_error(self, owners: list[str]) -> InUseError:
        who = f" by {', '.join(owners)}" if owners else ""
        return InUseError(
            f"the node database is locked{who}: {self.link} was not released"
            f" within {self.timeout:g} s",
            hint="wait for it to end, or stop it, then run this again",
        )
