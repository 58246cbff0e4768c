"""Records made of anything: an answer, and edits that touch one key."""

from hypothesis import given
from hypothesis import strategies as st

from iscsictl.parse import record
from iscsictl.parse.record import edit_record, parse_values, problem_of

LINES = st.lists(
    st.one_of(
        st.sampled_from(
            ["", "#", "# c = d", "a = b", " a = b", "a=b", "a= =b", "k  =  v", "k = v ", "= = x"]
        ),
        st.text(st.sampled_from("ak =#\t\r\v\x85\0\u2028é"), max_size=12),
        st.text(st.characters(exclude_characters="\n"), max_size=30),
    ),
    max_size=12,
)
KEYS = st.sampled_from(["node.startup", "node.session.scan", "x.y", "iface.mtu", "k", "a"])
VALUES = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1).filter(
    lambda value: value == value.strip() and value != "<empty>" and len(value) < 256
)


@given(st.binary())
def test_any_bytes_have_an_answer(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    parse_values(text)
    problem_of(text)


@given(LINES)
def test_the_quick_reader_agrees_with_the_exact_one(lines: list[str]) -> None:
    text = "\n".join(lines)
    quick = record._quick(text)
    if quick is not None:
        assert quick == dict(filter(None, map(record._pair, text.split("\n")[:-1])))


@given(LINES, KEYS, VALUES)
def test_a_value_that_is_set_is_read_back_and_no_other_changes(
    lines: list[str], key: str, value: str
) -> None:
    text = "\n".join(["# BEGIN RECORD 2.1.8", *lines, "# END RECORD", ""])
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
