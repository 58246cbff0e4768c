"""The names of a device that stay: the links that udev keeps in /dev/disk/by-id."""

import os
import time
from pathlib import Path

_PREFERRED = ("wwn-", "scsi-3", "scsi-2", "dm-uuid-", "scsi-")


def stable_path(device: str, wait: float = 5.0, root: Path = Path("/")) -> str:
    """Return the best lasting name of a device, waiting some seconds for udev to make it.

    The device's own path is returned where udev makes none.
    """
    deadline = time.monotonic() + wait
    while True:
        names = _names(device, root / "dev/disk/by-id")
        for prefix in _PREFERRED:
            for name in names:
                if name.startswith(prefix):
                    return f"/dev/disk/by-id/{name}"
        if time.monotonic() >= deadline:
            return device
        time.sleep(0.1)


def _names(device: str, directory: Path) -> list[str]:
    real = os.path.realpath(device)
    try:
        return sorted(n for n in os.listdir(directory) if os.path.realpath(directory / n) == real)
    except OSError:
        return []
