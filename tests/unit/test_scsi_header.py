"""What the kernel is asked to send to a disk, and how the answer is read, down to the bytes."""

import ctypes
import fcntl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from iscsictl.limits import SCSI_ANSWER_WAIT
from iscsictl.system.block import scsi_commands
from iscsictl.system.block.scsi_commands import ScsiError

# struct sg_io_hdr of include/scsi/sg.h, with the padding of the C compiler ("@", and "0P" at the
# end).
SG_IO_HDR = "@iiBBHIPPPIIiPBBBBHHiII0P"
NONE, TO_DEVICE, FROM_DEVICE = -1, -2, -3
NOT_READY, ILLEGAL_REQUEST, UNIT_ATTENTION = 2, 5, 6


def sense_data(key: int, asc: int = 0, ascq: int = 0) -> bytes:
    """Sense data of fixed format (SPC-4 table 48), with ILI and EOM set, which are no key."""
    return bytes((0xF0, 0, 0xE0 | key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0))


@dataclass
class Kernel:
    """Answers SG_IO: with data, or with CHECK CONDITION and this sense data."""

    answers: list[tuple[bytes, bytes]]
    #: Direction, command and number of bytes of each command, and the data that was sent.
    asked: list[tuple[int, bytes, int]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)

    def ioctl(self, _fd: int, number: int, header: Any) -> int:
        assert number == 0x2285
        (interface, direction, cmd_len, mx_sb_len, iovecs, length, data, cmd, sense, timeout,
         *rest) = struct.unpack(SG_IO_HDR, bytes(header))  # fmt: skip
        assert (interface, iovecs, not any(rest)) == (ord("S"), 0, True)
        assert timeout == SCSI_ANSWER_WAIT * 1000
        self.asked.append((direction, ctypes.string_at(cmd, cmd_len), length))
        assert bool(data) is (direction != NONE)
        if direction == TO_DEVICE:
            self.sent.append(ctypes.string_at(data, length))
        answer, error = self.answers.pop(0)
        if error:
            ctypes.memmove(sense, error, len(error))
            header.status, header.sb_len_wr = 0x02, len(error)
            assert len(error) <= mx_sb_len
        elif direction == FROM_DEVICE:
            ctypes.memmove(data, answer, min(len(answer), length))
            header.resid = max(0, length - len(answer))
        return 0


def test_the_header_is_laid_out_as_the_kernel_has_it() -> None:
    assert ctypes.sizeof(scsi_commands._Header) == struct.calcsize(SG_IO_HDR)


Ask = Callable[[int], Any]
WWN = bytes.fromhex("6001405c5a1f3b2d9e84c0aa11223344")
#: Standard INQUIRY data, by its byte 5: explicit ALUA is bit 5, implicit bit 4 (TPGS).
TPGS = {tpgs: bytes((0, 0, 6, 2, 31, tpgs)) for tpgs in (0x10, 0x20)}
ONE_LUN = bytes((0, 0, 0, 8, 0, 0, 0, 0)) + bytes((0, 3, 0, 0, 0, 0, 0, 0))
IDENTITY = bytes((0, 0x83, 0, 20, 1, 3, 0, 16)) + WWN


@pytest.mark.parametrize(
    ("ask", "direction", "command", "length", "answer", "expected"),
    [
        (scsi_commands.wwids, FROM_DEVICE, "12018300fc00", 252, IDENTITY, {f"naa.{WWN.hex()}"}),
        (scsi_commands.unit_serial, FROM_DEVICE, "12018000fc00", 252, b"\0\x80\0\4 S1\0", "S1"),
        (scsi_commands.can_be_activated, FROM_DEVICE, "120000002400", 36, TPGS[0x20], True),
        (scsi_commands.can_be_activated, FROM_DEVICE, "120000002400", 36, TPGS[0x10], False),
        (scsi_commands.can_be_activated, FROM_DEVICE, "120000002400", 36, TPGS[0x10][:5], False),
        (scsi_commands.port_access, NONE, "000000000000", 0, b"", None),
        (scsi_commands.luns, FROM_DEVICE, "a00000000000000040000000", 16384, ONE_LUN, (3,)),
    ],
)  # fmt: skip
def test_each_question_is_the_command_that_the_standard_has_for_it(
    monkeypatch: pytest.MonkeyPatch, ask: Ask, direction: int, command: str, length: int,
    answer: bytes, expected: object,
) -> None:  # fmt: skip
    """SPC-4: INQUIRY (6.6), TEST UNIT READY (6.47) and REPORT LUNS (6.33)."""
    kernel = Kernel([(answer, b"")])
    monkeypatch.setattr(fcntl, "ioctl", kernel.ioctl)
    assert ask(3) == expected
    assert kernel.asked == [(direction, bytes.fromhex(command), length)]


