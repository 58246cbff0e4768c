"""What a LUN says of its blocks (GET LBA STATUS), and when it is not believed."""

import os
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iscsictl.errors import IscsictlError
from iscsictl.system.block import lba_status, probe, scsi_commands
from iscsictl.system.block.blank_extents import DiskShape, Extent
from iscsictl.system.block.lba_status import mapped_extents, parse_statuses
from tests.unit.loops import give_name, looped, sparse

pytestmark = pytest.mark.fault("F60")
MIB = 1 << 20
SIZE = 300 * MIB
BLOCKS = SIZE // 512
MAPPED, DEALLOCATED, ANCHORED = 0, 1, 2


def capacity(*, blocks: int = BLOCKS, thin: bool = True) -> bytes:
    return struct.pack(">QIxxB17x", blocks - 1, 512, 0x80 if thin else 0)


def statuses(*descriptors: tuple[int, int, int]) -> bytes:
    """An answer with these descriptors."""
    length = 4 + 16 * len(descriptors)
    rows = (struct.pack(">QIB3x", *row) for row in descriptors)
    return struct.pack(">I4x", length) + b"".join(rows)


def answering(
    monkeypatch: pytest.MonkeyPatch, size: bytes | IscsictlError, *answers: bytes
) -> list[int]:
    """Have the disk answer so; return the blocks from which on it was asked."""
    left, asked = list(answers), []

    def ask(_fd: int, command: bytes, length: int, _what: str) -> bytes:
        if command[1] == 0x10:
            if isinstance(size, IscsictlError):
                raise size
            return size
        assert command[:2] == b"\x9e\x12"
        assert len(command) == 16
        assert int.from_bytes(command[10:14], "big") == length
        asked.append(int.from_bytes(command[2:10], "big"))
        return left.pop(0)

    monkeypatch.setattr(scsi_commands, "ask", ask)
    return asked


def test_a_lun_that_was_never_written_has_no_mapped_extent(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, capacity(), statuses((0, BLOCKS, DEALLOCATED)))
    assert mapped_extents(0, DiskShape(SIZE)) == ()
    assert asked == [0]


def test_the_mapped_extents_come_from_as_many_answers_as_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = answering(
        monkeypatch, capacity(),
        statuses((0, 8, DEALLOCATED), (8, 8, MAPPED)),
        statuses((16, 16, ANCHORED)),
        statuses((32, BLOCKS - 40, DEALLOCATED), (BLOCKS - 8, 8, 3)),
    )  # fmt: skip
    assert mapped_extents(0, DiskShape(SIZE)) == ((8 * 512, 24 * 512), (SIZE - 8 * 512, 8 * 512))
    assert asked == [0, 16, 32]


@pytest.mark.fault("F68")
@pytest.mark.parametrize(
    ("size", "answers"),
    [
        (capacity(thin=False), [statuses((0, BLOCKS, DEALLOCATED))]),
        # A partition, or a disk whose size the kernel does not know yet.
        (capacity(blocks=BLOCKS + 2048), [statuses((0, BLOCKS + 2048, DEALLOCATED))]),
        (scsi_commands.ScsiError("asking", 2, 5, 0x20), []),
        (capacity(), [b""]),
        (capacity(), [bytes(24)]),
        (capacity(), [statuses((0, BLOCKS, DEALLOCATED))[:-1]]),
        (capacity(), [statuses((0, BLOCKS, DEALLOCATED))[:8]]),
        # No descriptor; one of no blocks; one that is not about the block that was asked for.
        (capacity(), [statuses()]),
        (capacity(), [statuses((0, 0, DEALLOCATED))]),
        (capacity(), [statuses((8, BLOCKS - 8, DEALLOCATED))]),
        # A gap between two; the second answer starts again; more blocks than the disk has.
        (capacity(), [statuses((0, 8, DEALLOCATED), (16, BLOCKS - 16, DEALLOCATED))]),
        (capacity(), [statuses((0, 8, DEALLOCATED)), statuses((0, BLOCKS, DEALLOCATED))]),
        (capacity(), [statuses((0, BLOCKS + 1, DEALLOCATED))]),
        (capacity(), [struct.pack(">I4x", 21) + statuses((0, BLOCKS, DEALLOCATED))[8:]]),
    ],
)
def test_an_answer_that_is_not_whole_and_consistent_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, size: bytes | IscsictlError, answers: list[bytes]
) -> None:
    answering(monkeypatch, size, *answers)
    assert mapped_extents(0, DiskShape(SIZE)) is None


def test_a_lun_in_very_many_pieces_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [statuses((n, 1, n % 2)) for n in range(1000)]
    answering(monkeypatch, capacity(), *answers)
    monkeypatch.setattr(lba_status, "LBA_STATUS_WAIT", -1.0)
    assert mapped_extents(0, DiskShape(SIZE)) is None


@given(st.binary(max_size=100) | st.binary(max_size=64).map(lambda b: b"\0\0\0" + b))
def test_any_bytes_are_statuses_or_an_error(answer: bytes) -> None:
    try:
        found = parse_statuses(answer, "asking")
    except IscsictlError:
        return
    assert len(found) >= 1
    assert 8 + 16 * len(found) <= len(answer)


@pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
@pytest.mark.parametrize(
    ("mapped", "data", "words"),
    [
        ((), (), "blank: nothing mapped"),
        ([(150 * MIB, MIB)], (), "blank: all read"),
        ([(150 * MIB, MIB)], [150 * MIB + 4096 * 77], None),
        # What is not in a mapped extent is not read but where signatures stand.
        ((), [150 * MIB + 4096 * 77], "blank: nothing mapped"),
        ((), [64 * MIB], None),
        (None, (), "blank: 1"),
        ([(0, 290 * MIB)], (), "blank: 1"),
    ],
)
def test_what_is_mapped_is_read_in_place_of_the_grid(
    mapped: Sequence[Extent] | None, data: Sequence[int], words: str | None,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(
        "iscsictl.system.block.blank_proof.mapped_extents",
        lambda *_: None if mapped is None else tuple(mapped),
    )
    image = sparse(tmp_path / "image", SIZE)
    with image.open("r+b") as file:
        for at in data:
            file.seek(at)
            file.write(b"x")
    wwid = give_name(monkeypatch)
    with looped(image) as device:
        content = probe.probe(device, wwid)
    assert content.blank == (words is not None)
    if words is not None:
        assert str(content.proof).startswith(words)
