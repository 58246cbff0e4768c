"""What disks answer to SCSI commands, and what is made of it."""

import struct
from collections.abc import Callable

import pytest

from iscsictl.system.block import scsi_commands

NOT_READY, ILLEGAL_REQUEST, UNIT_ATTENTION = 2, 5, 6


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


def answering(monkeypatch: pytest.MonkeyPatch, *answers: bytes | scsi_commands.ScsiError) -> None:
    left = list(answers)

    def ask(*_: object) -> bytes:
        answer = left.pop(0)
        if isinstance(answer, scsi_commands.ScsiError):
            raise answer
        return answer

    monkeypatch.setattr(scsi_commands, "_ask", ask)


def error(status: int, key: int | None = None) -> scsi_commands.ScsiError:
    return scsi_commands.ScsiError("asking", status, key)


FREE = struct.pack(">II", 7, 0)
HELD = struct.pack(">II16x", 7, 16)


@pytest.mark.fault("F51")
@pytest.mark.parametrize(
    ("answers", "reserved"),
    [
        ([FREE], False),
        ([HELD], True),
        ([error(0x02, ILLEGAL_REQUEST)], False),
        ([error(0x18)], True),
        ([error(0x02, UNIT_ATTENTION), error(0x02, UNIT_ATTENTION), HELD], True),
    ],
)
def test_a_reservation_is_seen_behind_what_the_disk_tells_first(
    monkeypatch: pytest.MonkeyPatch, answers: list[bytes | scsi_commands.ScsiError], reserved: bool
) -> None:
    answering(monkeypatch, *answers)
    assert scsi_commands.reserved(0) is reserved


@pytest.mark.fault("F24")
@pytest.mark.parametrize("answer", [error(0x02, NOT_READY), error(0x08), error(0x02)])
def test_no_answer_is_no_proof_that_nobody_holds_the_disk(
    monkeypatch: pytest.MonkeyPatch, answer: scsi_commands.ScsiError
) -> None:
    answering(monkeypatch, answer)
    with pytest.raises(scsi_commands.ScsiError):
        scsi_commands.reserved(0)


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
