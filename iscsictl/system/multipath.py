"""What multipathd(8) makes of a new disk: a path to a map, or nothing."""

import os
from pathlib import Path

from iscsictl.errors import IscsictlError
from iscsictl.system.blockdev import device_path, holders
from iscsictl.system.run import run

_PATIENCE = 5.0


def runs(root: Path = Path("/")) -> bool:
    """Tell whether multipathd runs."""
    return (root / "run/multipathd.pid").exists()


def is_awaited(device: str, root: Path = Path("/")) -> bool:
    """Tell whether a map over a disk may still come: multipathd has not seen it, or makes one.

    udev's word is not enough: `multipath -u` may say no of a disk that multipathd then takes.
    """
    if not runs(root):
        return False
    name = os.path.basename(device)
    over = holders(root, name)
    if over:
        return not any(os.path.exists(device_path(root, holder)) for holder in over)
    return f"{name}:[orphan]" not in _paths()


def _paths() -> list[str]:
    """Return DISK:MAP of all that multipathd has seen; [orphan] is none that it makes."""
    command = ["multipathd", "show", "paths", "raw", "format", "%d:%m"]
    try:
        return run(command, timeout=_PATIENCE, ok=None).out.split()
    except IscsictlError:
        return []
