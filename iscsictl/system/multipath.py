"""What multipathd(8) makes of a new disk: a path to a map, or nothing."""

import os
from pathlib import Path

from iscsictl.system.blockdev import device_number, device_path, holders
from iscsictl.system.udevdb import device_properties


def runs(root: Path = Path("/")) -> bool:
    """Tell whether multipathd runs."""
    return (root / "run/multipathd.pid").exists()


def is_awaited(device: str, root: Path = Path("/")) -> bool:
    """Tell whether the map over a disk is still to come, as far as is known.

    udev says that a disk is for multipathd (`multipath -u` in 60-multipath.rules) before the map
    is made; as long as it has said nothing that may come.
    """
    if not runs(root):
        return False
    name = os.path.basename(device)
    known = device_properties(root, device_number(root, name) or "")
    if known.get("DM_MULTIPATH_DEVICE_PATH") != "1":
        return not known
    return not any(os.path.exists(device_path(root, holder)) for holder in holders(root, name))
