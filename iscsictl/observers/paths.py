"""Paths and devices as the kernel names them."""

from iscsictl.system.block.device_links import stable_path
from iscsictl.system.io.safe_paths import resolve_path


def without_links(path: str) -> str:
    """Return a mount point without symbolic links, as /proc/self/mountinfo has it.

    Raises RefusedError if the path leads through a link that another user could have created.
    """
    return resolve_path(path)


def stable_device(device: str) -> str:
    """Return a name of a device that survives a reboot (/dev/disk/by-id), or else its own.

    udev gets a few seconds to create the link of a device that has just appeared.
    """
    return stable_path(device)
