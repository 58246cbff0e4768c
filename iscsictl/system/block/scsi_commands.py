"""SCSI commands to a disk, bypassing all caches: SG_IO of the kernel's include/scsi/sg.h.

The pages and fields are those of SPC-4: INQUIRY (6.6), REPORT LUNS (6.33).
"""

import ctypes
import errno
import fcntl
import mmap
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from iscsictl.errors import IscsictlError, UnreachableError
from iscsictl.limits import SCSI_ANSWER_WAIT

T = TypeVar("T")

_SG_IO = 0x2285
# SG_DXFER_NONE, SG_DXFER_TO_DEV and SG_DXFER_FROM_DEV.
_NO_DATA = -1
_TO_DEVICE = -2
_FROM_DEVICE = -3
_CHECK_CONDITION = 0x02
_RESERVATION_CONFLICT = 0x18
_NOT_READY = 0x02
_ILLEGAL_REQUEST = 0x05
_UNIT_ATTENTION = 0x06
# Additional sense codes (SPC-4 annex F.2).
_NOT_ACCESSIBLE = 0x04
_COMMUNICATION_FAILURE = 0x08
_INVALID_OPCODE = 0x20
_INVALID_FIELD = 0x24
_LOGICAL_UNIT_NOT_SUPPORTED = 0x25
# With _NOT_ACCESSIBLE: the state of the port that was asked, in the kernel's words (`Path.access`).
_ACCESS_STATES = {0x0A: "transitioning", 0x0B: "standby", 0x0C: "unavailable"}
# DRIVER_SENSE only says that there is sense data; other driver statuses are errors (scsi/sg.h).
_DRIVER_SENSE = 0x08
# A disk may report several unit attentions before it executes a command (SAM-5 5.14).
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

    `status` is that of SAM-5 5.3.1; `key` is the sense key, `asc` the additional sense code and
    `ascq` its qualifier (SPC-4 4.5). Each of the two is None if the sense data does not contain it.
    """

    def __init__(
        self, what: str, status: int, key: int | None = None, asc: int | None = None,
        ascq: int | None = None,
    ) -> None:  # fmt: skip
        sense = "" if key is None else f", sense key 0x{key:x}"
        sense += "" if asc is None else f", additional sense 0x{asc:02x}"
        super().__init__(f"{what}: the disk answered with SCSI status 0x{status:02x}{sense}")
        self.status = status
        self.key = key
        self.asc = asc
        self.ascq = ascq

    @property
    def access(self) -> str | None:
        """The state of the port, where the array does not serve the LUN over it now (ALUA)."""
        if (self.key, self.asc) != (_NOT_READY, _NOT_ACCESSIBLE):
            return None
        return _ACCESS_STATES.get(self.ascq or 0)

    @property
    def rejected(self) -> bool:
        """Whether the disk refuses the request (ILLEGAL REQUEST), for whatever reason.

        Only the sense key decides; `unknown` and `no_such_lun` are two of the reasons.
        """
        return self.key == _ILLEGAL_REQUEST

    @property
    def no_such_lun(self) -> bool:
        """Whether the target reports that it has no such LUN: LOGICAL UNIT NOT SUPPORTED.

        That is the answer for a LUN that was unmapped (SPC-4 annex F.2, code 25h).
        """
        return self.rejected and self.asc == _LOGICAL_UNIT_NOT_SUPPORTED

    @property
    def unstored(self) -> bool:
        """Whether the target failed to store its result (LOGICAL UNIT COMMUNICATION FAILURE).

        The kernel's target reports this when it cannot write its file of registrations.
        """
        return (self.key, self.asc) == (_NOT_READY, _COMMUNICATION_FAILURE)

    @property
    def conflict(self) -> bool:
        """Whether a reservation forbids the command (RESERVATION CONFLICT)."""
        return self.status == _RESERVATION_CONFLICT

    @property
    def unknown(self) -> bool:
        """Whether the disk reports that it does not know the command, or not in this form.

        INVALID COMMAND OPERATION CODE or INVALID FIELD IN CDB; to an inquiry, that is a valid
        answer.
        """
        return self.key == _ILLEGAL_REQUEST and self.asc in {_INVALID_OPCODE, _INVALID_FIELD}


class GarbledAnswerError(IscsictlError):
    """The disk answered with GOOD, but with data that cannot be the answer to the command."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(
            f"{what}: the answer cannot be understood: {why}",
            hint="see what the kernel logged about the disk: journalctl -k -n 20; update the array",
        )


