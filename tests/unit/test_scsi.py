"""What disks answer to SCSI commands, and what is made of it."""

import fcntl
import struct
from collections.abc import Callable

import pytest

from iscsictl.errors import IscsictlError
from iscsictl.system.block import scsi_commands
from iscsictl.system.block.reservations import read_reservations

NOT_READY, ILLEGAL_REQUEST, UNIT_ATTENTION = 2, 5, 6
INVALID_OPCODE, INVALID_FIELD = 0x20, 0x24


def fixed(key: int) -> bytes:
    """Sense data of fixed format, SPC-4 table 48."""
    return bytes((0xF0, 0, key, 0, 0, 0, 0, 10, *bytes(10)))


def descriptor(key: int) -> bytes:
    """Sense data of descriptor format, SPC-4 table 28."""
    return bytes((0x72, key, 0x29, 0, 0, 0, 0, 0))


@pytest.mark.parametrize("make", [fixed, descriptor])
def test_the_sense_key_stands_where_the_format_has_it(make: Callable[[int], bytes]) -> None:
    for key in (NOT_READY, ILLEGAL_REQUEST, UNIT_ATTENTION):
        assert scsi_commands.sense_key(make(key)) == key


@pytest.mark.parametrize("sense", [b"", b"\0" * 18, b"\x70", b"\x72", b"\x7f" * 18])
def test_what_is_no_sense_data_has_no_key(sense: bytes) -> None:
    assert scsi_commands.sense_key(sense) is None


def test_the_additional_sense_code_stands_where_the_format_has_it() -> None:
    assert scsi_commands.additional_sense(fixed(5)[:12] + b"\x24" + bytes(5)) == 0x24
    assert scsi_commands.additional_sense(descriptor(5)) == 0x29
    for sense in (b"", fixed(5)[:12], descriptor(5)[:2], b"\x7f" * 18):
        assert scsi_commands.additional_sense(sense) is None


def answering(monkeypatch: pytest.MonkeyPatch, *answers: bytes | scsi_commands.ScsiError) -> None:
    left = list(answers)

    def ask(*_: object) -> bytes:
        answer = left.pop(0)
        if isinstance(answer, scsi_commands.ScsiError):
            raise answer
        return answer

    monkeypatch.setattr(scsi_commands, "_read_answer", ask)


def error(status: int, key: int | None = None, asc: int | None = None) -> scsi_commands.ScsiError:
    return scsi_commands.ScsiError("asking", status, key, asc)


@pytest.mark.parametrize(
    ("lun", "number"),
    [
        ("0000000000000000", 0),
        ("0001000000000000", 1),
        ("00ff000000000000", 255),
        ("4100000000000000", 16640),
        ("4001000000000000", 16385),
        ("d200010000000000", 0x0100D200),
    ],
)
def test_a_lun_has_the_number_that_the_kernel_gives_it(lun: str, number: int) -> None:
    """The values are those of scsilun_to_int in drivers/scsi/scsi_common.c, worked out by hand."""
    assert scsi_commands.number_of(bytes.fromhex(lun)) == number


def sg_io(monkeypatch: pytest.MonkeyPatch, **fields: int) -> None:
    """Have the kernel answer each SG_IO with these fields of its header, and no data."""

    def ioctl(_fd: int, number: int, header: object) -> int:
        assert number == 0x2285
        for name, value in fields.items():
            setattr(header, name, value)
        return 0

    monkeypatch.setattr(fcntl, "ioctl", ioctl)


@pytest.mark.fault("F68")
@pytest.mark.parametrize(
    "fields",
    [
        # Nothing came; more is missing than was asked for; less than nothing is missing.
        {"resid": 1024}, {"resid": 2000}, {"resid": -1},
        # The path failed; the driver gave up: the data are the zeroes that were there before.
        {"host_status": 1}, {"driver_status": 6},
    ],
)  # fmt: skip
def test_an_answer_that_did_not_come_is_an_error_and_not_free_of_reservations(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, int]
) -> None:
    sg_io(monkeypatch, **fields)
    with pytest.raises(IscsictlError):
        read_reservations(0)


@pytest.mark.fault("F68")
def test_a_target_of_more_luns_than_fit_is_asked_again_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    every = struct.pack(">I4x", 8 * 3000) + b"".join(
        struct.pack(">H6x", 0x4000 | n) for n in range(3000)
    )
    asked: list[int] = []

    def ask(_fd: int, _command: bytes, length: int, *_: object) -> bytes:
        asked.append(length)
        return every[:length]

    monkeypatch.setattr(scsi_commands, "_read_answer", ask)
    assert len(scsi_commands.luns(0)) == 3000
    assert asked == [16384, len(every)]


@pytest.mark.fault("F68")
@pytest.mark.parametrize(
    "answer",
    [
        b"", bytes(11), struct.pack(">QI20x", 2**64 - 1, 512), struct.pack(">QI20x", 99, 0),
        struct.pack(">QI20x", 99, 500),
    ],
)  # fmt: skip
def test_a_size_that_no_disk_has_is_an_error(
    monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    answering(monkeypatch, answer)
    with pytest.raises(scsi_commands.GarbledAnswerError):
        scsi_commands.capacity(0)


def test_the_size_is_blocks_times_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    thin = struct.pack(">QIxxB17x", 2**31 - 1, 4096, 0xC0)
    answering(monkeypatch, thin, thin[:12], error(0x02, ILLEGAL_REQUEST, INVALID_OPCODE))
    found = scsi_commands.capacity(0)
    assert found is not None
    assert (found.size, found.thin) == (1 << 43, True)
    short = scsi_commands.capacity(0)
    assert short is not None
    assert (short.size, short.thin) == (1 << 43, False)
    assert scsi_commands.capacity(0) is None
