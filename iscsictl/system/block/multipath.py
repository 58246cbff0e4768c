"""Multipath maps as the kernel and multipathd(8) have them: their paths and their partitions."""

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from iscsictl.errors import MissingError, UnreachableError
from iscsictl.lazy_import import lazy_import
from iscsictl.limits import HELPER_WAIT, MULTIPATH_LIST_WAIT
from iscsictl.model.listing import Disk
from iscsictl.model.listing import Path as DiskPath
from iscsictl.parse.dmsetup_status import failed_paths
from iscsictl.system.block.block_tree import (
    BlockTree,
    device_number,
    device_path,
    holders,
    kind_of,
)
from iscsictl.system.io.process import run
from iscsictl.system.io.sysfs_attributes import list_names, path_below, read_attribute, to_integer

if TYPE_CHECKING:
    from iscsictl.system.block import multipathd
else:
    # It imports sockets, which only requests to the daemon need.
    multipathd = lazy_import("iscsictl.system.block.multipathd")


def runs(root: Path = Path("/")) -> bool:
    """Return whether multipathd runs; its pid file may be left from one that was killed."""
    pid = to_integer(read_attribute(path_below(root, "run/multipathd.pid")))
    return pid is not None and read_attribute(path_below(root, f"proc/{pid}/comm")) == "multipathd"


def has_maps(root: Path = Path("/")) -> bool:
    """Return whether the kernel has a multipath map, over whatever disks.

    multipathd need not be running: maps stay when it is stopped.
    """
    names = list_names(path_below(root, "sys/class/block"))
    return any(name.startswith("dm-") and kind_of(root, name) == "mpath" for name in names)


def maps_without_paths(root: Path = Path("/")) -> tuple[Disk, ...]:
    """Return the multipath maps that have no path left, with what stands on them, sorted.

    multipathd removes a map with its last path unless somebody has it open at that moment, for
    example udev. Their disks can no longer be identified, so they have no WWID.
    """
    base = path_below(root, "sys/class/block")
    names = [name for name in list_names(base) if name.startswith("dm-")]
    tree = BlockTree(root)
    found = [
        Disk(None, (), block)
        for name in sorted(names)
        if kind_of(root, name) == "mpath" and not list_names(f"{base}/{name}/slaves")
        if (block := tree.block(name)) is not None
    ]
    return tuple(found)


def with_failed_paths(disks: Iterable[Disk], root: Path = Path("/")) -> tuple[Disk, ...]:
    """Return the disks, with the state `failed` for each path that device-mapper does not use.

    The kernel shows a path as `running` even while commands over it fail, for example because the
    array no longer maps the LUN on one port: only the map knows. No process is started if no map
    has several paths. If dmsetup(8) is not installed, nothing is marked. Raises UnreachableError.
    """
    all_disks = tuple(disks)
    if not any(disk.block.kind == "mpath" and len(disk.paths) > 1 for disk in all_disks):
        return all_disks
    return mark_failed_paths(all_disks, _read_failed_paths(), root)


def is_failed(device: str, root: Path = Path("/")) -> bool:
    """Return whether a path has failed, so that its map does not use it.

    `device` is /dev/KNAME. False if dmsetup(8) is not installed. Raises UnreachableError.
    """
    return device_number(root, os.path.basename(device)) in _read_failed_paths()


def _read_failed_paths() -> frozenset[str]:
    try:
        asked = ["dmsetup", "status", "--target", "multipath"]
        return failed_paths(run(asked, timeout=HELPER_WAIT, ok=None).out)
    except MissingError:
        return frozenset()


def mark_failed_paths(
    disks: Iterable[Disk], failed: Collection[str], root: Path = Path("/")
) -> tuple[Disk, ...]:
    """Return the disks, with the state `failed` for the paths of maps with these MAJOR:MINOR."""

    def mark(path: DiskPath) -> DiskPath:
        is_failed = device_number(root, os.path.basename(path.device)) in failed
        return path._replace(state="failed") if is_failed else path

    return tuple(
        disk._replace(paths=tuple(map(mark, disk.paths)))
        if failed and disk.block.kind == "mpath"
        else disk
        for disk in disks
    )