def test_the_size_is_asked_with_read_capacity_16(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel([(struct.pack(">QI20x", 2047, 512), b"")])
    monkeypatch.setattr(fcntl, "ioctl", kernel.ioctl)
    found = scsi_commands.capacity(3)
    assert found is not None
    assert (found.size, found.thin) == (1 << 20, False)
    assert kernel.asked == [
        (FROM_DEVICE, bytes.fromhex("9e10" + "00" * 8 + "00000020" + "0000"), 32)
    ]


def test_data_is_sent_again_after_each_unit_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    attention = (b"", sense_data(UNIT_ATTENTION, 0x29))
    kernel = Kernel([attention] * 5 + [(b"", b"")])
    monkeypatch.setattr(fcntl, "ioctl", kernel.ioctl)
    scsi_commands.send(3, b"\x5f" + bytes(9), b"parameters", "reserving")
    assert kernel.sent == [b"parameters"] * 6
    assert kernel.asked == [(TO_DEVICE, b"\x5f" + bytes(9), 10)] * 6
    kernel.answers = [attention] * 6
    with pytest.raises(ScsiError) as caught:
        scsi_commands.send(3, b"\x5f" + bytes(9), b"parameters", "reserving")
    assert caught.value.key == UNIT_ATTENTION


def test_another_error_is_told_at_once_with_all_of_its_sense_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernel = Kernel([(b"", sense_data(NOT_READY, 0x04, 0x0B))] * 2)
    monkeypatch.setattr(fcntl, "ioctl", kernel.ioctl)
    with pytest.raises(ScsiError, match=r"0x02, sense key 0x2, additional sense 0x04$") as caught:
        scsi_commands.wwids(3)
    error = caught.value
    assert (error.status, error.key, error.asc, error.ascq) == (0x02, NOT_READY, 0x04, 0x0B)
    assert error.access == "standby"
    assert scsi_commands.port_access(3) == "standby"
    assert len(kernel.asked) == 2


@pytest.mark.parametrize("code", [0x70, 0x71, 0xF0, 0xF1])
def test_fixed_sense_data_is_read_as_far_as_it_reaches(code: int) -> None:
    sense = bytes((code, *sense_data(ILLEGAL_REQUEST, 0x24, 0x01)[1:]))
    assert scsi_commands.sense_key(sense[:3]) == ILLEGAL_REQUEST
    assert scsi_commands.sense_key(sense[:2]) is None
    assert scsi_commands.additional_sense(sense[:13]) == 0x24
    assert scsi_commands.additional_sense(sense[:12]) is None
    assert scsi_commands.additional_sense(sense[:14], qualifier=True) == 0x01
    assert scsi_commands.additional_sense(sense[:13], qualifier=True) is None


@pytest.mark.parametrize("code", [0x72, 0x73])
def test_descriptor_sense_data_is_read_as_far_as_it_reaches(code: int) -> None:
    sense = bytes((code, 0xF0 | ILLEGAL_REQUEST, 0x24, 0x01))
    assert scsi_commands.sense_key(sense[:2]) == ILLEGAL_REQUEST
    assert scsi_commands.sense_key(sense[:1]) is None
    assert scsi_commands.additional_sense(sense[:3]) == 0x24
    assert scsi_commands.additional_sense(sense[:2]) is None
    assert scsi_commands.additional_sense(sense, qualifier=True) == 0x01


@pytest.mark.parametrize(
    ("key", "asc", "said"),
    [
        (NOT_READY, 0x08, {"unstored"}),
        (ILLEGAL_REQUEST, 0x20, {"rejected", "unknown"}),
        (ILLEGAL_REQUEST, 0x24, {"rejected", "unknown"}),
        (ILLEGAL_REQUEST, 0x25, {"rejected", "no_such_lun"}),
        (ILLEGAL_REQUEST, 0x08, {"rejected"}),
        (ILLEGAL_REQUEST, None, {"rejected"}),
        (NOT_READY, 0x24, set()),
        (NOT_READY, 0x25, set()),
        (UNIT_ATTENTION, 0x25, set()),
        (None, None, set()),
    ],
)
def test_an_error_is_what_key_and_code_say_together(
    key: int | None, asc: int | None, said: set[str]
) -> None:
    error = ScsiError("asking", 0x02, key, asc)
    kinds = ("unstored", "rejected", "unknown", "no_such_lun")
    assert {kind for kind in kinds if getattr(error, kind)} == said
    assert not error.conflict
    assert error.access is None
