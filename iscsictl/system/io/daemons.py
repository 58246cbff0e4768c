"""Daemons that run on this host, found in /proc without starting a process."""

import os
from pathlib import Path

from iscsictl.model.services import Daemon


def find_daemon(name: str, root: Path = Path("/")) -> Daemon | None:
    """Return the running daemon of that name with the lowest pid, if there is one.

    iscsid runs twice: one process does the work, the other writes its log. A process that is
    stopped or blocked is preferred to others. Also None if /proc cannot be read.
    """
    found = []
    try:
        pids = sorted(int(p) for p in os.listdir(root / "proc") if p.isdigit())
    except OSError:
        return None
    for pid in pids:
        process = root / "proc" / str(pid)
        try:
            if (process / "comm").read_text(errors="replace").strip() != name:
                continue
            state = (process / "stat").read_bytes().rpartition(b") ")[2][:1].decode()
        except OSError:
            continue
        if state in "ZX":
            continue
        found.append(Daemon(pid, state, _is_program_replaced(process)))
    return min(found, key=lambda d: (d.state not in "TtD", d.pid), default=None)


def _is_program_replaced(process: Path) -> bool:
    try:
        return os.readlink(process / "exe").endswith(" (deleted)")
    except OSError:
        return False
