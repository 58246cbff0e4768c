"""Which disks contain copies of one filesystem (a snapshot, a clone), and which only parts of it.

A filesystem with one UUID may legitimately be on several disks: an md array or an LVM volume spans
them as one device, and each device of a btrfs is another member of it.
"""

from collections.abc import Collection, Iterable

from iscsictl.model.host_index import HostIndex
from iscsictl.model.listing import Block, Disk, blocks


def are_confusable(one: Disk, other: Disk) -> bool:
    """Tell whether a write cannot tell two disks apart, because they share a WWID or a map.

    A dm-multipath map sends each write to any of its paths, whichever disk is behind the path.
    """
    same_map = one.block.kind == "mpath" and one.block.device == other.block.device
    return same_map or (one.wwid is not None and one.wwid == other.wwid)


def outside_map(disk: Disk, others: Iterable[Disk], index: HostIndex) -> tuple[Disk, ...]:
    """Return those of the others that are the same disk, on the other side of its map.

    For a map, they are paths of its disk that it does not have; for such a path, the map.
    multipathd was not running, or did not accept the path, when it appeared. They share WWID and
    unit serial number, and target and LUN number; two disks that only share a WWID do not.
    """
    return tuple(
        other
        for other in others
        if {disk.block.kind, other.block.kind} == {"mpath", "disk"}
        and disk.wwid is not None
        and (disk.wwid, disk.serial) == (other.wwid, other.serial)
        and _is_path_of_map(disk, other, index)
    )


def _is_path_of_map(one: Disk, other: Disk, index: HostIndex) -> bool:
    outside, mapped = (one, other) if other.block.kind == "mpath" else (other, one)
    places = _targets_and_luns(outside, index)
    return bool(places) and places <= _targets_and_luns(mapped, index)


def _targets_and_luns(disk: Disk, index: HostIndex) -> set[tuple[str, str]]:
    """Return the target of each path with its LUN number, as written in H:C:T:L."""
    return {
        (session.target, path.hctl.rpartition(":")[2])
        for path in disk.paths
        for session in index.sessions_with_sid(path.sid)
    }


def confusable_disks(disks: Iterable[Disk]) -> dict[int, tuple[Disk, ...]]:
    """Return, by the id() of each disk, the other disks that it is confusable with, if any.

    The time grows with the number of disks, not with its square.
    """
    groups: dict[tuple[str, str], list[Disk]] = {}
    names: dict[int, list[tuple[str, str]]] = {}
    for disk in disks:
        own = [("wwid", disk.wwid)] if disk.wwid is not None else []
        if disk.block.kind == "mpath":
            own.append(("map", disk.block.device))
        # By identity: equal disks may be two.
        names[id(disk)] = own
        for name in own:
            groups.setdefault(name, []).append(disk)
    found = {}
    for key, own in names.items():
        others = {id(one): one for name in own for one in groups[name] if id(one) != key}
        if others:
            found[key] = tuple(others.values())
    return found


def copies(uuid: str, disks: Iterable[Disk], own: Disk | None = None) -> tuple[Disk, ...]:
    """Return those of the disks that contain a separate copy of a filesystem.

    `own` has the filesystem whatever udev says; it may or may not be among the disks.
    """
    found = [
        (disk, [block for block in blocks(disk.block) if block.uuid == uuid])
        for disk in disks
        if disk is not own
    ]
    carriers = [(disk, parts) for disk, parts in found if parts]
    if own is not None:
        parts = [block for block in blocks(own.block) if block.uuid == uuid]
        # udev may not have read the new superblock yet.
        carriers.insert(0, (own, parts or [own.block]))
    return tuple(
        disk
        for disk, parts in carriers
        if any(
            other is not disk and are_separate_copies(parts, theirs) for other, theirs in carriers
        )
    )


def are_separate_copies(parts: Collection[Block], others: Collection[Block]) -> bool:
    """Tell whether the blocks of the same name on two disks are not one thing that spans both.

    They are one thing if a device of LVM, md or dm-crypt spans both, or if each block is a
    different member of one filesystem (btrfs: ID_FS_UUID_SUB). An unknown member counts as a copy:
    writing to the wrong one costs data, refusing costs only a question.
    """
    if _stacked_devices(parts) & _stacked_devices(others):
        return False
    members = {block.member for block in parts}
    theirs = {block.member for block in others}
    return None in members | theirs or bool(members & theirs)


def _stacked_devices(parts: Collection[Block]) -> set[str]:
    """Return the devices that may span several disks, that is, neither disks nor partitions."""
    return {block.device for block in parts if block.kind not in {"disk", "part"}}
