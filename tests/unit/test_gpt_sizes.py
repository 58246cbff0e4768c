"""A GPT with more or fewer entries than 128, or with larger ones, is handled as sfdisk does it."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from iscsictl.engine.handlers import partitions as handlers
from iscsictl.errors import RefusedError
from iscsictl.model import actions
from iscsictl.model.partition_table import Entry, Table, Topology
from iscsictl.parse.sfdisk import parse_gpt_entry_size, parse_table
from iscsictl.planner.disks import layout
from iscsictl.planner.disks.grow import plan_grow
from iscsictl.planner.disks.partitions import AddPartitionSpec, plan_add, plan_remove
from iscsictl.system.block import partition_table
from iscsictl.system.block.table_reader import read_table
from iscsictl.system.context import Context
from tests.unit.disk_facts import LINUX, disk_inventory
from tests.unit.gpt_image import SECTOR, write_gpt
from tests.unit.loops import give_name, looped, sparse
from tests.unit.test_writer_guards import MIB, Scratch

needs_loops = pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
SHAPES = [(128, 128), (256, 128), (64, 128), (4, 128)]
START, SIZE = 2048, 4096
# Where 256 entries end before the last whole MiB, and 128 do not.
SMALL, LARGE = 100 * MIB + 50 * SECTOR, 150 * MIB + 50 * SECTOR
PLAIN = Topology()


@pytest.fixture(params=SHAPES, ids=lambda shape: f"{shape[0]}x{shape[1]}")
def shape(request: pytest.FixtureRequest) -> tuple[int, int]:
    """The number of entries and the size of each."""
    slots, entry_size = request.param
    return slots, entry_size


@pytest.fixture
def scratch(
    shape: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scratch]:
    """A disk with such a table and one partition."""
    give_name(monkeypatch)
    image = sparse(tmp_path / "image", SMALL)
    write_gpt(image, shape, START, SIZE)
    with looped(image) as device:
        yield Scratch(image, device)


def read(scratch: Scratch) -> Table:
    table = read_table(scratch.device)
    assert table is not None
    return table


def grow_disk(scratch: Scratch) -> None:
    os.truncate(scratch.image, LARGE)
    subprocess.run(["losetup", "--set-capacity", scratch.device], check=True)


def last_of_sfdisk(scratch: Scratch) -> int:
    said = subprocess.run(["sfdisk", "--json", scratch.device], capture_output=True, check=True)
    return int(json.loads(said.stdout)["partitiontable"]["lastlba"])


@needs_loops
@pytest.mark.parametrize("shape", [*SHAPES, (128, 256), (64, 512)], indirect=True)
def test_the_room_is_what_sfdisk_says(scratch: Scratch, shape: tuple[int, int]) -> None:
    table = read(scratch)
    assert (table.slots, table.entry_size) == shape
    assert layout.last_usable(table, SMALL // SECTOR) == last_of_sfdisk(scratch)


@needs_loops
@pytest.mark.parametrize("total", [SMALL, LARGE])
def test_the_last_partition_grows_to_the_end(scratch: Scratch, total: int) -> None:
    if total == LARGE:
        grow_disk(scratch)
    table = read(scratch)
    size = layout.grown_size(table, total // SECTOR, table.entries[0])
    assert size > SIZE
    action = actions.GrowPart(scratch.disk, table, 1, size)
    handlers.HANDLERS[actions.GrowPart](action, Context(wait=5.0))
    after = read(scratch)
    assert after.entries[0].size == size
    assert layout.last_usable(after, total // SECTOR) == last_of_sfdisk(scratch)
    assert (after.slots, after.entry_size) == (table.slots, table.entry_size)
    assert partition_table.verify(scratch.device) == ()


@needs_loops
def test_a_partition_takes_the_last_sector_that_there_is(scratch: Scratch) -> None:
    grow_disk(scratch)
    table, total = read(scratch), LARGE // SECTOR
    roomy = layout.table_of_whole_disk(table, total)
    start = 100 * MIB // SECTOR
    size = layout.last_usable(table, total) + 1 - start
    assert layout.place_partition(roomy, total, PLAIN, size=size, start=start) == (start, size)
    with pytest.raises(RefusedError, match="no room"):
        layout.place_partition(roomy, total, PLAIN, size=size + 1, start=start)
    action = actions.AddPart(scratch.disk, table, 2, start, size, LINUX)
    handlers.HANDLERS[actions.AddPart](action, Context(wait=5.0))
    assert read(scratch).entries[1].size == size


def test_a_table_with_room_for_fewer_or_more_takes_as_many() -> None:
    one = (Entry(1, 2048, 2048, LINUX),)

    def refusal(number: int, slots: int) -> object:
        table = Table("gpt", 512, "X", 2048, (1 << 21) - 100, one, slots)
        inventory = disk_inventory(table=table)
        return plan_add(inventory, AddPartitionSpec(MIB, number=number), {}).refusal

    assert refusal(200, 256) is None
    assert refusal(64, 64) is None
    text = getattr(refusal(100, 64), "text", "")
    assert text == "a gpt table has at most 64 partitions, so there is no partition 100"
    full = tuple(Entry(n, 2048 * n, 2048, LINUX) for n in range(1, 5))
    with pytest.raises(RefusedError, match="already has 4 partitions"):
        layout.next_number(Table("gpt", entries=full, slots=4))
    assert layout.next_number(Table("gpt", entries=full)) == 5


def test_a_table_that_the_kernel_cannot_read_is_not_changed() -> None:
    table = Table("gpt", 512, "X", 2048, 1 << 20, (Entry(1, 2048, 2048, LINUX),), entry_size=256)
    inventory = disk_inventory(table=table)
    for plan in (
        plan_add(inventory, AddPartitionSpec(MIB), {}), plan_remove(inventory, 1, consent=True),
        plan_grow(inventory),
    ):  # fmt: skip
        assert isinstance(plan.refusal, RefusedError)
        assert plan.refusal.text == (
            "the gpt table of /dev/sda has entries of 256 bytes: the kernel reads only entries of "
            "128, and none of these partitions"
        )
        assert not plan.pending


def test_sfdisk_tells_the_number_of_entries_unless_it_is_128() -> None:
    said = {"label": "gpt", "id": "X", "device": "/dev/sda", "firstlba": 34, "lastlba": 99}
    assert parse_table(json.dumps({"partitiontable": said})).slots == 128
    assert parse_table(json.dumps({"partitiontable": {**said, "table-length": "256"}})).slots == 256


def test_without_a_header_of_a_gpt_an_entry_has_the_usual_size() -> None:
    header = b"EFI PART".ljust(84, b"\0") + (256).to_bytes(4, "little") + bytes(4)
    assert parse_gpt_entry_size(header, 128) == 256
    assert parse_gpt_entry_size(header[:80], 128) == 128
    assert parse_gpt_entry_size(bytes(512), 128) == 128