def is_awaited(device: str, root: Path = Path("/")) -> bool:
    """Return whether a map over a disk may still appear: multipathd has yet to decide or create it.

    udev's answer is not enough: `multipath -u` may reject a disk that multipathd then uses.
    """
    if not runs(root):
        return False
    name = os.path.basename(device)
    over = holders(root, name)
    if over:
        return not any(os.path.exists(device_path(root, holder)) for holder in over)
    return f"{name}:[orphan]" not in _list_known_paths()


def _list_known_paths() -> list[str]:
    """Return DISK:MAP of all paths that multipathd knows; [orphan] is a path without a map."""
    asked = ("show", "paths", "raw", "format", "%d:%m")
    try:
        return multipathd.ask(*asked, timeout=MULTIPATH_LIST_WAIT).out.split()
    except (MissingError, UnreachableError):
        return []


def paths_of(device: str, root: Path = Path("/")) -> tuple[str, ...]:
    """Return the paths of a multipath map; none if it is no such map.

    sysfs is asked, not multipathd: it shows where the kernel sends writes.
    """
    kname = _kernel_name_of_map(device, root)
    if kname is None or kind_of(root, kname) != "mpath":
        return ()
    names = list_names(path_below(root, f"sys/class/block/{kname}/slaves"))
    return tuple(device_path(root, name) for name in sorted(names))


def parts(device: str, root: Path = Path("/")) -> tuple[str, ...]:
    """Return the partition maps over a map (kpartx(8)); one that stands on another comes first.

    Empty for a disk that is no map.
    """
    kname = _kernel_name_of_map(device, root)
    if kname is None:
        return ()
    return tuple(device_path(root, name) for name in _partitions_over(kname, root))


def number_of_map(device: str, root: Path = Path("/")) -> str | None:
    """Return MAJOR:MINOR of a map or partition map; None if the device is none."""
    kname = _kernel_name_of_map(device, root)
    return None if kname is None else device_number(root, kname)


def _partitions_over(kname: str, root: Path) -> list[str]:
    found = []
    for name in holders(root, kname):
        if kind_of(root, name) == "part":
            found += [*_partitions_over(name, root), name]
    return list(dict.fromkeys(found))


def ends(device: str, root: Path = Path("/")) -> tuple[str, ...]:
    """Return the nodes to open exclusively to test that a disk is not in use.

    That is the disk itself. For a map on which nothing but its partition maps stands, it is those:
    device-mapper holds the map for them, so nobody can open the map itself exclusively.
    """
    kname = _kernel_name_of_map(device, root)
    if kname is None:
        return (device,)
    return tuple(dict.fromkeys(device_path(root, name) for name in _devices_to_open(kname, root)))


def _devices_to_open(kname: str, root: Path) -> list[str]:
    over = holders(root, kname)
    if not over or any(kind_of(root, name) != "part" for name in over):
        return [kname]
    return [end for name in over for end in _devices_to_open(name, root)]


def _kernel_name_of_map(device: str, root: Path) -> str | None:
    """Return the kernel's name of a map, None if the device is no map."""
    if not device.startswith("/dev/mapper/"):
        return None
    names = list_names(path_below(root, "sys/class/block"))
    maps = (name for name in names if name.startswith("dm-"))
    return next((name for name in maps if device_path(root, name) == device), None)


def drop_parts(device: str, root: Path = Path("/")) -> bool:
    """Remove the partition maps of a map; return whether there were any.

    device-mapper refuses to remove one that is open. Raises IscsictlError.
    """
    part_maps = parts(device, root)
    for part in part_maps:
        # udev may have it open at this moment.
        run(["dmsetup", "remove", "--retry", part.removeprefix("/dev/mapper/")])
    return bool(part_maps)
