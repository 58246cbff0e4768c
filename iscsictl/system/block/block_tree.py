"""Disks and what stands on them: partitions, maps, arrays, loops, filesystems, mounts.

Sizes are bytes (sysfs counts sectors of 512 whatever the disk's own are). Nothing is probed:
filesystems are what udev found when the device last changed.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from iscsictl.model.listing import Block, Disk, Kind, Mount, Note, in_use
from iscsictl.model.listing import Path as DiskPath
from iscsictl.parse.mountinfo import parse_mountinfo
from iscsictl.system.block.block_index import BlockIndex, natural
from iscsictl.system.block.udev_db import decoded, read_disk_properties
from iscsictl.system.io.sysfs_attributes import (
    list_names,
    path_below,
    read_all,
    read_attribute,
    to_integer,
)

# sysfs counts sizes in this unit, whatever the sector size of the disk is.
SECTOR = 512
# kpartx(8) writes partN-mpath-..., cryptsetup(8) CRYPT-..., multipathd mpath-....
_DM_KINDS: tuple[tuple[str, Kind], ...] = (
    ("mpath-", "mpath"),
    ("part", "part"),
    ("CRYPT-", "crypt"),
)


class Unit:
    """A LUN of a session as sysfs has it; `path` is its directory, `kname` its disk (sda).

    `block` and `udev` are what was read about that disk, if it was read.
    """

    __slots__ = ("access", "block", "hctl", "kname", "lun", "path", "sid", "state", "udev", "wwid")

    def __init__(
        self,
        sid: int,
        hctl: str,
        lun: int,
        path: str,
        *,
        kname: str | None = None,
        state: str | None = None,
        wwid: str | None = None,
        access: str | None = None,
    ) -> None:
        self.sid = sid
        self.hctl = hctl
        self.lun = lun
        self.path = path
        self.kname = kname
        self.state = state
        self.wwid = wwid
        self.access = access
        self.block: Block | None = None
        self.udev: Mapping[str, str] = {}


class BlockTree:
    """Reads block devices under one root; the tables of mounts and loops are read once."""

    def __init__(self, root: Path, index: BlockIndex | None = None) -> None:
        self._root = root
        self._prefix = str(root).rstrip("/")
        self._index = index or BlockIndex(self._prefix)
        self._mounts = mounts_by_device(root)
        self._loops = self._index.loops()

    def block(self, kname: str) -> Block | None:
        """Return the device with all that stands on it; None if it is not (or no longer) there.

        `kname` is the kernel's name (sda1, dm-0). Filesystems are those in udev's database, which
        may be out of date.
        """
        return self._read_block(
            f"{self._prefix}/sys/class/block/{kname}", kname, None, frozenset()
        )[0]

    def read_unit(self, unit: Unit) -> None:
        """Fill in the disk of a LUN, and forget its name if it went away.

        What udev still has about a disk that had the same device number before is ignored.
        """
        if unit.kname is None:
            return
        own = f"{unit.path}/block/{unit.kname}"
        unit.block, unit.udev = self._read_block(own, unit.kname, "disk", frozenset(), unit)
        if unit.block is None:
            unit.kname = None

    def _read_block(
        self, own: str, kname: str, kind: Kind | None, above: frozenset[str],
        unit: Unit | None = None,
    ) -> tuple[Block | None, Mapping[str, str]]:  # fmt: skip
        number = self._index.number(kname, own)
        sectors = to_integer(read_attribute(own + "/size"))
        if number is None or sectors is None or kname in above:
            return None, {}
        kind = kind or kind_of(self._root, kname)
        found = read_disk_properties(f"{self._prefix}/run/udev/data/b{number}")
        if unit is not None and _is_of_another_unit(unit, found):
            found = {}
        device = f"/dev/{kname}" if unit is not None else device_path(self._root, kname)
        block = Block(
            device,
            kind,
            # 0 as soon as the kernel removes the disk (block/genhd.c).
            sectors * SECTOR or None,
            found.get("ID_FS_TYPE") or None,
            decoded(found.get("ID_FS_LABEL_ENC")) or found.get("ID_FS_LABEL") or None,
            decoded(found.get("ID_FS_UUID_ENC")) or found.get("ID_FS_UUID") or None,
            tuple(self._mounts.get(number, ())),
            self._read_children(own, kname, device, kind, above | {kname}, unit),
            found.get("ID_FS_UUID_SUB") or None,
        )
        return block, found

    def _read_children(
        self, own: str, kname: str, device: str, kind: Kind, above: frozenset[str],
        unit: Unit | None,
    ) -> tuple[Block, ...]:  # fmt: skip
        base = f"{self._prefix}/sys/class/block"
        names = self._index.partitions(kname, own) if kind != "part" else []
        blocks = [self._read_block(f"{own}/{name}", name, "part", above, unit)[0] for name in names]
        names = self._index.holders(kname, own)
        blocks += [self._read_block(f"{base}/{name}", name, None, above)[0] for name in names]
        names = self._loops.get(device, [])
        blocks += [self._read_block(f"{base}/{name}", name, "loop", above)[0] for name in names]
        return tuple([block for block in blocks if block is not None])


def _is_of_another_unit(unit: Unit, found: Mapping[str, str]) -> bool:
    """Return whether udev's data is still that of a disk that had this number before."""
    known, wwid = found.get("ID_WWN_WITH_EXTENSION"), unit.wwid
    if known is None or wwid is None or not wwid.startswith("naa."):
        return False
    if known.removeprefix("0x").lower() == wwid[4:].lower():
        return False
    # Some disks have several such names: the serial number decides.
    serial, other = _read_unit_serial(unit.path), found.get("ID_SCSI_SERIAL")
    return serial is None or other is None or serial.split() != other.split()


