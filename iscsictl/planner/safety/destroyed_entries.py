"""Entries of fstab and crypttab for what a confirmed wipe would destroy, whoever wrote them.

An admin's own entry has no note with the WWID of the disk: it is found by what is on the disk.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from iscsictl.errors import RefusedError
from iscsictl.model.actions import DiskId
from iscsictl.model.disk_content import Content, Partition
from iscsictl.model.fstab import FstabLine, tag_of_spec
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import blocks
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.safety.named_entries import (
    DeviceNames,
    entries_for,
    names_of_disk,
    names_of_partition,
    tags_of,
)

_HEX: Final = re.compile(r"0x([0-9a-f]+)")


@dataclass(frozen=True)
class PartitionNames:
    """The partition that is destroyed, with the tags that the table gives it (PARTUUID, ...)."""

    number: int
    node: str
    tags: frozenset[tuple[str, str]] = frozenset()


def require_not_in_fstab(
    inventory: Inventory,
    device: DiskId,
    content: Content | None,
    *,
    part: PartitionNames | None = None,
) -> None:
    """Raise RefusedError if an entry of fstab or crypttab is for what is on a disk or partition.

    `content` is what was found on it, None if it could not be probed. That the wipe is confirmed by
    the WWID of the disk does not mean that the entry may be left without its device. Not counted
    are claims, notes of iscsictl that mount nothing, and entries for a copy elsewhere: those that
    are pinned to another disk, those whose mount point another disk has now, and those that are in
    use now, because what is to be wiped is not in use.
    """
    node = device.device if part is None else part.node
    lines = [
        line for line in inventory.fstab.entries
        if not line.is_claim
        and not (line.is_ours and line.mount_point is None and not line.auto)
        and not _is_for_other_disk(inventory, line, device.wwid)
    ]  # fmt: skip
    names = _names_to_destroy(inventory, device, content, part)
    for entry in entries_for(inventory, lines, names):
        if isinstance(entry, FstabLine):
            raise _refusal_for_entry(entry, node)
        if ("", entry.mapper) not in inventory.names_in_use:
            raise RefusedError(
                f"/etc/crypttab line {entry.number} opens what is on {node} as {entry.name}",
                hint="edit /etc/crypttab to remove it, if its data is not needed",
            )


def _names_to_destroy(
    inventory: Inventory, device: DiskId, content: Content | None, part: PartitionNames | None
) -> DeviceNames:
    """Return the names of what is destroyed: those of the listing, and those that were found."""
    disk = next((x for x in inventory.disks if x.block.device == device.device), None)
    if disk is None:
        names = DeviceNames(device.wwid, part=None if part is None else part.number)
    elif part is None:
        names = names_of_disk(inventory, disk)
    else:
        block = next((b for b in blocks(disk.block) if b.device == part.node), None)
        names = names_of_partition(inventory, disk, part.number, block)
    found = set() if content is None else set(_names_of_content(content))
    nodes = {value for tag, value in found if not tag}
    nodes.add(device.device if part is None else part.node)
    tags = {one for one in found if one[0]} | (set() if part is None else part.tags)
    return replace(
        names, nodes=names.nodes | nodes, tags=names.tags | tags,
        units=names.units | {(device.target, device.lun)},
    )  # fmt: skip


def _is_for_other_disk(inventory: Inventory, line: FstabLine, wwid: str) -> bool:
    """Tell whether an entry is for a copy of what is on the disk with this WWID.

    A note with a WWID says so. For an admin's own entry, the disk that is mounted there now tells;
    a tmpfs does not, nor does the autofs of an automount that nothing has opened yet. Swap has no
    mount point: there, what the entry names is in use.
    """
    if line.wwid is not None:
        return line.wwid != wwid
    if tag_of_spec(line.spec or "") in inventory.names_in_use:
        return True
    now = inventory.mounted.get(line.mount_point or "")
    return now is not None and now.source.startswith("/dev/")


def _refusal_for_entry(line: FstabLine, node: str) -> RefusedError:
    where = "as swap" if line.mount_point is None else f"on {line.mount_point}"
    ours = f"iscsictl fstab rm {shell_form(line.mount_point or line.uuid)}"
    return RefusedError(
        f"/etc/fstab line {line.number} mounts what is on {node} {where}",
        hint=f"take it out first: {ours}" if line.is_ours
        else "edit /etc/fstab to remove it, if its data is not needed",
    )  # fmt: skip


def _names_of_content(content: Content) -> Iterator[tuple[str, str]]:
    """Yield the tags and nodes by which an entry may name what was found, as `tag_of_spec` does."""
    yield from tags_of(content.signatures)
    if content.filesystem is not None:
        yield "", content.filesystem.device
        yield from tags_of([content.filesystem])
    for part in (*content.partitions, *content.stale_partitions):
        yield "", part.device
        yield from tags_of(part.signatures)
        uuid = _partition_uuid(content, part)
        if uuid is not None:
            yield "PARTUUID", uuid


def _partition_uuid(content: Content, part: Partition) -> str | None:
    """Return the PARTUUID; in a DOS table it consists of the disk's id and number (blkid(8))."""
    if part.id is not None:
        return part.id.lower()
    disk = _HEX.fullmatch(content.table_id or "")
    return None if disk is None else f"{disk[1]}-{part.number:02x}"
