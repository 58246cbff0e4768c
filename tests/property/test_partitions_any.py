"""Any table, any change of a partition: the others stay, nothing overlaps, twice is once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from hypothesis import event, given
from hypothesis import strategies as st

from iscsictl.model import actions
from iscsictl.model.disk_content import Content, Partition
from iscsictl.model.inventory import Known
from iscsictl.model.listing import Block, Mount
from iscsictl.model.partition_table import Entry, Table
from iscsictl.model.plan import Action, Plan
from iscsictl.planner.disks import layout
from iscsictl.planner.disks.grow import plan_grow
from iscsictl.planner.disks.partitions import (
    AddPartitionSpec,
    plan_add,
    plan_bootable,
    plan_remove,
    plan_type,
)
from iscsictl.planner.selection.disks import DiskInventory
from tests.machine_model.tables import apply_to_table
from tests.unit.disk_facts import GIB, SECTORS, WWID, a_disk, disk_inventory

SECTOR = 512
MIB = 1 << 20


@dataclass(frozen=True)
class World:
    """A disk's table, and which of its partitions are mounted or hold something."""

    table: Table
    mounted: frozenset[int]
    full: frozenset[int]
    disk_size: int = GIB


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A table that sfdisk could have written: partitions apart, aligned or not."""
    label = draw(st.sampled_from(["gpt", "dos", "sun"]))
    first, last = (2048, SECTORS - 34) if label == "gpt" else (None, None)
    unit = layout.SUN_CYLINDER if label == "sun" else draw(st.sampled_from([1, 8, 2048]))
    end = layout.last_usable(Table(label, SECTOR), SECTORS)
    limit = {"gpt": 6, "dos": 4, "sun": 8}[label]
    numbers = [n for n in range(1, limit + 1) if not (label == "sun" and n == 3)]
    numbers = draw(st.lists(st.sampled_from(numbers), max_size=4, unique=True))
    low = -(-max(first or 1, unit) // unit)
    bounds = st.lists(
        st.integers(low, end // unit),
        min_size=2 * len(numbers), max_size=2 * len(numbers), unique=True,
    )  # fmt: skip
    edges = sorted(draw(bounds))
    kinds = {"gpt": ["linux", "swap", "lvm"], "dos": ["linux", "swap"], "sun": ["linux", "swap"]}
    entries = tuple(
        Entry(number, begin * unit, (stop - begin) * unit,
              layout.resolve_type(label, draw(st.sampled_from(kinds[label])), {}))
        for number, (begin, stop) in zip(numbers, zip(edges[::2], edges[1::2], strict=True),
                                         strict=True)
    )  # fmt: skip
    if entries and label == "dos" and draw(st.booleans()):
        entries = (replace(entries[0], bootable=True), *entries[1:])
    return Table(label, SECTOR, "X", first, last, tuple(sorted(entries, key=lambda e: e.number)))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    table = draw(tables())
    numbers = [entry.number for entry in table.entries]
    chosen = st.frozensets(st.sampled_from(numbers)) if numbers else st.just(frozenset[int]())
    size = GIB * draw(st.sampled_from([1, 1, 2]))
    return World(table, draw(chosen), draw(chosen), size)


def inventory_of(world: World, name: str = "/dev/sda") -> DiskInventory:
    """What an observer finds of this world."""
    size, table = world.disk_size, world.table
    children = tuple(
        Block(f"/dev/sda{e.number}", "part", e.size * SECTOR,
              mounts=(Mount(f"/srv/{e.number}"),) if e.number in world.mounted else ())
        for e in table.entries
    )  # fmt: skip
    parts = tuple(
        Partition(e.number, f"/dev/sda{e.number}", e.start * SECTOR, e.size * SECTOR, e.type,
                  data_at=0 if e.number in world.full else None)
        for e in table.entries
    )  # fmt: skip
    content = Content(WWID, size, SECTOR, table=table.label, partitions=parts)
    inventory = disk_inventory(
        a_disk(*children, size=size), content=content, table=table, name=name
    )
    if inventory.one.part is None:
        return inventory
    number = inventory.one.part
    mounts = (f"/srv/{number}",) if number in world.mounted else ()
    used = replace(inventory.used, mounts=mounts)
    inside = Content(WWID, SECTOR, SECTOR, data_at=0 if number in world.full else None)
    return replace(inventory, used=used, content=Known(inside))


def pending(plan: Plan) -> Iterator[Action]:
    """The actions of a plan that was not refused."""
    assert plan.refusal is None
    return iter([step.action for step in plan.pending])


def after(plan: Plan, table: Table) -> Table:
    for action in pending(plan):
        table = apply_to_table(action, table)
    return table


def require_sound(before: Table, now: Table, named: int, total: int) -> None:
    """Nothing but the named partition changed, and all lie apart inside of the disk."""
    assert layout.find_other_change(before, now, named) is None
    taken = sorted(now.entries, key=lambda e: e.start)
    assert all(one.end <= other.start for one, other in pairwise(taken))
    new = now.entry(named)
    if new is not None and new != before.entry(named):
        assert new.size > 0
        assert new.start >= (now.first or 1)
        assert new.end <= layout.last_usable(now, total) + 1


SIZES = st.one_of(st.none(), st.integers(1, GIB), st.sampled_from([SECTOR, MIB, 64 * MIB]))


@given(worlds(), SIZES, st.one_of(st.none(), st.integers(0, GIB)),
       st.one_of(st.none(), st.integers(1, 6)))  # fmt: skip
def test_a_partition_is_added_where_nothing_is(
    world: World, size: int | None, start: int | None, number: int | None
) -> None:
    spec = AddPartitionSpec(size, start=start, number=number)
    inventory = inventory_of(world)
    plan = plan_add(inventory, spec, {})
    if plan.refusal is not None:
        event("refused")
        return
    before = world.table
    now = after(plan, before)
    event("added" if now != before else "is there already")
    added = [e.number for e in now.entries if before.entry(e.number) is None]
    assert len(added) == len(plan.pending)
    if not added:
        return
    require_sound(before, now, added[0], world.disk_size // SECTOR)
    made = now.entry(added[0])
    assert made is not None
    if size is not None:
        assert made.size * SECTOR >= size
    again = inventory_of(replace(world, table=now))
    again = replace(again, facts=replace(again.facts, again=True, earlier=before))
    assert not plan_add(again, spec, {}).pending


@given(worlds(), st.integers(1, 6), st.booleans())
def test_a_partition_that_is_mounted_is_never_removed_and_a_full_one_only_with_consent(
    world: World, number: int, consent: bool
) -> None:
    there = world.table.entry(number) is not None
    inventory = inventory_of(world, f"/dev/sda{number}" if there else "/dev/sda")
    plan = plan_remove(inventory, number, consent=consent)
    if plan.refusal is not None:
        event("refused")
        assert number in world.mounted or number in world.full or not there
        return
    now = after(plan, world.table)
    require_sound(world.table, now, number, world.disk_size // SECTOR)
    assert now.entry(number) is None
    assert number not in world.mounted
    if there and number in world.full:
        assert consent


@given(worlds(), st.integers(1, 6), st.sampled_from(["linux", "swap", "lvm", "raid"]))
def test_a_type_changes_and_nothing_else(world: World, number: int, kind: str) -> None:
    before = world.table.entry(number)
    plan = plan_type(inventory_of(world), number, kind, {})
    if plan.refusal is not None:
        assert before is None
        return
    now = after(plan, world.table)
    require_sound(world.table, now, number, world.disk_size // SECTOR)
    assert before is not None
    assert now.entry(number) == replace(before, type=layout.resolve_type(now.label, kind, {}))
    assert not plan_type(inventory_of(replace(world, table=now)), number, kind, {}).pending


@given(worlds(), st.integers(1, 6), st.booleans())
def test_the_boot_flag_changes_and_nothing_else(world: World, number: int, on: bool) -> None:
    table = world.table
    plan = plan_bootable(inventory_of(world), number, on=on)
    if plan.refusal is not None:
        others = on and any(e.bootable for e in table.entries if e.number != number)
        assert table.entry(number) is None or table.label == "sun" or others
        return
    now = after(plan, table)
    require_sound(table, now, number, world.disk_size // SECTOR)
    entry = now.entry(number)
    assert entry is not None
    assert layout.is_bootable(entry, now.label) == on
    assert sum(one.bootable for one in now.entries) <= 1
    assert not plan_bootable(inventory_of(replace(world, table=now)), number, on=on).pending


@given(worlds(), st.sampled_from([GIB // 2, GIB, GIB + 4096, 2 * GIB, 8 * GIB]))
def test_only_the_last_partition_grows_and_only_to_its_end(world: World, capacity: int) -> None:
    table = world.table
    inventory = inventory_of(world)
    plan = plan_grow(replace(inventory, facts=replace(inventory.facts, capacity=capacity)))
    if plan.refusal is not None:
        assert capacity < world.disk_size
        return
    changes = [a for a in pending(plan) if isinstance(a, actions.GrowPart)]
    for action in changes:
        now = apply_to_table(action, table)
        require_sound(table, now, action.number, capacity // SECTOR)
        old, new = table.entry(action.number), now.entry(action.number)
        assert old is not None
        assert new == replace(old, size=action.size)
        assert action.size > old.size
        assert old.start == max(entry.start for entry in table.entries)
        event("grown")
    assert len(changes) <= 1
