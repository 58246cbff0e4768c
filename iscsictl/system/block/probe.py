"""Probe the content of a disk: the proof that it is blank, or what stands on it.

Every read bypasses the page cache. A read that fails is an error, never a blank disk.
"""

import contextlib
import errno
import os
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from iscsictl.errors import InUseError, IscsictlError, MissingError, UnreachableError
from iscsictl.limits import DISK_OPEN_WAIT, DISK_TOOL_WAIT
from iscsictl.model.disk_content import (
    TABLE_SIGNATURES,
    Content,
    Filesystem,
    Partition,
    Signature,
    partitions_of,
)
from iscsictl.model.shell_form import shell_form
from iscsictl.parse.blkid import parse_export
from iscsictl.parse.wipefs import parse_signatures
from iscsictl.system.block import reservations, scsi_commands, udev_db
from iscsictl.system.block.blank_extents import BLOCK, DiskShape, grid_extents, signature_extents
from iscsictl.system.block.blank_proof import is_read_only, read_shape, search_disk
from iscsictl.system.block.blank_reader import (
    first_nonzero,
    ignore_progress,
    read_fully,
    running_beside,
)
from iscsictl.system.block.block_tree import device_path
from iscsictl.system.block.device_nodes import kernel_has, wait_for_node
from iscsictl.system.block.disk_states import require_path
from iscsictl.system.block.fat import is_dirty_fat
from iscsictl.system.block.known_partitions import known_partitions
from iscsictl.system.block.table_reader import read_table
from iscsictl.system.io.bounded_call import open_within
from iscsictl.system.io.process import run, wait_until_none_starting
from iscsictl.system.io.waits import waiting

_EXT_MAGIC = 0xEF53
# sb_inprogress (xfs_format.h of Linux): mkfs.xfs clears it with its last write.
_XFS_IN_PROGRESS = 126
# The device nodes that this process has opened: number and inode. A disk that comes later under the
# same number has another inode in devtmpfs.
_opened_nodes: set[tuple[int, int]] = set()


def _open_in_other_process(device: str) -> None:
    """Have blockdev(8) open a disk that this process may not be able to open yet.

    While the kernel reads the partition table of a new disk (device_add_disk() in block/genhd.c),
    every open(2) of it blocks in a sleep that no signal ends. A thread of ours that blocked there
    would keep this process from exiting, long after its deadline. Raises TimeoutError.
    """
    try:
        # Any other failure, such as a file that is no device, is reported by our own open(2).
        run(["blockdev", "--getro", device], timeout=DISK_OPEN_WAIT, ok=None)
    except UnreachableError:
        raise TimeoutError from None
    except MissingError:  # it only protects this process
        return


def _is_known_to_udev(number: int) -> bool:
    """Return whether udev has handled a disk, which it does once its partition table is read."""
    return bool(udev_db.device_properties(Path("/"), f"{os.major(number)}:{os.minor(number)}"))


def _was_opened(node: os.stat_result) -> bool:
    """Return whether this process has opened a device, or the disk that it is a partition of."""
    if (node.st_rdev, node.st_ino) in _opened_nodes:
        return True
    entry = f"/sys/dev/block/{os.major(node.st_rdev)}:{os.minor(node.st_rdev)}"
    if not os.path.exists(f"{entry}/partition"):
        return False
    try:
        disk = os.stat(device_path(Path("/"), os.path.basename(os.path.realpath(f"{entry}/.."))))
    except OSError:
        return False
    return (disk.st_rdev, disk.st_ino) in _opened_nodes


@contextlib.contextmanager
def opened(device: str, *, exclusive: bool) -> Iterator[int]:
    """Open a device for reading; with `exclusive` under O_EXCL, the kernel's own test of use.

    If udev has not yet created the node of a device that the kernel has, the node is awaited. A new
    disk can be opened only when the kernel has read its partition table; that is awaited for up to
    DISK_OPEN_WAIT seconds. Raises InUseError, UnreachableError.
    """
    require_path(device)
    flags = os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC | (os.O_EXCL if exclusive else 0)
    try:
        if not os.path.exists(device) and kernel_has(device):
            wait_for_node(device)
        status = os.stat(device)
        if not _was_opened(status) and not _is_known_to_udev(status.st_rdev):
            _open_in_other_process(device)
        with waiting(f"opening {device}", DISK_OPEN_WAIT):
            fd = open_within(DISK_OPEN_WAIT, device, flags)
        if stat.S_ISBLK(status.st_mode):
            _opened_nodes.add((status.st_rdev, status.st_ino))
    except TimeoutError:
        raise UnreachableError(
            f"{device} could not be opened within {DISK_OPEN_WAIT:g} s: it does not answer",
            hint="check whether the network and the array pass large packets: iscsictl doctor",
        ) from None
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise InUseError(
                f"{device} is in use",
                hint=f"see what holds it: iscsictl disk show {shell_form(device)}",
            ) from None
        raise UnreachableError(
            f"{device} cannot be opened: {error.strerror}",
            hint="check whether the disk exists and answers: iscsictl ls",
        ) from None
    try:
        yield fd
    finally:
        os.close(fd)
        if exclusive:
            wait_until_none_starting()


