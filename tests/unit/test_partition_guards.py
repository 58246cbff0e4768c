"""What keeps a partition from being taken for an empty one, renumbered, retyped or deleted."""

from dataclasses import replace
from typing import Any

import pytest

from iscsictl.errors import RefusedError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.disk_content import Content, Signature
from iscsictl.model.inventory import DiskUsage, Known, NotObserved, Observation, ReadFailed
from iscsictl.model.listing import Block, Disk
from iscsictl.model.partition_table import Entry, Table
from iscsictl.model.plan import Plan
from iscsictl.planner.disks.partitions import (
    AddPartitionSpec,
    plan_add,
    plan_bootable,
    plan_remove,
    plan_type,
)
from iscsictl.planner.selection.disks import DiskInventory
from tests.unit.disk_facts import (
    GIB,
    LINUX,
    WWID,
    a_disk,
    disk_inventory,
    empty,
    gpt,
    our_line,
    part,
    unchanged,
    verbs,
)

MIB = 1 << 20
ONE = Entry(1, 2048, 524288, LINUX, "P1")
SWAP = "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"


def dos(*entries: Entry, **more: Any) -> Table:
    return Table("dos", 512, "0x1a2b3c4d", entries=entries, **more)


def with_table(table: Table, disk: Disk | None = None, **more: Any) -> DiskInventory:
    return disk_inventory(disk or a_disk(part(1)), table=table, **more)


def refused(plan: Plan) -> str:
    assert isinstance(plan.refusal, RefusedError), plan.refusal
    assert not plan.pending
    return plan.refusal.text


# Which partition is already the one that is asked for

INSIDE = empty().partitions[0]
USED: dict[str, Observation[Content]] = {
    "signature": Known(
        replace(empty(), partitions=(replace(INSIDE, signatures=(Signature("xfs", 0, "u"),)),))
    ),
    "data": Known(replace(empty(), partitions=(replace(INSIDE, data_at=8 * MIB),))),
    "not-in-the-probe": Known(Content(WWID, GIB, 512)),
    "another": Known(empty(2)),
    "unreadable": ReadFailed(UnreachableError("a read failed")),
    "not-observed": NotObserved(),
}


def added(inventory: DiskInventory, **spec: Any) -> Plan:
    return plan_add(inventory, AddPartitionSpec(**spec), {})


def test_an_empty_partition_of_the_size_is_the_one_that_is_asked_for() -> None:
    plan = added(with_table(gpt(ONE), content=empty()), size=256 * MIB)
    assert unchanged(plan)
    assert "partition 1 already matches" in plan.notes[0]


@pytest.mark.parametrize("content", USED.values(), ids=USED)
def test_a_partition_in_which_something_may_be_is_not_given_away(
    content: Observation[Content],
) -> None:
    inventory = replace(with_table(gpt(ONE)), content=content)
    assert verbs(added(inventory, size=256 * MIB)) == ["part-add"]


@pytest.mark.parametrize(
    "block",
    [part(1, mounts=("/srv",)), part(1)._replace(children=(Block("/dev/dm-0", "lvm"),))],
    ids=["mounted", "volume"],
)
def test_a_partition_that_something_uses_is_not_given_away(block: Block) -> None:
    inventory = with_table(gpt(ONE), a_disk(block), content=empty())
    assert verbs(added(inventory, size=256 * MIB)) == ["part-add"]


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "swap"}, {"bootable": True}, {"size": 255 * MIB}, {"size": 257 * MIB},
        {"start": 300 * MIB}, {"start": 600_000, "start_in_sectors": True},
    ],
    ids=str,
)  # fmt: skip
def test_a_partition_that_differs_is_not_the_one_that_is_asked_for(spec: dict[str, Any]) -> None:
    inventory = with_table(gpt(ONE), content=empty())
    assert verbs(added(inventory, **{"size": 256 * MIB, **spec})) == ["part-add"]
    assert "partition 1 already exists" in refused(
        added(inventory, **{"size": 256 * MIB, **spec, "number": 1})
    )


def test_a_partition_at_the_start_that_was_given_is_the_one_whatever_is_in_it() -> None:
    inventory = with_table(gpt(ONE), content=empty())
    inventory = replace(inventory, content=USED["signature"])
    for spec in ({"start": MIB}, {"start": 2048, "start_in_sectors": True}, {"number": 1}):
        assert unchanged(added(inventory, size=256 * MIB, **spec))


def test_a_start_in_bytes_is_rounded_up_to_a_sector() -> None:
    plan = added(with_table(gpt(ONE), content=empty()), size=MIB, start=300 * MIB + 1)
    (step,) = plan.pending
    assert isinstance(step.action, actions.AddPart)
    assert step.action.start == 300 * 2048 + 1


def test_a_partition_of_no_size_and_a_logical_one_are_refused() -> None:
    inventory = with_table(gpt(ONE), content=empty())
    assert refused(added(inventory, size=0)) == "a partition needs at least one sector"
    primary = dos(*(Entry(n, 2048 * n, 2048, "83") for n in range(1, 5)))
    assert "logical partitions are not supported" in refused(
        added(with_table(primary, content=empty()), size=MIB, number=5)
    )


