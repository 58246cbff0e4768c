"""Look at a disk's content: the proof that it is blank, or what stands on it.

Every read goes past the page cache. A read that fails is an error, never a blank disk.
"""

import contextlib
import errno
import fcntl
import json
import mmap
import os
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache, partial
from typing import Any

from iscsictl.errors import InUseError, IscsictlError, UnreachableError
from iscsictl.model.disk_content import Content, Filesystem, Partition, Signature
from iscsictl.system.block import scsi_commands
from iscsictl.system.io import signals
from iscsictl.system.io.process import run, wait_until_none_starting

MIB = 1 << 20
_WINDOW = 16 * 1024
_BLOCK = 4096
_BLKGETSIZE64 = 0x80081272
_BLKSSZGET = 0x1268
_BLKROGET = 0x125E
_GRID = 64
_LANES = 4
# One that hangs on a dead disk must not keep the others from theirs.
_MANY = 512
_TELL = 1.0
_AT_ONCE = MIB
# Small enough for the allocator to use the same memory again and again.
_ZEROES = bytes(64 * 1024)
_TABLES = frozenset({"gpt", "dos", "PMBR", "sun", "bsd", "sgi", "mac"})
_EXT_MAGIC = 0xEF53
# sb_inprogress (xfs_format.h of Linux): mkfs.xfs takes it back with its last write.
_XFS_IN_PROGRESS = 126


def part_device(device: str, number: int) -> str:
    """Return the node of a partition: /dev/sda1, /dev/nvme0n1p1, /dev/mapper/x-part1."""
    if device.startswith("/dev/mapper/"):
        return f"{device}-part{number}"
    return f"{device}p{number}" if device[-1].isdigit() else f"{device}{number}"


@contextlib.contextmanager
def opened(device: str, *, exclusive: bool) -> Iterator[int]:
    """Open a whole disk for reading, under O_EXCL if asked: the kernel's own test of use.

    Raises InUseError, UnreachableError.
    """
    flags = os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC | (os.O_EXCL if exclusive else 0)
    try:
        fd = os.open(device, flags)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise InUseError(
                f"{device} is in use", hint=f"see who holds it: iscsictl disk show {device}"
            ) from None
        raise UnreachableError(
            f"{device} cannot be opened: {error.strerror}",
            hint="see whether the disk is there and answers: iscsictl ls",
        ) from None
    try:
        yield fd
    finally:
        os.close(fd)
        if exclusive:
            wait_until_none_starting()


def size_of(fd: int) -> tuple[int, int, bool]:
    """Return size and logical sector size in bytes, and whether the disk is read-only."""
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return os.fstat(fd).st_size, 512, False
    size = struct.unpack("Q", fcntl.ioctl(fd, _BLKGETSIZE64, bytes(8)))[0]
    sector = struct.unpack("i", fcntl.ioctl(fd, _BLKSSZGET, bytes(4)))[0]
    read_only = struct.unpack("i", fcntl.ioctl(fd, _BLKROGET, bytes(4)))[0]
    return size, sector, bool(read_only)


