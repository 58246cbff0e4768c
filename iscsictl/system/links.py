"""The names of a device that stay: the links that udev keeps in /dev/disk/by-id."""

import os
import time

from iscsictl.system.udev import Waiter

_FOLDER = "/dev/disk/by-id/"
_PREFERRED = ("wwn-", "scsi-3", "scsi-2", "dm-uuid-", "scsi-")


def stable_path(device: str, wait: float = 5.0) -> str:
    """Return the best lasting name of a device, waiting some seconds for udev to make it.

    What udev's database names is believed, once all of it is there: udev makes the links one
    after the other.  The device's own path is returned where udev makes none.
    """
    with Waiter() as events:
        return events.wait(lambda: _best_link(device), time.monotonic() + wait) or device


def _best_link(device: str) -> str | None:
    """Return the best link, the device's own path if there is none; None while udev works."""
    import pyudev

    try:
        known = pyudev.Devices.from_device_file(pyudev.Context(), device)
    except (OSError, pyudev.DeviceNotFoundError):
        return None
    links = sorted(known.device_links)
    if not known.is_initialized or not all(map(os.path.exists, links)):
        return None
    real = os.path.realpath(device)
    own = [link for link in links if os.path.realpath(link) == real]
    named = (link for start in _PREFERRED for link in own if link.startswith(_FOLDER + start))
    return next(named, device)
