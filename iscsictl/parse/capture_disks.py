"""Disks of a capture, joined from `multipath -ll`, `lsblk` and the sessions."""

from collections.abc import Sequence
from dataclasses import replace

from iscsictl.model.capture import CapturedBlock, CapturedDisk, CapturedPath
from iscsictl.model.listing import Session
from iscsictl.parse.lsblk_list import LsblkReader, captured_block, captured_disk
from iscsictl.parse.lsblk_rows import LsblkRow, merge_rows, upright_rows

_DISKS = frozenset({"disk", "mpath", "md"})
# What is on a disk: shown only if no disk is listed, as by `lsblk /dev/vg0/data`.
_ON_DISKS = frozenset({"part", "lvm", "crypt"})


def join_disks(
    sessions: Sequence[Session], maps: Sequence[CapturedDisk], table: LsblkReader
) -> tuple[CapturedDisk, ...] | None:
    """Return the disks in a capture, None if it lists none.

    Paths get the SID of their session if only one matches. If the sessions name their disks, other
    disks of `lsblk` are left out, because they are local; maps are all kept.
    """
    rows = table.roots if maps else [*table.roots, *table.multipathd_rows]
    if not maps and not rows:
        return None
    # Maps with one name but different WWIDs are from two hosts: `lsblk` is assumed to be the last
    # one's.
    known = {disk.block.device: disk for disk in maps}
    elsewhere = [disk for disk in maps if known[disk.block.device] is not disk]
    roots = _iscsi_rows(merge_rows([*upright_rows(rows)]))
    of_sessions = {lun.device for one in sessions for lun in one.luns or () if lun.device}
    in_maps = {path.device for disk in maps for path in disk.paths or ()}
    blocks = [captured_block(row) for row in roots]
    shown = _DISKS if maps or any(block.kind in _DISKS for block in blocks) else _ON_DISKS
    others: dict[str, CapturedDisk] = {}
    for row, block in zip(roots, blocks, strict=True):
        disk = captured_disk(row, block)
        above = next((b for b in block.children or () if b.kind == "mpath"), None)
        if above is not None:
            name = above.device
            joined = known.get(name)
            if joined is not None:
                known[name] = replace(joined, block=_with_content(joined.block, above))
            elif name in others:
                paths = (*(others[name].paths or ()), *(disk.paths or ()))
                others[name] = replace(others[name], paths=paths)
            else:
                others[name] = replace(disk, block=above)
        elif block.device in known or block.device in others:  # from `multipathd show maps`
            maps_told = known if block.device in known else others
            before = maps_told[block.device]
            maps_told[block.device] = replace(before, wwid=before.wwid or disk.wwid)
        elif block.device in in_maps or not _is_shown(row, block, shown):
            continue
        elif not of_sessions or block.device in of_sessions:
            others[block.device] = disk
    if of_sessions:
        others = {
            name: disk
            for name, disk in others.items()
            if {path.device for path in disk.paths or ()} & of_sessions
        }
    found = [*elsewhere, *known.values(), *others.values()]
    return tuple(_with_sids_of_paths(disk, sessions) for disk in found)


def _is_shown(row: LsblkRow, block: CapturedBlock, kinds: frozenset[str]) -> bool:
    """Return whether a row is a disk, or may be on one that is not listed.

    Without a column TYPE, the kind is only guessed from the name.
    """
    return block.kind in kinds or ("TYPE" not in row.cells and block.kind != "loop")


def _iscsi_rows(rows: list[LsblkRow]) -> list[LsblkRow]:
    """Return the disks that are iSCSI disks according to the column TRAN; all if none is."""
    return [row for row in rows if row.cells.get("TRAN") == "iscsi"] or rows


def _with_content(block: CapturedBlock, listed: CapturedBlock) -> CapturedBlock:
    """Add what `lsblk` reports about a map to what `multipath` reports."""
    return replace(
        block,
        size=listed.size if block.size is None else block.size,
        fstype=listed.fstype,
        label=listed.label,
        uuid=listed.uuid,
        mounts=listed.mounts,
        children=listed.children,
    )


def _with_sids_of_paths(disk: CapturedDisk, sessions: Sequence[Session]) -> CapturedDisk:
    if disk.paths is None:
        return disk
    return replace(disk, paths=tuple(_with_matching_sid(path, sessions) for path in disk.paths))


def _with_matching_sid(path: CapturedPath, sessions: Sequence[Session]) -> CapturedPath:
    """Add the SID of the only session with this path as a LUN, by address and disk."""
    found = [
        (session.sid, lun.hctl)
        for session in sessions
        for lun in session.luns or ()
        if _compare_if_known(path.hctl, lun.hctl) is not False
        and _compare_if_known(path.device, lun.device) is not False
        and (_compare_if_known(path.hctl, lun.hctl) or _compare_if_known(path.device, lun.device))
    ]
    if len(found) != 1:
        return path
    return replace(path, sid=found[0][0], hctl=path.hctl or found[0][1])


def _compare_if_known(one: str | None, other: str | None) -> bool | None:
    """Compare two values; None if one of them is not known."""
    return None if one is None or other is None else one == other