def read_block(root: Path, device: str) -> Block | None:
    """Return one device with all that stands on it; None if it is not there.

    `device` may be a link of udev's: it is followed.
    """
    return BlockTree(root).block(os.path.basename(os.path.realpath(device)))


def disks_of(
    units: Iterable[Unit], array_of: Callable[[int], str]
) -> tuple[tuple[Disk, ...], tuple[Note, ...]]:
    """Return the disks that the LUNs lead to, each once, and notes on what looks wrong.

    Paths are one disk if WWID, unit serial number and size agree and one array is known to offer
    them; `array_of` names the array of a session. A map of dm-multipath is the disk of its paths,
    but if they disagree, each disk below it remains a disk of its own. Several paths without a map
    get a warning, because nothing coordinates writes over them; whatever is in use over any of them
    is among the children.
    """
    groups: dict[tuple[object, ...], list[Unit]] = {}
    for unit in units:
        if unit.block is None:
            continue
        over = _multipath_map_over(unit)
        if over is not None:
            key: tuple[object, ...] = ("map", over.device)
        else:
            key = (unit.kname if unit.wwid is None else unit.wwid,)
        groups.setdefault(key, []).append(unit)
    disks = []
    notes = []
    for key, members in groups.items():
        mapped = key[0] == "map"
        parts = _same_disks(members, array_of, mapped=mapped)
        disks += [_disk_of_members(part, mapped) for part in parts]
        if len(parts) > 1:
            what = f"{key[1]} joins" if mapped else f"{members[0].wwid} is the WWID of"
            notes.append(Note(f"{what} different disks: {_describe_differences(parts, array_of)}"))
        for disk in disks[-len(parts) :]:
            if len(disk.paths) > 1 and disk.block.kind == "disk":
                names = ", ".join(path.device for path in disk.paths)
                notes.append(Note(f"{disk.wwid}: one disk as {names} without a multipath map"))
    return tuple(disks), (*notes, *_contradicting_serials(disks))


