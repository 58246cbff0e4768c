"""Which tests prove which statement of docs/faults.md, and what their last run says.

    pytest --fault-report FILE                 record the result of each marked test
    python -m tests.fault_table FILE...        print the table of such files
    python -m tests.fault_table --update       write the last column of docs/faults.md anew

A statement counts as proved only if every test marked with its number ran and passed, those
that a selection left out included. The table's exit code is 1 where a marked test failed and,
unless --partial is given, where a statement that docs/faults.md calls proved is not.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest

TESTS = Path(__file__).parent
FAULTS = TESTS.parent / "docs" / "faults.md"
#: The kinds of tests: a lab test that has no parameter for a suite counts under LAB.
UNIT, LAB = "unit", "lab"
NOT_PROVED = "not yet proved"
NOT_RUN = "not run"
STATEMENT = re.compile(r"^\| (F\d{2,3}) \| (.+) \| (unit|lab) \| ([^|]*) \|$", re.MULTILINE)

# -- what pytest records -----------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-report", metavar="FILE", help="add results of faults to this file")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Have each report carry its faults and its suite."""
    item.user_properties += [("fault", number) for number in faults_of(item)]
    item.user_properties.append(("suite", suite_of(item)))


def faults_of(item: pytest.Item) -> list[str]:
    return sorted({str(mark.args[0]) for mark in item.iter_markers("fault")})


def suite_of(item: pytest.Item) -> str:
    chosen = getattr(item, "callspec", None)
    suite = chosen.params.get("suite") if chosen is not None else None
    return str(suite or (LAB if TESTS / "lab" in item.path.parents else UNIT))


