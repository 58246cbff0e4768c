"""Plan to grow partitions and filesystems after their disk has grown."""

from collections.abc import Mapping

from iscsictl.errors import RefusedError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.listing import Block, Disk
from iscsictl.model.partition_table import Table
from iscsictl.model.plan import Plan
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.builder import PlanBuilder, build_plan
from iscsictl.planner.disks import layout
from iscsictl.planner.safety.overwrite import require_not_overmounted
from iscsictl.planner.selection.disks import (
    DiskInventory,
    DiskSelection,
    disk_id,
    part_block,
    part_number,
    reachable_mount,
    require_table_alone,
    require_writable,
    subject,
)

GROWING = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs"})
# Bytes: alignment to 1 MiB may leave as much free at the end of a disk.
SLACK = 1 << 20


def plan_grow(inventory: DiskInventory) -> Plan:
    """Plan to grow the disk's partition and filesystem to the present size of the disk.

    Growth below 1 MiB (SLACK) is ignored, because alignment takes as much. Nothing shrinks, and a
    LUN that became smaller is refused before anything is written. A filesystem grows while it is
    mounted; the plan refuses one that is not. Over a map, all paths must report the new size first.
    """
    return build_plan(lambda builder: _add_grow_steps(builder, inventory))


def _add_grow_steps(builder: PlanBuilder, inventory: DiskInventory) -> str:
    chosen, facts = inventory.one, inventory.facts
    device, disk = disk_id(inventory, chosen), chosen.disk
    _require_equal_paths(disk, facts.path_sizes)
    sector = facts.topology.logical
    has = disk.block.size or 0
    wanted = facts.capacity or has
    if wanted < has:
        raise RefusedError(
            f"{device.device} shrank from {has} to {wanted} bytes",
            hint="restore the LUN's size on the array before anything is written",
        )
    reread = actions.Reread(device, tuple(path.hctl for path in disk.paths))
    builder.add(reread, subject(chosen), f"{has} bytes become {wanted}", done=wanted == has)
    block = _growing_block(chosen, facts.table)
    room = wanted
    if facts.table is not None:
        room = _grow_partition(builder, inventory, device, block, wanted // sector)
    if block is not None:
        _grow_filesystem(builder, inventory, device, block, room)
    return device.device


def _require_equal_paths(disk: Disk, sizes: Mapping[str, int | None]) -> None:
    """Raise RefusedError unless each path of a map works and reports the same size.

    multipathd takes the size of a map from its paths; a smaller path would fail writes beyond its
    end.
    """
    device = disk.block.device
    if len(disk.paths) > 1 and disk.block.kind != "mpath":
        raise RefusedError(
            f"{device} has {len(disk.paths)} paths but no multipath map",
            hint="for how to fix it: iscsictl doctor --only multipath",
        )
    if disk.block.kind != "mpath":
        return
    for path in disk.paths:
        if sizes.get(path.device) is None:
            raise RefusedError(
                f"the path {path.device} of {device} does not work: a map can grow only when all "
                "of its paths report the new size",
                hint="restore it: iscsictl reconnect; then run this again",
            )
    first, *others = disk.paths
    for path in others:
        if sizes[path.device] != sizes[first.device]:
            raise RefusedError(
                f"the paths of {device} do not agree on its size: {first.device} reports "
                f"{sizes[first.device]} bytes, {path.device} {sizes[path.device]}",
                hint="finish the change on the array, on all of its controllers; then run this "
                "again",
            )


def _growing_block(chosen: DiskSelection, table: Table | None) -> Block | None:
    """Return the device whose filesystem grows: the named one, or the disk's last partition."""
    block, disk = chosen.block, chosen.disk
    if block is disk.block and table is not None and table.entries:
        return part_block(disk, max(table.entries, key=lambda entry: entry.start).number)
    if block is not disk.block and block.kind != "part":
        raise RefusedError(
            f"{block.device} on the disk is of type {block.kind}: this command grows only "
            "partitions and filesystems",
            hint="iscsictl rescan, then grow it with its own tools (pvresize, mdadm --grow)",
        )
    return block


def _grow_partition(
    builder: PlanBuilder, inventory: DiskInventory, device: DiskId, block: Block | None, total: int
) -> int:
    """Add the growth of the partition. Returns the size that it will have, in bytes."""
    chosen, table = inventory.one, inventory.facts.table
    if table is None or not table.entries:
        return total * inventory.facts.topology.logical
    require_table_alone(inventory)
    number = None if block is None else part_number(chosen.disk, block)
    entry = None if number is None else table.entry(number)
    if entry is None:
        raise RefusedError(
            f"the kernel and the table of {device.device} do not agree",
            hint=f"iscsictl disk part verify {shell_form(device.device)}",
        )
    size = layout.grown_size(table, total, entry)
    gain = (size - entry.size) * table.sector
    if layout.is_logical(entry, table.label):
        builder.notes.append(f"partition {entry.number} is a logical one: its size is kept")
    action = actions.GrowPart(device, table, entry.number, size)
    why = f"{entry.size} sectors become {size}"
    builder.add(action, subject(chosen, entry.number), why, done=gain < SLACK)
    if gain >= SLACK:
        require_writable(chosen.disk)
        # What is mounted is the partition itself, and the superblock at its end is left over.
        if block is not None and not block.mounts:
            _refuse_superblock_at_end(chosen, entry.number, inventory.facts.from_end)
    return max(size if gain >= SLACK else entry.size, entry.size) * table.sector


def _refuse_superblock_at_end(chosen: DiskSelection, number: int, kinds: tuple[str, ...]) -> None:
    """Raise RefusedError if the content of the partition would not be found in a larger one."""
    if kinds:
        raise RefusedError(
            f"{', '.join(kinds)} in partition {number} of {chosen.disk.block.device} has its "
            "superblock at the end of the partition, so it would not be found in a larger one",
            hint="move its data to a new partition: iscsictl disk part add, with --rest",
        )


def _grow_filesystem(
    builder: PlanBuilder, inventory: DiskInventory, device: DiskId, block: Block, room: int
) -> None:
    filled, fs = inventory.facts.filled, block.fstype
    if fs is None or block.children:
        builder.notes.append(f"{block.device} has no filesystem to grow")
        return
    if fs not in GROWING:
        builder.notes.append(f"{fs} on {block.device} cannot be grown; it is kept as it is")
        return
    # Where the superblock does not tell its size, the tool finds out; it does nothing if it fits.
    needed = filled is None or room - filled >= SLACK
    if inventory.facts.settled or not needed:
        path = block.mounts[0].path if block.mounts else ""
        done = actions.GrowFs(device, block.device, fs, path)
        builder.add(done, path or block.device, f"{fs} fills its device", done=True)
        return
    if not block.mounts:
        raise RefusedError(
            f"the {fs} filesystem on {block.device} is not mounted, and can grow only while it is",
            hint=f"mount it, then run this again: iscsictl mount {shell_form(block.uuid)} DIR",
        )
    path = reachable_mount(block, inventory.used) or block.mounts[0].path
    if path in {covered for covered, _ in inventory.used.covered}:
        require_not_overmounted(inventory.used)
    grow = actions.GrowFs(device, block.device, fs, path)
    builder.add(grow, path, f"{fs} grows to {room} bytes")
