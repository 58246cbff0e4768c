"""The sizes of a disk and its filesystem, and growing the filesystem to the size of its device."""

import os
import re

from iscsictl.errors import IscsictlError, RefusedError
from iscsictl.model.shell_form import shell_form
from iscsictl.system.block import probe, scsi_commands
from iscsictl.system.block.write_tracker import track_writes
from iscsictl.system.io.process import run
from iscsictl.system.io.sysfs_attributes import list_names


def capacity(device: str) -> int | None:
    """Ask the disk itself for its size in bytes; None if it does not know the command.

    Raises UnreachableError, ScsiError, GarbledAnswerError.
    """
    with probe.opened(device, exclusive=False) as fd:
        found = scsi_commands.capacity(fd)
    return None if found is None else found.size


def filesystem_size(node: str, fs: str, path: str | None) -> int | None:
    """Return how many bytes of its device a filesystem uses; `path` is where it is mounted.

    None if that cannot be read (xfs and btrfs: only while mounted).
    """
    if fs in {"ext2", "ext3", "ext4"}:
        return _read_ext_size(node)
    if path is None:
        return None
    if fs == "xfs":
        out = run(["xfs_growfs", "-n", path]).out
        match = re.search(r"^data\s+=\s+bsize=(\d+)\s+blocks=(\d+)", out, re.MULTILINE)
        return int(match[1]) * int(match[2]) if match else None
    if fs == "btrfs":
        status = os.statvfs(path)
        return status.f_blocks * status.f_frsize
    return None


def _read_ext_size(node: str) -> int | None:
    """Read s_blocks_count of the superblock, through the cache that the kernel writes it to."""
    with open(node, "rb", buffering=0) as file:
        file.seek(1024)
        block = file.read(1024)
    low, shift, incompatible, high = (
        int.from_bytes(block[at : at + 4], "little") for at in (4, 24, 96, 0x150)
    )
    if block[56:58] != b"\x53\xef" or shift > 6:
        return None
    return (low | (high << 32 if incompatible & 0x80 else 0)) << (10 + shift)


def grow(node: str, fs: str, path: str) -> bool:
    """Grow a mounted filesystem to all of its device; return False if it had that size already.

    Raises RefusedError for a btrfs of several devices, ToolError.
    """
    before = filesystem_size(node, fs, path)
    with track_writes() as writes:
        if fs in {"ext2", "ext3", "ext4"}:
            # Without a size, each of these tools uses all of the device; a large filesystem takes
            # minutes.
            writes.run(["resize2fs", node], timeout=None)
        elif fs == "xfs":
            writes.run(["xfs_growfs", path], timeout=None)
        elif fs == "btrfs":
            members = _btrfs_members(node)
            if members > 1:
                raise RefusedError(
                    f"the btrfs on {path} has {members} devices",
                    hint="grow the filesystem on the device that grew: btrfs filesystem resize "
                    f"ID:max {shell_form(path)}",
                )
            writes.run(["btrfs", "filesystem", "resize", "max", path], timeout=None)
        else:
            raise IscsictlError(f"{fs} cannot be grown")
        return filesystem_size(node, fs, path) != before


def _btrfs_members(node: str) -> int:
    kname = os.path.basename(os.path.realpath(node))
    for uuid in list_names("/sys/fs/btrfs"):
        names = list(list_names(f"/sys/fs/btrfs/{uuid}/devices"))
        if kname in names:
            return len(names)
    return 1
