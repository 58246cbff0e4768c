"""Since when sessions have been down, recorded in /run/iscsictl/down: the kernel does not know it.

sysfs has the state of a session but not its age, and iscsid's attempts to reconnect log errors of
their own. The first `prune` that finds a session down records it; the record ends when one finds it
up, or with a boot.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from iscsictl.model.listing import Session
from iscsictl.system.io import runtime_dir
from iscsictl.system.io.files import read_file, replace_file
from iscsictl.system.iscsi import holds

_NAME = "down"
_MODE = 0o644


def note_down_sessions(
    sessions: Iterable[Session], root: Path = Path("/"), *, keep: bool = True
) -> dict[int, float]:
    """Return for how many seconds each session that is not up has been known to be down.

    With `keep`, the moment is recorded for later runs. 0 means that it was not known to be down
    before. Raises OSError, IscsictlError.
    """
    now = holds.now()
    before = _read_notes(root)
    notes = {
        _key_of_session(session): min(before.get(_key_of_session(session), now), now)
        for session in sessions
        if session.status != "up" and session.sid is not None
    }
    if keep and notes != before:
        path = runtime_dir.made(root) / _NAME
        replace_file(path, json.dumps(notes, indent=1).encode(), mode=_MODE)
    return {int(key.partition(" ")[0]): now - since for key, since in notes.items()}


def _key_of_session(session: Session) -> str:
    return f"{session.sid} {session.target}"


def _read_notes(root: Path) -> dict[str, float]:
    """Return the records; an unreadable one is ignored, so nothing is removed too early."""
    try:
        notes = json.loads(read_file(runtime_dir.place(root) / _NAME) or b"{}")
        return {str(key): float(since) for key, since in notes.items()}
    except (ValueError, TypeError, AttributeError):
        return {}
