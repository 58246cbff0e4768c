"""What the commands for partitions plan."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from iscsictl.errors import InUseError, NotFoundError, RefusedError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.disk_content import Signature, signatures_beside_table
from iscsictl.model.inventory import DiskUsage, ReadFailed
from iscsictl.model.listing import Block
from iscsictl.model.partition_table import Entry, Table, Topology
from iscsictl.model.plan import Hazard, Plan
from iscsictl.planner.disks.grow import plan_grow
from iscsictl.planner.disks.layout import table_of_whole_disk
from iscsictl.planner.disks.partitions import (
    AddPartitionSpec,
    plan_add,
    plan_bootable,
    plan_remove,
    plan_type,
)
from iscsictl.planner.safety.overwrite import ConsentRequiredError
from iscsictl.planner.selection.disks import DiskFacts, DiskInventory
from tests.unit.disk_facts import (
    GIB,
    LINUX,
    NEW,
    SECTORS,
    UUID,
    WWID,
    a_disk,
    carries,
    disk_inventory,
    empty,
    gpt,
    our_line,
    part,
    unchanged,
    verbs,
)


def test_a_partition_is_added_where_there_is_room() -> None:
    plan = plan_add(disk_inventory(table=gpt()), AddPartitionSpec(256 << 20), {})
    assert verbs(plan) == ["part-add"]
    action = plan.steps[0].action
    assert isinstance(action, actions.AddPart)
    assert (action.number, action.start, action.size, action.type) == (1, 2048, 524288, LINUX)
    assert plan.steps[0].hazard is Hazard.RESHAPES
    assert plan.result == "/dev/sda1"


def test_adding_twice_is_adding_once_while_it_is_empty() -> None:
    table = gpt(Entry(1, 2048, 524288, LINUX))
    inventory = disk_inventory(table=table, content=empty())
    assert unchanged(plan_add(inventory, AddPartitionSpec(256 << 20), {}))
    assert verbs(plan_add(inventory, AddPartitionSpec(256 << 20, number=2), {})) == ["part-add"]
    assert unchanged(plan_add(inventory, AddPartitionSpec(256 << 20, number=1), {}))
    used = replace(
        empty(), partitions=(replace(empty().partitions[0], signatures=(Signature("xfs"),)),)
    )
    plan = plan_add(disk_inventory(table=table, content=used), AddPartitionSpec(256 << 20), {})
    assert verbs(plan) == ["part-add"]


def test_a_partition_with_raw_data_is_not_the_empty_one_that_is_requested() -> None:
    table = gpt(Entry(1, 2048, 524288, LINUX), Entry(2, 526336, 524288, LINUX))
    first = empty().partitions[0]
    second = replace(first, number=2, device="/dev/sda2", start=526336 * 512)
    raw = tuple(replace(p, data_at=p.start) for p in (first, second))
    for parts, wanted in ((raw, ["part-add"]), ((raw[0], second), []), ((first, raw[1]), [])):
        inventory = disk_inventory(
            table=table, content=replace(empty(), partitions=parts), disk=a_disk(size=4 << 30)
        )
        assert verbs(plan_add(inventory, AddPartitionSpec(256 << 20), {})) == wanted


def test_the_rest_twice_is_once() -> None:
    first = plan_add(disk_inventory(table=gpt()), AddPartitionSpec(None), {}).steps[0].action
    assert isinstance(first, actions.AddPart)
    table = gpt(Entry(1, first.start, first.size, LINUX))
    assert unchanged(plan_add(disk_inventory(table=table), AddPartitionSpec(None), {}))


def test_the_rest_is_added_beside_partitions_that_stand_close_together() -> None:
    table = gpt(Entry(1, 2048, 1048576, LINUX), Entry(2, 1050624, 524288, LINUX))
    plan = plan_add(disk_inventory(table=table), AddPartitionSpec(None), {})
    action = plan.pending[0].action
    assert isinstance(action, actions.AddPart)
    assert (action.number, action.start) == (3, 1050624 + 524288)
    assert plan.result == "/dev/sda3"


def test_what_a_sun_label_cannot_hold_is_refused() -> None:
    table = Table("sun")
    cylinder = 255 * 63
    for spec in (
        AddPartitionSpec(cylinder, size_in_sectors=True, number=9),
        AddPartitionSpec(cylinder, size_in_sectors=True, start=20000, start_in_sectors=True),
    ):
        assert isinstance(plan_add(disk_inventory(table=table), spec, {}).refusal, RefusedError)
    spec = AddPartitionSpec(
        cylinder, size_in_sectors=True, start=2 * cylinder, start_in_sectors=True, number=8
    )
    plan = plan_add(disk_inventory(table=table), spec, {})
    assert verbs(plan) == ["part-add"]
    assert plan.notes == ()


def test_a_start_is_aligned_where_the_physical_sectors_begin() -> None:
    def notes(start: int) -> tuple[str, ...]:
        inventory = disk_inventory(table=gpt())
        topology = Topology(physical=4096, offset=3584)
        inventory = replace(inventory, facts=replace(inventory.facts, topology=topology))
        return plan_add(
            inventory, AddPartitionSpec(1 << 20, start=start, start_in_sectors=True), {}
        ).notes

    assert notes(2048 + 7) == ()
    assert "optimal I/O size" in notes(2048)[0]


def test_what_this_run_added_is_recognised_whatever_was_there_before() -> None:
    facts = DiskFacts(SECTORS, table=gpt(Entry(1, 2048, 524288, LINUX)), again=True, earlier=gpt())
    assert unchanged(
        plan_add(replace(disk_inventory(), facts=facts), AddPartitionSpec(256 << 20), {})
    )


def test_a_number_that_is_taken_by_something_else_is_refused() -> None:
    inventory = disk_inventory(table=gpt(Entry(1, 2048, 2048, LINUX)))
    plan = plan_add(inventory, AddPartitionSpec(256 << 20, number=1), {})
    assert isinstance(plan.refusal, RefusedError)


def test_without_a_table_nothing_is_partitioned() -> None:
    for plan in (
        plan_add(disk_inventory(), AddPartitionSpec(None), {}),
        plan_remove(disk_inventory(), 1, consent=True),
        plan_type(disk_inventory(), 1, "lvm", {}),
        plan_bootable(disk_inventory(), 1, on=True),
    ):
        assert isinstance(plan.refusal, RefusedError)
        assert "iscsictl disk label" in (plan.refusal.hint or "")


def removing(fs: dict[str, str] | None = None, **others: Any) -> DiskInventory:
    disk = a_disk(part(1, **(fs or {})))
    return disk_inventory(disk, table=gpt(Entry(1, 2048, 2048, LINUX)), name="/dev/sda1", **others)


def test_a_blank_partition_goes_without_a_question() -> None:
    assert verbs(plan_remove(removing(), 1, consent=False)) == ["part-rm"]
    assert unchanged(plan_remove(removing(), 2, consent=False))


def test_a_partition_with_content_goes_only_with_consent() -> None:
    inventory = removing(content=carries("ext4"))
    plan = plan_remove(inventory, 1, consent=False)
    assert isinstance(plan.refusal, ConsentRequiredError)
    assert plan.refusal.exit == 9
    assert verbs(plan_remove(inventory, 1, consent=True)) == ["part-rm"]


def unseen(**others: Any) -> DiskInventory:
    """A disk with a partition in its table that the kernel does not have, and one that it has."""
    table = gpt(Entry(1, 2048, 2048, LINUX), Entry(2, 4096, 2048, LINUX))
    return disk_inventory(a_disk(part(2, "xfs", NEW)), table=table, content=empty(), **others)


@pytest.mark.fault("F24")
def test_a_partition_that_the_kernel_does_not_have_goes_only_with_consent() -> None:
    plan = plan_remove(unseen(), 1, consent=False)
    assert isinstance(plan.refusal, ConsentRequiredError)
    assert plan.refusal.exit == 9
    assert plan.refusal.grant == "remove"
    assert plan.refusal.text.startswith("/dev/sda1 could not be examined")
    assert "partx --add --nr 1 /dev/sda" in (plan.refusal.hint or "")
    assert "part rm /dev/sda 1 --yes" in (plan.refusal.hint or "")
    assert not plan.pending
    assert verbs(plan_remove(unseen(), 1, consent=True)) == ["part-rm"]


def test_a_partition_of_a_map_is_shown_to_the_kernel_by_kpartx() -> None:
    disk = a_disk()
    disk = disk._replace(block=disk.block._replace(device="/dev/mapper/mpatha", kind="mpath"))
    table = gpt(Entry(1, 2048, 2048, LINUX))
    plan = plan_remove(disk_inventory(disk, table=table, name=WWID), 1, consent=False)
    assert isinstance(plan.refusal, ConsentRequiredError)
    assert "kpartx -u -p -part /dev/mapper/mpatha" in (plan.refusal.hint or "")


def test_what_was_found_on_the_disk_says_nothing_of_one_partition() -> None:
    """Nor does another partition that was named."""
    inventory = replace(unseen(), content=ReadFailed(UnreachableError("byte 0")))
    assert isinstance(plan_remove(inventory, 1, consent=False).refusal, ConsentRequiredError)
    other = disk_inventory(a_disk(part(2)), table=unseen().facts.table, name="/dev/sda2")
    assert isinstance(plan_remove(other, 1, consent=False).refusal, ConsentRequiredError)
    assert verbs(plan_remove(other, 2, consent=False)) == ["part-rm"]


def test_a_line_for_what_is_not_seen_keeps_the_partition_that_may_have_it() -> None:
    plan = plan_remove(unseen(lines=[our_line()]), 1, consent=True)
    assert isinstance(plan.refusal, RefusedError)
    assert f"iscsictl fstab rm {UUID}" in (plan.refusal.hint or "")
    seen_elsewhere = unseen(lines=[our_line(fs="xfs", uuid=NEW)])
    assert verbs(plan_remove(seen_elsewhere, 1, consent=True)) == ["part-rm"]


def test_a_partition_in_use_stays_whatever_was_agreed() -> None:
    plan = plan_remove(replace(removing(), used=DiskUsage(("/srv",))), 1, consent=True)
    assert isinstance(plan.refusal, InUseError)
    assert plan.refusal.exit == 7


def test_a_partition_that_fstab_names_stays() -> None:
    foreign = f"UUID={UUID} /srv ext4 noauto 0 0\n".encode()
    for line, way in ((our_line(), f"iscsictl fstab rm {UUID}"), (foreign, "edit /etc/fstab")):
        inventory = removing(fs={"fstype": "ext4", "uuid": UUID}, lines=[line])
        refusal = plan_remove(inventory, 1, consent=True).refusal
        assert isinstance(refusal, RefusedError)
        assert way in (refusal.hint or "")


def test_a_logical_partition_in_the_middle_stays_for_the_names_of_those_after_it() -> None:
    table = Table(
        "dos", 512, "0x1", entries=(Entry(1, 2048, 9999, "5"), Entry(5, 4096, 8, "83"),
                                    Entry(6, 6144, 8, "83")),
    )  # fmt: skip
    inventory = disk_inventory(a_disk(part(5), part(6)), table=table)
    assert isinstance(plan_remove(inventory, 5, consent=True).refusal, RefusedError)
    assert verbs(plan_remove(inventory, 6, consent=True)) == ["part-rm"]
    assert isinstance(plan_remove(inventory, 1, consent=True).refusal, RefusedError)


def test_type_and_boot_flag_are_set_once() -> None:
    inventory = disk_inventory(table=gpt(Entry(1, 2048, 2048, LINUX, attrs=("RequiredPartition",))))
    assert unchanged(plan_type(inventory, 1, "linux", {}))
    assert verbs(plan_type(inventory, 1, "lvm", {})) == ["part-type"]
    assert unchanged(plan_bootable(inventory, 1, on=False))
    action = plan_bootable(inventory, 1, on=True).steps[0].action
    assert isinstance(action, actions.SetBootable)
    assert action.after.attrs == ("RequiredPartition", "LegacyBIOSBootable")
    assert isinstance(plan_type(inventory, 4, "lvm", {}).refusal, NotFoundError)


def test_only_one_dos_partition_is_bootable() -> None:
    table = Table("dos", entries=(Entry(1, 2048, 8, "83", bootable=True), Entry(2, 4096, 8, "83")))
    plan = plan_bootable(disk_inventory(table=table), 2, on=True)
    assert isinstance(plan.refusal, RefusedError)
    assert "1 --off" in (plan.refusal.hint or "")


BESIDE = (Signature("linux_raid_member", 4096, UUID),)


@pytest.mark.parametrize(
    "make",
    [
        lambda inventory: plan_add(inventory, AddPartitionSpec(1 << 20), {}),
        lambda inventory: plan_remove(inventory, 1, consent=True),
        lambda inventory: plan_type(inventory, 1, "lvm", {}),
        lambda inventory: plan_bootable(inventory, 1, on=True),
        plan_grow,
    ],
    ids=["add", "rm", "type", "bootable", "grow"],
)
@pytest.mark.parametrize("how", ["beside", "held", "mounted"])
def test_a_table_stays_as_it_is_where_the_whole_disk_is_something_else(
    make: Callable[[DiskInventory], Plan], how: str
) -> None:
    """An older GPT stays valid below an md superblock, and a new one would be written over it."""
    array = Block("/dev/md0", "md", SECTORS * 512, "ext4", NEW)
    disk = {
        "beside": a_disk(part(1)),
        "held": a_disk(part(1), array),
        "mounted": a_disk(part(1), fstype="btrfs", uuid=UUID, mounts=["/srv"]),
    }[how]
    table = gpt(Entry(1, 2048, 524288, LINUX))
    inventory = disk_inventory(disk, table=table, content=empty())
    if how == "beside":
        inventory = replace(inventory, facts=replace(inventory.facts, beside=BESIDE))
    plan = make(inventory)
    assert isinstance(plan.refusal, RefusedError if how == "beside" else InUseError)
    named = {"beside": "linux_raid_member", "held": "/dev/md0", "mounted": "/srv"}[how]
    assert named in plan.refusal.text
    assert not any(step.hazard is Hazard.RESHAPES for step in plan.pending)


@pytest.mark.parametrize(
    ("found", "beside"),
    [
        (Signature("btrfs", 65536, UUID), True),
        (Signature("ext4", 2048 * 512 + 1080, UUID), False),
        (Signature("drbd", (SECTORS - 8) * 512), True),
        (Signature("gpt", 512), False),
        (Signature("PMBR", 510), False),
        (Signature("zfs_member"), True),
    ],
)
def test_what_is_in_no_partition_stands_beside_the_table(found: Signature, beside: bool) -> None:
    table = gpt(Entry(1, 2048, 524288, LINUX))
    assert signatures_beside_table([found], table) == ((found,) if beside else ())


def test_the_entry_of_a_sun_label_for_the_whole_disk_holds_nothing() -> None:
    table = Table("sun", entries=(Entry(1, 16065, 16065, "83"), Entry(3, 0, SECTORS, "5")))
    found = [Signature("swap", 4086), Signature("ext4", 16065 * 512 + 1080)]
    assert signatures_beside_table(found, table) == (found[0],)


@pytest.mark.parametrize(
    "entries", [(), (Entry(1, 2048, SECTORS - 4096, LINUX),)], ids=["empty", "full"]
)
def test_a_partition_is_added_in_what_the_disk_has_grown_by(entries: tuple[Entry, ...]) -> None:
    table = gpt(*entries)
    inventory = disk_inventory(a_disk(size=2 * GIB), table=table)
    action = plan_add(inventory, AddPartitionSpec(None), {}).steps[0].action
    assert isinstance(action, actions.AddPart)
    assert action.start == (entries[0].end if entries else 2048)
    assert action.start + action.size == 2 * SECTORS - 2048
    # What the table is compared with before it is written is the one that is there.
    assert action.before == table
    # Less than 1 MiB may be a larger table of entries.
    assert table_of_whole_disk(table, SECTORS + 2048) == table
