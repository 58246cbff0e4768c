"""A GPT whose entries are as many, and as large, as a test wants (UEFI 2.10, 5.3)."""

import struct
import uuid
import zlib
from pathlib import Path

SECTOR = 512
_LINUX = uuid.UUID("0FC63DAF-8483-4772-8E79-3D69D8477DE4")
_FIRST_USABLE = 2048


def write_gpt(path: Path, shape: tuple[int, int], start: int, size: int) -> None:
    """Write a table with one partition, both copies of it, into the file of a disk.

    `shape` is the number of entries and the size of each; places are in sectors.
    """
    slots, entry_size = shape
    total = path.stat().st_size // SECTOR
    entry = (
        _LINUX.bytes_le + uuid.uuid4().bytes_le + struct.pack("<QQQ", start, start + size - 1, 0)
    )
    entries = entry.ljust(slots * entry_size, b"\0")
    length = -(-len(entries) // SECTOR)
    guid = uuid.uuid4().bytes_le

    def header(own: int, other: int, entries_at: int) -> bytes:
        made = bytearray(
            struct.pack(
                "<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, own, other, _FIRST_USABLE,
                total - 2 - length, guid, entries_at, slots, entry_size, zlib.crc32(entries),
            )
        )  # fmt: skip
        struct.pack_into("<I", made, 16, zlib.crc32(made))
        return bytes(made)

    protective = struct.pack(
        "<446x8sII48x2s", b"\0\0\2\0\xee\xff\xff\xff", 1, total - 1, b"\x55\xaa"
    )
    with path.open("r+b") as disk:
        for at, data in (
            (0, protective),
            (1, header(1, total - 1, 2)),
            (2, entries),
            (total - 1 - length, entries),
            (total - 1, header(total - 1, 1, total - 1 - length)),
        ):
            disk.seek(at * SECTOR)
            disk.write(data)
