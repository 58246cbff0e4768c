"""Where a disk is read to prove that it is blank. Pure arithmetic; all offsets are bytes.

Two kinds of places are read: those where formats keep signatures, superblocks and their copies
(`signature_extents`), and a grid with random offsets in between (`grid_extents`).
"""

import os
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
#: Offset and length.
Extent = tuple[int, int]

#: Reads are whole pages: enough for disks with 512-byte and with 4096-byte sectors.
BLOCK = 4096
#: How much is read at each usual start of a partition: more than any format leaves empty there.
START_LENGTH = MIB
#: Partitions end up to 8 MiB before the disk does (alignment to the optimal I/O size of LIO).
TAIL_LENGTH = 16 * MIB
#: A disk up to this size is read whole: the places below would be most of it anyway.
READ_WHOLE = 64 * MIB
#: One read for each cell of the grid. Two neighbours are less than two cells apart: 64 MiB.
CELL = 32 * MIB
#: Above 1 TiB the cells become larger instead of more.
MAX_CELLS = TIB // CELL
#: Extents closer than this are read together: one longer read costs less than two.
_MERGE_GAP = 32 * KIB

# Relative to the start of a partition. 0 to 20 KiB: ext, XFS, swap with 4 KiB pages, LVM, LUKS, md
# 1.1 and 1.2, bcache, OCFS2, Oracle ASM, BlueStore, ZFS. 60 to 72 KiB: swap with 64 KiB pages,
# btrfs, GFS2. 1 MiB: VMFS. Before it: md 1.0 and 0.90 of a partition that ends there.
_AT_A_START: tuple[Extent, ...] = (
    (-64 * KIB, BLOCK),
    (-12 * KIB, 32 * KIB),
    (60 * KIB, 12 * KIB),
    (MIB, BLOCK),
)
# ZFS's last two labels, md 0.90 (64 KiB aligned), md 1.0 (8 KiB before the end).
_BEFORE_AN_END = (-496 * KIB, -240 * KIB, -128 * KIB, -64 * KIB, -12 * KIB, -8 * KIB)
# Copies at fixed distances from the start of a filesystem or volume. btrfs: mirrors of the
# superblock. OCFS2: backup superblocks (ocfs2_fs.h). BlueStore: labels (bdev_label_positions).
# VMFS: volume and filesystem headers. LUKS2: the second header, by size of the first.
_COPIES = (
    64 * MIB, 256 * GIB,
    GIB, 4 * GIB, 16 * GIB, 64 * GIB, TIB,
    10 * GIB, 100 * GIB, 1000 * GIB,
    2 * MIB, 4 * MIB,
)  # fmt: skip
# Oracle ASM keeps a copy of the disk header in the last but one 4 KiB block of allocation unit 1.
_ASM_COPIES = tuple(2 * (MIB << shift) - 2 * BLOCK for shift in range(7))
# Block size, blocks in a group, block of the superblock in its group: mke2fs(8), -g; 65528 is the
# most that fits the 16 bits of a group's free blocks.
_EXT_GROUPS = ((1024, 8192, 1), (2048, 16384, 0), (4096, 32768, 0), (65536, 65528, 0))
_XFS_BLOCK = 4096
_CYLINDER_SECTORS = 255 * 63


