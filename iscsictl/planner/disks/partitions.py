"""Plan changes of a partition table: each affects one partition and leaves all others alone."""

from collections.abc import Mapping
from dataclasses import dataclass

from iscsictl.errors import NotFoundError, RefusedError
from iscsictl.model import actions
from iscsictl.model.disk_content import Content
from iscsictl.model.inventory import Known
from iscsictl.model.listing import blocks
from iscsictl.model.multipath import kpartx_command
from iscsictl.model.partition_table import Entry, Table, partition_node
from iscsictl.model.plan import Plan
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.builder import PlanBuilder, build_plan
from iscsictl.planner.disks import layout
from iscsictl.planner.safety.destroyed_entries import PartitionNames, require_not_in_fstab
from iscsictl.planner.safety.overwrite import ConsentRequiredError
from iscsictl.planner.selection.disks import (
    DiskInventory,
    disk_id,
    part_block,
    require_free,
    require_table,
    require_writable,
    subject,
)

MIB = 1 << 20


@dataclass(frozen=True)
class AddPartitionSpec:
    """A partition to add. `size` (None: the rest) and `start`: bytes, or sectors if so marked."""

    size: int | None
    size_in_sectors: bool = False
    start: int | None = None
    start_in_sectors: bool = False
    type: str = "linux"
    bootable: bool = False
    number: int | None = None


def plan_add(inventory: DiskInventory, spec: AddPartitionSpec, names: Mapping[str, str]) -> Plan:
    """Plan to add a partition; one that already matches and is unused is sufficient.

    `names` are the names of types by code, as sfdisk lists them. Sizes in bytes are rounded up to
    sectors, and starts are aligned unless one was given. Nothing in the space of the partition is
    overwritten: only the table is written.
    """
    return build_plan(lambda builder: _add_partition_steps(builder, inventory, spec, names))


