"""SCSI commands to a disk, past all caches: SG_IO of the kernel's include/scsi/sg.h.

The pages and fields are those of SPC-4: INQUIRY (6.6), PERSISTENT RESERVE IN (6.15),
REPORT LUNS (6.33).
"""

import ctypes
import errno
import fcntl
import mmap
import struct
from collections.abc import Iterator

from iscsictl.errors import IscsictlError, UnreachableError

_SG_IO = 0x2285
_FROM_DEVICE = -3
_CHECK_CONDITION = 0x02
_RESERVATION_CONFLICT = 0x18
_ILLEGAL_REQUEST = 0x05
_UNIT_ATTENTION = 0x06
# A disk may have several things to tell before it answers a command (SAM-5 5.14).
_ATTENTIONS = 5


class _Header(ctypes.Structure):
    _fields_ = (
        ("interface_id", ctypes.c_int),
        ("dxfer_direction", ctypes.c_int),
        ("cmd_len", ctypes.c_ubyte),
        ("mx_sb_len", ctypes.c_ubyte),
        ("iovec_count", ctypes.c_ushort),
        ("dxfer_len", ctypes.c_uint),
        ("dxferp", ctypes.c_void_p),
        ("cmdp", ctypes.c_void_p),
        ("sbp", ctypes.c_void_p),
        ("timeout", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("pack_id", ctypes.c_int),
        ("usr_ptr", ctypes.c_void_p),
        ("status", ctypes.c_ubyte),
        ("masked_status", ctypes.c_ubyte),
        ("msg_status", ctypes.c_ubyte),
        ("sb_len_wr", ctypes.c_ubyte),
        ("host_status", ctypes.c_ushort),
        ("driver_status", ctypes.c_ushort),
        ("resid", ctypes.c_int),
        ("duration", ctypes.c_uint),
        ("info", ctypes.c_uint),
    )


class ScsiError(UnreachableError):
    """The disk answered a command with something other than GOOD.

    `status` as of SAM-5 5.3.1; `key` is the sense key (SPC-4 4.5.6), None without sense data.
    """

    def __init__(self, what: str, status: int, key: int | None = None) -> None:
        told = "" if key is None else f", sense key 0x{key:x}"
        super().__init__(f"{what}: the disk answered with SCSI status 0x{status:02x}{told}")
        self.status = status
        self.key = key

    @property
    def unknown(self) -> bool:
        """Whether the disk says that it does not know the command."""
        return self.key == _ILLEGAL_REQUEST


def sense_key(sense: bytes) -> int | None:
    """Return the sense key of fixed (0x70) or descriptor (0x72) sense data (SPC-4 4.5)."""
    code = sense[0] & 0x7F if sense else 0
    if code in {0x70, 0x71} and len(sense) > 2:
        return sense[2] & 0x0F
    if code in {0x72, 0x73} and len(sense) > 1:
        return sense[1] & 0x0F
    return None


def landing(length: int) -> mmap.mmap:
    """Return memory that the kernel may write right into, past the page cache.

    It is shared, for a private page is copied when we change it while a child of ours that was just
    forked still has it, and the kernel then writes into the child's (open(2), NOTES on O_DIRECT).
    """
    return mmap.mmap(-1, length)


def ask(fd: int, command: bytes, length: int, what: str, timeout: float) -> bytes:
    """Send a command that reads `length` bytes, again where the disk has something to tell first.

    Raises UnreachableError, ScsiError.
    """
    for _ in range(_ATTENTIONS):
        try:
            return _ask(fd, command, length, what, timeout)
        except ScsiError as error:
            if error.key != _UNIT_ATTENTION:
                raise
    return _ask(fd, command, length, what, timeout)


def _ask(fd: int, command: bytes, length: int, what: str, timeout: float) -> bytes:
    data = (ctypes.c_char * length).from_buffer(landing(length))
    sense = ctypes.create_string_buffer(64)
    cdb = ctypes.create_string_buffer(command, len(command))
    header = _Header(
        interface_id=ord("S"),
        dxfer_direction=_FROM_DEVICE,
        cmd_len=len(command),
        mx_sb_len=64,
        dxfer_len=length,
        dxferp=ctypes.addressof(data),
        cmdp=ctypes.addressof(cdb),
        sbp=ctypes.addressof(sense),
        timeout=int(timeout * 1000),
    )
    try:
        fcntl.ioctl(fd, _SG_IO, header)
    except OSError as error:
        if error.errno in {errno.ENXIO, errno.ENODEV, errno.EIO}:
            raise UnreachableError(f"{what}: the disk does not answer") from None
        raise IscsictlError(f"{what}: {error.strerror}") from None
    if header.host_status:
        raise UnreachableError(f"{what}: the path to the disk is down")
    if header.status:
        told = sense.raw[: header.sb_len_wr] if header.status == _CHECK_CONDITION else b""
        raise ScsiError(what, header.status, sense_key(told))
    return data.raw[: length - max(header.resid, 0)]


def _designators(page: bytes) -> Iterator[tuple[int, int, bytes]]:
    (length,) = struct.unpack_from(">H", page, 2)
    at, end = 4, min(4 + length, len(page))
    while at + 4 <= end:
        code, kind, size = page[at] & 0x0F, page[at + 1], page[at + 3]
        if kind & 0x30 == 0:
            yield code, kind & 0x0F, page[at + 4 : at + 4 + size]
        at += 4 + size


def wwids(fd: int, timeout: float = 10) -> frozenset[str]:
    """Ask the disk itself for its names (page 0x83), in the spelling of sysfs `wwid`.

    `timeout` in seconds. Raises UnreachableError, ScsiError.
    """
    page = ask(
        fd, bytes((0x12, 1, 0x83, 0, 252, 0)), 252, "asking the disk for its identity", timeout
    )
    names = set()
    for _code, kind, value in _designators(page):
        if kind == 3:
            names.add("naa." + value.hex())
        elif kind == 2:
            names.add("eui." + value.hex())
        elif kind == 1:
            names.add("t10." + value.decode("ascii", "backslashreplace").strip("\0 "))
        elif kind == 8:
            names.add(value.decode("utf-8", "backslashreplace").strip("\0 "))
    return frozenset(names)


def reserved(fd: int, timeout: float = 10) -> bool:
    """Tell whether somebody holds a persistent reservation on the disk.

    A disk that does not know the command has none. Raises UnreachableError, ScsiError.
    """
    try:
        answer = ask(
            fd,
            bytes((0x5E, 1, 0, 0, 0, 0, 0, 0, 64, 0)),
            64,
            "asking the disk for reservations",
            timeout,
        )
    except ScsiError as error:
        if error.unknown or error.status == _RESERVATION_CONFLICT:
            return not error.unknown
        raise
    return len(answer) >= 8 and struct.unpack_from(">I", answer, 4)[0] >= 16


def luns(fd: int, timeout: float = 10) -> tuple[int, ...]:
    """Ask the target which LUNs it shows to us (REPORT LUNS), in order, as the kernel counts them.

    Raises UnreachableError, ScsiError.
    """
    size = 16 * 1024
    command = struct.pack(">BxB3xIxx", 0xA0, 0, size)
    answer = ask(fd, command, size, "asking the target for its LUNs", timeout)
    (length,) = struct.unpack_from(">I", answer, 0)
    end = min(8 + length, len(answer)) - 7
    return tuple(sorted(number_of(answer[at : at + 8]) for at in range(8, end, 8)))


def number_of(lun: bytes) -> int:
    """Return the number of a LUN of eight bytes as the kernel has it: scsilun_to_int.

    The addressing method counts: what an array calls 256 is 16640 with the flat one
    (drivers/scsi/scsi_common.c).
    """
    words = struct.unpack(">4H", lun)
    return sum(word << 16 * level for level, word in enumerate(words))
