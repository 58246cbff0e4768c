"""Which test proves which statement of docs/faults.md, with what result, on which suite.

`pytest --fault-report FILE` adds a line of JSON for each test that carries the mark of a fault;
`python -m tests.fault_table FILE...` prints the table of such files. Its exit code is 1 where a
test failed, or a statement has none that passed where it is to be proved: for one of the lab, on
each suite that ran.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

FAULTS = Path(__file__).parents[1] / "docs" / "faults.md"
UNIT = "unit"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-report", metavar="FILE", help="add results of faults to this file")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Have each report carry its faults and its suite."""
    for mark in item.iter_markers("fault"):
        item.user_properties.append(("fault", str(mark.args[0])))
    chosen = getattr(item, "callspec", None)
    suite = chosen.params.get("suite") if chosen is not None else None
    item.user_properties.append(("suite", str(suite or UNIT)))


class Recorder:
    """Writes a line for each test of a fault that has ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.worst: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.when == "call" or report.outcome != "passed":
            self.worst[report.nodeid] = report.outcome
        properties: dict[str, list[str]] = defaultdict(list)
        for name, value in report.user_properties:
            properties[name].append(str(value))
        if report.when == "teardown" and properties["fault"]:
            row = {
                "test": report.nodeid,
                "faults": sorted(set(properties["fault"])),
                "suite": properties["suite"][0],
                "outcome": self.worst[report.nodeid],
                "seconds": round(self.seconds[report.nodeid], 2),
            }
            with self.path.open("a") as stream:
                stream.write(json.dumps(row) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--fault-report", None)
    if path and not hasattr(
        config, "workerinput"
    ):  # xdist's workers tell the one that started them
        config.pluginmanager.register(Recorder(Path(path)))


@dataclass(frozen=True)
class Row:
    """One statement: `results` has a text for each suite."""

    number: str
    statement: str
    results: dict[str, str]
    good: bool


def statements(text: str) -> dict[str, tuple[str, str]]:
    """The statements of docs/faults.md by number, and where they are proved: `unit` or `lab`."""
    found = re.findall(r"^\| (F\d\d) \| (.+) \| (unit|lab) \|$", text, re.MULTILINE)
    return {number: (statement, where) for number, statement, where in found}


def rows(known: dict[str, tuple[str, str]], ran: Iterable[dict[str, Any]]) -> list[Row]:
    """One row a statement; a test that ran twice counts as it ended last."""
    last = {(one["test"], one["suite"]): one for one in ran}
    suites = {suite for _, suite in last} - {UNIT}
    found = []
    for number, (statement, where) in known.items():
        mine = [one for one in last.values() if number in one["faults"]]
        results = {
            suite: said([one for one in mine if one["suite"] == suite])
            for suite in sorted({one["suite"] for one in mine})
        }
        failed = any(one["outcome"] == "failed" for one in mine)
        passed = {one["suite"] for one in mine if one["outcome"] == "passed"}
        good = bool(passed if where == UNIT else suites and passed >= suites) and not failed
        found.append(Row(number, statement, results, good))
    return found


def said(ran: list[dict[str, Any]]) -> str:
    """The results of one suite in a few words."""
    failed = [one["test"].rpartition("::")[2] for one in ran if one["outcome"] == "failed"]
    passed = sum(one["outcome"] == "passed" for one in ran)
    seconds = sum(one["seconds"] for one in ran)
    if failed:
        return f"FAILED {', '.join(failed)}"
    return f"{passed} passed, {seconds:.1f} s" if passed else "skipped"


def table(found: list[Row]) -> str:
    """The rows as a table of Markdown."""
    suites = sorted({suite for row in found for suite in row.results}, key=lambda s: (s != UNIT, s))
    lines = [f"| number | statement | {' | '.join(suites)} |", "|---" * (2 + len(suites)) + "|"]
    for row in found:
        results = " | ".join(row.results.get(suite, "") for suite in suites)
        lines.append(f"| {row.number} | {row.statement} | {results} |")
    return "\n".join(lines)


def main(paths: list[str]) -> int:
    """Print the table."""
    ran = [json.loads(line) for path in paths for line in Path(path).read_text().splitlines()]
    found = rows(statements(FAULTS.read_text()), ran)
    print(table(found))
    wrong = [row.number for row in found if not row.good]
    print(f"\n{len(found)} statements, {len(found) - len(wrong)} proved by this run"
          + (f"; not proved: {', '.join(wrong)}" if wrong else ""))  # fmt: skip
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
