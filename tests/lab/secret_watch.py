"""Watch that no secret of a test shows anywhere on the host but in the 0600 record.

`SecretWatch` is begun and checked by a test. `StandingWatch` is on for every test of the lab
that gives the array a secret: it hears of each program that is started (proc connector), and
looks through files and journal at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pytest

    from tests.lab.agent import Background
    from tests.lab.guest import Guest
    from tests.lab.lio import Credentials
    from tests.lab.pair import Lab

# Runs in the guest: every process's command line and environment, over and over.
_WATCHER = r"""
import os, signal, sys
needles = [line.encode() for line in sys.stdin.read().split("\n") if line]
me, found, going = str(os.getpid()), set(), [True]
signal.signal(signal.SIGTERM, lambda *_: going.clear())
rounds = 0
while going:
    rounds += 1
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as stream:
                    data = stream.read()
            except OSError:
                continue
            if pid != me and any(needle in data for needle in needles):
                found.add(f"/proc/{pid}/{name}: {data[:60]!r}")
print(rounds)
print("\n".join(sorted(found)))
"""

# Runs in the guest: the same of each program when it is started, as the kernel tells
# (cn_proc, <linux/cn_proc.h>). What the test itself starts is not looked at: that is what comes
# of the lab's agent, up to the first iscsictl.
_LISTENER = r"""
import os, signal, socket, struct, sys
needles = [line.encode() for line in sys.stdin.read().split("\n") if line]
found, heard = set(), 0
def stop(*_):
    raise SystemExit
signal.signal(signal.SIGTERM, stop)
def read(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as stream:
            return stream.read()
    except OSError:
        return b""
def of_the_test(pid):
    while pid > 1:
        words = read(pid, "cmdline").split(b"\0")[:4]
        if any(word.endswith(b"/iscsictl") for word in words):
            return False
        if b"/usr/local/lib/lab/agent.py" in words:
            return True
        fields = read(pid, "stat").rpartition(b")")[2].split()
        pid = int(fields[1]) if fields else 0
    return False
with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11) as kernel:
    kernel.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE
    kernel.bind((os.getpid(), 1))
    listen = struct.pack("=IIIIHHI", 1, 1, 0, 0, 4, 0, 1)
    kernel.send(struct.pack("=IHHII", 16 + len(listen), 3, 0, 0, os.getpid()) + listen)
    print("on", flush=True)
    try:
        while True:
            try:
                data = kernel.recv(4096)
            except OSError as error:  # too many at once: those that came are looked at
                if error.errno == 105:
                    continue
                raise
            what, pid = struct.unpack_from("=I", data, 36)[0], struct.unpack_from("=I", data, 52)[0]
            if what != 2:
                continue
            heard += 1
            for name in ("cmdline", "environ"):
                seen = read(pid, name)
                if any(needle in seen for needle in needles) and not of_the_test(pid):
                    found.add(f"/proc/{pid}/{name}: {seen[:60]!r}")
    finally:
        print(heard)
        print("\n".join(sorted(found)))
"""

# Runs in the guest: every file that changed since the mark, and the journal.
_SEARCH = r"""
import os, subprocess, sys
needles = [line.encode() for line in sys.stdin.read().split("\n") if line]
mark, given = os.stat("/root/.watch-mark").st_mtime, set(sys.argv[1:])
for top in ("/etc", "/var", "/run", "/tmp", "/root", "/home", "/srv", "/usr/local"):
    for folder, folders, names in os.walk(top):
        if folder == "/root":  # what has no dot there is the test's own
            folders[:] = [name for name in folders if name.startswith(".")]
            names = [name for name in names if name.startswith(".")]
        for name in names:
            path = os.path.join(folder, name)
            try:
                status = os.lstat(path)
                if os.path.islink(path) or not os.path.isfile(path) or status.st_ctime < mark:
                    continue
                with open(path, "rb") as stream:
                    data = stream.read()
            except OSError:
                continue
            if path not in given and any(needle in data for needle in needles):
                print(f"{status.st_mode & 0o777:o} {path}")
journal = subprocess.run(["journalctl", "--no-pager", "-o", "cat"], capture_output=True).stdout
if any(needle in journal for needle in needles):
    print("0 the journal")
