"""What the steps of `disk grow` do to a disk whose LUN was enlarged on the array."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from iscsictl.model import actions
from iscsictl.model.listing import Block, Disk
from iscsictl.model.plan import Action, Plan
from iscsictl.planner.selection.disks import DiskInventory, DiskSelection, part_number
from tests.machine_model.execution import execute_pending
from tests.machine_model.tables import apply_to_table


def _with_disk(now: DiskInventory, block: Block) -> DiskInventory:
    """Return the inventory with another device tree of its disk."""
    disk: Disk = now.one.disk._replace(block=block)
    named = now.one.block.device
    chosen = next(one for one in (block, *block.children) if one.device == named)
    selection: DiskSelection = replace(now.one, disk=disk, block=chosen)
    return replace(now, chosen=selection, disks=(disk,))


def reread(_: actions.Reread, now: DiskInventory) -> DiskInventory:
    """The kernel asks the disk for its capacity; each path of a map has to say the same."""
    facts, block = now.facts, now.one.disk.block
    assert facts.capacity is not None
    assert facts.capacity >= (block.size or 0), "what is behind the new end would be lost"
    if block.kind == "mpath":
        assert {facts.path_sizes[path.device] for path in now.one.disk.paths} == {facts.capacity}
    return _with_disk(now, block._replace(size=facts.capacity))


def grow_partition(action: actions.GrowPart, now: DiskInventory) -> DiskInventory:
    """The table has the new size, and the kernel too (BLKPG_RESIZE_PARTITION, linux/blkpg.h)."""
    table, block = now.facts.table, now.one.disk.block
    assert table is not None
    table = apply_to_table(action, table)
    entry = table.entry(action.number)
    assert entry is not None
    assert entry.end * table.sector <= (block.size or 0), "it would end behind the disk"
    children = tuple(
        child._replace(size=entry.size * table.sector)
        if part_number(now.one.disk, child) == action.number
        else child
        for child in block.children
    )
    now = replace(now, facts=replace(now.facts, table=table))
    return _with_disk(now, block._replace(children=children))


def grow_filesystem(action: actions.GrowFs, now: DiskInventory) -> DiskInventory:
    """resize2fs(8), xfs_growfs(8) and btrfs-filesystem(8) fill the device, while it is mounted."""
    block = now.one.disk.block
    node = next(one for one in (block, *block.children) if one.device == action.node)
    assert action.path in {mount.path for mount in node.mounts}
    assert node.fstype == action.fs
    assert now.facts.filled is None or now.facts.filled <= (node.size or 0), "it never shrinks"
    return replace(now, facts=replace(now.facts, filled=node.size))


EFFECTS: Mapping[type[Action], Callable[..., DiskInventory]] = {
    actions.Reread: reread,
    actions.GrowPart: grow_partition,
    actions.GrowFs: grow_filesystem,
}


def apply_to_disk(plan: Plan, now: DiskInventory) -> DiskInventory:
    """Return the disk after all pending steps of a plan, in their order."""
    return execute_pending(plan, EFFECTS, now)