# What is deleted

EXTENDED = Entry(4, 204800, 819200, "f")
LOGICAL = tuple(Entry(n, 206848 + n * 20480, 2048, "83") for n in (5, 6))


def removed(table: Table, number: int, **more: Any) -> Plan:
    block = Block(f"/dev/sda{number}", "part", MIB)
    inventory = with_table(table, a_disk(block), name=f"/dev/sda{number}", **more)
    return plan_remove(inventory, number, consent=True)


def test_only_the_last_logical_partition_is_deleted_and_the_extended_one_once_it_is_empty() -> None:
    """sfdisk numbers logical partitions anew, in the order of their chain."""
    table = dos(EXTENDED, *LOGICAL)
    assert "partition 5 is not the last logical one" in refused(removed(table, 5))
    assert verbs(removed(table, 6)) == ["part-rm"]
    assert refused(removed(table, 4)) == "partition 4 contains others"
    assert refused(removed(dos(EXTENDED, LOGICAL[0]), 4)) == "partition 4 contains others"
    assert verbs(removed(dos(EXTENDED), 4)) == ["part-rm"]
    primary = dos(*(Entry(n, 2048 * n, 2048, "83") for n in (1, 2, 3, 4)))
    for number in (3, 4):
        assert verbs(removed(primary, number)) == ["part-rm"]
    numbered = gpt(*(replace(ONE, number=n, start=2048 + n * 4096, size=2048) for n in (5, 6)))
    assert verbs(removed(numbered, 5)) == ["part-rm"]


def test_nothing_is_deleted_that_is_in_use_or_on_a_read_only_disk() -> None:
    inventory = with_table(gpt(ONE), name="/dev/sda1")
    used = replace(inventory, used=DiskUsage(other_holders=("swap on /dev/sda1",)))
    assert "is in use" in str(plan_remove(used, 1, consent=True).refusal)
    locked = with_table(gpt(ONE), a_disk(part(1), read_only=True), name="/dev/sda1")
    assert refused(plan_remove(locked, 1, consent=True)) == "/dev/sda is read-only"


@pytest.mark.parametrize("uuid", ["AB-CD", "ab-cd"])
def test_an_entry_for_the_filesystem_of_a_partition_keeps_it_in_any_case(uuid: str) -> None:
    """The kernel has no node of partition 2, so only the entry says that something is there."""
    line = our_line("/srv", "vfat", uuid)
    lost = with_table(gpt(ONE, Entry(2, 526336, 2048, LINUX, "P2")), lines=[line])
    assert "line 1 may be for /dev/sda2" in refused(plan_remove(lost, 2, consent=True))
    elsewhere = with_table(
        gpt(ONE, Entry(2, 526336, 2048, LINUX, "P2")), a_disk(part(1, "vfat", "AB-CD")),
        lines=[line],
    )  # fmt: skip
    assert verbs(plan_remove(elsewhere, 2, consent=True)) == ["part-rm"]


# Types and flags


def test_an_extended_partition_keeps_its_type() -> None:
    table = dos(EXTENDED)
    assert "is extended" in refused(plan_type(with_table(table), 4, "linux", {}))


def test_the_type_of_a_read_only_disk_is_not_changed_but_may_be_confirmed() -> None:
    locked = with_table(gpt(ONE), a_disk(part(1), read_only=True))
    assert refused(plan_type(locked, 1, "swap", {})) == "/dev/sda is read-only"
    assert unchanged(plan_type(locked, 1, "linux", {}))
    (step,) = plan_type(with_table(gpt(ONE)), 1, "swap", {}).pending
    assert isinstance(step.action, actions.SetType)
    assert step.action.type == SWAP


def test_of_the_partitions_of_a_dos_table_one_is_bootable() -> None:
    first, second = Entry(1, 2048, 2048, "83", bootable=True), Entry(2, 4096, 2048, "83")
    both = with_table(dos(first, second))
    assert refused(plan_bootable(both, 2, on=True)) == (
        "partition 1 is the bootable one of /dev/sda"
    )
    assert unchanged(plan_bootable(both, 1, on=True))
    assert unchanged(plan_bootable(both, 2, on=False))
    assert verbs(plan_bootable(both, 1, on=False)) == [actions.SetBootable.verb]
    neither = with_table(dos(replace(first, bootable=False), second))
    assert verbs(plan_bootable(neither, 2, on=True)) == [actions.SetBootable.verb]
    twice = with_table(dos(first, replace(second, bootable=True)))
    assert verbs(plan_bootable(twice, 2, on=False)) == [actions.SetBootable.verb]
    assert unchanged(plan_bootable(twice, 2, on=True))


def test_a_flag_is_not_set_on_a_read_only_disk_nor_in_a_table_that_has_none() -> None:
    locked = with_table(gpt(ONE), a_disk(part(1), read_only=True))
    assert refused(plan_bootable(locked, 1, on=True)) == "/dev/sda is read-only"
    assert unchanged(plan_bootable(locked, 1, on=False))
    sun = Table("sun", 512, entries=(Entry(1, 0, 2048, "83"),))
    assert refused(plan_bootable(with_table(sun), 1, on=True)) == "a sun table has no boot flag"