def sense_key(sense: bytes) -> int | None:
    """Return the sense key of fixed (0x70) or descriptor (0x72) sense data (SPC-4 4.5).

    0x71 and 0x73 are about an earlier command. None if there is no sense data, or too little.
    """
    code = sense[0] & 0x7F if sense else 0
    if code in {0x70, 0x71} and len(sense) > 2:
        return sense[2] & 0x0F
    if code in {0x72, 0x73} and len(sense) > 1:
        return sense[1] & 0x0F
    return None


def additional_sense(sense: bytes, *, qualifier: bool = False) -> int | None:
    """Return the additional sense code, or the `qualifier` that follows it.

    Byte 12 of fixed, byte 2 of descriptor sense data (SPC-4 4.5). None where the sense data does
    not reach that far.
    """
    code = sense[0] & 0x7F if sense else 0
    at = {0x70: 12, 0x71: 12, 0x72: 2, 0x73: 2}.get(code)
    place = None if at is None else at + qualifier
    return sense[place] if place is not None and len(sense) > place else None


def page_aligned_buffer(length: int) -> mmap.mmap:
    """Return memory that the kernel can write to directly, bypassing the page cache.

    It is shared memory: a private page is copied when we change it while a child that was just
    forked still has it, and the kernel then writes into the child's page (open(2), NOTES on
    O_DIRECT).
    """
    return mmap.mmap(-1, length)


def ask(fd: int, command: bytes, length: int, what: str) -> bytes:
    """Send a command that reads `length` bytes, again after each unit attention.

    Raises UnreachableError, ScsiError.
    """
    return _after_attentions(lambda: _read_answer(fd, command, length, what))


def send(fd: int, command: bytes, data: bytes, what: str) -> None:
    """Send a command that writes `data`, again after each unit attention.

    A command that is answered with UNIT ATTENTION was not executed (SAM-5 5.14). Raises
    UnreachableError, ScsiError.
    """
    buffer = page_aligned_buffer(len(data))
    buffer[:] = data
    _after_attentions(lambda: _submit_command(fd, command, buffer, _TO_DEVICE, what))


def _after_attentions(submit: Callable[[], T]) -> T:
    for _ in range(_ATTENTIONS):
        try:
            return submit()
        except ScsiError as error:
            if error.key != _UNIT_ATTENTION:
                raise
    return submit()


def port_access(fd: int) -> str | None:
    """Ask whether reads and writes are served over this path (TEST UNIT READY, SPC-4 6.47).

    Returns the state of the port of the array where they are not, such as "standby", and None where
    they are, or where the disk is not ready for another reason. Raises UnreachableError.
    """
    what = "asking whether the disk is ready"
    try:
        _after_attentions(lambda: _submit_command(fd, bytes(6), None, _NO_DATA, what))
    except ScsiError as error:
        return error.access
    return None


def can_be_activated(fd: int) -> bool:
    """Tell whether a host may have the array serve the LUN over this path (explicit ALUA).

    device-mapper does so before it uses a path that is standby. TPGS of the standard INQUIRY data
    (SPC-4 6.6.2). Raises UnreachableError, ScsiError.
    """
    answer = ask(fd, bytes((0x12, 0, 0, 0, 36, 0)), 36, "asking the disk what it is")
    return len(answer) > 5 and bool(answer[5] & 0x20)


def _read_answer(fd: int, command: bytes, length: int, what: str) -> bytes:
    buffer = page_aligned_buffer(length)
    missing = _submit_command(fd, command, buffer, _FROM_DEVICE, what)
    # What the disk did not send is left out; a residue larger than the length is nonsense.
    if not 0 <= missing <= length:
        raise GarbledAnswerError(what, f"{missing} of {length} bytes are missing")
    return buffer[: length - missing]


