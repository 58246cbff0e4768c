"""The proof that a disk is blank: which places are read, and what that proves."""

import fcntl
import os
import stat
import struct
from collections.abc import Callable, Collection

from iscsictl.errors import UnreachableError
from iscsictl.model.disk_content import BlankProof
from iscsictl.system.block.blank_extents import (
    BLOCK,
    MIB,
    READ_WHOLE,
    DiskShape,
    Extent,
    all_extents,
    grid_extents,
    signature_extents,
    widest_grid_gap,
)
from iscsictl.system.block.blank_reader import first_nonzero, ignore_progress
from iscsictl.system.block.lba_status import mapped_extents

# <linux/fs.h>
_BLKGETSIZE64 = 0x80081272
_BLKSSZGET = 0x1268
_BLKROGET = 0x125E
_BLKIOMIN = 0x1278
_BLKIOOPT = 0x1279
# Up to this much mapped data is read completely; a LUN with more of it is sampled.
_MAPPED_READ = 256 * MIB
# Before each write another eighth of the grid is read; all of it was read shortly before.
_REPEATED = 8


def read_shape(fd: int) -> DiskShape:
    """Return the size, sector size and I/O sizes that the kernel reports of a disk, in bytes.

    Raises UnreachableError if it has no size: an array may show a LUN before it is ready.
    """
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode):
        return DiskShape(status.st_size)
    (size,) = struct.unpack("Q", fcntl.ioctl(fd, _BLKGETSIZE64, bytes(8)))
    sector, minimum, optimal = (
        struct.unpack("I", fcntl.ioctl(fd, number, bytes(4)))[0]
        for number in (_BLKSSZGET, _BLKIOMIN, _BLKIOOPT)
    )
    if not size:
        raise UnreachableError(
            "the disk has no size yet", hint="let the kernel read it again: iscsictl rescan"
        )
    # Some adapters report their largest transfer as the optimal one; it is no multiple of a block.
    optimal = optimal if optimal % BLOCK == 0 else 0
    return DiskShape(size, sector, optimal, minimum if minimum > BLOCK else 0)


def is_read_only(fd: int) -> bool:
    """Return whether the kernel treats a disk as read-only (BLKROGET)."""
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return False
    return bool(struct.unpack("i", fcntl.ioctl(fd, _BLKROGET, bytes(4)))[0])


def search_disk(
    fd: int,
    shape: DiskShape,
    known: Collection[Extent] = (),
    *,
    full: bool = False,
    report: Callable[[float], None] = ignore_progress,
) -> tuple[int | None, BlankProof]:
    """Search a whole disk or partition for data; return its offset, None for none, and the proof.

    `full` reads everything. Otherwise the usual places of signatures are read, and in addition what
    the LUN reports as mapped, or a grid if it does not report that, or too much of it. `known` are
    the partitions that the kernel or udev still has. Raises UnreachableError, InterruptError.
    """
    if full:
        return first_nonzero(fd, all_extents(shape.size), report), BlankProof.all_read()
    extents = signature_extents(shape, tuple(known))
    mapped = mapped_extents(fd, shape)
    if mapped is not None and sum(length for _, length in mapped) <= _MAPPED_READ:
        # The places of signatures are read all the same: what an array reports may be wrong.
        extents = (*extents, *mapped)
        proof = BlankProof.all_read() if mapped else BlankProof.nothing_mapped()
    elif shape.size <= READ_WHOLE:
        proof = BlankProof.all_read()
    else:
        extents = (*extents, *grid_extents(shape.size))
        proof = BlankProof.sampled(len(extents), widest_grid_gap(shape.size))
    return first_nonzero(fd, extents, report), proof


def search_again(fd: int, shape: DiskShape, known: Collection[Extent] = ()) -> int | None:
    """Search again just before a write: the places of signatures, and a new part of the grid.

    The complete proof was made for the plan; this search finds what another host has written since.
    """
    signatures = signature_extents(shape, tuple(known), brief=True)
    extents = (*signatures, *grid_extents(shape.size, _REPEATED))
    return first_nonzero(fd, extents)
