"""Nodes in /dev: the kernel has a device before udev has created its node."""

import contextlib
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


def refresh_udev(device: str) -> None:
    """Have udev examine a device again, and wait until it has nothing left to do.

    An event from before the last write to the device is then handled, too. The wait takes at most
    DEVICE_NODE_WAIT seconds; nothing is raised.
    """
    with contextlib.suppress(IscsictlError):
        run(["udevadm", "trigger", "--action=change", device], ok=None)
    _wait_for_udev()


def wait_for_node(device: str) -> None:
    """Wait until udev has created the node or has nothing left to do (udevadm(8), settle).

    That takes at most a little more than DEVICE_NODE_WAIT seconds. Nothing is raised if the node
    does not appear.
    """
    # Opening the device will report that its node is missing.
    _wait_for_udev(f"--exit-if-exists={device}")


def _wait_for_udev(*options: str) -> None:
    with contextlib.suppress(IscsictlError):
        run(
            ["udevadm", "settle", *options, f"--timeout={DEVICE_NODE_WAIT}"],
            timeout=DEVICE_NODE_WAIT + 5,
            ok=None,
        )
