"""Records made of anything: an answer, and edits that touch one key."""

from hypothesis import given
from hypothesis import strategies as st

from iscsictl.parse import record
from iscsictl.parse.record import (
    edit_record,
    find_damage,
    is_truncated,
    oversized_keys,
    parse_values,
    revert_edit,
)

LINES = st.lists(
    st.one_of(
        st.sampled_from(
            ["", "#", "# c = d", "a = b", " a = b", "a=b", "a= =b", "k  =  v", "k = v ", "= = x"]
        ),
        st.text(st.sampled_from("ak =#\t\r\v\x85\0\u2028é"), max_size=12),
        # Reading a file gives no lone surrogate: its bytes are decoded with surrogateescape.
        st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=30),
    ),
    max_size=12,
)
KEYS = st.sampled_from(["node.startup", "node.session.scan", "x.y", "iface.mtu", "k", "a"])
# Releases up to 2.0-870 wrote no frame; a record that was cut off has half of one.
FRAMES = st.sampled_from(
    [["# BEGIN RECORD 2.1.8", "# END RECORD"], ["# BEGIN RECORD 2.1.8"], ["#"]]
)
VALUES = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1).filter(
    lambda value: value == value.strip() and value != "<empty>" and len(value) < 256
)


@given(st.binary())
def test_any_bytes_have_an_answer(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    parse_values(text)
    find_damage(text)
    is_truncated(text)
    oversized_keys(text)


@given(LINES)
def test_the_quick_reader_agrees_with_the_exact_one(lines: list[str]) -> None:
    text = "\n".join(lines)
    quick = record._parse_values_fast(text)
    if quick is not None:
        assert quick == dict(filter(None, map(record._split_pair, text.split("\n")[:-1])))


@given(LINES, KEYS, VALUES, FRAMES)
def test_a_value_that_is_set_is_read_back_and_no_other_changes(
    lines: list[str], key: str, value: str, frame: list[str]
) -> None:
    text = "\n".join([*frame[:1], *lines, *frame[1:], ""])
    before, new = parse_values(text), edit_record(text, {key: value})
    assert parse_values(new) == {**before, key: value}
    assert edit_record(new, {key: value}) == new


@given(LINES, KEYS)
def test_removing_a_key_removes_only_its_lines(lines: list[str], key: str) -> None:
    text = "\n".join(["# BEGIN RECORD 2.1.8", *lines, "# END RECORD", ""])
    before = parse_values(text)
    before.pop(key, None)
    new = edit_record(text, {key: None})
    assert parse_values(new) == before
    kept = iter(text.split("\n"))
    assert all(line in kept for line in new.split("\n"))


CHANGES = st.dictionaries(KEYS, st.one_of(st.none(), VALUES), max_size=4)


@given(LINES, CHANGES, CHANGES)
def test_reverting_an_edit_gives_its_keys_their_values_and_touches_no_other(
    lines: list[str], ours: dict[str, str | None], theirs: dict[str, str | None]
) -> None:
    before = "\n".join(["# BEGIN RECORD 2.1.8", *lines, "# END RECORD", ""])
    after = edit_record(before, ours)
    assert revert_edit(after, before, after) == before

    current = edit_record(after, theirs)
    now, old, new = parse_values(current), parse_values(before), parse_values(after)
    reverted = parse_values(revert_edit(current, before, after))
    for key in {*now, *old, *new}:
        changed_by_us = old.get(key) != new.get(key)
        changed_since = now.get(key) != new.get(key)
        expected = old.get(key) if changed_by_us and not changed_since else now.get(key)
        assert reverted.get(key) == expected
