"""Whatever a file of volumes holds, the answer is volumes or one line that says where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iscsictl.errors import UsageError
from iscsictl.parse.toml import parse_toml
from iscsictl.planner.volumes.file import read_volumes
from tests.unit.test_spec import DESIGN

PIECES = [
    *DESIGN.splitlines(keepends=True), "[[volume]]\n", "[volume.chap]\n", "chap.user = 'u'\n",
    "lun = 0xffffffffffffffffffff\n", "lun = 1979-05-27\n", 'mount = """\n/srv\\\n"""\n',
    "wipe = true\n", "\r\n", "# \u00e4\n", "[[volume]", "=", '"', "'''", "{", "]", "\\", "\0",
    "set = { a.b = 1 }\n",
]  # fmt: skip


def judge(text: str) -> None:
    said = answer(text)
    if said is not None:
        assert said.text.startswith("f")
        assert "\n" not in said.text
        assert said.hint


def answer(text: str) -> UsageError | None:
    try:
        read_volumes(*parse_toml(text, "f"), "f")
    except UsageError as error:
        return error
    return None


@pytest.mark.fault("F45")
@given(st.text())
def test_any_text(text: str) -> None:
    judge(text)


@pytest.mark.fault("F45")
@given(st.lists(st.sampled_from(PIECES), max_size=24))
def test_any_pieces_of_a_good_file(pieces: list[str]) -> None:
    judge("".join(pieces))


@pytest.mark.fault("F45")
@given(st.integers(0, len(DESIGN)), st.integers(0, len(DESIGN)), st.text(max_size=3))
def test_any_edit_of_a_good_file(start: int, end: int, put: str) -> None:
    judge(DESIGN[:start] + put + DESIGN[end:])


@pytest.mark.parametrize(
    "text", ["x = " + "[" * 5000, "x = " + "9" * 5000, "a" * 100_000, "x." * 2000 + "y = 1",
             "x = " + "[" * 400 + "]" * 400, "x = " + "{y=" * 300 + "1" + "}" * 300],
)  # fmt: skip
def test_what_is_too_much_is_told_so(text: str) -> None:
    with pytest.raises(UsageError):
        read_volumes(*parse_toml(text, "f"), "f")