"""
#: Where open-iscsi keeps secrets, and where an admin may ask iscsictl to put one.
_OWN = ("/nodes/", "/send_targets/", "/iscsid.conf")


def search(host: Guest, secrets: Iterable[str], given: Iterable[str]) -> list[str]:
    """Files changed since the mark, and the journal, that hold a secret and should not."""
    result = host.run(
        ["python3", "-c", _SEARCH, *given], stdin="\n".join(secrets), check=True, timeout=180
    )
    return [
        line
        for line in result.out.splitlines()
        if not (line.startswith("600 ") and any(place in line for place in _OWN))
    ]


@dataclass
class SecretWatch:
    """Begin with `start`, end with `check`; in between the host does what it does."""

    host: Guest
    secrets: Sequence[str]
    watcher: Background | None = None

    def start(self) -> None:
        """Begin to watch the processes, and mark the time for the search of files."""
        self.host.put("/root/.watch-mark", "")
        self.watcher = self.host.start(["python3", "-c", _WATCHER], stdin="\n".join(self.secrets))

    def check(self, given: Sequence[str] = (), outputs: Sequence[str] = ()) -> int:
        """Fail if a secret showed. `given` are the files the test itself put them in.

        Returns how many rounds over all processes there were.
        """
        assert self.watcher is not None
        self.watcher.signal()
        rounds, *seen = self.watcher.wait(60).out.strip().split("\n")
        seen = [line for line in seen if line]
        assert not seen, seen
        text = "\n".join(outputs)
        assert not [secret for secret in self.secrets if secret in text], "in an output"
        wrong = search(self.host, self.secrets, given)
        assert not wrong, wrong
        assert int(rounds) > 1
        return int(rounds)


@dataclass
class StandingWatch:
    """On for a whole test: knows each secret that the array is told, from then on."""

    lab: Lab
    secrets: list[str] = field(default_factory=list)
    given: set[str] = field(default_factory=set)
    listener: Background | None = None

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Hear of targets with CHAP, of files the test writes, of boots and restores."""
        lab, array, host = self.lab, self.lab.array, self.lab.host
        targets, discovery, put = array.targets, array.discovery_auth, host.put

        def watched_targets(made: Iterable[Any]) -> None:
            wanted = list(made)
            targets(wanted)
            self.learn(pair for one in wanted for pair in (one.chap, one.mutual))

        def watched_discovery(chap: Credentials | None, mutual: Credentials | None = None) -> None:
            discovery(chap, mutual)
            self.learn((chap, mutual))

        def watched_put(path: str, data: str | bytes, mode: int | None = 0o644) -> None:
            put(path, data, mode)
            self.given.add(path)

        patch.setattr(array, "targets", watched_targets)
        patch.setattr(array, "discovery_auth", watched_discovery)
        patch.setattr(host, "put", watched_put)
        for owner, name in ((host, "boot"), (host, "reboot"), (lab, "restore")):
            patch.setattr(owner, name, self._then_listen(getattr(owner, name)))

    def _then_listen(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            value = method(*args, **options)
            self.listener = None
            if self.secrets and options.get("wait", True):
                # A restored host has no mark, and what changed since is all after this.
                self._mark_time()
                self._listen()
            return value

        return wrapped

    def learn(self, pairs: Iterable[Credentials | None]) -> None:
        """Watch for these secrets too."""
        new = [pair[1] for pair in pairs if pair is not None and pair[1] not in self.secrets]
        if not new:
            return
        self._mark_time()
        self.secrets += new
        self._hear()
        self._listen()

    def _mark_time(self) -> None:
        """Mark the time from which on the search looks at files, unless that was done before."""
        if not self.lab.host.exists("/root/.watch-mark"):
            self.lab.host.put("/root/.watch-mark", "")

    def _listen(self) -> None:
        self.listener = self.lab.host.start(
            ["python3", "-c", _LISTENER], stdin="\n".join(self.secrets)
        )
        while "on" not in self.listener.output()[0]:
            ended = self.listener.poll()
            assert ended is None, str(ended)

    def _hear(self) -> None:
        """End the listener, and fail if it saw a secret."""
        if self.listener is None:
            return
        self.listener.signal()
        _on, heard, *seen = self.listener.wait(60).out.strip().split("\n")
        self.listener = None
        assert not seen, seen
        assert int(heard) > 0

    def check(self) -> None:
        """Fail if a secret showed."""
        if self.secrets and self.lab.host.status() == "running":
            self._hear()
            wrong = search(self.lab.host, self.secrets, self.given)
            assert not wrong, wrong
