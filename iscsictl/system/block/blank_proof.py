"""The proof that nothing stands on a disk: which places are read, and what that proves."""

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
# So much that is mapped is read whole; a LUN with more is read by samples.
_MAPPED_READ = 256 * MIB
# Before each write a new eighth of the grid is read; the whole of it was read just before.
_REPEATED = 8


def read_shape(fd: int) -> DiskShape:
    """Return what the kernel says of a disk: its size, sector and I/O sizes, in bytes.

    Raises UnreachableError where it has no size: an array may show a LUN before it is ready.
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
            "the disk has no size yet", hint="have the kernel ask for it again: iscsictl rescan"
        )
    # Some adapters report their largest transfer as the optimal one, a multiple of nothing.
    optimal = optimal if optimal % BLOCK == 0 else 0
    return DiskShape(size, sector, optimal, minimum if minimum > BLOCK else 0)


def is_read_only(fd: int) -> bool:
    """Tell whether the kernel takes a disk for read-only (BLKROGET)."""
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
    """Look for data on a whole disk or partition: return its offset, None for none, and the proof.

    `full` reads everything. Else the places where signatures stand are read, and what the LUN says
    is mapped; of one that does not tell, a grid. `known` are the partitions that the kernel or udev
    still has. Raises UnreachableError, InterruptError.
    """
    if full:
        return first_nonzero(fd, all_extents(shape.size), report), BlankProof.all_read()
    extents = signature_extents(shape, known)
    mapped = mapped_extents(fd, shape)
    if mapped is not None and sum(length for _, length in mapped) <= _MAPPED_READ:
        # The signatures are read all the same: an array may tell of blocks what is not so.
        extents = (*extents, *mapped)
        proof = BlankProof.all_read() if mapped else BlankProof.nothing_mapped()
    elif shape.size <= READ_WHOLE:
        proof = BlankProof.all_read()
    else:
        extents = (*extents, *grid_extents(shape.size))
        proof = BlankProof.sampled(len(extents), widest_grid_gap(shape.size))
    return first_nonzero(fd, extents, report), proof


def search_again(fd: int, shape: DiskShape, known: Collection[Extent] = ()) -> int | None:
    """Look once more, just before a write: where signatures stand, and at a new part of the grid.

    The whole proof was made for the plan; this one is for what another host wrote since.
    """
    signatures = signature_extents(shape, known, brief=True)
    extents = (*signatures, *grid_extents(shape.size, _REPEATED))
    return first_nonzero(fd, extents)
