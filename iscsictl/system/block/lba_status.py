"""Which blocks of a thin LUN were ever written: GET LBA STATUS (SBC-3 5.5), if the LUN has it.

An answer is used only if it is complete and consistent. Otherwise the disk is read instead: a wrong
"nothing mapped" would let a disk with data be formatted.
"""

import struct
import time
from collections.abc import Iterator

from iscsictl.errors import InterruptError, IscsictlError
from iscsictl.limits import LBA_STATUS_WAIT
from iscsictl.system.block import scsi_commands
from iscsictl.system.block.blank_extents import DiskShape, Extent
from iscsictl.system.io import signals

# One answer: a header, and as many descriptors of 16 bytes as fit into 64 KiB.
_LENGTH = 64 * 1024
_HEADER, _DESCRIPTOR = 8, 16
# PROVISIONING STATUS: 0 mapped or unknown, 1 deallocated, 2 anchored (space reserved, not written).
_DEALLOCATED = 1


def mapped_extents(fd: int, shape: DiskShape) -> tuple[Extent, ...] | None:
    """Return the extents of a whole disk, in bytes, that may hold data; () if none does.

    None if the disk gives no usable answer: it is not thin, does not know the command, is a
    partition, or contradicts itself. Raises InterruptError.
    """
    try:
        capacity = scsi_commands.capacity(fd)
        # A command to a partition reaches its whole disk, whose block 0 is a different one.
        if capacity is None or not capacity.thin or capacity.size != shape.size:
            return None
        return _merge_mapped_extents(_read_statuses(fd, capacity))
    except InterruptError:
        raise
    except IscsictlError:
        return None


def _read_statuses(fd: int, capacity: scsi_commands.Capacity) -> Iterator[tuple[Extent, int]]:
    """Yield extent, in bytes, and status of all blocks of a disk in order.

    Raises GarbledAnswerError if the answers do not cover the disk up to its end without a gap.
    """
    what, at = "asking the disk which blocks are mapped", 0
    deadline = time.monotonic() + LBA_STATUS_WAIT
    while at < capacity.blocks:
        signals.check()
        if time.monotonic() > deadline:
            raise scsi_commands.GarbledAnswerError(what, "it is in too many pieces")
        command = struct.pack(">BBQIxx", 0x9E, 0x12, at, _LENGTH)
        answer = scsi_commands.ask(fd, command, _LENGTH, what)
        for first, count, status in parse_statuses(answer, what):
            if first != at or count == 0 or first + count > capacity.blocks:
                raise scsi_commands.GarbledAnswerError(
                    what, f"{count} blocks from {first} on, after {at} of {capacity.blocks}"
                )
            at = first + count
            yield (first * capacity.block_size, count * capacity.block_size), status


def parse_statuses(answer: bytes, what: str) -> list[tuple[int, int, int]]:
    """Return first block, number of blocks and provisioning status of each descriptor.

    Raises GarbledAnswerError if there is none, or fewer than the answer announces.
    """
    if len(answer) < _HEADER + _DESCRIPTOR:
        raise scsi_commands.GarbledAnswerError(what, f"{len(answer)} bytes arrived")
    # PARAMETER DATA LENGTH counts what follows its own four bytes, including what did not fit.
    length = 4 + int.from_bytes(answer[:4], "big")
    if (length - _HEADER) % _DESCRIPTOR or length < _HEADER + _DESCRIPTOR:
        raise scsi_commands.GarbledAnswerError(what, f"its length is {length}")
    if len(answer) < min(length, _LENGTH) // _DESCRIPTOR * _DESCRIPTOR:
        raise scsi_commands.GarbledAnswerError(what, f"{len(answer)} of {length} bytes arrived")
    end = min(length, len(answer)) - _DESCRIPTOR + 1
    found = []
    for at in range(_HEADER, end, _DESCRIPTOR):
        first, count, status = struct.unpack_from(">QIB3x", answer, at)
        found.append((first, count, status & 0x0F))
    return found


def _merge_mapped_extents(statuses: Iterator[tuple[Extent, int]]) -> tuple[Extent, ...]:
    """Return what is not deallocated; neighbours are one extent."""
    merged: list[Extent] = []
    for (at, length), status in statuses:
        if status == _DEALLOCATED:
            continue
        if merged and sum(merged[-1]) == at:
            merged[-1] = (merged[-1][0], merged[-1][1] + length)
        else:
            merged.append((at, length))
    return tuple(merged)
