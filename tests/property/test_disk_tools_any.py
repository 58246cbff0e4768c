"""Whatever wipefs, blkid and sfdisk print: an answer or a clear error, and never a blank disk."""

import json
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iscsictl.errors import IscsictlError
from iscsictl.model.disk_content import Partition, partitions_of
from iscsictl.parse.sfdisk import parse_table, parse_types
from iscsictl.parse.wipefs import parse_signatures

T = TypeVar("T")
SIGNATURES = {
    "signatures": [
        {"device": "sda", "offset": "0x438", "type": "ext4",
         "uuid": "5d2b1a3c-0c9e-4f57-9e0b-6c1f4a7d2e10", "label": "mail"},
        {"device": "sda", "offset": "0x1fe", "type": "dos", "uuid": None, "label": None},
    ]
}  # fmt: skip
TABLE = {
    "partitiontable": {
        "label": "gpt", "id": "5D2B1A3C-0C9E-4F57-9E0B-6C1F4A7D2E10", "device": "/dev/sda",
        "unit": "sectors", "firstlba": 2048, "lastlba": 131038, "sectorsize": 512,
        "partitions": [
            {"node": "/dev/sda1", "start": 2048, "size": 16384,
             "type": "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "attrs": "GUID:60,63"},
            {"node": "/dev/sda2", "start": 18432, "size": 4096, "type": "83", "bootable": True},
        ],
    }
}  # fmt: skip
# Also the numbers that JSON knows and int() does not, and words in which tools write numbers.
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["0x438", "-1", "9" * 5000, "/dev/sda1", "/dev/sda", "sda-part2"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def damaged(draw: st.DrawFn, whole: object) -> str:
    """A tool's output in which some values were replaced or left out, or the end is missing."""

    def change(value: object) -> object:
        if draw(st.integers(0, 9)) == 0:
            return draw(VALUES)
        if isinstance(value, dict):
            return {key: change(one) for key, one in value.items() if draw(st.integers(0, 9))}
        if isinstance(value, list):
            return [change(one) for one in value]
        return value

    text = json.dumps(change(whole), indent=3)
    return text[: draw(st.integers(0, len(text)))] if draw(st.booleans()) else text


def understood(parse: Callable[[str], T], text: str, tool: str) -> T | None:
    """What a tool's output means; None where it was refused, in words that name the tool."""
    try:
        return parse(text)
    except IscsictlError as refusal:
        error = refusal
    assert tool in error.text
    return None


ANYTHING = st.binary(max_size=60).map(lambda data: data.decode("utf-8", "surrogateescape"))


@pytest.mark.fault("F45")
@pytest.mark.fault("F68")
@given(st.one_of(ANYTHING, damaged(SIGNATURES), VALUES.map(json.dumps)))
def test_output_of_wipefs_is_understood_or_refused(text: str) -> None:
    found = understood(parse_signatures, text, "wipefs")
    if found is not None:
        # Nothing that wipefs lists is lost: only silence or an empty list means no signature.
        assert len(found) == (len(json.loads(text)["signatures"]) if text.strip() else 0)


@pytest.mark.fault("F45")
@pytest.mark.fault("F68")
@given(st.one_of(ANYTHING, damaged(TABLE), VALUES.map(json.dumps)))
def test_output_of_sfdisk_is_understood_or_refused(text: str) -> None:
    if understood(parse_table, text, "sfdisk") is not None:
        assert "label" in json.loads(text)["partitiontable"]


@pytest.mark.fault("F45")
@given(st.one_of(ANYTHING, st.text(st.sampled_from("083fF-L \t\r\n"), max_size=60)))
def test_any_list_of_partition_types_is_read(text: str) -> None:
    found = parse_types(text)
    assert all(name in text for name in found.values())


def test_the_partitions_of_a_table_are_read_in_bytes() -> None:
    parts = partitions_of(parse_table(json.dumps(TABLE)), "/dev/sda")
    assert parts[0] == Partition(
        1, "/dev/sda1", 2048 * 512, 16384 * 512, "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
    )
    assert (parts[1].number, parts[1].type) == (2, "83")


def test_the_signatures_of_a_disk_are_read_with_their_places() -> None:
    first, second = parse_signatures(json.dumps(SIGNATURES))
    assert (first.type, first.offset, first.label) == ("ext4", 0x438, "mail")
    assert (second.type, second.offset, second.uuid, second.label) == ("dos", 0x1FE, None, None)
