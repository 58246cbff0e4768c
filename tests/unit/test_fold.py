"""Lines for people end at a blank, before the terminal breaks a word."""

import shlex
import subprocess

import pytest

from iscsictl.output.text import fold, fold_command

STEP = "planned   record    iqn.2001-04.com.example:mail 192.0.2.5:3260  (must know the target)"


def test_what_fits_and_what_has_no_width_stays_as_it_is() -> None:
    assert fold(STEP, None, indent=10) == STEP
    assert fold(STEP, len(STEP), indent=10) == STEP
    assert fold("", 40) == ""


def test_a_line_is_broken_at_a_blank_and_the_next_is_indented() -> None:
    assert fold(STEP, 80, indent=10).splitlines() == [
        "planned   record    iqn.2001-04.com.example:mail 192.0.2.5:3260  (must know the",
        "          target)",
    ]
    assert fold(STEP, 40, indent=10).splitlines() == [
        "planned   record",
        "          iqn.2001-04.com.example:mail",
        "          192.0.2.5:3260  (must know the",
        "          target)",
    ]


def test_a_word_that_is_wider_than_the_line_stays_whole() -> None:
    long = "iqn.2001-04.com.example:" + "x" * 60
    assert fold(f"offers {long} now", 40).splitlines() == ["offers", long, "now"]


def test_colours_take_no_columns_and_wide_characters_take_two() -> None:
    assert fold("\x1b[36mplanned\x1b[0m step", 12) == "\x1b[36mplanned\x1b[0m step"
    assert fold("日本 日本", 8).splitlines() == ["日本", "日本"]
    assert fold("日本 日本", 9) == "日本 日本"


@pytest.mark.parametrize("width", [20, 40, 80, None])
def test_a_folded_command_is_the_same_command_for_a_shell(width: int | None) -> None:
    words = [
        "attach",
        "--mount",
        "/srv/two  words and 'quotes'",
        "-T",
        "iqn." + "x" * 50,
        "--adopt",
    ]
    folded = fold_command([shlex.quote(word) for word in ("printf", "%s\\n", *words)], width)
    said = subprocess.run(["sh", "-c", folded], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == words
    lines = folded.splitlines()
    assert (len(lines) == 1) == (width is None)
    assert [line for line in lines if width and len(line) > width and " " in line.strip(" \\")] in (
        [],
        # Quoted text has blanks at which no line can end.
        [line for line in lines if "two  words" in line],
    )
