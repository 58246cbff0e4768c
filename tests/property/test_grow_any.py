"""Any disk whose LUN has another size now: what stands on it grows to fit, and never shrinks."""

from dataclasses import replace

from hypothesis import event, given
from hypothesis import strategies as st

from iscsictl.model.listing import Block, Disk, Mount, Path, blocks
from iscsictl.planner.disks.grow import plan_grow
from iscsictl.planner.selection.disks import DiskInventory
from tests.machine_model.growth import apply_to_disk
from tests.property.test_partitions_any import SECTOR, tables
from tests.unit.disk_facts import GIB, UUID, WWID, a_disk, disk_inventory

FILESYSTEMS = st.sampled_from([None, "ext4", "xfs", "btrfs", "vfat"])
CAPACITIES = st.sampled_from([GIB // 2, GIB, GIB + 4096, 2 * GIB, 8 * GIB])


@st.composite
def grown_disks(draw: st.DrawFn) -> DiskInventory:
    """A disk of 1 GiB as the kernel knows it, with the capacity that the array gives it now."""
    table = draw(st.none() | tables())
    capacity = draw(CAPACITIES)
    fs, mounted = draw(FILESYSTEMS), draw(st.booleans())
    mounts = (Mount("/srv"),) if mounted and fs is not None else ()
    size = GIB
    children: tuple[Block, ...] = ()
    if table is not None and table.entries:
        last = max(table.entries, key=lambda entry: entry.start)
        children = tuple(
            Block(f"/dev/sda{e.number}", "part", e.size * SECTOR,
                  fs if e is last else None, None, UUID if e is last else None,
                  mounts if e is last else ())
            for e in table.entries
        )  # fmt: skip
        size = last.size * SECTOR
    whole = table is None
    disk = a_disk(*children, fstype=fs if whole else None, uuid=UUID if whole else None,
                  mounts=[m.path for m in mounts] if whole else [])  # fmt: skip
    name, sizes = "/dev/sda", dict[str, int | None]()
    if draw(st.booleans()):
        name = "/dev/mapper/mail"
        disk = over_a_map(disk)
        worst = draw(st.sampled_from([capacity, capacity, GIB, None]))
        sizes = {"/dev/sda": capacity, "/dev/sdb": worst}
    inventory = disk_inventory(disk, table=table, name=name)
    filled = draw(st.sampled_from([size, size // 2, None])) if fs is not None else None
    facts = replace(inventory.facts, capacity=capacity, path_sizes=sizes, filled=filled)
    return replace(inventory, facts=facts)


def over_a_map(disk: Disk) -> Disk:
    """The same disk with a second path and a map over both."""
    children = tuple(
        child._replace(device=f"/dev/mapper/mail-part{child.device.removeprefix('/dev/sda')}")
        for child in disk.block.children
    )
    block = disk.block._replace(device="/dev/mapper/mail", kind="mpath", children=children)
    paths = (Path(1, "2:0:0:0", "/dev/sda"), Path(2, "3:0:0:0", "/dev/sdb"))
    return Disk(WWID, paths, block)


@given(grown_disks())
def test_a_disk_grows_to_its_capacity_once_or_the_plan_says_why_not(now: DiskInventory) -> None:
    plan = plan_grow(now)
    sizes = set(now.facts.path_sizes.values())
    if plan.refusal is not None:
        event("refused")
        assert plan.refusal.hint
        return
    # Every path of a map that grows has the new size: multipathd would take the smallest.
    assert sizes <= {now.facts.capacity}
    after = apply_to_disk(plan, now)
    event(f"{len(plan.pending)} steps")
    before = {one.device: one.size or 0 for one in blocks(now.one.disk.block)}
    for block in blocks(after.one.disk.block):
        assert (block.size or 0) >= before[block.device]
    if now.facts.filled is not None and after.facts.filled is not None:
        assert after.facts.filled >= now.facts.filled
    again = plan_grow(replace(after, facts=replace(after.facts, settled=True)))
    assert again.refusal is None
    assert not again.pending


@given(grown_disks())
def test_a_disk_that_became_smaller_or_whose_paths_disagree_is_never_written_to(
    now: DiskInventory,
) -> None:
    smaller = (now.facts.capacity or 0) < GIB
    disagree = len(set(now.facts.path_sizes.values())) > 1
    if smaller or disagree:
        assert plan_grow(now).refusal is not None
