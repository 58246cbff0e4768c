"""The list of faults and the marks of the tests speak of the same numbers."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.fault_table import FAULTS, Row, rows, statements, table

TESTS = Path(__file__).parents[1]
KNOWN = statements(FAULTS.read_text())


def ran(test: str, *faults: str, suite: str = "unit", outcome: str = "passed") -> dict[str, Any]:
    return {"test": test, "faults": faults, "suite": suite, "outcome": outcome, "seconds": 1.0}


def row(*tests: dict[str, Any], where: str = "lab") -> Row:
    (found,) = rows({"F01": ("It holds.", where)}, tests)
    return found


def test_the_list_is_whole_and_every_mark_is_on_it() -> None:
    assert list(KNOWN) == [f"F{number:02}" for number in range(1, 60)]
    marked = {
        number
        for path in TESTS.rglob("test_*.py")
        for number in re.findall(r'mark\.fault\("(F\d+)"\)', path.read_text())
    }
    assert marked <= set(KNOWN)


def test_what_is_to_be_proved_on_the_lab_is_not_proved_by_a_unit_test() -> None:
    assert not row(ran("a", "F01")).good
    assert row(ran("a", "F01"), where="unit").good
    assert row(ran("a", "F01", suite="trixie")).good
    assert not row(ran("a", "F01", suite="trixie"), ran("b", "F02", suite="bookworm")).good
    assert not row().good
    assert not row(ran("a", "F02", suite="trixie")).good


def test_one_failure_spoils_a_statement_until_the_test_passes_again() -> None:
    good, bad = ran("b", "F01", suite="trixie"), ran("x::a", "F01", outcome="failed")
    assert not row(good, bad).good
    assert "FAILED a" in table([row(good, bad)])
    assert row(good, bad, ran("x::a", "F01")).good
    assert row(good, ran("b", "F01", suite="trixie", outcome="skipped")).results == {
        "trixie": "skipped"
    }


@pytest.mark.fault("F52")
def test_the_readme_says_in_bold_that_two_hosts_are_not_kept_apart() -> None:
    text = " ".join((TESTS.parent / "README.md").read_text().split())
    bold = re.findall(r"\*\*(.+?)\*\*", text)
    (said,) = [words for words in bold if "Two hosts" in words]
    assert "blank LUN" in said
    assert "NOT" in said
    assert "both can format it" in said