class Recorder:
    """Writes a line of JSON for each marked test that ended, or that a selection left out.

    Under pytest-xdist the tests run in workers: their reports come here, and what they left out
    comes with the end of the first one.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.worst: dict[str, str] = {}
        self.left_out: list[dict[str, Any]] = []

    def pytest_deselected(self, items: Iterable[pytest.Item]) -> None:
        self.left_out += [
            row(item.nodeid, numbers, suite_of(item), NOT_RUN, 0.0)
            for item in items
            if (numbers := faults_of(item))
        ]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.when == "call" or report.outcome != "passed":
            self.worst[report.nodeid] = report.outcome
        properties: dict[str, list[str]] = defaultdict(list)
        for name, value in report.user_properties:
            properties[name].append(str(value))
        if report.when == "teardown" and properties["fault"]:
            numbers, suite = properties["fault"], properties["suite"][0]
            outcome, seconds = self.worst[report.nodeid], self.seconds[report.nodeid]
            self.write([row(report.nodeid, numbers, suite, outcome, seconds)])

    def pytest_testnodedown(self, node: Any) -> None:
        if not self.left_out:
            self.left_out = getattr(node, "workeroutput", {}).get("left_out", [])

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["left_out"] = self.left_out
        self.write(self.left_out)

    def write(self, rows: Iterable[dict[str, Any]]) -> None:
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as stream:
                stream.writelines(json.dumps(one) + "\n" for one in rows)


def row(
    test: str, faults: list[str], suite: str, outcome: str, seconds: float
) -> dict[str, Any]:  # fmt: skip
    return {"test": test, "faults": faults, "suite": suite, "outcome": outcome,
            "seconds": round(seconds, 2)}  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--fault-report", None)
    if path:
        # Reports of a worker are written by the process that started it.
        worker = hasattr(config, "workerinput")
        config.pluginmanager.register(Recorder(None if worker else Path(path)))


# -- what the marks in the source say ----------------------------------------------------------


@dataclass(frozen=True)
class MarkedTest:
    """A test function as pytest names it, without parameters."""

    name: str
    torture: bool

    @property
    def in_lab(self) -> bool:
        """Whether it runs on the virtual machines."""
        return self.name.startswith("tests/lab/")


def marked_tests() -> dict[str, list[MarkedTest]]:
    """All tests marked with each number, read from the source without running it."""
    found: defaultdict[str, list[MarkedTest]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        module = ast.parse(path.read_text())
        of_module = [
            mark for node in module.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
            for mark in (node.value.elts if isinstance(node.value, ast.List) else [node.value])
        ]  # fmt: skip
        for function in module.body:
            if isinstance(function, ast.FunctionDef) and function.name.startswith("test_"):
                marks = [*of_module, *function.decorator_list]
                torture = any(ast.unparse(mark) == "pytest.mark.torture" for mark in marks)
                name = f"{path.relative_to(TESTS.parent)}::{function.name}"
                for number in sorted(set(numbers_in(marks))):
                    found[number].append(MarkedTest(name, torture))
    return dict(found)


def numbers_in(marks: Iterable[ast.expr]) -> Iterator[str]:
    """The numbers of all `fault` marks, those of single parameters included."""
    for mark in marks:
        for node in ast.walk(mark):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
                yield ast.literal_eval(node.args[0])


def proved_by(where: str, marked: Iterable[MarkedTest]) -> str:
    """The last column of docs/faults.md: which kinds of tests prove a statement."""
    tests = list(marked)
    kinds = []
    if lab := [test for test in tests if test.in_lab]:
        kinds.append("lab (torture)" if all(test.torture for test in lab) else "lab")
    if len(lab) < len(tests):
        kinds.append("unit")
    if where == LAB and not lab:
        return f"{NOT_PROVED} ({', '.join(kinds)} only)" if kinds else NOT_PROVED
    return ", ".join(kinds) or NOT_PROVED


def with_column(text: str, marked: dict[str, list[MarkedTest]]) -> str:
    """docs/faults.md with its last column as the marks say."""

    def line(found: re.Match[str]) -> str:
        number, statement, where, _ = found.groups()
        return f"| {number} | {statement} | {where} | {proved_by(where, marked.get(number, []))} |"

    return STATEMENT.sub(line, text)


# -- what a run says ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Statement:
    """A line of docs/faults.md: where it has to be proved, and whether the document says it is."""

    text: str
    where: str
    claimed: bool = True


def statements(text: str) -> dict[str, Statement]:
    """The statements of docs/faults.md by number."""
    return {
        number: Statement(sentence, where, not column.startswith(NOT_PROVED))
        for number, sentence, where, column in STATEMENT.findall(text)
    }


@dataclass(frozen=True)
class Verdict:
    """One statement, its marked tests, and their last results."""

    number: str
    statement: Statement
    marked: tuple[MarkedTest, ...]
    ran: tuple[dict[str, Any], ...]

    @cached_property
    def results(self) -> dict[str, str]:
        """A text for each suite, the units first."""
        suites = sorted({one["suite"] for one in self.ran}, key=lambda s: (s != UNIT, s))
        return {s: summary([one for one in self.ran if one["suite"] == s]) for s in suites}

    @cached_property
    def missing(self) -> list[str]:
        """The tests that did not run to their end, by name."""
        names = {function_of(one) for one in self.ran}
        return sorted(
            {short_name(one["test"]) for one in self.ran if one["outcome"] in {NOT_RUN, "skipped"}}
            | {short_name(test.name) for test in self.marked if test.name not in names}
        )

    @property
    def failed(self) -> bool:
        """Whether a marked test failed."""
        return any(one["outcome"] == "failed" for one in self.ran)

    @property
    def proved(self) -> bool:
        """Whether every marked test ran and passed, with one of the required kind among them."""
        kind = any(test.in_lab for test in self.marked) or self.statement.where == UNIT
        return bool(self.ran) and kind and not self.failed and not self.missing


def function_of(result: dict[str, Any]) -> str:
    """The name of a test without its parameters."""
    return str(result["test"].partition("[")[0])


def short_name(test: str) -> str:
    """The name of a test without its file."""
    return test.rpartition("::")[2]


def verdicts(
    known: dict[str, Statement],
    marked: dict[str, list[MarkedTest]],
    ran: Iterable[dict[str, Any]],
) -> list[Verdict]:
    """One verdict a statement; of a test that ran several times the last result counts."""
    last: dict[str, dict[str, Any]] = {}
    for one in ran:
        if one["outcome"] != NOT_RUN or one["test"] not in last:
            last[one["test"]] = one
    return [
        Verdict(
            number, statement, tuple(marked.get(number, ())),
            tuple(one for one in last.values() if number in one["faults"]),
        )
        for number, statement in known.items()
    ]  # fmt: skip


def summary(ran: list[dict[str, Any]]) -> str:
    """The results of one suite in a few words."""
    failed = [short_name(one["test"]) for one in ran if one["outcome"] == "failed"]
    if failed:
        return f"FAILED {', '.join(failed)}"
    passed = sum(one["outcome"] == "passed" for one in ran)
    seconds = sum(one["seconds"] for one in ran)
    words = [f"{passed} passed, {seconds:.1f} s"] if passed else []
    words += [
        f"{count} {outcome}"
        for outcome in ("skipped", NOT_RUN)
        if (count := sum(one["outcome"] == outcome for one in ran))
    ]
    return ", ".join(words)


def table(found: list[Verdict]) -> str:
    """The verdicts as a table of Markdown."""
    suites = sorted({s for one in found for s in one.results}, key=lambda s: (s != UNIT, s))
    head = ["number", *suites, "proved by this run"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for one in found:
        results = [one.results.get(suite, "") for suite in suites]
        lines.append(f"| {one.number} | {' | '.join(results)} | {'yes' if one.proved else 'no'} |")
    return "\n".join(lines)


def report(found: list[Verdict]) -> str:
    """The table, how many statements the run proved, and why the others are not."""
    lines = [table(found), ""]
    proved = sum(one.proved for one in found)
    lines.append(f"{len(found)} statements, {proved} proved by this run")
    for one in found:
        if one.failed:
            lines.append(f"- {one.number}: a test failed")
        elif one.missing:
            lines.append(f"- {one.number}: not run: {', '.join(one.missing)}")
        elif not one.proved:
            lines.append(f"- {one.number}: {NOT_PROVED}")
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault_table")
    parser.add_argument("--update", action="store_true", help="write docs/faults.md anew")
    parser.add_argument(
        "--partial", action="store_true", help="tests that did not run are no error"
    )
    parser.add_argument("reports", type=Path, nargs="*", metavar="FILE")
    return parser.parse_args()


def main() -> int:
    """Print the table, or update the document."""
    args = arguments()
    marked = marked_tests()
    if args.update:
        FAULTS.write_text(with_column(FAULTS.read_text(), marked))
        return 0
    ran = [json.loads(line) for path in args.reports for line in path.read_text().splitlines()]
    found = verdicts(statements(FAULTS.read_text()), marked, ran)
    print(report(found))
    failed = any(one.failed for one in found)
    short = any(one.statement.claimed and not one.proved for one in found)
    return 1 if failed or (short and not args.partial) else 0


if __name__ == "__main__":
    sys.exit(main())