def _contradicting_serials(disks: Iterable[Disk]) -> Iterator[Note]:
    """Yield a warning for disks with one serial number (VPD page 80h) and different WWIDs.

    LUNs of one session are certainly different disks: some arrays report their own serial number
    for each of them.
    """
    groups: dict[tuple[str | None, ...], list[Disk]] = {}
    for disk in disks:
        if disk.serial is not None and disk.wwid is not None:
            groups.setdefault((disk.vendor, disk.model, disk.serial), []).append(disk)
    for (*_, serial), group in groups.items():
        sids = [_session_ids_of(disk) for disk in group]
        # Thousands of LUNs may have the array's serial number: do not compare each with each other.
        if set.intersection(*sids):
            continue
        with_sids = list(zip(group, sids, strict=True))
        doubtful = [
            disk.block.device
            for disk, own in with_sids
            if any(disk.wwid != other.wwid and not own & theirs for other, theirs in with_sids)
        ]
        if doubtful:
            yield Note(
                f"{', '.join(doubtful)}: the same serial number ({serial}) but different WWIDs; "
                "they are treated as different disks"
            )


def _session_ids_of(disk: Disk) -> set[int]:
    return {path.sid for path in disk.paths}


def _multipath_map_over(unit: Unit) -> Block | None:
    children = () if unit.block is None else unit.block.children
    return next((child for child in children if child.kind == "mpath"), None)


def _same_disks(
    members: list[Unit], array_of: Callable[[int], str], *, mapped: bool
) -> list[list[Unit]]:
    """Group LUNs that share a WWID or a map by the disk that they are."""
    if len(members) == 1:
        return [members]
    parts: dict[tuple[object, ...], list[Unit]] = {}
    for unit in members:
        # The paths of a map learn of a new size one after the other: that does not make them
        # different disks.
        size = None if mapped or unit.block is None else unit.block.size
        parts.setdefault((unit.wwid, serial_of(unit), size, array_of(unit.sid)), []).append(unit)
    return list(parts.values())


def _describe_differences(parts: list[list[Unit]], array_of: Callable[[int], str]) -> str:
    """Name each disk, with what distinguishes it from the others."""
    words = []
    for part in parts:
        unit = part[0]
        size = None if unit.block is None else unit.block.size
        words.append(
            f"{', '.join(f'/dev/{one.kname}' for one in part)} "
            f"({unit.wwid}, serial {serial_of(unit)}, {size} bytes, {array_of(unit.sid)})"
        )
    return "; ".join(words)


def serial_of(unit: Unit) -> str | None:
    """Return the unit serial number of a LUN: the kernel's, else what udev found.

    None if neither has one. Some arrays give all their LUNs the same one.
    """
    return _read_unit_serial(unit.path) or unit.udev.get("ID_SCSI_SERIAL") or None


def _disk_of_members(members: list[Unit], mapped: bool) -> Disk:
    unit = members[0]
    found = unit.udev
    block, *more = (one.block for one in members if one.block is not None)
    if mapped:
        block = _multipath_map_over(unit) or block
    elif more:
        others = [other for other in more if in_use(other)]
        if others and not in_use(block):
            block, others = others[0], others[1:]
        if others:
            block = Block(
                block.device, block.kind, block.size, block.fstype, block.label, block.uuid,
                block.mounts, (*block.children, *others), block.member,
            )  # fmt: skip
    vendor = decoded(found.get("ID_VENDOR_ENC")) or read_attribute(unit.path + "/vendor") or ""
    model = decoded(found.get("ID_MODEL_ENC")) or read_attribute(unit.path + "/model") or ""
    return Disk(
        unit.wwid,
        tuple(
            DiskPath(one.sid, one.hctl, f"/dev/{one.kname}", one.state, one.access)
            for one in members
        ),
        block,
        found.get("ID_SCSI_SERIAL")
        or _read_unit_serial(unit.path)
        or found.get("ID_SERIAL_SHORT")
        or None,
        vendor.strip() or None,
        model.strip() or None,
        "rom" if (unit.kname or "").startswith("sr") else "disk",
        read_attribute(f"{unit.path}/block/{unit.kname}/ro") == "1",
    )


