"""The directory of one run: sockets, disks, console logs; who owns it, and its end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Role = Literal["array", "host", "second", "third", "fourth"]
Net = Literal["A", "B"]
ROLES: tuple[Role, ...] = ("array", "host")
#: The host of the pair, and the clones of it that can be on the networks beside it.
HOSTS: tuple[Role, ...] = ("host", "second", "third", "fourth")
NETS: tuple[Net, ...] = ("A", "B")
PREFIX = "iscsictl-lab-"


@dataclass(frozen=True)
class RunDirectory:
    """Where a pair's sockets, disks and console logs are; the path is short.

    `owner` is a descriptor whose lock says that the run is alive: the kernel lets go of it
    when the process ends, whatever way that is.
    """

    path: Path
    owner: int = -1

    def socket(self, role: Role, what: str) -> Path:
        """The socket of a guest's `qmp`, `agent` or `console`."""
        return self.path / f"{role}.{what}"

    def net(self, net: Net, role: Role = "host") -> Path:
        """The socket that is the cable between the array and a host."""
        number = HOSTS.index(role)
        return self.path / (f"net{net}{number + 1}" if number else f"net{net}")

    def disk(self, role: Role) -> Path:
        """A guest's overlay, with its snapshots."""
        return self.path / f"{role}.qcow2"

    def console_log(self, role: Role) -> Path:
        """All that a guest ever wrote to its console."""
        return self.path / f"{role}.log"

    def remove(self) -> None:
        """Remove it with all that is in it; once is enough, twice does no harm."""
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self.owner)


def new_run() -> RunDirectory:
    """A directory of this process, with a path short enough for unix sockets.

    Directories of processes that were killed before they could clean up go first.
    """
    base = tempfile.gettempdir() if len(tempfile.gettempdir()) < 60 else "/tmp"
    lock = os.open(Path(base) / f"{PREFIX}{os.getuid()}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sweep(Path(base))
        path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getuid()}-", dir=base))
        owner = os.open(path / "owner", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(owner, fcntl.LOCK_EX)
    finally:
        os.close(lock)
    return RunDirectory(path, owner)


def sweep(base: Path) -> None:
    """Remove run directories that nobody owns; call it with the lock held."""
    for path in base.glob(f"{PREFIX}{os.getuid()}-*/owner"):
        with contextlib.suppress(OSError), path.open("r+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)