@dataclass(frozen=True)
class DiskShape:
    """What decides where partitions and their parts start, in bytes.

    `sector` is the logical sector size, `optimal_io` the size that partitions are aligned to, and
    `stripe_unit` the chunk size of a RAID, to which mkfs.xfs aligns; 0 if the disk does not report
    it.
    """

    size: int
    sector: int = 512
    optimal_io: int = 0
    stripe_unit: int = 0

    def usual_starts(self) -> tuple[int, ...]:
        """Return the usual starts of a filesystem: without a table, and of the first in a table.

        In bytes, sorted. Until about 2010, the first partition started at sector 63; on LIO, sfdisk
        aligns it to 8 MiB.
        """
        starts = {0, 63 * self.sector, MIB, 8 * MIB, self.optimal_io}
        return tuple(sorted(start for start in starts if start < self.size))

    def usual_ends(self) -> tuple[int, ...]:
        """Return the usual ends of the last partition; the backup GPT occupies 33 sectors after it.

        In bytes, sorted: the disk's own end, whole MiB, whole cylinders, multiples of the optimal
        I/O size.
        """
        last = self.size - 33 * self.sector
        cylinder = _CYLINDER_SECTORS * self.sector
        ends = {self.size, last, last // MIB * MIB, self.size // cylinder * cylinder}
        if self.optimal_io:
            ends.add(last // self.optimal_io * self.optimal_io)
        return tuple(sorted(end for end in ends if end > 0))


def round_starts(shape: DiskShape) -> tuple[int, ...]:
    """Return where further partitions often start: at fractions of the disk and at round sizes.

    Round sizes are those that an admin may have given the partition before, counted from a start at
    0, 1 MiB or the optimal I/O size: whole GiB up to 64, multiples of 10 and 16 GiB up to 1 TiB,
    whole TiB.
    """
    size, grains = shape.size, {MIB, shape.optimal_io or MIB}
    sizes = {n * GIB for n in range(1, 64)}
    sizes |= {n * GIB for step in (10, 16) for n in range(step, 1024, step)}
    sizes |= {n * TIB for n in range(1, size // TIB + 1)}
    starts = {first + one for one in sizes for first in (0, MIB, shape.optimal_io)}
    for part, whole in ((1, 2), (1, 3), (2, 3), (1, 4), (3, 4)):
        exact = size * part // whole
        starts.add(exact // shape.sector * shape.sector)
        for grain in grains:
            starts |= {exact // grain * grain, (exact // grain + 1) * grain}
    return tuple(sorted(start for start in starts if start < size))


@lru_cache(8)
def signature_extents(
    shape: DiskShape, known: tuple[Extent, ...] = (), *, brief: bool = False
) -> tuple[Extent, ...]:
    """Return the places where formats keep their signatures, superblocks and copies of them.

    `known` are the partitions that the kernel or udev still has. For each of them and each usual
    start, the extents cover the first MiB, ext's backup superblocks in all groups that have one,
    XFS's allocation groups, and copies at fixed distances. They also cover the last 16 MiB of the
    disk (backup GPT, md 0.90 and 1.0, ZFS's last labels, LVM's second metadata area) and the last
    MiB of each known partition.

    `brief` is for a disk that was completely searched a moment ago: at starts in the middle of the
    disk, and in its last 16 MiB, only the places where something is kept are returned.
    """
    size = shape.size
    if size <= READ_WHOLE:
        return all_extents(size)
    tail = START_LENGTH if brief else TAIL_LENGTH
    extents: set[Extent] = {(0, START_LENGTH), (size - tail, tail)}
    extents.update((end + at, BLOCK) for end in shape.usual_ends() for at in _BEFORE_AN_END)
    extents |= {(sum(one) - START_LENGTH, START_LENGTH) for one in known}
    extents |= {(start, START_LENGTH) for start, _ in known}
    for start in {*shape.usual_starts(), *(at for at, _ in known)}:
        extents |= {(start + at, length) for at, length in _AT_A_START if start + at >= 0}
        if not brief:
            extents.add((start, START_LENGTH))
        copies = {*_COPIES, *_ASM_COPIES, *_ext_copies(size - start)}
        extents.update((start + at, BLOCK) for at in copies)
    extents.update((at, BLOCK) for at in _xfs_groups(shape))
    for start in round_starts(shape):
        extents.update((start + at, length) for at, length in _AT_A_START)
    return merge_extents(extents, size)


def _ext_copies(length: int) -> Iterator[int]:
    """Yield ext2/3/4's backup superblocks: group 1 and the powers of 3, 5 and 7 (sparse_super)."""
    for block, blocks, first in _EXT_GROUPS:
        groups = length // (block * blocks) + 1
        with_copy = {1, groups - 1}
        for base in (3, 5, 7):
            group = base
            while group < groups:
                with_copy.add(group)
                group *= base
        yield from ((group * blocks + first) * block for group in with_copy)


def _xfs_groups(shape: DiskShape) -> Iterator[int]:
    """Yield the starts of the allocation groups of an XFS that mkfs.xfs created without options."""
    for start in shape.usual_starts():
        for end in shape.usual_ends():
            for length in _xfs_group_lengths(end - start, shape.stripe_unit):
                yield from range(start + length, end, length)


def _xfs_group_lengths(length: int, unit: int) -> set[int]:
    """Return the lengths of allocation groups that mkfs.xfs chooses (xfs_mkfs.c, ag geometry).

    Four groups, each shorter than 1 TiB. On a striped disk 8, 16 or 32, in whole stripe units,
    and one unit more or less where a group would be a whole number of stripes.
    """
    blocks = max(length, 0) // _XFS_BLOCK
    lengths = {-(-blocks // 4) * _XFS_BLOCK}
    if unit:
        count = 8 if length <= 8 * GIB else 16 if length <= 512 * GIB else 32
        units = blocks * _XFS_BLOCK // count // unit
        lengths |= {number * unit for number in range(units - 1, units + 3)}
    limit = (TIB - 1) // _XFS_BLOCK * _XFS_BLOCK
    return {min(one, limit) for one in lengths if one > MIB}


def grid_cells(size: int) -> int:
    """Return how many cells the grid of a disk of `size` bytes has: one read for each."""
    return min(-(-size // CELL), MAX_CELLS)


def widest_grid_gap(size: int) -> int:
    """Return the most bytes between two neighbours of the grid: almost two cells."""
    return -(-2 * size // grid_cells(size))


def grid_extents(size: int, one_in: int = 1) -> tuple[Extent, ...]:
    """Return one block at a random offset in each cell of the grid, new ones at every call.

    With `one_in` 8, only every eighth cell is used, starting with a random one. Fixed offsets would
    miss the same data every time, because filesystems write at regular distances, too.
    """
    if size <= READ_WHOLE:
        return ()
    cells = grid_cells(size)
    first = int.from_bytes(os.urandom(4), "little") % one_in
    numbers = range(first, cells, one_in)
    blocks = -(-size // BLOCK)
    extents = []
    for number, chance in zip(numbers, array("I", os.urandom(4 * len(numbers))), strict=True):
        low, high = blocks * number // cells, blocks * (number + 1) // cells
        at = (low + (chance * (high - low) >> 32)) * BLOCK
        extents.append((at, min(BLOCK, size - at)))
    return tuple(extents)


def all_extents(size: int) -> tuple[Extent, ...]:
    """Return extents that cover the whole disk, for `--verify-blank=full`: at most a thousand.

    Each is about a thousandth of the disk, so that progress can be reported in such steps, but at
    least 8 MiB; `size` is in bytes.
    """
    step = max(8 * MIB, size // 1000 // MIB * MIB + MIB)
    return tuple((at, min(step, size - at)) for at in range(0, size, step))


def merge_extents(extents: Iterable[Extent], size: int) -> tuple[Extent, ...]:
    """Return the extents in order, on whole blocks, within the disk; close ones become one.

    O_DIRECT needs whole blocks. What is past the end of a disk of `size` bytes is left out.
    """
    merged: list[Extent] = []
    for at, length in sorted(extents):
        start = max(at // BLOCK * BLOCK, 0)
        end = min(-(-(at + length) // BLOCK) * BLOCK, size)
        if end <= start:
            continue
        if merged and start <= sum(merged[-1]) + _MERGE_GAP:
            start, before = merged[-1][0], sum(merged.pop())
            end = max(end, before)
        merged.append((start, end - start))
    return tuple(merged)
