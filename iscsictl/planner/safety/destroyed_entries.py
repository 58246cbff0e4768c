"""Entries of fstab for what a confirmed wipe would destroy, whoever wrote them.

An admin's own entry has no note with the WWID of the disk: it is found by what stands on it.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from iscsictl.errors import RefusedError
from iscsictl.model.disk_content import Content, Partition, Signature
from iscsictl.model.fstab import FstabLine, tag_of_spec
from iscsictl.model.inventory import Inventory
from iscsictl.model.shell_form import shell_form

_HEX: Final = re.compile(r"0x([0-9a-f]+)")


def require_not_in_fstab(
    inventory: Inventory, content: Content, node: str, *, partition_id: str | None = None
) -> None:
    """Raise RefusedError where an entry of fstab is for what is on a disk or partition.

    `content` is what was found on `node`, and `partition_id` the id of that partition where it is
    one. That the wipe is confirmed by the WWID of the disk does not say that the entry may dangle.
    Claims do not count, nor notes of ours that mount nothing, nor what is for a copy elsewhere: an
    entry that is pinned to another disk, or whose mount point another disk has now.
    """
    named = set(_names_of_content(content, node, partition_id))
    for line in inventory.fstab.entries:
        note = line.is_ours and line.mount_point is None and not line.auto
        if line.is_claim or note or _is_for_other_disk(inventory, line, content.wwid):
            continue
        if tag_of_spec(line.spec or "") in named:
            raise _refusal_for_entry(line, node)


def _is_for_other_disk(inventory: Inventory, line: FstabLine, wwid: str) -> bool:
    """Tell whether an entry is for a copy of what is on the disk with this WWID.

    A note with a WWID says it. Of an admin's own entry the disk that is mounted there now tells: a
    tmpfs does not, nor does the autofs of an automount that nothing has opened yet.
    """
    if line.wwid is not None:
        return line.wwid != wwid
    now = inventory.mounted.get(line.mount_point or "")
    return now is not None and now.source.startswith("/dev/")


def _refusal_for_entry(line: FstabLine, node: str) -> RefusedError:
    where = "as swap" if line.mount_point is None else f"on {line.mount_point}"
    ours = f"iscsictl fstab rm {shell_form(line.mount_point or line.uuid)}"
    return RefusedError(
        f"/etc/fstab line {line.number} mounts what is on {node} {where}",
        hint=f"take it out first: {ours}" if line.is_ours
        else "edit /etc/fstab to take it out, if what is there may go",
    )  # fmt: skip


def _names_of_content(
    content: Content, node: str, partition_id: str | None
) -> Iterator[tuple[str, str]]:
    """Yield the tags and nodes by which an entry may name what was found, as `tag_of_spec` does."""
    yield "", node
    if partition_id is not None:
        yield "PARTUUID", partition_id.lower()
    yield from _names_of_signatures(content.signatures)
    if content.filesystem is not None:
        found = content.filesystem
        yield "", found.device
        yield from _names_of_signatures([Signature(found.type, None, found.uuid, found.label)])
    for part in (*content.partitions, *content.stale_partitions):
        yield "", part.device
        yield from _names_of_signatures(part.signatures)
        uuid = _partition_uuid(content, part)
        if uuid is not None:
            yield "PARTUUID", uuid


def _names_of_signatures(signatures: Iterable[Signature]) -> Iterator[tuple[str, str]]:
    for one in signatures:
        if one.uuid is not None:
            yield "UUID", one.uuid.lower()
        if one.label is not None:
            yield "LABEL", one.label


def _partition_uuid(content: Content, part: Partition) -> str | None:
    """Return the PARTUUID; in a DOS table it is made of the disk's id and the number (blkid(8))."""
    if part.id is not None:
        return part.id.lower()
    disk = _HEX.fullmatch(content.table_id or "")
    return None if disk is None else f"{disk[1]}-{part.number:02x}"
