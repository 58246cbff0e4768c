"""The list of faults, the marks of the tests and the table of a run agree with each other."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fault_table import (
    FAULTS,
    NOT_RUN,
    MarkedTest,
    Statement,
    Verdict,
    marked_tests,
    proved_by,
    report,
    statements,
    verdicts,
    with_column,
)

TESTS = Path(__file__).parents[1]
KNOWN = statements(FAULTS.read_text())
UNIT_TEST = MarkedTest("tests/unit/test_x.py::a", torture=False)
LAB_TEST = MarkedTest("tests/lab/test_x.py::b", torture=False)


def ran(test: MarkedTest, suite: str = "", outcome: str = "passed") -> dict[str, Any]:
    name = f"{test.name}[{suite}]" if suite else test.name
    return {"test": name, "faults": ["F01"], "suite": suite or "unit", "outcome": outcome,
            "seconds": 1.0}  # fmt: skip


def verdict(marked: list[MarkedTest], *results: dict[str, Any], where: str = "lab") -> Verdict:
    (found,) = verdicts({"F01": Statement("It holds.", where)}, {"F01": marked}, results)
    return found


def test_the_list_is_complete_and_contains_every_number_that_a_test_carries() -> None:
    assert list(KNOWN) == [f"F{number:02}" for number in range(1, 112)]
    assert set(marked_tests()) <= set(KNOWN)


def test_the_column_of_proofs_is_what_the_marks_of_the_tests_say() -> None:
    text = FAULTS.read_text()
    assert with_column(text, marked_tests()) == text, "run `python -m tests.fault_table --update`"


def test_a_list_of_marks_of_a_module_counts_for_each_of_its_tests() -> None:
    exclusive = [
        test for test in marked_tests()["F101"] if test.name.startswith("tests/lab/test_exclusive")
    ]
    assert exclusive
    assert all(test.torture for test in exclusive)


def test_marks_are_found_on_functions_on_modules_and_on_parameters() -> None:
    marked = marked_tests()
    f46 = {test.name for test in marked["F46"]}
    assert any(name.startswith("tests/unit/test_outputs.py::") for name in f46)
    numbers = {
        number
        for path in TESTS.rglob("test_*.py")
        for number in re.findall(r'\n@pytest\.mark\.fault\("(F\d+)"\)', path.read_text())
    }
    assert numbers <= set(marked)


def test_the_column_tells_kinds_of_proof_apart() -> None:
    slow = MarkedTest("tests/lab/test_x.py::c", torture=True)
    assert proved_by("lab", [LAB_TEST, slow, UNIT_TEST]) == "lab, unit"
    assert proved_by("lab", [slow]) == "lab (torture)"
    assert proved_by("lab", [UNIT_TEST]) == "not yet proved (unit only)"
    assert proved_by("unit", [UNIT_TEST]) == "unit"
    assert proved_by("unit", []) == proved_by("lab", []) == "not yet proved"


def test_a_statement_of_the_lab_is_not_proved_by_a_unit_test() -> None:
    assert not verdict([UNIT_TEST], ran(UNIT_TEST)).proved
    assert verdict([UNIT_TEST], ran(UNIT_TEST), where="unit").proved
    assert verdict([LAB_TEST], ran(LAB_TEST, "trixie")).proved
    assert not verdict([LAB_TEST]).proved
    assert not verdict([], where="unit").proved


def test_a_statement_is_proved_only_if_every_marked_test_ran() -> None:
    both = [UNIT_TEST, LAB_TEST]
    half = verdict(both, ran(LAB_TEST, "trixie"))
    assert not half.proved
    assert "- F01: not run: a" in report([half])
    assert verdict(both, ran(LAB_TEST, "trixie"), ran(UNIT_TEST)).proved


@pytest.mark.parametrize("outcome", ["failed", "skipped", NOT_RUN])
def test_a_statement_is_not_proved_while_one_of_its_tests_did_not_pass(outcome: str) -> None:
    good, bad = ran(LAB_TEST, "bookworm"), ran(LAB_TEST, "trixie", outcome=outcome)
    assert not verdict([LAB_TEST], good, bad).proved
    assert verdict([LAB_TEST], good, bad, ran(LAB_TEST, "trixie")).proved
    assert not verdict([LAB_TEST], good, ran(LAB_TEST, "trixie", outcome="failed"), bad).proved


def test_what_was_left_out_of_one_run_does_not_hide_what_passed_in_another() -> None:
    passed, left = ran(LAB_TEST, "trixie"), ran(LAB_TEST, "trixie", outcome=NOT_RUN)
    assert verdict([LAB_TEST], passed, left).proved
    assert verdict([LAB_TEST], left, passed).proved


RECORDED = """
import pytest
@pytest.mark.fault("F01")
@pytest.mark.parametrize("n", [1, 2, 3])
def test_one(n):
    assert n == 1
def test_unmarked():
    pass
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "workers"])
def test_a_run_records_each_marked_test_and_those_that_were_left_out(
    tmp_path: Path, workers: list[str]
) -> None:
    (tmp_path / "test_x.py").write_text(RECORDED)
    log = tmp_path / "new" / "report"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.fault_table", *workers,
         "--deselect=test_x.py::test_one[3]",
         f"--fault-report={log}", "-c", "/dev/null", f"--rootdir={tmp_path}", str(tmp_path)],
        cwd=TESTS.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert sorted((row["test"], row["outcome"]) for row in rows) == [
        ("test_x.py::test_one[1]", "passed"),
        ("test_x.py::test_one[2]", "failed"),
        ("test_x.py::test_one[3]", NOT_RUN),
    ]


@pytest.mark.fault("F52")
def test_the_readme_says_in_bold_that_two_hosts_are_not_kept_apart() -> None:
    text = " ".join((TESTS.parent / "README.md").read_text().split())
    bold = re.findall(r"\*\*(.+?)\*\*", text)
    (said,) = [words for words in bold if "Two hosts" in words]
    assert "blank LUN" in said
    assert "NOT" in said
    assert "both can format it" in said
