"""Whether a FAT was unmounted cleanly, as far as it records that."""

import struct
from collections.abc import Callable

# Bytes of the boot sector as in struct fat_boot_sector of the kernel's linux/msdos_fs.h.
_STATE_16, _STATE_32 = 0x25, 0x41
_STATE_DIRTY = 0x01
# Fewer clusters make a FAT12 or FAT16 (Microsoft's FAT specification, "FAT Type Determination").
_FAT12_CLUSTERS, _FAT16_CLUSTERS = 4085, 65525
# ClnShutBitMask in the second entry of the FAT, set while it is clean.
_CLEAN_16, _CLEAN_32 = 0x8000, 0x08000000


def is_dirty_fat(read: Callable[[int, int], bytes]) -> bool | None:
    """Return whether a FAT is mounted somewhere or was not unmounted cleanly.

    `read` is called with an offset and a number of bytes. Linux keeps a bit in the boot sector,
    Windows one in the FAT itself; FAT12 has no bit of the second kind. None if the boot sector is
    not valid.
    """
    boot = read(0, 512)
    sector, per_cluster, reserved, fats, entries, small, _, fat_16 = struct.unpack_from(
        "<HBHBHHBH", boot, 11
    )
    large, fat_32 = struct.unpack_from("<II", boot, 32)
    if not (sector and per_cluster and fats and (fat_16 or fat_32)):
        return None
    if boot[_STATE_16 if fat_16 else _STATE_32] & _STATE_DIRTY:
        return True
    in_front = reserved + fats * (fat_16 or fat_32) + -(-entries * 32 // sector)
    clusters = ((small or large) - in_front) // per_cluster
    if clusters < _FAT12_CLUSTERS:
        return False
    if clusters < _FAT16_CLUSTERS:
        (second,) = struct.unpack("<H", read(reserved * sector + 2, 2))
        return not second & _CLEAN_16
    (second,) = struct.unpack("<I", read(reserved * sector + 4, 4))
    return not second & _CLEAN_32
