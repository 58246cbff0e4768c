"""Paths and devices as the kernel names them."""

from iscsictl.system.block.device_links import stable_path
from iscsictl.system.mount.mounts import real


def without_links(path: str) -> str:
    """Return a mount point without symbolic links, as /proc/self/mountinfo has it."""
    return real(path)


def stable_device(device: str) -> str:
    """Return a name of a device that survives a reboot (/dev/disk/by-id), else its own."""
    return stable_path(device)
