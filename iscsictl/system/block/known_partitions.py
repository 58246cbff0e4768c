"""The partitions that the kernel or udev still has, whatever the table on the disk says now.

A table may be lost, or replaced by another host, while all filesystems are still there.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from iscsictl.limits import HELPER_WAIT
from iscsictl.model.disk_content import Partition
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
_LINEAR = re.compile(r"0 (\d+) linear \S+ (\d+)\s*")


def known_partitions(device: str, root: Path = Path("/")) -> tuple[Partition, ...]:
    """Return the partitions of a whole disk that the kernel has, and those that only udev has.

    `device` is empty for a partition that only udev has: there is no node to open. Start and size
    are bytes.
    """
    found = tuple(_kernel_partitions(device, root))
    places = {(part.start, part.size) for part in found}
    only_udev = (p for p in _udev_partitions(device, root) if (p.start, p.size) not in places)
    return (*found, *only_udev)


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
    # The partitions of a map are maps themselves (kpartx(8)); only device-mapper knows where they
    # are.
    for number, node in enumerate(multipath.parts(device, root), 1):
        table = run(["dmsetup", "table", node], timeout=HELPER_WAIT, ok=None)
        place = _LINEAR.fullmatch(table.out)
        if place is not None:
            yield Partition(number, node, int(place[2]) * _UNIT, int(place[1]) * _UNIT, "")


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
