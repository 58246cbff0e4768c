"""Disks: the list of all, one with its partition table, and the problems of a table."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from iscsictl.model.inventory import DiskUsage, Known, ReadFailed
from iscsictl.model.listing import Block, blocks, mount_paths
from iscsictl.model.partition_table import Entry, Table
from iscsictl.output.table import Column, Value, print_table, print_tsv
from iscsictl.output.terminal import Screen
from iscsictl.output.text import escape_controls, human_size
from iscsictl.output.views.ls_json import disk_dict
from iscsictl.planner.disks.layout import Problem, is_bootable
from iscsictl.planner.selection.disks import DiskInventory, DiskRow, DiskSelection, part_block

SCHEMA = "iscsictl.disk/1"
VERIFY_SCHEMA = "iscsictl.verify/1"
LIST = (
    Column("DEVICE"),
    Column("WWID", shrink=True, rank=2),
    Column("SIZE", numeric=True, rank=4),
    Column("SECTORS", numeric=True, rank=6),
    Column("LABEL", rank=5),
    Column("PARTS", numeric=True, rank=7),
    Column("FS", key="filesystem", rank=3),
    Column("MOUNT", shrink=True, rank=1),
    Column("USERS", shrink=True, rank=8),
)
PARTS = (
    Column("NR", key="number", numeric=True),
    Column("DEVICE", rank=1),
    Column("START", numeric=True, rank=4),
    Column("END", numeric=True, rank=5),
    Column("SECTORS", numeric=True, rank=6),
    Column("SIZE", numeric=True),
    Column("BOOT", rank=7),
    Column("TYPE", rank=2),
    Column("CODE", rank=9),
    Column("FS", key="filesystem"),
    Column("UUID", shrink=True, rank=8),
    Column("MOUNT", shrink=True, rank=3),
)
PROBLEMS = (
    Column("SEVERITY"), Column("ID"), Column("PART", numeric=True, rank=1), Column("WHAT"),
    Column("FIX", rank=2),
)  # fmt: skip


def _filesystem_types(block: Block) -> tuple[str, ...]:
    types = [b.fstype for b in blocks(block) if not b.children or b.mounts]
    return tuple(dict.fromkeys(fstype for fstype in types if fstype))


def _describe_usage(used: DiskUsage) -> tuple[str, ...]:
    return (*(f"mount on {path}" for path in used.mounts), *used.other_holders)


def print_disks(rows: Sequence[DiskRow], screen: Screen, output: str) -> None:
    """Print the list of all disks.

    `output` is table, tsv or json (iscsictl.disk/1). In tsv and json, sizes are in bytes. An empty
    table prints nothing.
    """
    if output == "json":
        disks = [
            {
                **disk_dict(row.disk),
                "sector": row.sector,
                "sectors": _count_sectors(row.disk.block.size, row.sector),
                "table": row.label,
                "users": list(_describe_usage(row.usage)),
            }
            for row in rows
        ]
        screen.stream.write(json.dumps({"schema": SCHEMA, "disks": disks}, indent=1) + "\n")
        return
    cells = [_disk_row(row, exact=output == "tsv") for row in rows]
    if output == "tsv":
        print_tsv(cells, LIST, screen)
    elif cells:
        print_table(cells, LIST, screen)


def _count_sectors(size: int | None, sector: int) -> int | None:
    return None if size is None else size // sector


def _disk_row(row: DiskRow, *, exact: bool) -> tuple[Value, ...]:
    block = row.disk.block
    parts = sum(child.kind == "part" for child in block.children)
    return (
        block.device,
        row.disk.wwid,
        block.size if exact else human_size(block.size),
        _count_sectors(block.size, row.sector),
        row.label,
        parts or None,
        _filesystem_types(block),
        mount_paths(block),
        row.usage.other_holders,
    )


def print_disk(
    inventory: DiskInventory, names: Mapping[str, str], screen: Screen, output: str
) -> None:
    """Print one disk: its identity, I/O sizes, partition table and usage.

    `names` maps partition types to their names. In tsv only the partitions are printed. Content
    that could not be read is reported as such, never as blank.
    """
    if output == "json":
        document = {"schema": SCHEMA, "disks": [_disk_document(inventory, names)]}
        screen.stream.write(json.dumps(document, indent=1) + "\n")
        return
    table = inventory.facts.table
    exact = output == "tsv"
    rows = (
        [_partition_row(inventory.one, table, e, names, exact=exact) for e in table.entries]
        if table
        else []
    )
    if exact:
        print_tsv(rows, PARTS, screen)
        return
    for title, value in _describe_disk(inventory):
        screen.write(f"{title + ':':<11} {escape_controls(value)}\n")
    if rows:
        screen.write("\n")
        print_table(rows, PARTS, screen)


def _describe_disk(inventory: DiskInventory) -> Iterator[tuple[str, str]]:
    chosen, facts = inventory.one, inventory.facts
    disk, topology = chosen.disk, facts.topology
    size = disk.block.size or 0
    yield "disk", disk.block.device
    yield "lun", f"{chosen.target} LUN {chosen.lun}"
    yield "wwid", disk.wwid or "-"
    yield "model", " ".join(x for x in (disk.vendor, disk.model, disk.serial) if x) or "-"
    read_only = ", read-only" if disk.read_only else ""
    yield "size", f"{human_size(size)}, {size} bytes, {facts.total} sectors{read_only}"
    optimal = f", optimal I/O {human_size(topology.optimal)}" if topology.optimal else ""
    yield "sectors", f"{topology.logical} bytes logical, {topology.physical} physical{optimal}"
    table = facts.table
    name = "none" if table is None else table.label + (f" {table.id}" if table.id else "")
    yield "table", name
    yield "used by", "; ".join(_describe_usage(inventory.used)) or "nobody"
    yield "found", _describe_content(inventory)


def _describe_content(inventory: DiskInventory) -> str:
    observation = inventory.content
    if isinstance(observation, ReadFailed):
        return f"cannot be read: {observation.error.text}"
    if not isinstance(observation, Known):
        return "not looked at"
    content = observation.value
    text = "nothing: it is blank" if content.blank else content.description
    holder = content.reservations.other_holder
    return text + (f", reserved by another host: {holder}" if holder else "")


def _partition_row(
    chosen: DiskSelection, table: Table, entry: Entry, names: Mapping[str, str], *, exact: bool
) -> tuple[Value, ...]:
    block = part_block(chosen.disk, entry.number)
    size = entry.size * table.sector
    return (
        entry.number,
        block.device if block else None,
        entry.start,
        # The last sector of the partition, as sfdisk prints it.
        entry.end - 1,
        entry.size,
        size if exact else human_size(size),
        "yes" if is_bootable(entry, table.label) else None,
        names.get(entry.type),
        entry.type,
        _filesystem_types(block) if block else None,
        block.uuid if block else None,
        mount_paths(block) if block else None,
    )


def _disk_document(inventory: DiskInventory, names: Mapping[str, str]) -> dict[str, Any]:
    chosen, facts = inventory.one, inventory.facts
    topology, table = facts.topology, facts.table
    return {
        **disk_dict(chosen.disk),
        "target": chosen.target,
        "lun": chosen.lun,
        "sector": topology.logical,
        "sectors": facts.total,
        "table": None if table is None else table.label,
        "table_id": None if table is None else table.id,
        "topology": {
            "logical": topology.logical,
            "physical": topology.physical,
            "minimum_io": topology.minimum,
            "optimal_io": topology.optimal,
            "alignment_offset": topology.offset,
        },
        "partitions": [
            {
                "number": entry.number,
                "device": block.device
                if (block := part_block(chosen.disk, entry.number))
                else None,
                "start": entry.start,
                "sectors": entry.size,
                "size": entry.size * table.sector,
                "type": entry.type,
                "type_name": names.get(entry.type),
                "bootable": is_bootable(entry, table.label),
                "partuuid": entry.uuid,
                "name": entry.name,
            }
            for entry in (table.entries if table is not None else ())
            if table is not None
        ],
        "users": list(_describe_usage(inventory.used)),
        "found": _describe_content(inventory),
        "blank": inventory.content.value.blank if isinstance(inventory.content, Known) else None,
    }


def print_problems(device: str, problems: Sequence[Problem], screen: Screen, output: str) -> None:
    """Print the problems of a partition table, or that there are none.

    `output` is table, tsv or json (iscsictl.verify/1).
    """
    if output == "json":
        rows = [
            {"id": p.id, "severity": p.severity, "partition": p.number, "text": p.text,
             "fix": p.fix}
            for p in problems
        ]  # fmt: skip
        document = {"schema": VERIFY_SCHEMA, "device": device, "problems": rows}
        screen.stream.write(json.dumps(document, indent=1) + "\n")
    elif output == "tsv":
        cells: list[tuple[Value, ...]] = [
            (p.severity, p.id, p.number, p.text, p.fix) for p in problems
        ]
        print_tsv(cells, PROBLEMS, screen)
    elif problems:
        for problem in problems:
            screen.write(f"{problem.severity}  {problem.id}: {escape_controls(problem.text)}\n")
            screen.write(f"      {problem.fix}\n")
    else:
        screen.write(f"{device}: no problems found in the partition table\n")


def print_types(label: str, names: Mapping[str, str], screen: Screen, output: str) -> None:
    """Print the partition types of a kind of table.

    `names` maps types to their names; `output` is table, tsv or json (iscsictl.types/1).
    """
    columns = (Column("TYPE"), Column("NAME"))
    cells: list[tuple[Value, ...]] = list(names.items())
    if output == "json":
        rows = [{"type": code, "name": name} for code, name in names.items()]
        document = {"schema": "iscsictl.types/1", "table": label, "types": rows}
        screen.stream.write(json.dumps(document, indent=1) + "\n")
    elif output == "tsv":
        print_tsv(cells, columns, screen)
    else:
        print_table(cells, columns, screen)