def _read_unit_serial(path: str) -> str | None:
    """Read the unit serial number (SPC, VPD page 80h): four bytes of header, then text."""
    raw = read_all(path + "/vpd_pg80")[4:]
    return raw.decode("ascii", "replace").strip(" \0") or None


def holders(root: Path, kname: str) -> tuple[str, ...]:
    """Return the kernel's names of the holders of a device: dm and md, not loop devices.

    Sorted; also empty if the device is gone.
    """
    return tuple(sorted(list_names(path_below(root, f"sys/class/block/{kname}/holders"))))


def partitions(root: Path, kname: str) -> tuple[str, ...]:
    """Return the kernel's names of the partitions of a disk, in order."""
    # A partition's directory begins with the name of its disk (add_partition() in
    # block/partitions/core.c); the other names are attributes.
    names = list_names(path_below(root, f"sys/class/block/{kname}"))
    return tuple(sorted((name for name in names if name.startswith(kname)), key=natural))


def device_number(root: Path, kname: str) -> str | None:
    """Return MAJOR:MINOR, as in mountinfo and udev's database; None for a device that is gone."""
    return read_attribute(path_below(root, f"sys/class/block/{kname}/dev"))


def device_path(root: Path, kname: str) -> str:
    """Return the name to open: /dev/mapper/NAME for a map, else /dev/KNAME.

    sysfs writes a slash in a name as ! (cciss!c0d0). /dev itself is not read.
    """
    if kname.startswith("dm-"):
        name = read_attribute(path_below(root, f"sys/class/block/{kname}/dm/name"))
        if name is not None:
            return f"/dev/mapper/{name}"
    return "/dev/" + kname.replace("!", "/")


def kind_of(root: Path, kname: str) -> Kind:
    """Return the kind of a block device; that of a device-mapper map by its UUID's prefix.

    A map with another prefix counts as `lvm`, whatever created it, and any other device as `disk`.
    """
    own = path_below(root, f"sys/class/block/{kname}")
    if kname.startswith("dm-"):
        uuid = read_attribute(own + "/dm/uuid") or ""
        return next((kind for prefix, kind in _DM_KINDS if uuid.startswith(prefix)), "lvm")
    if read_attribute(own + "/partition") is not None:
        return "part"
    if kname.startswith("md"):
        return "md"
    return "loop" if kname.startswith("loop") else "disk"


def mounts_by_device(root: Path) -> dict[str, list[Mount]]:
    """Return the mounts of this namespace by MAJOR:MINOR.

    The mounts of a btrfs have a number that no device has: they are listed for every device of that
    filesystem (/sys/fs/btrfs).
    """
    found: dict[str, list[Mount]] = {}
    btrfs: list[tuple[str, Mount]] = []
    for line in parse_mountinfo(read_all(path_below(root, "proc/self/mountinfo"))):
        mount = Mount(line.path, line.options)
        if line.fstype == "btrfs":
            btrfs.append((line.source, mount))
        else:
            found.setdefault(line.device, []).append(mount)
    if btrfs:
        members = _btrfs_members(root)
        for source, mount in btrfs:
            for number in members.get(source) or {_device_number_of(root, source)}:
                found.setdefault(number, []).append(mount)
    return found


def _btrfs_members(root: Path) -> dict[str, set[str]]:
    """Return device path -> the numbers of all devices of its btrfs."""
    base = path_below(root, "sys/fs/btrfs")
    found = {}
    for uuid in list_names(base):
        names = list_names(f"{base}/{uuid}/devices")
        numbers = {number for name in names if (number := device_number(root, name))}
        for name in names:
            found[device_path(root, name)] = found[f"/dev/{name}"] = numbers
    return found


def _device_number_of(root: Path, device: str) -> str:
    """Return MAJOR:MINOR of a path in /dev, or "" if sysfs has no such device."""
    name = device.removeprefix("/dev/").replace("/", "!")
    if device.startswith("/dev/mapper/"):
        for kname in list_names(path_below(root, "sys/class/block")):
            if kname.startswith("dm-") and device_path(root, kname) == device:
                name = kname
    return device_number(root, name) or ""