def read_signatures(device: str) -> tuple[Signature, ...]:
    """Return what wipefs recognises on a device, tables included; not what is inside partitions.

    Raises IscsictlError if it fails or its output cannot be parsed.
    """
    result = run(["wipefs", "--json", "--no-act", device], timeout=DISK_TOOL_WAIT, idle_only=True)
    return parse_signatures(result.out)


def blkid(device: str, *options: str) -> dict[str, str]:
    """Return what `blkid -p` finds, {} for nothing. Several formats are TYPE=ambivalent.

    Raises IscsictlError if it fails, or if its output contradicts its exit code.
    """
    require_path(device)
    # 2: nothing found; 8: ambivalent, signatures of several formats (blkid(8)).
    result = run(
        ["blkid", "-p", "-o", "export", *options, device],
        timeout=DISK_TOOL_WAIT,
        idle_only=True,
        ok=(0, 2, 8),
    )
    if result.code == 8:
        return {"TYPE": "ambivalent"}
    if result.code == 2:
        if result.out.strip():
            raise IscsictlError(f"blkid finds nothing on {device}, but prints {result.last_line}")
        return {}
    return parse_export(result.out)


def read_bytes_at(device: str, at: int, length: int) -> bytes:
    """Read up to 4 KiB at an offset of a device. Raises UnreachableError, InUseError."""
    start = at // BLOCK * BLOCK
    with opened(device, exclusive=False) as fd:
        view = memoryview(scsi_commands.page_aligned_buffer(2 * BLOCK))
        read_fully(fd, view, start)
        return bytes(view[at - start : at - start + length])


def filesystem_on(device: str) -> Filesystem | None:
    """Return the filesystem on a device, according to blkid and its own superblock, or None.

    Raises UnreachableError, IscsictlError.
    """
    return _read_superblock(device, blkid(device))


def _read_superblock(device: str, found: dict[str, str]) -> Filesystem | None:
    kind = found.get("TYPE")
    if kind is None or found.get("USAGE") != "filesystem":
        return None
    dirty: bool | None = None
    used = None
    if kind in {"ext2", "ext3", "ext4"}:
        block = read_bytes_at(device, 1024, 1024)
        (magic,) = struct.unpack_from("<H", block, 56)
        if magic == _EXT_MAGIC:
            mounted_at, _, mounts = struct.unpack_from("<IIH", block, 44)
            # Mounted: EXT4_FEATURE_INCOMPAT_RECOVER is set, and without a journal EXT2_VALID_FS of
            # s_state is not (fs/ext4/ext4.h).
            (state,) = struct.unpack_from("<H", block, 58)
            compatible, incompatible = struct.unpack_from("<II", block, 92)
            dirty = bool(incompatible & 4) or not (compatible & 4 or state & 1)
            used = bool(mounted_at or mounts)
    elif kind == "xfs":
        used = not read_bytes_at(device, _XFS_IN_PROGRESS, 1)[0]
        dirty = False
        if used:
            printed = run(
                ["xfs_logprint", "-t", device], ok=None, timeout=DISK_TOOL_WAIT, idle_only=True
            ).out
            # If the log cannot be read, the state is missing: a host may be writing to it.
            dirty = "<CLEAN>" not in printed
    elif kind == "btrfs":
        # A log tree exists after an fsync that no commit followed. Without one, the filesystem may
        # have been unmounted cleanly or be mounted on another host: nothing in it shows which.
        (log_root,) = struct.unpack_from("<Q", read_bytes_at(device, 64 * 1024, 4096), 96)
        dirty = True if log_root else None
    elif kind == "vfat":
        dirty = is_dirty_fat(lambda at, length: read_bytes_at(device, at, length))
    return Filesystem(device, kind, found.get("UUID"), found.get("LABEL"), dirty=dirty, used=used)


