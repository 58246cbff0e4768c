"""Whether a FAT was unmounted cleanly, on boot sectors and FATs made by hand."""

import struct

import pytest

from iscsictl.system.block.fat import is_dirty_fat

pytestmark = pytest.mark.fault("F69")

#: Sectors of 512 bytes, and clusters of one sector: so that the number of sectors decides the kind.
FAT12, FAT16, FAT32 = 2000, 30000, 200000
RESERVED = 32


def fat(sectors: int, *, linux: bool = False, windows: bool = False) -> bytes:
    """Return the start of a FAT of that many sectors, dirty as Linux or Windows marks it."""
    is_32 = sectors == FAT32
    per_fat = 1600 if is_32 else 240
    image = bytearray((RESERVED + 1) * 512)
    entries = 0 if is_32 else 512
    small, large = (sectors, 0) if sectors < 1 << 16 else (0, sectors)
    # Microsoft's FAT specification, "Boot Sector and BPB".
    struct.pack_into(
        "<3s8sHBHBHHBHHHII", image, 0, b"\xebX\x90", b"mkfs.fat", 512, 1, RESERVED, 2, entries,
        small, 0xF8, 0 if is_32 else per_fat, 32, 8, 0, large,
    )  # fmt: skip
    if is_32:
        struct.pack_into("<I", image, 36, per_fat)
    image[0x41 if is_32 else 0x25] = linux
    second = {FAT12: b"\xff\x0f", FAT16: b"\xff\xff", FAT32: b"\xff\xff\xff\x0f"}[sectors]
    if windows:
        second = {FAT12: second, FAT16: b"\xff\x7f", FAT32: b"\xff\xff\xff\x07"}[sectors]
    at = RESERVED * 512 + (4 if is_32 else 2)
    image[at : at + len(second)] = second
    return bytes(image)


def judged(image: bytes) -> bool | None:
    return is_dirty_fat(lambda at, length: image[at : at + length])


@pytest.mark.parametrize("sectors", [FAT12, FAT16, FAT32])
def test_a_clean_one_is_clean_and_one_that_linux_has_mounted_is_dirty(sectors: int) -> None:
    assert judged(fat(sectors)) is False
    assert judged(fat(sectors, linux=True)) is True


@pytest.mark.parametrize("sectors", [FAT16, FAT32])
def test_one_that_windows_has_mounted_is_dirty(sectors: int) -> None:
    assert judged(fat(sectors, windows=True)) is True


@pytest.mark.parametrize("image", [bytes(512), b"\xff" * 512])
def test_of_a_boot_sector_without_sense_nothing_is_known(image: bytes) -> None:
    assert judged(image) is not False
