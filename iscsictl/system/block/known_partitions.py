"""The partitions that the kernel or udev still has, whatever the table on the disk says now.

A table may be lost, or replaced by another host, while all filesystems are still there. For a map,
that is what is known of its paths: kpartx(8) reads only the table that is on the disk now.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from iscsictl.errors import IscsictlError
from iscsictl.limits import HELPER_WAIT
from iscsictl.model.disk_content import Partition
from iscsictl.model.shell_form import shell_form
from iscsictl.system.block import multipath
from iscsictl.system.block.block_tree import device_number, partitions
from iscsictl.system.block.udev_db import parse_properties
from iscsictl.system.io.process import run
from iscsictl.system.io.sysfs_attributes import (
    list_names,
    path_below,
    read_all,
    read_attribute,
    to_integer,
)

# sysfs and udev count in this unit, whatever the sector size of the disk is.
_UNIT = 512
_LINEAR = re.compile(r"0 (\d+) linear (\S+) (\d+)\s*")
# What was known of a path, by root directory and path, when a map over it was about to be made:
# 68-del-part-nodes.rules of kpartx then has the kernel, and with it udev, forget the partitions.
_remembered: dict[tuple[Path, str], tuple[Partition, ...]] = {}


def known_partitions(device: str, root: Path = Path("/")) -> tuple[Partition, ...]:
    """Return the partitions of a whole disk that the kernel has, and those that only udev has.

    Of a map, also those of its paths. `device` is empty for a partition that has no node of its
    own, or only one on a path, which may be dead. Start and size are bytes. Raises IscsictlError if
    device-mapper does not tell where a partition of a map is.
    """
    found = list(_kernel_partitions(device, root))
    without_node = list(_udev_partitions(device, root))
    for path in multipath.paths_of(device, root):
        without_node += (*known_partitions(path, root), *_remembered.get((root, path), ()))
    places = {(part.start, part.size) for part in found}
    for part in without_node:
        if (part.start, part.size) not in places:
            places.add((part.start, part.size))
            found.append(replace(part, device=""))
    return tuple(found)


def remember_partitions(path: str, root: Path = Path("/")) -> None:
    """Keep what is known of a disk for as long as this process runs, before a map is made of it."""
    _remembered[root, path] = known_partitions(path, root)


def forget_partitions(path: str, root: Path = Path("/")) -> None:
    """Drop what `remember_partitions` kept: the disk gets a new table, or was confirmed to wipe."""
    _remembered.pop((root, path), None)


def _kernel_partitions(device: str, root: Path) -> Iterator[Partition]:
    kname = os.path.basename(os.path.realpath(device))
    base = path_below(root, f"sys/class/block/{kname}")
    for name in partitions(root, kname):
        number, start, size = (
            to_integer(read_attribute(f"{base}/{name}/{what}"))
            for what in ("partition", "start", "size")
        )
        if number is not None and start is not None and size is not None:
            yield Partition(number, f"/dev/{name}", start * _UNIT, size * _UNIT, "")
    yield from _partitions_of_map(device, root)


def _partitions_of_map(device: str, root: Path) -> Iterator[Partition]:
    """Yield the partitions of a map: maps themselves (kpartx(8)), which only device-mapper places.

    A logical partition stands on the map of the extended one, and its start is counted from there.
    """
    starts: dict[str | None, int] = {}
    nodes = multipath.parts(device, root)
    for number, node in reversed(list(enumerate(nodes, 1))):
        table = run(["dmsetup", "table", node], timeout=HELPER_WAIT, ok=None)
        place = _LINEAR.fullmatch(table.out)
        if place is not None:
            size, below, start = int(place[1]), place[2], int(place[3])
            start += starts.get(below, 0)
            starts[multipath.number_of_map(node, root)] = start
            yield Partition(number, node, start * _UNIT, size * _UNIT, "")
        elif node in multipath.parts(device, root):  # and not removed meanwhile
            raise IscsictlError(
                f"dmsetup does not tell where {node} is on {device}: {table.last_line}",
                hint=f"see its table: dmsetup table {shell_form(node)}",
            )


def _udev_partitions(device: str, root: Path) -> Iterator[Partition]:
    """Yield the partitions in udev's database (ID_PART_ENTRY_*, udev's builtin blkid)."""
    own = device_number(root, os.path.basename(os.path.realpath(device)))
    folder = path_below(root, "run/udev/data")
    if own is None:
        return
    mark = f"\nE:ID_PART_ENTRY_DISK={own}\n".encode()
    for name in sorted(list_names(folder)):
        # Of hundreds of files only those of this disk's partitions are parsed.
        data = read_all(f"{folder}/{name}") if name.startswith("b") else b""
        if mark not in data:
            continue
        found = parse_properties(data)
        number, start, size = (
            to_integer(found.get(f"ID_PART_ENTRY_{what}")) for what in ("NUMBER", "OFFSET", "SIZE")
        )
        if number is not None and start is not None and size is not None:
            yield Partition(number, "", start * _UNIT, size * _UNIT, "")