def _add_partition_steps(
    builder: PlanBuilder, inventory: DiskInventory, spec: AddPartitionSpec, names: Mapping[str, str]
) -> str:
    chosen, table, facts = inventory.one, require_table(inventory), inventory.facts
    device = disk_id(inventory, chosen)
    require_writable(chosen.disk)
    kind = layout.resolve_type(table.label, spec.type, names)
    size = spec.size
    if size is not None and not spec.size_in_sectors:
        size = -(-size // table.sector)
    if size == 0:
        raise RefusedError("a partition needs at least one sector")
    start = spec.start
    if start is not None and not spec.start_in_sectors:
        start = -(-start // table.sector)
    roomy = layout.table_of_whole_disk(table, facts.total)
    there = _find_matching_partition(inventory, roomy, spec, kind, size, start)
    if there is not None:
        before = actions.AddPart(device, table, there.number, there.start, there.size, kind)
        builder.add(before, subject(chosen, there.number), "is there already", done=True)
        if spec.number is None and not facts.again:
            builder.notes.append(
                f"partition {there.number} already matches; to add another, give --number"
            )
        return partition_node(device.device, there.number)
    number = spec.number or layout.next_number(table)
    taken = table.entry(number)
    if taken is not None:
        raise RefusedError(
            f"partition {number} already exists, with {taken.size} sectors of type {taken.type}",
            hint="give another number, or none",
        )
    if table.label == "dos" and number > 4:
        raise RefusedError("logical partitions are not supported", hint="use a gpt table")
    if number > (limit := layout.number_limit(table)):
        raise RefusedError(
            f"a {table.label} table has at most {limit} partitions, so there is no partition "
            f"{number}"
        )
    if start is not None and table.label == "sun" and start % layout.SUN_CYLINDER:
        raise RefusedError(
            f"sector {start} is inside a cylinder, where no partition of a sun table starts",
            hint=f"use a multiple of {layout.SUN_CYLINDER} sectors, or leave out --start",
        )
    begin, length = layout.place_partition(
        roomy, facts.total, facts.topology, size=size, start=start
    )
    if start is not None and not _is_aligned(inventory, table, start):
        builder.notes.append(
            f"sector {start} is not a multiple of the disk's optimal I/O size: writes are slow"
        )
    add = actions.AddPart(device, table, number, begin, length, kind, spec.bootable)
    builder.add(add, subject(chosen, number), f"sectors {begin} to {begin + length - 1}, {kind}")
    return partition_node(device.device, number)


def _is_aligned(inventory: DiskInventory, table: Table, start: int) -> bool:
    topology, total = inventory.facts.topology, inventory.facts.total
    beyond = start - topology.offset // topology.logical
    return table.label == "sun" or beyond % layout.alignment_grain(topology, total) == 0


def _find_matching_partition(
    inventory: DiskInventory,
    table: Table,
    spec: AddPartitionSpec,
    kind: str,
    size: int | None,
    start: int | None,
) -> Entry | None:
    """Return the partition that already matches the request: by number, by position, or unused."""
    facts = inventory.facts
    if facts.earlier is not None:
        return next((e for e in table.entries if facts.earlier.entry(e.number) is None), None)
    entries = table.entries
    if size is None and start is None and spec.number is None:
        taker = layout.find_rest_partition(table, facts.total, facts.topology)
        entries = () if taker is None else (taker,)
    for entry in entries:
        named = spec.number == entry.number
        if (spec.number is not None and not named) or entry.type != kind:
            continue
        if start is not None and entry.start != start:
            continue
        if spec.bootable and not layout.is_bootable(entry, table.label):
            continue
        if size is None:
            fits = layout.grown_size(table, facts.total, entry) == entry.size
        else:
            # A size is rounded when the partition is made.
            slack = MIB if table.label != "sun" else layout.SUN_CYLINDER * table.sector
            fits = abs(entry.size - size) * table.sector < slack
        # Found by size alone, it may be anybody's: then it has to be unused.
        certain = named or start is not None or size is None
        if fits and (certain or _is_unused(inventory, entry)):
            return entry
    return None


def _is_unused(inventory: DiskInventory, entry: Entry) -> bool:
    """Tell whether nothing was found in a partition and nothing uses it."""
    block = part_block(inventory.one.disk, entry.number)
    if block is not None and (block.mounts or block.children):
        return False
    content = inventory.content
    if not isinstance(content, Known):
        return False
    inside = [p for p in content.value.partitions if p.number == entry.number]
    return bool(inside) and not inside[0].signatures and inside[0].data_at is None


def _require_entry(inventory: DiskInventory, table: Table, number: int) -> Entry:
    entry = table.entry(number)
    if entry is None:
        numbers = ", ".join(str(e.number) for e in table.entries) or "none"
        raise NotFoundError(
            f"{inventory.one.disk.block.device} has no partition {number}; it has {numbers}",
            hint=f"see them: iscsictl disk show {shell_form(inventory.one.disk.block.device)}",
        )
    return entry


def plan_remove(inventory: DiskInventory, number: int, *, consent: bool) -> Plan:
    """Plan to remove a partition from the table; `consent` if its content may be lost.

    Without consent, a partition that is not blank, or that the kernel has no node for so that it
    cannot be probed, causes a ConsentRequiredError. Refused in any case: a partition that is in use
    or in fstab, an extended one with others in it, and a logical one that is not the last, because
    those after it would get new numbers.
    """
    return build_plan(lambda builder: _add_removal_steps(builder, inventory, number, consent))


def _add_removal_steps(
    builder: PlanBuilder, inventory: DiskInventory, number: int, consent: bool
) -> None:
    chosen, table = inventory.one, require_table(inventory)
    device = disk_id(inventory, chosen)
    action = actions.RemovePart(device, table, number)
    entry = table.entry(number)
    if entry is None:
        builder.add(action, subject(chosen, number), "is not there", done=True)
        return
    require_writable(chosen.disk)
    node = partition_node(device.device, number)
    require_free(node, inventory.used)
    if table.label == "dos" and number > 4 and table.entry(number + 1) is not None:
        raise RefusedError(
            f"partition {number} is not the last logical one: those after it would be renumbered",
            hint="delete the last one first",
        )
    if layout.is_extended(entry, table.label) and any(e.number > 4 for e in table.entries):
        raise RefusedError(f"partition {number} contains others", hint="delete those first")
    _require_no_line(inventory, number, node)
    found = _content_of_partition(inventory, number)
    names = PartitionNames(number, node, table.tags(number))
    require_not_in_fstab(inventory, device, found, part=names)
    anyway = (
        f"to delete it anyway: iscsictl disk part rm {shell_form(device.device)} {number} --yes"
    )
    if found is None and not consent:
        raise ConsentRequiredError(
            f"{node} could not be examined: it is in the table, but the kernel does not know it",
            question=f"Delete partition {number} without checking its content?",
            grant="remove",
            hint=f"to examine it: {_command_to_tell_kernel(device.device, number)}; {anyway}",
        )
    if found is not None and not found.blank and not consent:
        raise ConsentRequiredError(
            f"{node} is not blank: it carries {found.description}",
            question=f"Delete partition {number} with {found.description}?",
            grant="remove",
            hint=anyway,
        )
    builder.add(action, subject(chosen, number), f"{entry.size} sectors become free")


def _require_no_line(inventory: DiskInventory, number: int, node: str) -> None:
    """Raise RefusedError if a line of fstab is for the filesystem in the partition.

    If the kernel does not have the partition, that is any line for this disk whose filesystem is
    not found elsewhere on it.
    """
    disk, fstab = inventory.one.disk, inventory.fstab
    block = part_block(disk, number)
    # The kernel shows no UUID for what it has no node of, so by_uuid below would find nothing.
    if block is None:
        seen = {(b.uuid or "").lower() for b in blocks(disk.block)}
        for line in fstab.by_wwid(disk.wwid or ""):
            if line.uuid is not None and line.uuid.lower() not in seen:
                raise RefusedError(
                    f"/etc/fstab line {line.number} may be for {node}: nothing else that is "
                    f"visible on the disk has the UUID {line.uuid}",
                    hint="if it is not needed, remove the line first: iscsictl fstab rm "
                    f"{shell_form(line.uuid)}",
                )
    for line in fstab.by_uuid(block.uuid) if block is not None and block.uuid else ():
        ours = f"remove it first: iscsictl fstab rm {shell_form(line.uuid)}"
        raise RefusedError(
            f"/etc/fstab line {line.number} is for the {line.fstype} filesystem on {node}",
            hint=ours if line.is_ours else "edit /etc/fstab to remove it first",
        )


def _content_of_partition(inventory: DiskInventory, number: int) -> Content | None:
    """Return what is in the partition; None if the kernel has no node for it.

    Raises if it could not be read: what cannot be read is not blank.
    """
    return inventory.found if inventory.one.part == number else None


def _command_to_tell_kernel(device: str, number: int) -> str:
    """Return the command that tells the kernel about a partition of the table."""
    if device.startswith("/dev/mapper/"):
        return shell_form(*kpartx_command(device))
    return f"partx --add --nr {number} {device}"


def plan_type(inventory: DiskInventory, number: int, text: str, names: Mapping[str, str]) -> Plan:
    """Plan to give a partition another type.

    Its content stays. `text` is a word, code or name as for `layout.resolve_type`. Refused for an
    extended partition, whose type is what makes it contain the logical ones.
    """

    def add_steps(builder: PlanBuilder) -> None:
        chosen, table = inventory.one, require_table(inventory)
        entry = _require_entry(inventory, table, number)
        kind = layout.resolve_type(table.label, text, names)
        if layout.is_extended(entry, table.label):
            raise RefusedError(
                f"partition {number} is extended: its type makes it contain the others"
            )
        action = actions.SetType(disk_id(inventory, chosen), table, number, kind)
        if entry.type != kind:
            require_writable(chosen.disk)
        why = f"{names.get(entry.type, entry.type)} becomes {names.get(kind, kind)}"
        builder.add(action, subject(chosen, number), why, done=entry.type == kind)

    return build_plan(add_steps)


def plan_bootable(inventory: DiskInventory, number: int, *, on: bool) -> Plan:
    """Plan to set or clear the boot flag of a partition.

    Refused for a table without such a flag (sun), and in a DOS table while another partition has
    it, because a BIOS starts from the active one.
    """

    def add_steps(builder: PlanBuilder) -> None:
        chosen, table = inventory.one, require_table(inventory)
        entry = _require_entry(inventory, table, number)
        if table.label not in {"dos", "gpt"}:
            raise RefusedError(f"a {table.label} table has no boot flag")
        done = layout.is_bootable(entry, table.label) == on
        others = [e.number for e in table.entries if e.bootable and e.number != number]
        if on and not done and table.label == "dos" and others:
            raise RefusedError(
                f"partition {others[0]} is the bootable one of {chosen.disk.block.device}",
                hint=f"clear it first: iscsictl disk part bootable "
                f"{shell_form(chosen.disk.block.device)} {others[0]} --off",
            )
        if not done:
            require_writable(chosen.disk)
        after = layout.with_bootable(entry, table.label, on=on)
        action = actions.SetBootable(disk_id(inventory, chosen), table, number, after, on)
        why = "the firmware may start from it" if on else "not started from"
        builder.add(action, subject(chosen, number), why, done=done)

    return build_plan(add_steps)