def sample_extents(size: int) -> tuple[tuple[int, int], ...]:
    """Return (offset, length) of all places where a format keeps what survives a wipe.

    The first and last MiB hold the primary superblocks and tables, GPT's backup, md 0.9 and
    1.0 and ZFS labels. Then: ext backup superblocks (mke2fs(8): groups 1 and 3 at 1, 2, 4
    and 64 KiB blocks) of a filesystem at 0, 1 MiB or 8 MiB; XFS allocation groups (quarters,
    eighths and sixteenths of the disk); btrfs mirrors (64 MiB, 256 GiB); and a grid.
    """
    places = {(0, MIB), (max(0, size - MIB), MIB)}
    for base in (0, MIB, 8 * MIB):
        places.add((base, _BLOCK))
        for block, group in ((1024, 8192), (2048, 16384), (4096, 32768), (65536, 65528)):
            first = 1 if block == 1024 else 0
            for number in (1, 3, 5):
                places.add((base + (number * group + first) * block, _BLOCK))
    places |= {(64 * MIB, _BLOCK), (256 << 30, _BLOCK)}
    for number in range(1, 16):
        middle, around = size * number // 16, (8 if number % 4 == 0 else 1) * _WINDOW
        places.add((max(0, middle - around), 2 * around))
    for number in range(_GRID):
        places.add((size * number // _GRID, _BLOCK))
    return _joined(places, size)


def _joined(places: Iterable[tuple[int, int]], size: int) -> tuple[tuple[int, int], ...]:
    """Return the places in order, on whole blocks within the disk; those that meet are one."""
    joined: list[tuple[int, int]] = []
    for at, length in sorted(places):
        if at >= size:
            continue
        start = at // _BLOCK * _BLOCK
        end = min(-(-(at + length) // _BLOCK) * _BLOCK, size)
        if joined and start <= sum(joined[-1]):
            before = joined.pop()
            start, end = before[0], max(end, sum(before))
        joined.append((start, end - start))
    return tuple(joined)


def all_extents(size: int) -> tuple[tuple[int, int], ...]:
    """Return places that cover the whole disk, for `--verify-blank=full`: at most a thousand."""
    step = max(8 * MIB, size // 1000 // MIB * MIB + MIB)
    return tuple((at, min(step, size - at)) for at in range(0, size, step))


class _Meter:
    """Tells about once a second how much of `total` bytes was read, for several who read."""

    def __init__(self, total: int, heard: Callable[[float], None]) -> None:
        self._total = total
        self._heard = heard
        self._read = 0
        self._next = time.monotonic() + _TELL
        self._lock = threading.Lock()

    def add(self, length: int) -> None:
        with self._lock:
            self._read += length
            if time.monotonic() >= self._next:
                self._heard(self._read / self._total)
                self._next = time.monotonic() + _TELL


def first_nonzero(
    fd: int, places: Iterable[tuple[int, int]], heard: Callable[[float], None] = lambda _: None
) -> int | None:
    """Return the offset of the first data in these ascending places, None if all are zeroes.

    Several are read at a time, for an array may be far away. `heard` is told every second which
    share of them was read. Raises UnreachableError when a place cannot be read, InterruptError
    when the user wants to stop.
    """
    each = list(places)
    meter = _Meter(sum(length for _, length in each), heard)
    found: list[int] = []

    def search(lane: list[tuple[int, int]]) -> None:
        try:
            at = data_in(fd, lane, lambda begin: bool(found) and min(found) < begin, meter.add)
        except IscsictlError:
            found.append(-1)
            raise
        if at is not None:
            found.append(at)

    with _besides(*(partial(search, each[lane::_LANES]) for lane in range(1, _LANES))) as lanes:
        search(each[::_LANES])
        for lane in lanes:
            lane.result()
    return min(found, default=None)


@cache
def _pool() -> ThreadPoolExecutor:
    """Return threads for all proofs: to start one takes longer than a read does."""
    return ThreadPoolExecutor(_MANY)


@contextlib.contextmanager
def _besides(*work: Callable[[], Any]) -> Iterator[list[Future[Any]]]:
    """Do some work while the body does its own; all has ended when that is left."""
    begun = [_pool().submit(one) for one in work]
    try:
        yield begun
    finally:
        wait(begun)


def data_in(
    fd: int,
    places: Iterable[tuple[int, int]],
    needless: Callable[[int], bool],
    read: Callable[[int], None] = lambda _: None,
) -> int | None:
    """Return the offset of the first data, as `first_data`; None too once a place is `needless`.

    `read` is told of the bytes of each piece that was read.
    """
    view = memoryview(scsi_commands.landing(_AT_ONCE))
    for at, length in places:
        for begin in range(at, at + length, _AT_ONCE):
            signals.check()
            if needless(begin):
                return None
            piece = view[: min(_AT_ONCE, at + length - begin)]
            _fill(fd, piece, begin)
            read(len(piece))
            if not _is_zero(piece):
                return begin
    return None


def _is_zero(piece: memoryview) -> bool:
    parts = (piece[at : at + len(_ZEROES)] for at in range(0, len(piece), len(_ZEROES)))
    return all(bytes(part) == _ZEROES[: len(part)] for part in parts)


def _fill(fd: int, piece: memoryview, at: int) -> None:
    done = 0
    try:
        while done < len(piece):
            got = os.preadv(fd, [piece[done:]], at + done)
            if got == 0:
                raise UnreachableError(f"the disk ends at byte {at + done}, too early")
            done += got
    except OSError as error:
        raise UnreachableError(
            f"the disk cannot be read at byte {at}: {error.strerror}",
            hint="a disk that cannot be read is not blank; look with: iscsictl doctor",
        ) from None


def _signatures(device: str) -> tuple[Signature, ...]:
    out = run(["wipefs", "--json", "--no-act", device], timeout=60).out
    rows: list[dict[str, Any]] = json.loads(out)["signatures"] if out.strip() else []
    return tuple(
        Signature(
            str(row.get("type")),
            int(str(row["offset"]), 0) if row.get("offset") else None,
            row.get("uuid") or None,
            row.get("label") or None,
        )
        for row in rows
    )


def blkid(device: str) -> dict[str, str]:
    """Return what `blkid -p` finds, {} for nothing. Several at once are TYPE=ambivalent."""
    result = run(["blkid", "-p", "-o", "export", device], timeout=60, ok=(0, 2, 8))
    if result.code == 8:
        return {"TYPE": "ambivalent"}
    pairs = (line.partition("=") for line in result.out.splitlines())
    return {key: value for key, _, value in pairs}


def read_table(device: str) -> tuple[str | None, tuple[Partition, ...]]:
    """Return the partition table's kind and its entries as sfdisk reads them."""
    result = run(["sfdisk", "--json", device], timeout=60, ok=(0, 1))
    if result.code:
        if "does not contain a recognized partition table" in result.err:
            return None, ()
        raise IscsictlError(
            f"sfdisk cannot read {device}: {result.last_line}",
            hint="see what the kernel says of the disk: journalctl -k -n 20",
            tool_exit=result.code,
        )
    table = json.loads(result.out)["partitiontable"]
    sector = int(table.get("sectorsize", 512))
    return str(table["label"]), tuple(
        Partition(
            number=int(str(row["node"])[len(device) :].removeprefix("-part").lstrip("p")),
            device=str(row["node"]),
            start=int(row["start"]) * sector,
            size=int(row["size"]) * sector,
            type=str(row.get("type", "")),
        )
        for row in table.get("partitions", ())
    )


def _read(device: str, at: int, length: int) -> bytes:
    start = at // 4096 * 4096
    with opened(device, exclusive=False) as fd, scsi_commands.landing(2 * mmap.PAGESIZE) as buffer:
        os.preadv(fd, [buffer], start)
        return bytes(buffer[at - start : at - start + length])


def filesystem_on(device: str, part: int | None) -> Filesystem | None:
    """Return the filesystem on a device, as blkid and its own superblock tell; None if none."""
    return _superblock(device, part, blkid(device))


def _superblock(device: str, part: int | None, found: dict[str, str]) -> Filesystem | None:
    kind = found.get("TYPE")
    if kind is None or found.get("USAGE") != "filesystem":
        return None
    dirty, used = False, None
    if kind in {"ext2", "ext3", "ext4"}:
        block = _read(device, 1024, 1024)
        (magic,) = struct.unpack_from("<H", block, 56)
        if magic == _EXT_MAGIC:
            mounted_at, _, mounts = struct.unpack_from("<IIH", block, 44)
            (incompatible,) = struct.unpack_from("<I", block, 96)
            dirty, used = bool(incompatible & 4), bool(mounted_at or mounts)
    elif kind == "xfs":
        used = not _read(device, _XFS_IN_PROGRESS, 1)[0]
        if used:
            dirty = "<DIRTY>" in run(["xfs_logprint", "-t", device], ok=None, timeout=60).out
    elif kind == "btrfs":
        (log_root,) = struct.unpack_from("<Q", _read(device, 64 * 1024, 4096), 96)
        dirty = log_root != 0
    return Filesystem(
        device, part, kind, found.get("UUID"), found.get("LABEL"), dirty=dirty, used=used
    )


def probe(
    device: str,
    wwid: str,
    *,
    users: tuple[str, ...] = (),
    full: bool = False,
    heard: Callable[[float], None] = lambda _: None,
) -> Content:
    """Look at a whole disk. `users` are those who hold it, found elsewhere.

    `full` reads all of it, and `heard` is told every second which share that was.
    The content's wwid is `wwid` if the disk itself says so now, else what it says.
    Raises UnreachableError where a read fails, IscsictlError where a tool does.
    """
    with opened(device, exclusive=False) as fd:
        names = scsi_commands.wwids(fd)
        size, sector, read_only = size_of(fd)
        is_reserved = scsi_commands.reserved(fd)
        with _besides(partial(_signatures, device), partial(blkid, device)) as (seen, said):
            places = all_extents(size) if full else sample_extents(size)
            data_at = first_nonzero(fd, places, heard)
            signatures, found = seen.result(), said.result()
        on_disk = tuple(s for s in signatures if s.type not in _TABLES)
        table: str | None = None
        parts: tuple[Partition, ...] = ()
        if len(on_disk) != len(signatures) or "PTTYPE" in found:
            table, parts = read_table(device)
        filesystem = _superblock(device, None, found)
        if not on_disk and filesystem is None and "TYPE" in found:
            on_disk = (Signature(found["TYPE"], None, found.get("UUID")),)
        if table or on_disk:
            data_at = None
        if table and not on_disk and len(parts) == 1:
            parts, filesystem = _look_inside(fd, parts[0])
        elif table:
            parts = tuple(_with_signatures(fd, part) for part in parts)
    return Content(
        wwid if wwid in names else ", ".join(sorted(names)) or "without a name",
        size,
        sector,
        read_only=read_only,
        reserved=is_reserved,
        table=table,
        partitions=parts,
        signatures=on_disk,
        data_at=data_at,
        users=users,
        filesystem=filesystem,
    )


def _with_signatures(fd: int, part: Partition) -> Partition:
    """Look inside a partition: what wipefs recognises, else the first data of the named places."""
    signatures = _signatures(part.device) if os.path.exists(part.device) else ()
    inside = [(part.start + at, length) for at, length in sample_extents(part.size)]
    data_at = None if signatures else first_nonzero(fd, inside)
    return Partition(
        part.number, part.device, part.start, part.size, part.type, signatures, data_at
    )


def _look_inside(fd: int, part: Partition) -> tuple[tuple[Partition, ...], Filesystem | None]:
    """Look at the one partition of a disk as closely as at a disk."""
    there = (part,) if os.path.exists(part.device) else ()
    with _besides(*(partial(filesystem_on, one.device, one.number) for one in there)) as seen:
        looked = _with_signatures(fd, part)
    return (looked,), seen[0].result() if seen else None
