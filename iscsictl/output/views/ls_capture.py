"""What a capture contains besides sessions: node records, and the disks of multipath and lsblk."""

from collections.abc import Iterator, Sequence
from typing import Any

from iscsictl.model.capture import (
    CapturedBlock,
    CapturedDisk,
    CaptureDetails,
    CapturedPath,
    ListedRecord,
)
from iscsictl.output.table import Column, Value, print_table, print_tsv
from iscsictl.output.terminal import Screen
from iscsictl.output.text import human_size
from iscsictl.output.views.ls_text import canonical

RECORD_COLUMNS = (
    Column("TARGET", shrink=True),
    Column("PORTAL", rank=1),
    Column("IFACE", rank=2),
)
DISK_COLUMNS = (
    Column("DISK", shrink=True),
    Column("SIZE", numeric=True, rank=3),
    Column("FS", key="filesystem", rank=4),
    Column("MOUNT", shrink=True),
    Column("PATH", rank=2),
    Column("SID", numeric=True, rank=1),
    Column("STATE", rank=5),
    Column("WWID", rank=6),
)


def print_details(details: CaptureDetails, screen: Screen, *, tsv: bool, is_first: bool) -> None:
    """Print the records and the disks of a capture, each as a separate table.

    `is_first`: nothing was printed before, so no empty line is needed. There is no table for what
    the capture does not contain.
    """
    tables: list[tuple[Sequence[Sequence[Value]], Sequence[Column]]] = []
    if details.records:
        tables.append(([_record_row(record) for record in details.records], RECORD_COLUMNS))
    if details.disks:
        tables.append(([_disk_row(disk, exact=tsv) for disk in details.disks], DISK_COLUMNS))
    for number, (rows, columns) in enumerate(tables):
        if number or not is_first:
            screen.write("\n")
        (print_tsv if tsv else print_table)(rows, columns, screen)


def _record_row(record: ListedRecord) -> tuple[Value, ...]:
    portal = canonical(record.portal)
    return record.target, None if portal is None else str(portal), record.iface


def _disk_row(disk: CapturedDisk, *, exact: bool) -> tuple[Value, ...]:
    blocks = list(_blocks_of(disk.block))
    ends = [block.fstype for block in blocks if block.fstype and not block.children]
    paths = disk.paths or ()
    return (
        disk.block.device,
        disk.block.size if exact else human_size(disk.block.size),
        tuple(dict.fromkeys(ends)) or None,
        tuple(mount for block in blocks for mount in block.mounts or ()) or None,
        tuple(path.device or path.hctl or "-" for path in paths) or None,
        tuple("-" if path.sid is None else str(path.sid) for path in paths) or None,
        tuple(_path_state(path) for path in paths) or None,
        disk.wwid,
    )


def _path_state(path: CapturedPath) -> str:
    """Return the checker's state of a path if it is not ready, otherwise the kernel's state.

    To the kernel, a path is running until it gives up on it, even if it fails multipath's checks.
    Old releases of multipath print only what the checker says.
    """
    if path.checker not in (None, "ready", "undef"):
        return path.checker
    return path.state or path.checker or "-"


def _blocks_of(block: CapturedBlock) -> Iterator[CapturedBlock]:
    yield block
    for child in block.children or ():
        yield from _blocks_of(child)


def details_document(details: CaptureDetails) -> dict[str, Any]:
    """Return `disks` and `records` for JSON; null means that the capture does not say.

    Disks have the same keys as in a live listing. The key `records` is missing if the capture has
    none, since a live listing does not have it either.
    """
    disks = None if details.disks is None else [_disk_document(disk) for disk in details.disks]
    document: dict[str, Any] = {"disks": disks}
    if details.records is not None:
        document["records"] = [_record_document(record) for record in details.records]
    return document


def _record_document(record: ListedRecord) -> dict[str, Any]:
    portal = record.portal
    return {
        "target": record.target,
        "portal": None
        if portal is None
        else {"address": portal.address, "port": portal.port, "tpgt": portal.tpgt},
        "iface": record.iface,
    }


def _disk_document(disk: CapturedDisk) -> dict[str, Any]:
    block = _block_document(disk.block)
    paths = None
    if disk.paths is not None:
        paths = [
            {
                "sid": path.sid,
                "hctl": path.hctl,
                "device": path.device,
                "state": path.state,
                "access": None,
                "checker": path.checker,
            }
            for path in disk.paths
        ]
    return {
        "wwid": disk.wwid,
        "serial": disk.serial,
        "vendor": disk.vendor,
        "model": disk.model,
        "type": None,
        "size": block.pop("size"),
        "read_only": disk.read_only,
        "paths": paths,
        **block,
    }


def _block_document(block: CapturedBlock) -> dict[str, Any]:
    mounts = None
    if block.mounts is not None:
        mounts = [{"path": path, "options": None} for path in block.mounts]
    children = None
    if block.children is not None:
        children = [_block_document(child) for child in block.children]
    return {
        "device": block.device,
        "kind": block.kind,
        "size": block.size,
        "fstype": block.fstype,
        "label": block.label,
        "uuid": block.uuid,
        "mounts": mounts,
        "children": children,
    }
