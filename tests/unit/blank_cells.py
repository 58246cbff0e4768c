"""Disks that lost their partition table: each content at each place, and how it is refused."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from iscsictl.errors import RefusedError
from iscsictl.model.spec import Consent
from iscsictl.planner.safety.overwrite import overwrite_ground
from iscsictl.system.block import probe
from tests.unit.loops import WWID, add_partition, fingerprint, looped, sparse

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SIZES = {"10 GiB": 10 * GIB, "100 GiB": 100 * GIB, "1 TiB": 1 << 40}
PLACES: dict[str, Callable[[int], int]] = {
    "sector 63": lambda _: 63 * 512,
    "1 MiB": lambda _: MIB,
    "8 MiB": lambda _: 8 * MIB,
    "10 GiB": lambda _: 10 * GIB,
    "a third": lambda size: size // 3 // MIB * MIB,
}
#: Those that a tool makes, and for which there is one wherever the tests run.
TOOLS = {
    "ext4": ("mkfs.ext4", "-q", "-F", "-E", "nodiscard"),
    "xfs": ("mkfs.xfs", "-q", "-f", "-K"),
    "btrfs": ("mkfs.btrfs", "-q", "-f", "-K"),
    "swap": ("mkswap",),
}
# What the others are known by: (offset, bytes) for a partition of this length. The places are
# those of libblkid's tables and of the formats' own headers.
BY_HAND: dict[str, Callable[[int], list[tuple[int, bytes]]]] = {
    "LVM": lambda _: [(512, b"LABELONE\1\0\0\0"), (536, b"LVM2 001"), (4096, b" LVM2 x[5A%r0N*>")],
    "LUKS": lambda _: [(0, b"LUKS\xba\xbe\0\2"), (16 * KIB, b"SKUL\xba\xbe\0\2")],
    "md 0.90": lambda size: [((size & ~0xFFFF) - 64 * KIB, b"\xfc\x4e\x2b\xa9\0\0\0\0\x5a")],
    "md 1.0": lambda size: [((size // 512 - 16 & ~7) * 512, b"\xfc\x4e\x2b\xa9\1\0\0\0")],
    "md 1.2": lambda _: [(4096, b"\xfc\x4e\x2b\xa9\1\0\0\0")],
    "ZFS": lambda size: [
        (at + inside, data)
        for at in (0, 256 * KIB, size // MIB * MIB - 512 * KIB, size // MIB * MIB - 256 * KIB)
        for inside, data in ((16 * KIB, b"\1\1\0\0"), (128 * KIB, b"\x0c\xb1\xba\0\0\0\0\0"))
    ],
    "bcache": lambda _: [(4120, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81"))],
    "GFS2": lambda _: [(64 * KIB, b"\x01\x16\x19\x70")],
    "OCFS2": lambda _: [(8 * KIB, b"OCFSV2"), (GIB, b"OCFSV2")],
    "VMFS": lambda _: [(MIB, b"\x0d\xd0\x01\xc0"), (2 * MIB, b"\x5e\xf1\xab\x2f")],
    "Oracle ASM": lambda _: [(0, b"\1\x82\1\1"), (32, b"ORCLDISKDATA01"), (2088960, b"\1\x82")],
    "BlueStore": lambda _: [(0, b"bluestore block device\n"), (4096, b"\2\1\x5d")],
    "64 MiB of data": lambda _: [(7 * MIB + 123 * 512, bytes(range(1, 256)) * (64 * MIB // 255))],
}


@dataclass(frozen=True)
class Cell:
    """One disk: what is on it, where, how large the disk is, does the kernel have the partition."""

    content: str
    place: str
    size: str
    known: bool

    @property
    def start(self) -> int:
        return PLACES[self.place](SIZES[self.size])

    @property
    def length(self) -> int:
        """To the end of the disk, but for what a GPT takes."""
        return SIZES[self.size] - self.start - MIB


def all_cells() -> Iterator[Cell]:
    """Yield every cell that there can be: a partition at 10 GiB needs a larger disk."""
    for combination in itertools.product((*TOOLS, *BY_HAND), PLACES, SIZES, (False, True)):
        cell = Cell(*combination)
        if cell.length > 100 * MIB:
            yield cell


def pairwise_cells() -> list[Cell]:
    """Return cells so that any two values of different kinds are together in one of them."""
    left = {pair for cell in all_cells() for pair in _pairs(cell)}
    chosen = []
    every = list(all_cells())
    while left:
        best = max(every, key=lambda cell: len(left & _pairs(cell)))
        left -= _pairs(best)
        chosen.append(best)
    return chosen


@cache
def _pairs(cell: Cell) -> frozenset[tuple[str, ...]]:
    values = (cell.content, cell.place, cell.size, str(cell.known))
    return frozenset(itertools.combinations(values, 2))


def missing_tool(cell: Cell) -> str | None:
    """Return the program that a cell needs and this machine has not."""
    tool = TOOLS.get(cell.content, ("true",))[0]
    return None if shutil.which(tool) else tool


def fill(cell: Cell, image: Path) -> None:
    """Write the content of a cell to its place in a sparse file."""
    if cell.content in TOOLS:
        made = sparse(image.with_suffix(".made"), cell.length)
        subprocess.run([*TOOLS[cell.content], made], check=True, capture_output=True)
        copy_data(made, image, cell.start)
        made.unlink()
        return
    with image.open("r+b") as file:
        for at, data in BY_HAND[cell.content](cell.length):
            if at + len(data) <= cell.length:
                file.seek(cell.start + at)
                file.write(data)


def copy_data(source: Path, target: Path, at: int) -> None:
    """Copy what is not a hole to another place of another file."""
    with source.open("rb") as old, target.open("r+b") as new:
        place, size = 0, source.stat().st_size
        while place < size:
            try:
                place = os.lseek(old.fileno(), place, os.SEEK_DATA)
            except OSError:
                return
            end = os.lseek(old.fileno(), place, os.SEEK_HOLE)
            for begin in range(place, end, MIB):
                os.pwrite(
                    new.fileno(), os.pread(old.fileno(), min(MIB, end - begin), begin), at + begin
                )
            place = end


def is_refused(cell: Cell, image: Path) -> bool:
    """Make the disk of a cell and have it judged; tell whether it is refused and unchanged."""
    fill(cell, sparse(image, SIZES[cell.size]))
    os.sync()
    before = fingerprint(image)
    with looped(image) as device:
        if cell.known:
            add_partition(device, 1, cell.start, cell.length)
        content = probe.probe(device, WWID)
        try:
            overwrite_ground(content, device, Consent(), claim=None)
        except RefusedError:
            refused = True
        else:
            refused = False
    os.sync()
    return refused and fingerprint(image) == before