def probe(
    device: str,
    wwid: str,
    *,
    usage: tuple[str, ...] = (),
    full: bool = False,
    heard: Callable[[float], None] = ignore_progress,
) -> Content:
    """Probe a whole disk or partition. `usage` are its holders, as found elsewhere.

    `full` reads all of it, and `heard` is called every second with the share that was read. The
    content's wwid is `wwid` if the disk itself reports it before and after the reads, otherwise
    what it reports. Raises UnreachableError if a read fails, IscsictlError if a tool does.
    """
    with opened(device, exclusive=False) as fd:
        names = scsi_commands.wwids(fd)
        shape = read_shape(fd)
        known = _partitions_within(known_partitions(device), shape.size)
        places = [(part.start, part.size) for part in known]
        readers = partial(read_signatures, device), partial(blkid, device)
        with running_beside(*readers) as (wipefs_result, blkid_result):
            data_at, proof = search_disk(fd, shape, places, full=full, report=heard)
            signatures, found = wipefs_result.result(), blkid_result.result()
        on_disk = tuple(s for s in signatures if s.type not in TABLE_SIGNATURES)
        has_table = len(on_disk) != len(signatures) or "PTTYPE" in found
        table = read_table(device) if has_table else None
        parts = () if table is None else partitions_of(table, device)
        filesystem = _read_superblock(device, found)
        if not on_disk and "TYPE" in found:
            on_disk = (Signature(found["TYPE"], None, found.get("UUID")),)
        if table or on_disk:
            data_at = None
        if table and not on_disk and len(parts) == 1:
            parts, filesystem = _probe_inside(fd, parts[0], shape)
        elif table:
            parts = tuple(_with_signatures(fd, part, shape) for part in parts)
        starts = {part.start for part in parts}
        stale = tuple(
            _with_signatures(fd, part, shape, device) for part in known if part.start not in starts
        )
        # A LUN number may be given to another disk while this one is read.
        names_after = scsi_commands.wwids(fd)
        # After the reads: if another host began to format the disk meanwhile, its reservation
        # explains what it has written so far.
        reserved = reservations.read_reservations(fd, capabilities=True)
        read_only = is_read_only(fd)
    if wwid not in names_after:
        names = names_after
    return Content(
        wwid if wwid in names else ", ".join(sorted(names)) or "without a name",
        shape.size,
        shape.sector,
        read_only=read_only,
        reservations=reserved,
        table=None if table is None else table.label,
        partitions=parts,
        signatures=on_disk,
        data_at=data_at,
        usage=usage,
        filesystem=filesystem,
        proof=proof,
        table_id=None if table is None else table.id,
        stale_partitions=stale,
    )


def _partitions_within(parts: tuple[Partition, ...], size: int) -> tuple[Partition, ...]:
    """Return the parts of these partitions that lie on the disk, which may have been larger."""
    inside = (part for part in parts if part.start < size)
    return tuple(replace(part, size=min(part.size, size - part.start)) for part in inside)


def _with_signatures(
    fd: int, part: Partition, shape: DiskShape, disk: str | None = None
) -> Partition:
    """Add what the tools recognise in a partition, or else the offset of its first data.

    A partition without a node, which only udev has, is probed at its offset on the `disk`.
    """
    signatures: tuple[Signature, ...] = ()
    if os.path.exists(part.device):
        signatures = read_signatures(part.device)
    elif disk is not None and not part.device:
        found = blkid(disk, "--offset", str(part.start), "--size", str(part.size))
        if "TYPE" in found:
            signatures = (Signature(found["TYPE"], None, found.get("UUID"), found.get("LABEL")),)
    data_at = None if signatures else _first_data_in(fd, part, shape)
    return replace(part, signatures=signatures, data_at=data_at)


def _first_data_in(fd: int, part: Partition, shape: DiskShape) -> int | None:
    """Search a partition as thoroughly as a disk; the offset returned is that on the disk."""
    inner = DiskShape(part.size, shape.sector, shape.optimal_io)
    places = (*signature_extents(inner), *grid_extents(part.size))
    return first_nonzero(fd, [(part.start + at, length) for at, length in places])


def _probe_inside(
    fd: int, part: Partition, shape: DiskShape
) -> tuple[tuple[Partition, ...], Filesystem | None]:
    """Probe the only partition of a disk as thoroughly as a whole disk."""
    nodes = (part,) if os.path.exists(part.device) else ()
    with running_beside(*(partial(filesystem_on, one.device) for one in nodes)) as seen:
        probed = _with_signatures(fd, part, shape)
        return (probed,), seen[0].result() if seen else None
