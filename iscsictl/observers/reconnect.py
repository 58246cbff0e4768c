"""Observe what should be connected and is not. If nothing is missing, no process is started."""

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
    # Only needed if a session is missing.
    multipath = lazy_import("iscsictl.system.block.multipath")
    # Only needed for exclusive volumes.
    reservations = lazy_import("iscsictl.observers.reservations")
    # It imports sockets, which only missing sessions need.
    portal_probe = lazy_import("iscsictl.system.iscsi.portal_probe")


def observe_locally(context: Context) -> Inventory:
    """Observe records, sessions, fstab and holds, each once, without using the network.

    Disks are read only if there are maps and a session is missing or not up, to find out which maps
    work without it; and those of exclusive volumes, which are asked for their reservations.
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
    """Observe again, and test the portals of missing sessions, unless that was done `before`.

    If nothing is missing, no portal is tested: this runs every few minutes on every host. Portals
    that only an offload adapter reaches are not tested with the host's own TCP.
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
    """Return what is mounted, by mount point; if there are several on one, the innermost counts.

    Only mounts of entries written by iscsictl are examined more closely; an entry may spell its
    mount point through a link.
    """
    lines = {line.path: line for line in mounts.mounted(context.root)}
    ours = {line.mount_point for line in inventory.fstab.ours if line.mount_point is not None}
    for path in ours - set(lines):
        # A path that another user could have linked elsewhere counts as not mounted; mounting it
        # will be refused.
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
    """Return the source of a mount that is none of these filesystems; None if it is one of them.

    The UUID is that of the mount's device in udev's database, not a link in by-uuid, which may lead
    to either of two paths without a map. If udev has none, the result is None.
    """
    # An automount of systemd or autofs lies below the filesystem.
    if not uuids or line.fstype == "autofs":
        return None
    number: str | None = line.device
    if line.device.startswith("0:"):
        # btrfs has a number of its own, so its source is used.
        if not line.source.startswith("/dev/"):
            return f"{line.source} ({line.fstype})"
        number = device_number(root, Path(os.path.realpath(line.source)).name)
    found = read_disk_properties(f"{root}/run/udev/data/b{number}").get("ID_FS_UUID", "").lower()
    return line.source if found and found not in uuids else None
