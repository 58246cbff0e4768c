"""Where a blank disk is read, compared with what mke2fs and mkfs.xfs say of their own places."""

import re
import shutil
import subprocess
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iscsictl.system.block.blank_extents import (
    GIB,
    KIB,
    MIB,
    TIB,
    DiskShape,
    Extent,
    all_extents,
    grid_cells,
    grid_extents,
    merge_extents,
    signature_extents,
    widest_grid_gap,
)

SIZES = st.integers(1, 64 * TIB // 512).map(lambda sectors: sectors * 512)
SHAPES = st.builds(
    DiskShape,
    SIZES,
    st.sampled_from((512, 4096)),
    st.sampled_from((0, 8 * MIB)),
    st.sampled_from((0, 64 * KIB)),
)
#: Where partitioning tools put the first partition: fdisk of old, of today, on LIO, on a 4Kn disk.
STARTS = (0, 63 * 512, MIB, 8 * MIB)


def is_read(extents: Sequence[Extent], at: int, length: int = 1) -> bool:
    """Tell whether all bytes of a place are in the extents."""
    place = bisect_right(extents, (at, 1 << 62)) - 1
    return place >= 0 and at + length <= sum(extents[place])


@settings(max_examples=25)
@given(SHAPES)
def test_extents_are_whole_blocks_in_order_within_the_disk(shape: DiskShape) -> None:
    extents = signature_extents(shape)
    assert extents[0][0] == 0
    assert max(map(sum, extents)) == shape.size
    for at, length in extents:
        assert at % 4096 == 0
        assert length % 512 == 0
        assert length > 0
    for before, after in pairwise(extents):
        assert sum(before) <= after[0]


@settings(max_examples=25)
@given(SHAPES)
def test_a_mebibyte_is_read_at_each_usual_start_and_sixteen_at_the_end(shape: DiskShape) -> None:
    extents = merge_extents(signature_extents(shape), shape.size)
    for start in (0, 63 * shape.sector, MIB, 8 * MIB, shape.optimal_io):
        if start < shape.size:
            assert is_read(extents, start, min(MIB, shape.size - start))
    tail = min(16 * MIB, shape.size)
    assert is_read(extents, shape.size - tail, tail)


@settings(max_examples=10)
@given(SIZES)
def test_data_of_64_mib_is_never_between_two_reads_up_to_1_tib(size: int) -> None:
    size = size % TIB + 1
    extents = [*signature_extents(DiskShape(size)), *grid_extents(size)]
    free = widest_of(sorted(extents), size)
    assert free < 64 * MIB
    assert widest_grid_gap(size) <= 64 * MIB + 1


def widest_of(extents: Sequence[Extent], size: int) -> int:
    """Return the most bytes in a row that nobody reads."""
    widest, end = 0, 0
    for at, length in [*extents, (size, 0)]:
        widest, end = max(widest, at - end), max(end, at + length)
    return widest


@settings(max_examples=5)
@given(st.integers(TIB, 64 * TIB))
def test_above_1_tib_the_grid_has_as_many_reads_as_at_1_tib(size: int) -> None:
    assert grid_cells(size) == 32 * 1024
    extents = grid_extents(size)
    assert len(extents) == 32 * 1024
    assert widest_of(extents, size) <= widest_grid_gap(size)


def test_each_proof_reads_other_places_of_the_grid() -> None:
    first, second = grid_extents(100 * GIB), grid_extents(100 * GIB)
    assert len(first) == len(second) == 3200
    assert len(set(first) & set(second)) < 32
    eighth = grid_extents(100 * GIB, 8)
    assert len(eighth) == 400
    cells = {at // (32 * MIB) for at, _ in eighth}
    assert len(cells) == 400


@pytest.mark.parametrize("size", [1 << 20, (8 << 20) + 512, 8000 << 20, (7 << 40) + 4096])
def test_a_full_read_covers_the_disk_in_no_more_than_a_thousand_pieces(size: int) -> None:
    extents = all_extents(size)
    ends = [at + length for at, length in extents]
    assert [at for at, _ in extents] == [0, *ends[:-1]]
    assert ends[-1] == size
    assert len(extents) <= 1000


def sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


@pytest.mark.fault("F60")
@pytest.mark.parametrize(
    ("block", "size"),
    [
        *((block, size) for block in (1024, 2048, 4096) for size in (300 * MIB, 1000 * GIB)),
        (65536, 50 * GIB),
        (65536, 5 * TIB),
    ],
)
def test_all_backup_superblocks_of_ext_are_read_wherever_it_starts(
    block: int, size: int, tmp_path: Path
) -> None:
    command = ["mke2fs", "-n", "-F", "-q", "-t", "ext4", "-b", str(block)]
    for start in STARTS:
        image = sparse(tmp_path / "image", size - start)
        said = subprocess.run([*command, image], capture_output=True, text=True, check=True).stdout
        backups = [int(n) for n in re.findall(r"\d+", said.partition("stored on blocks:")[2])]
        assert backups
        extents = signature_extents(DiskShape(size))
        for number in backups:
            assert is_read(extents, start + number * block, 1024), number


@pytest.mark.fault("F60")
@pytest.mark.parametrize("size", [GIB, 100 * GIB, 1000 * GIB, 10 * TIB])
@pytest.mark.parametrize("stripe", [None, (64 * KIB, 8), (MIB, 8)])
def test_all_allocation_groups_of_xfs_are_read_wherever_it_starts(
    size: int, stripe: tuple[int, int] | None, tmp_path: Path
) -> None:
    if not shutil.which("mkfs.xfs"):
        pytest.skip("mkfs.xfs is not installed")
    unit, width = stripe or (0, 1)
    grain = unit * width or 8 * MIB
    extents = signature_extents(DiskShape(size, 512, grain, unit))
    last = size - 33 * 512
    ends = (last // MIB * MIB, last // grain * grain)
    for start, end in ((0, size), (MIB, last), (MIB, ends[0]), (max(grain, MIB), ends[1])):
        image = sparse(tmp_path / "image", end - start)
        command = ["mkfs.xfs", "-N", str(image)]
        command += ["-d", f"su={unit},sw={width}"] if unit else []
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = re.search(r"agcount=(\d+), agsize=(\d+) blks", said)
        assert found is not None
        count, length = int(found[1]), int(found[2]) * 4096
        for number in range(count):
            assert is_read(extents, start + number * length, 512), (start, end, number)


@pytest.mark.fault("F60")
@pytest.mark.parametrize("start", STARTS)
def test_the_copies_at_fixed_distances_are_read(start: int) -> None:
    extents = signature_extents(DiskShape(2 * TIB))
    btrfs = (64 * KIB, 64 * MIB, 256 * GIB)
    ocfs2 = (GIB, 4 * GIB, 16 * GIB, 64 * GIB, 256 * GIB, TIB)
    bluestore = (GIB, 10 * GIB, 100 * GIB, 1000 * GIB)
    vmfs = (MIB, 2 * MIB)
    # The second header of LUKS2 follows the first, which has one of these sizes.
    luks2 = [(16 * KIB) << shift for shift in range(9)]
    asm = [2 * (MIB << shift) - 8 * KIB for shift in range(7)]
    for at in (*btrfs, *ocfs2, *bluestore, *vmfs, *luks2, *asm):
        assert is_read(extents, start + at, 512), at


@pytest.mark.parametrize("sector", [512, 4096])
def test_the_first_blocks_of_a_partition_at_a_round_place_are_read(sector: int) -> None:
    shape = DiskShape(TIB, sector, 8 * MIB)
    extents = signature_extents(shape)
    third = TIB // 3
    aligned = [third // grain * grain + up * grain for grain in (MIB, 8 * MIB) for up in (0, 1)]
    starts = [third // sector * sector, *aligned, 10 * GIB, 10 * GIB + MIB, 10 * GIB + 8 * MIB]
    for start in (*starts, TIB // 2, 500 * GIB + MIB):
        # Where ext, LVM, md, swap, OCFS2 and btrfs have what they are known by; and VMFS.
        for at in (0, 1024, 4086, 4096, 8192, 64 * KIB, MIB):
            assert is_read(extents, start + at, 10), (start, at)
        # md 0.90 and 1.0 of a partition that ends there.
        for before in (64 * KIB, 8 * KIB):
            assert is_read(extents, start - before, 4), (start, before)


@pytest.mark.fault("F61")
def test_the_partitions_that_are_known_are_read_like_usual_ones() -> None:
    start, length = 123_457 * MIB + 512, 77_777 * MIB
    extents = signature_extents(DiskShape(TIB), ((start, length),))
    assert is_read(extents, start, MIB)
    assert is_read(extents, start + length - MIB, MIB)
    for at in (64 * MIB, GIB, 3 * 32768 * 4096):
        assert is_read(extents, start + at, 512)


@pytest.mark.parametrize("size", [GIB, 100 * GIB, TIB])
def test_the_repeated_proof_reads_far_less_and_still_each_place_of_a_signature(size: int) -> None:
    shape = DiskShape(size, 512, 8 * MIB)
    whole, brief = signature_extents(shape), signature_extents(shape, brief=True)
    assert sum(length for _, length in brief) < sum(length for _, length in whole) - 15 * MIB
    assert is_read(brief, 0, MIB)
    assert is_read(brief, size - MIB, MIB)
    for start in STARTS:
        for at in (0, 1024, 4086, 4096, 8192, 64 * KIB, 64 * MIB, 32768 * 4096):
            assert is_read(brief, start + at, 10), (start, at)
    # md 1.0 and 0.90 of a partition that ends where sfdisk has it end.
    for end in (size, size - MIB, size - 8 * MIB):
        for before in (64 * KIB, 8 * KIB):
            assert is_read(brief, end - before, 8), (end, before)
