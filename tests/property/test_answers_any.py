"""Whatever bytes a disk or a probing tool gives, there is an answer or a clear error."""

import struct
from contextlib import suppress

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from iscsictl.errors import IscsictlError
from iscsictl.parse import persistent_reservations as codec
from iscsictl.parse.blkid import parse_export
from iscsictl.system.block import scsi_commands
from iscsictl.system.block.scsi_commands import GarbledAnswerError

pytestmark = pytest.mark.fault("F68")
ANSWERS = st.binary(max_size=300)
#: Headers whose lengths are near what follows, which arbitrary bytes seldom are.
NEAR = st.builds(
    lambda head, length, rest: head + struct.pack(">H", length) + rest,
    st.binary(min_size=2, max_size=2), st.integers(0, 80), st.binary(max_size=80),
)  # fmt: skip


@given(ANSWERS | NEAR)
def test_any_answer_gives_names_or_an_error(answer: bytes) -> None:
    try:
        names = scsi_commands.parse_identity(answer, "asking", 252)
    except GarbledAnswerError:
        return
    assert all(isinstance(name, str) for name in names)


@given(st.binary(min_size=16, max_size=16), st.integers(0, 23))
def test_a_page_that_was_cut_off_gives_no_name(name: bytes, length: int) -> None:
    page = struct.pack(">BBHBBxB", 0, 0x83, 20, 1, 3, 16) + name
    assert scsi_commands.parse_identity(page, "asking", 252) == {"naa." + name.hex()}
    with pytest.raises(GarbledAnswerError):
        scsi_commands.parse_identity(page[:length], "asking", 252)


@given(ANSWERS)
@example(b"")
@example(bytes(7))
@example(struct.pack(">II", 1, 16))
@example(struct.pack(">II12x", 1, 16))
def test_only_a_whole_answer_says_that_there_is_no_reservation(answer: bytes) -> None:
    with suppress(ValueError):
        held = codec.parse_reservation(answer)
        assert len(answer) >= 8
        assert (held is None) == (answer[4:8] == bytes(4))
    with suppress(ValueError):
        keys = codec.parse_keys(answer)
        assert len(keys) * 8 == int.from_bytes(answer[4:8], "big")


@given(ANSWERS | NEAR.map(lambda answer: bytes(4) + answer))
@example(struct.pack(">II8x12xI", 1, 24, 0))
def test_any_answer_gives_registrations_or_an_error(answer: bytes) -> None:
    with suppress(ValueError):
        found = codec.parse_full_status(answer)
        assert bool(found) == (answer[4:8] != bytes(4))
    with suppress(ValueError):
        codec.parse_types(answer)


@given(ANSWERS | NEAR.map(lambda answer: bytes(2) + answer[2:]))
def test_any_answer_gives_luns_or_an_error(answer: bytes) -> None:
    try:
        luns = scsi_commands.parse_luns(answer, "asking")
    except GarbledAnswerError:
        return
    assert len(luns) == int.from_bytes(answer[:4], "big") // 8


@given(ANSWERS)
def test_any_answer_gives_a_size_or_an_error(answer: bytes) -> None:
    try:
        capacity = scsi_commands.parse_capacity(answer, "asking")
    except GarbledAnswerError:
        return
    assert capacity.size >= 512


@given(st.text(max_size=200))
def test_whatever_blkid_prints_gives_values_or_an_error(text: str) -> None:
    try:
        found = parse_export(text)
    except IscsictlError:
        return
    assert found
    assert all(f"{key}=" in text for key in found)


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z_]{1,9}", fullmatch=True), st.text(), min_size=1))
def test_what_blkid_escapes_is_read_as_it_was(values: dict[str, str]) -> None:
    assume(not any("\n" in value for value in values.values()))
    lines = (
        f"{key}=" + "".join(f"\\{c}" if c in "\\ \"$'" else c for c in value)
        for key, value in values.items()
    )
    assert parse_export("\n".join(lines) + "\n") == values
