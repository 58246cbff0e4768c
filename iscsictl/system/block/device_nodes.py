"""Nodes in /dev: the kernel has a device before udev has created its node."""

import os
from pathlib import Path

from iscsictl.errors import IscsictlError
from iscsictl.limits import DEVICE_NODE_WAIT
from iscsictl.system.block.block_tree import device_path
from iscsictl.system.io.process import run
from iscsictl.system.io.sysfs_attributes import list_names, path_below


def kernel_has(device: str, root: Path = Path("/")) -> bool:
    """Return whether the kernel has the device of a node: /dev/sda1, or /dev/mapper/NAME.

    udev may not have created the node yet, or may be renaming it just now.
    """
    names = list_names(path_below(root, "sys/class/block"))
    if not device.startswith("/dev/mapper/"):
        return os.path.basename(device) in names
    return any(name.startswith("dm-") and device_path(root, name) == device for name in names)


def wait_for_node(device: str) -> None:
    """Wait until udev has created the node or has nothing left to do (udevadm(8), settle).

    That takes at most a little more than DEVICE_NODE_WAIT seconds. Nothing is raised if the node
    does not appear.
    """
    try:
        run(
            ["udevadm", "settle", f"--exit-if-exists={device}", f"--timeout={DEVICE_NODE_WAIT}"],
            timeout=DEVICE_NODE_WAIT + 5,
            ok=None,
        )
    except IscsictlError:
        return  # opening the device will report that its node is missing