def _submit_command(
    fd: int, command: bytes, buffer: mmap.mmap | None, direction: int, what: str
) -> int:
    """Have the kernel send one command; return how many bytes were not transferred."""
    data = None if buffer is None else (ctypes.c_char * len(buffer)).from_buffer(buffer)
    sense = ctypes.create_string_buffer(64)
    cdb = ctypes.create_string_buffer(command, len(command))
    header = _Header(
        interface_id=ord("S"),
        dxfer_direction=direction,
        cmd_len=len(command),
        mx_sb_len=64,
        dxfer_len=0 if buffer is None else len(buffer),
        dxferp=None if data is None else ctypes.addressof(data),
        cmdp=ctypes.addressof(cdb),
        sbp=ctypes.addressof(sense),
        timeout=SCSI_ANSWER_WAIT * 1000,
    )
    try:
        fcntl.ioctl(fd, _SG_IO, header)
    except OSError as error:
        if error.errno in {errno.ENXIO, errno.ENODEV, errno.EIO}:
            raise UnreachableError(f"{what}: the disk does not answer") from None
        raise IscsictlError(f"{what}: {error.strerror}") from None
    if header.status == _RESERVATION_CONFLICT:
        # Kernels before 6.4 add DID_NEXUS_FAILURE as the host's status (scsi_decide_disposition).
        raise ScsiError(what, header.status)
    if header.host_status:
        raise UnreachableError(f"{what}: the path to the disk is down")
    if header.status:
        sense_data = sense.raw[: header.sb_len_wr] if header.status == _CHECK_CONDITION else b""
        qualifier = additional_sense(sense_data, qualifier=True)
        raise ScsiError(
            what, header.status, sense_key(sense_data), additional_sense(sense_data), qualifier
        )
    if header.driver_status & ~_DRIVER_SENSE:
        raise UnreachableError(f"{what}: the driver gave up (status 0x{header.driver_status:02x})")
    return int(header.resid)


def designators(page: bytes, association: int) -> Iterator[tuple[int, bytes]]:
    """Yield type and value of the designators in page 0x83 (SPC-4 7.8.6) of one association.

    `association` is 0 for the logical unit, 1 for the target port that was asked. A designator that
    is cut off at the end is left out: the page may be longer than what was requested.
    """
    at = 4
    while at + 4 <= len(page):
        kind, end = page[at + 1], at + 4 + page[at + 3]
        if kind >> 4 & 0x03 == association and at + 4 < end <= len(page):
            yield kind & 0x0F, page[at + 4 : end]
        at = end


def wwids(fd: int) -> frozenset[str]:
    """Ask the disk itself for its names (page 0x83), spelled as in `wwid` of sysfs.

    Raises UnreachableError, ScsiError, GarbledAnswerError.
    """
    what, size = "asking the disk for its identity", 252
    page = ask(fd, bytes((0x12, 1, 0x83, 0, size, 0)), size, what)
    return parse_identity(page, what, size)


def unit_serial(fd: int) -> str | None:
    """Ask the disk for its unit serial number (INQUIRY page 0x80, SPC-4 7.8.15).

    None if it has none. Raises UnreachableError, ScsiError, GarbledAnswerError.
    """
    what, size = "asking the disk for its serial number", 252
    try:
        page = ask(fd, bytes((0x12, 1, 0x80, 0, size, 0)), size, what)
    except ScsiError as error:
        if error.rejected:
            return None
        raise
    if len(page) < 4 or page[1] != 0x80:
        raise GarbledAnswerError(what, f"{page[:4].hex() or 'nothing'} is not page 0x80")
    serial = page[4 : 4 + int.from_bytes(page[2:4], "big")]
    return serial.decode("ascii", "backslashreplace").strip("\0 ") or None


