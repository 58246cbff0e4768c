"""Look at what should be connected and is not. Where all is well no process is started."""

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from iscsictl.lazy_import import lazy_import
from iscsictl.limits import PORTAL_WAIT
from iscsictl.model.inventory import Inventory
from iscsictl.parse.mountinfo import MountLine
from iscsictl.planner.attach.reconnect import Mounted, missing_records
from iscsictl.planner.selection.session_index import SessionIndex
from iscsictl.system.block.block_tree import device_number
from iscsictl.system.block.udev_db import read_disk_properties
from iscsictl.system.context import Context
from iscsictl.system.io.safe_paths import UnsafeLinkError, resolve_path
from iscsictl.system.iscsi import holds, nodedb
from iscsictl.system.iscsi.sessions import read_listing, read_sessions
from iscsictl.system.mount import fstab_file, mounts

if TYPE_CHECKING:
    from iscsictl.observers import reservations
    from iscsictl.system.block import multipath
    from iscsictl.system.iscsi import portal_probe
else:
    # Only where a session is missing.
    multipath = lazy_import("iscsictl.system.block.multipath")
    # Only for exclusive volumes.
    reservations = lazy_import("iscsictl.observers.reservations")
    # Sockets are only for the portals of what is missing.
    portal_probe = lazy_import("iscsictl.system.iscsi.portal_probe")


def observe_locally(context: Context) -> Inventory:
    """Look at records, sessions, fstab and holds, each once; nothing is asked of the network.

    The disks are read only where a session is missing or not up, to see which maps do without it,
    and there are maps; and those of exclusive volumes, which are asked for their reservations.
    """
    root = context.root
    inventory = Inventory(
        nodedb.read_records(context.db),
        read_sessions(root, details=False),
        fstab=fstab_file.read_fstab(root),
        holds=holds.read_holds(root),
    )
    index = SessionIndex.of(inventory)
    exclusive = any(line.exclusive for line in inventory.fstab.ours)
    complete = all(session.status == "up" for session in inventory.sessions) and not any(
        index.missing_sessions(record) for record in inventory.records
    )
    if not exclusive and (complete or not multipath.has_maps(root)):
        return inventory
    listing = read_listing(root, details=False)
    inventory = replace(inventory, sessions=listing.sessions, disks=listing.disks or ())
    if not exclusive:
        return inventory
    asked = reservations.exclusive_disks(inventory.fstab, inventory.disks)
    return replace(inventory, reservations=reservations.observe_reservations(asked, root))


def observe_for_reconnect(
    context: Context, target: str | None, before: Inventory | None
) -> Inventory:
    """Look again, and try the portals of what is missing; what was tried `before` is not again.

    With nothing missing no portal is tried: this runs every few minutes on every host. Portals that
    only an offload adapter reaches are not tried by the host's own TCP.
    """
    inventory = observe_locally(context)
    if before is not None:
        return replace(inventory, silent=before.silent)
    portals_missing = [r.portal for r in missing_records(inventory, target) if r.over_tcp]
    if not portals_missing:
        return inventory

    wait = min(PORTAL_WAIT, context.wait)
    return replace(inventory, silent=portal_probe.find_silent_portals(portals_missing, wait))


def mounted(context: Context, inventory: Inventory) -> Mapping[str, Mounted]:
    """Return what is mounted, by mount point; of several at one place the innermost counts.

    Only what entries written by iscsictl mount is examined more closely; a line may spell its
    mount point through a link.
    """
    lines = {line.path: line for line in mounts.mounted(context.root)}
    ours = {line.mount_point for line in inventory.fstab.ours if line.mount_point is not None}
    for path in ours - set(lines):
        # What another user linked elsewhere is not mounted there; mounting it will be refused.
        with suppress(UnsafeLinkError):
            if (resolved := resolve_path(path)) in lines:
                lines[path] = lines[resolved]
    uuids = {
        path: {x.uuid.lower() for x in inventory.fstab.by_dir(path) if x.uuid and not x.is_claim}
        for path in ours
    }
    return {
        path: Mounted(
            line.options,
            mounts.find_mount_problem(line, context.root),
            _find_other_filesystem(line, uuids[path], context.root),
        )
        if path in ours
        else Mounted(line.options)
        for path, line in lines.items()
    }


def _find_other_filesystem(line: MountLine, uuids: Collection[str], root: Path) -> str | None:
    """Return what is mounted where one of these filesystems should be; None if it is one of them.

    udev tells the UUID by the device of the mount, not by a link in by-uuid: of two paths without a
    map the link leads to either. Where it tells none, nothing is said.
    """
    # A mount that systemd or autofs makes on first use stands below the filesystem.
    if not uuids or line.fstype == "autofs":
        return None
    number: str | None = line.device
    if line.device.startswith("0:"):
        # btrfs has a number of its own, and names its device.
        if not line.source.startswith("/dev/"):
            return f"{line.source} ({line.fstype})"
        number = device_number(root, Path(os.path.realpath(line.source)).name)
    found = read_disk_properties(f"{root}/run/udev/data/b{number}").get("ID_FS_UUID", "").lower()
    return line.source if found and found not in uuids else None
