"""Logical volumes and md arrays on the disks of sessions that are not active; none is activated.

LVM's own tools report logical volumes; arrays are derived from what udev knows of their members.
"""

import os
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from iscsictl.errors import InterruptError, IscsictlError
from iscsictl.limits import INACTIVE_VOLUMES_WAIT
from iscsictl.model.inactive_volumes import InactiveNames, LogicalVolume, VolumeStart
from iscsictl.model.listing import Block, Disk, blocks
from iscsictl.parse.lvm_report import (
    SEGMENT_FIELDS,
    VOLUME_FIELDS,
    parse_starts,
    parse_volumes,
    volumes_on,
)
from iscsictl.parse.mdadm_conf import parse_arrays
from iscsictl.system.block import probe
from iscsictl.system.block.disk_states import takes_commands
from iscsictl.system.io.process import run

# --readonly takes no lock and changes nothing; hints are what earlier calls found on disks.
_LVM = ("--readonly", "--reportformat", "json", "--config", 'devices/hints="none"')
_CONFIGURATIONS = ("etc/mdadm/mdadm.conf", "etc/mdadm.conf")
# Superblocks of md, version 1 (include/uapi/linux/raid/md_p.h): 1.2 at 4 KiB, 1.1 at the start.
_MD_MAGIC = 0xA92B4EFC
_MD_PLACES = (4096, 0)
_MD_DATA_OFFSET = 128
_SECTOR = 512
# Versions 0.90 and 1.0 have theirs in the last 128 KiB, and their data begins at the start.
_MD_END = 128 << 10


def read_inactive(disks: Iterable[Disk], root: Path = Path("/")) -> dict[str, InactiveNames]:
    """Return the names of volumes and arrays that may be inactive, by the device they are on.

    Names of active ones are included. Only root can read disks: for other users, and below another
    root directory, there are only the names of arrays. What cannot be read, or not in time, is left
    out.
    """
    # A disk whose session is down would keep the tools waiting.
    members = [
        block
        for disk in disks
        if takes_commands(os.path.realpath(disk.block.device).rpartition("/")[2], root)
        for block in blocks(disk.block)
    ]
    arrays = [block for block in members if block.fstype == "linux_raid_member"]
    volumes = [block.device for block in members if block.fstype == "LVM2_member"]
    configured = _configured_arrays(root) if arrays else {}
    found = {block.device: _array_names(block, configured) for block in arrays}
    if root != Path("/") or os.geteuid() != 0:
        return found
    for block in arrays:
        found[block.device] = InactiveNames(
            found[block.device].nodes, frozenset(_tags_in_array(block))
        )
    return found | (_volume_names(volumes) if volumes else {})


def _volume_names(devices: list[str]) -> dict[str, InactiveNames]:
    """Ask LVM about these devices only: another disk of the host may not answer."""
    try:
        chosen = ["--devices", ",".join(devices)]
        volumes = parse_volumes(_ask_lvm(["lvs", "--all", *chosen, "-o", VOLUME_FIELDS]))
        units = ["--segments", "--units", "b", "--nosuffix"]
        starts = parse_starts(_ask_lvm(["pvs", *units, *chosen, "-o", SEGMENT_FIELDS]))
    except InterruptError:
        raise
    except IscsictlError:
        return {}
    # LVM may call a device by another of its names.
    named = {os.path.realpath(device): device for device in devices}
    reported = {part for one in volumes for part in one.parts if part.startswith("/")}
    reported |= {start.device for start in starts}
    found: dict[str, InactiveNames] = {}
    for name in sorted(reported):
        device = named.get(os.path.realpath(name))
        if device is not None:
            on_it = [one for one in starts if one.device == name]
            found[device] = _names_on_device(volumes_on(volumes, name), on_it, device)
    return found


def _names_on_device(
    volumes: Iterable[LogicalVolume], starts: Iterable[VolumeStart], device: str
) -> InactiveNames:
    nodes = frozenset(node for one in volumes for node in one.nodes)
    tags = {tag for one in starts for tag in _tags_at(device, one.offset, one.size)}
    return InactiveNames(nodes, frozenset(tags))


def _ask_lvm(argv: list[str]) -> str:
    # 5: something is missing, such as another device of the group; the rest is printed.
    return run([argv[0], *_LVM, *argv[1:]], timeout=INACTIVE_VOLUMES_WAIT, ok=(0, 5)).out


def _tags_at(device: str, offset: int, size: int) -> Iterator[tuple[str, str]]:
    """Yield the UUID and the label of what begins at an offset of a device."""
    try:
        found = probe.blkid(device, "--offset", str(offset), "--size", str(size))
    except InterruptError:
        raise
    except IscsictlError:
        return
    yield from ((tag, found[tag]) for tag in ("UUID", "LABEL") if tag in found)


def _configured_arrays(root: Path) -> dict[str, set[str]]:
    """Return the devices that mdadm.conf(5) names, by the UUID of the array."""
    found: dict[str, set[str]] = {}
    for name in _CONFIGURATIONS:
        try:
            text = (root / name).read_text(errors="replace")
        except OSError:
            continue
        for uuid, device in parse_arrays(text):
            found.setdefault(uuid, set()).add(device)
    return found


def _array_names(block: Block, configured: Mapping[str, set[str]]) -> InactiveNames:
    """Return the names of the array of a member: mdadm(8), "DEVICE NAMES", and udev's links."""
    digits = re.sub(r"[^0-9a-f]", "", (block.uuid or "").lower())
    nodes = set(configured.get(digits, ()))
    if len(digits) == 32:
        words = [digits[at : at + 8] for at in range(0, 32, 8)]
        nodes.add(f"/dev/disk/by-id/md-uuid-{':'.join(words)}")
    if block.label:
        # The name of the host comes first if the array was created with one.
        name = block.label.rpartition(":")[2]
        nodes |= {f"/dev/disk/by-id/md-name-{block.label}", f"/dev/md/{name}"}
        if name.isdecimal():
            nodes.add(f"/dev/md{name}")
    return InactiveNames(frozenset(nodes))


def _tags_in_array(block: Block) -> Iterator[tuple[str, str]]:
    """Yield the UUID and the label of what starts the array, if this member contains the start."""
    offset, size = 0, (block.size or 0) - _MD_END
    try:
        for place in _MD_PLACES:
            data = probe.read_bytes_at(block.device, place, _MD_DATA_OFFSET + 8)
            if struct.unpack_from("<I", data)[0] == _MD_MAGIC:
                offset = struct.unpack_from("<Q", data, _MD_DATA_OFFSET)[0] * _SECTOR
                size = (block.size or 0) - offset
                break
    except InterruptError:
        raise
    except IscsictlError:
        return
    if size > 0:
        yield from _tags_at(block.device, offset, size)