def parse_identity(page: bytes, what: str, asked: int) -> frozenset[str]:
    """Return the names in an answer to INQUIRY page 0x83. Raises GarbledAnswerError.

    They are spelled as sysfs spells `wwid`. `asked` is how many bytes the command allowed: a page
    may be cut off there, but not before.
    """
    if len(page) < 4 or page[1] != 0x83:
        raise GarbledAnswerError(what, f"{page[:4].hex() or 'nothing'} is not page 0x83")
    length = 4 + int.from_bytes(page[2:4], "big")
    if len(page) < min(length, asked):
        raise GarbledAnswerError(what, f"{len(page)} of {length} bytes arrived")
    names = set()
    for kind, value in designators(page[:length], 0):
        if kind == 3 and len(value) in {8, 16}:
            names.add("naa." + value.hex())
        elif kind == 2 and len(value) in {8, 12, 16}:
            names.add("eui." + value.hex())
        elif kind == 1:
            names.add("t10." + value.decode("ascii", "backslashreplace").strip("\0 "))
        elif kind == 8:
            names.add(value.decode("utf-8", "backslashreplace").strip("\0 "))
    return frozenset(names)


def luns(fd: int) -> tuple[int, ...]:
    """Ask the target which LUNs it shows us (REPORT LUNS); sorted, as the kernel numbers them.

    Raises UnreachableError, ScsiError, GarbledAnswerError.
    """
    what, size = "asking the target for its LUNs", 16 * 1024
    for _ in range(2):
        answer = ask(fd, struct.pack(">BxB3xIxx", 0xA0, 0, size), size, what)
        if len(answer) < 8:
            raise GarbledAnswerError(what, f"{len(answer)} bytes arrived")
        length = 8 + int.from_bytes(answer[:4], "big")
        if length <= size:
            break
        # More than 2047 LUNs: ask again for all; a LUN number has at most 16 bits.
        size = min(length, 8 + 8 * 0x10000)
    return parse_luns(answer, what)


def parse_luns(answer: bytes, what: str) -> tuple[int, ...]:
    """Return the LUNs of an answer to REPORT LUNS (SPC-4 6.33). Raises GarbledAnswerError.

    Sorted, each as the kernel numbers it.
    """
    length = int.from_bytes(answer[:4], "big")
    if len(answer) < 8 + length or length % 8:
        raise GarbledAnswerError(what, f"{len(answer)} of {8 + length} bytes arrived")
    return tuple(sorted(number_of(answer[at : at + 8]) for at in range(8, 8 + length, 8)))


@dataclass(frozen=True)
class Capacity:
    """What READ CAPACITY (16) says: blocks, bytes in a block, and whether the LUN is thin."""

    blocks: int
    block_size: int
    thin: bool = False

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self.blocks * self.block_size


def capacity(fd: int) -> Capacity | None:
    """Ask the disk itself for its size (READ CAPACITY (16), SBC-3 5.16), not the kernel.

    None if it does not know the command. Raises UnreachableError, ScsiError, GarbledAnswerError.
    """
    what = "asking the disk for its size"
    try:
        answer = ask(fd, struct.pack(">BB8xIxx", 0x9E, 0x10, 32), 32, what)
    except ScsiError as error:
        if error.unknown:
            return None
        raise
    return parse_capacity(answer, what)


def parse_capacity(answer: bytes, what: str) -> Capacity:
    """Return what an answer to READ CAPACITY (16) says. Raises GarbledAnswerError.

    Blocks smaller than 512 bytes, or of a size that is no power of two, are not accepted.
    """
    if len(answer) < 12:
        raise GarbledAnswerError(what, f"{len(answer)} bytes arrived")
    last, block_size = struct.unpack_from(">QI", answer)
    if last == 2**64 - 1 or block_size < 512 or block_size & (block_size - 1):
        raise GarbledAnswerError(what, f"the last block is {last}, of {block_size} bytes")
    # LBPME: logical block provisioning management enabled.
    return Capacity(last + 1, block_size, thin=bool(answer[14:15] >= b"\x80"))


def number_of(lun: bytes) -> int:
    """Return the number of a LUN of eight bytes as the kernel has it: scsilun_to_int.

    The addressing method is part of it: what an array calls 256 is 16640 with the flat one
    (drivers/scsi/scsi_common.c).
    """
    words = struct.unpack(">4H", lun)
    return sum(word << 16 * level for level, word in enumerate(words))
