"""How a disk likes to be used, as sysfs tells it, and what is aligned by it."""

from pathlib import Path

import pytest

from iscsictl.model.partition_table import Table, Topology
from iscsictl.planner.disks.layout import find_problems, place_partition
from iscsictl.system.block.partition_table import topology


def disk(root: Path, **values: str) -> Path:
    base = root / "sys/class/block/sda"
    (base / "queue").mkdir(parents=True)
    for name, value in values.items():
        place = base / name if name == "alignment_offset" else base / "queue" / name
        place.write_text(f"{value}\n")
    return root


@pytest.mark.parametrize(("told", "offset"), [("0", 0), ("3584", 3584), ("-1", 0)])
def test_limits_that_do_not_fit_together_are_no_offset(
    tmp_path: Path, told: str, offset: int
) -> None:
    """The kernel says -1 then; as an offset it would put partitions a sector beside each MiB."""
    found = topology("sda", disk(tmp_path, logical_block_size="512", alignment_offset=told))
    assert found == Topology(512, 512, 512, 0, offset)
    table, total = Table("gpt", 512, "X", 34, 4194270), 4194304
    start, size = place_partition(table, total, found, size=None, start=None)
    assert (start * 512 - offset) % (1 << 20) == 0
    assert start + size <= 4194270
    assert find_problems(table, total, found, {}) == ()


def test_a_disk_with_sectors_of_4096_bytes_is_read_as_one(tmp_path: Path) -> None:
    root = disk(tmp_path, logical_block_size="4096", optimal_io_size="4096")
    assert topology("sda", root) == Topology(4096, 4096, 4096, 4096, 0)


def test_a_disk_of_512_byte_sectors_may_write_in_larger_ones(tmp_path: Path) -> None:
    root = disk(
        tmp_path, logical_block_size="512", physical_block_size="4096", minimum_io_size="8192"
    )
    assert topology("sda", root) == Topology(512, 4096, 8192, 0, 0)


def test_what_a_disk_does_not_report_is_the_size_of_its_sectors(tmp_path: Path) -> None:
    assert topology("sda", disk(tmp_path / "silent")) == Topology(512, 512, 512, 0, 0)
    sizes = ("logical_block_size", "physical_block_size", "minimum_io_size", "optimal_io_size")
    zeroes = disk(tmp_path / "zeroes", **dict.fromkeys(sizes, "0"))
    assert topology("sda", zeroes) == Topology(512, 512, 512, 0, 0)
    large = disk(tmp_path / "large", logical_block_size="4096")
    assert topology("sda", large) == Topology(4096, 4096, 4096, 0, 0)
