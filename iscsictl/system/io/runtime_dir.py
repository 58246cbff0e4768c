"""Our directory in /run, for the locks and the holds: root writes it, everybody may read it."""

import errno
import os
import stat
from pathlib import Path

from iscsictl.system.io.safe_paths import own_ids

_MODE = 0o755


def place(root: Path = Path("/")) -> Path:
    """Return its path; it may not exist yet.

    /run is empty after each boot (file-hierarchy(7)), and so are locks, holds and notes.
    """
    return root / "run/iscsictl"


def made(root: Path = Path("/"), name: str = "") -> Path:
    """Return the directory, or the one called `name` in it; create it if it does not exist.

    Its mode is 0755 whatever our umask is, and whatever that of an earlier run was. A symbolic
    link of that name is not followed. Raises OSError.
    """
    path = place(root)
    for directory in dict.fromkeys((path, path / name)):
        directory.mkdir(mode=_MODE, parents=True, exist_ok=True)
        _make_listable(directory)
    return path / name


def _make_listable(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        if status.st_uid not in own_ids():
            raise PermissionError(errno.EPERM, "it belongs to another user", str(directory))
        if stat.S_IMODE(status.st_mode) != _MODE:
            os.fchmod(fd, _MODE)
    finally:
        os.close(fd)
