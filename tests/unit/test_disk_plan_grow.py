"""What `disk grow` plans: the LUN, its paths, the map, the partition and the filesystem."""

from dataclasses import replace
from typing import Any

import pytest

from iscsictl.errors import InUseError, NotFoundError, RefusedError
from iscsictl.model import actions
from iscsictl.model.disk_content import Signature, kinds_found_from_end
from iscsictl.model.inventory import DiskUsage
from iscsictl.model.listing import Block, Disk, Mount, Path
from iscsictl.model.partition_table import Entry, Table
from iscsictl.model.plan import Status
from iscsictl.planner.disks.grow import plan_grow
from iscsictl.planner.selection.disks import DiskInventory
from tests.unit.disk_facts import (
    GIB,
    IQN,
    LINUX,
    SECTORS,
    UUID,
    WWID,
    a_disk,
    disk_inventory,
    gpt,
    part,
    unchanged,
    verbs,
)


def growing(**facts: Any) -> DiskInventory:
    disk = a_disk(part(1, "ext4", UUID, ["/srv"]))
    inventory = disk_inventory(disk, table=gpt(Entry(1, 2048, SECTORS - 4096, LINUX)), name="/srv")
    known: dict[str, Any] = {"capacity": GIB, "filled": (SECTORS - 4096) * 512, **facts}
    return replace(inventory, facts=replace(inventory.facts, **known))


@pytest.mark.fault("F27")
def test_a_grown_lun_is_read_again_then_its_partition_and_filesystem_grow() -> None:
    plan = plan_grow(growing(capacity=2 * GIB))
    assert verbs(plan) == ["rescan", "grow-part", "grow-fs"]
    assert [s.status for s in plan.steps] == [Status.PLANNED, Status.FORECAST, Status.FORECAST]
    assert [s.id for s in plan.ready] == [f"rescan:{IQN} LUN 0"]
    action = plan.steps[1].action
    assert isinstance(action, actions.GrowPart)
    assert action.size == 2 * SECTORS - 2048 - 2048


def test_a_logical_partition_stays_as_large_as_it_is() -> None:
    extended, logical = Entry(1, 2048, 1048576, "5"), Entry(5, 4096, 524288, "83")
    table = Table("dos", entries=(extended, logical))
    disk = a_disk(part(1), part(5, "ext4", UUID, ["/srv"]))
    inventory = disk_inventory(disk, table=table, name="/srv")
    facts = replace(inventory.facts, capacity=2 * GIB, filled=524288 * 512)
    plan = plan_grow(replace(inventory, facts=facts))
    assert verbs(plan) == ["rescan"]
    assert "logical" in plan.notes[0]


def test_what_did_not_grow_is_unchanged() -> None:
    assert unchanged(plan_grow(growing()))


