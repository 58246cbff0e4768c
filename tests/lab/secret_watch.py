"""Watch that no secret of a test shows anywhere on the host but in the 0600 record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.agent import Background
    from tests.lab.guest import Guest

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

# Runs in the guest: every file that changed since the mark, and the journal.
_SEARCH = r"""
import os, subprocess, sys
needles = [line.encode() for line in sys.stdin.read().split("\n") if line]
mark, given = os.stat("/root/.watch-mark").st_mtime, set(sys.argv[1:])
for top in ("/etc", "/var", "/run", "/tmp", "/root", "/home", "/srv", "/usr/local"):
    for folder, _, names in os.walk(top):
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
        result = self.host.run(
            ["python3", "-c", _SEARCH, "/root/.watch-mark", *given],
            stdin="\n".join(self.secrets), check=True, timeout=120,
        )  # fmt: skip
        wrong = [
            line for line in result.out.splitlines()
            if not (line.startswith("600 ") and "/nodes/" in line)
        ]  # fmt: skip
        assert not wrong, wrong
        assert int(rounds) > 1
        return int(rounds)