def test_a_filesystem_that_lags_behind_its_partition_grows() -> None:
    assert verbs(plan_grow(growing(filled=GIB // 2))) == ["grow-fs"]
    assert unchanged(plan_grow(growing(filled=GIB // 2, settled=True)))


def test_a_disk_that_became_smaller_is_refused() -> None:
    assert isinstance(plan_grow(growing(capacity=GIB // 2)).refusal, RefusedError)


def mapped(sizes: dict[str, int | None]) -> DiskInventory:
    """A map over two paths with a filesystem on all of it, and what each path reports."""
    block = Block("/dev/mapper/m", "mpath", GIB, "xfs", None, UUID, (Mount("/srv"),))
    paths = (Path(1, "2:0:0:0", "/dev/sda"), Path(1, "3:0:0:0", "/dev/sdb"))
    inventory = disk_inventory(Disk(WWID, paths, block), name="/srv")
    reported = next(iter(sizes.values()))
    facts = replace(inventory.facts, capacity=reported, path_sizes=sizes, filled=GIB)
    return replace(inventory, facts=facts)


@pytest.mark.fault("F98")
def test_a_map_grows_over_all_of_its_paths_and_then_its_filesystem() -> None:
    plan = plan_grow(mapped({"/dev/sda": 2 * GIB, "/dev/sdb": 2 * GIB}))
    assert verbs(plan) == ["rescan", "grow-fs"]
    reread = plan.steps[0].action
    assert isinstance(reread, actions.Reread)
    assert reread.hctls == ("2:0:0:0", "3:0:0:0")


@pytest.mark.fault("F98")
@pytest.mark.parametrize("other", [GIB, None], ids=["another size", "does not work"])
def test_a_map_does_not_grow_while_a_path_has_not_the_new_size(other: int | None) -> None:
    refusal = plan_grow(mapped({"/dev/sda": 2 * GIB, "/dev/sdb": other})).refusal
    assert isinstance(refusal, RefusedError)
    assert "/dev/sdb" in refusal.text


def test_two_paths_without_a_map_do_not_grow() -> None:
    paths = (Path(1, "2:0:0:0", "/dev/sda"), Path(1, "3:0:0:0", "/dev/sdb"))
    disk = a_disk(fstype="xfs", uuid=UUID, mounts=["/srv"])._replace(paths=paths)
    assert isinstance(plan_grow(disk_inventory(disk, name="/srv")).refusal, RefusedError)


def test_a_partition_does_not_grow_away_from_a_superblock_at_its_end() -> None:
    def member(**facts: Any) -> DiskInventory:
        disk = a_disk(part(1, "linux_raid_member", UUID))
        inventory = disk_inventory(disk, table=growing().facts.table)
        return replace(inventory, facts=replace(growing().facts, **facts))

    grown = plan_grow(member(capacity=2 * GIB, from_end=("linux_raid_member",)))
    assert isinstance(grown.refusal, RefusedError)
    assert "linux_raid_member in partition 1" in grown.refusal.text
    assert unchanged(plan_grow(member(from_end=("linux_raid_member",))))
    # Of a mounted partition that superblock is a leftover.
    mounted = plan_grow(growing(capacity=2 * GIB, from_end=("linux_raid_member",)))
    assert verbs(mounted) == ["rescan", "grow-part", "grow-fs"]


@pytest.mark.parametrize(
    ("found", "kinds"),
    [
        # md 1.0, DRBD and an Intel RAID count from the end; md 1.2 and the first label of ZFS do
        # not.
        ([Signature("linux_raid_member", GIB - 8192)], ("linux_raid_member",)),
        ([Signature("drbd", GIB - 4096)], ("drbd",)),
        ([Signature("isw_raid_member", GIB - 1024)], ("isw_raid_member",)),
        ([Signature("linux_raid_member", 4096)], ()),
        ([Signature("zfs_member", GIB - 262144), Signature("zfs_member", 131072)], ()),
        (
            [Signature("linux_raid_member", GIB - 65536), Signature("xfs", 0)],
            ("linux_raid_member",),
        ),
    ],
)
def test_a_superblock_in_the_second_half_is_looked_for_from_the_end(
    found: list[Signature], kinds: tuple[str, ...]
) -> None:
    assert kinds_found_from_end(found, "/dev/sda1", GIB) == kinds


@pytest.mark.parametrize("size", [None, 0])
def test_where_a_device_of_unknown_size_ends_is_not_guessed(size: int | None) -> None:
    with pytest.raises(NotFoundError, match="does not report the size of /dev/sda1"):
        kinds_found_from_end([Signature("ext4", 1080)], "/dev/sda1", size)


def test_a_filesystem_on_the_whole_disk_grows_without_a_table() -> None:
    disk = a_disk(fstype="xfs", uuid=UUID, mounts=["/srv"])
    inventory = disk_inventory(disk)
    inventory = replace(inventory, facts=replace(inventory.facts, capacity=2 * GIB, filled=GIB))
    assert verbs(plan_grow(inventory)) == ["rescan", "grow-fs"]


def test_a_filesystem_grows_where_nothing_is_mounted_over_it() -> None:
    """xfs_growfs and btrfs take a path: below another mount they would grow that one."""
    disk = a_disk(fstype="xfs", uuid=UUID, mounts=["/srv", "/mnt/bound"])
    covered = (("/srv", "/dev/sdz"),)
    inventory = disk_inventory(disk, used=DiskUsage(("/srv", "/mnt/bound"), covered=covered))
    facts = replace(inventory.facts, capacity=2 * GIB, filled=GIB)
    grow = plan_grow(replace(inventory, facts=facts)).steps[-1].action
    assert isinstance(grow, actions.GrowFs)
    assert grow.path == "/mnt/bound"
    both = (*covered, ("/mnt/bound", "tmpfs"))
    used = DiskUsage(("/srv", "/mnt/bound"), covered=both)
    plan = plan_grow(replace(inventory, facts=facts, used=used))
    assert isinstance(plan.refusal, InUseError)
    assert "/dev/sdz is mounted over /srv" in plan.refusal.text


def test_a_filesystem_that_is_not_mounted_is_not_grown() -> None:
    inventory = disk_inventory(a_disk(fstype="xfs", uuid=UUID))
    inventory = replace(inventory, facts=replace(inventory.facts, capacity=2 * GIB))
    assert isinstance(plan_grow(inventory).refusal, RefusedError)


# -- the command line ---------------------------------------------------------------------
