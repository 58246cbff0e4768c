"""The table of docs/speed.md: python -m tests.bench.table writes it anew from the results.

Each bench notes what it measured, a row for each command of ours. RESULTS keeps the rows, one a
line: a new measurement replaces the one of the same bench and name.
"""

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).with_name("results.jsonl")
SPEED = Path(__file__).parents[2] / "docs/speed.md"
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"
_HEAD = """\
| what | measured by | iscsictl | compared with | ratio | on |
|---|---|---|---|---|---|
"""


class Row(NamedTuple):
    """What one command of ours took in seconds, and MB if that was looked at.

    `beside` has what others took for the same, in turn with ours. `date` is that of the run.
    """

    bench: str
    what: str
    ours: float
    beside: Mapping[str, float]
    memory: float | None = None
    date: str = ""


#: The rows of this run, in the order of the measurements.
noted: list[Row] = []


def note(
    bench: str, what: str, ours: float, beside: Mapping[str, float], *, memory: float | None = None
) -> None:
    """Keep a row: seconds, and the most memory at once in MB."""
    others = {name: round(seconds, 4) for name, seconds in beside.items()}
    date = time.strftime("%Y-%m-%d", time.gmtime())
    noted.append(Row(bench, what, round(ours, 4), others, memory and round(memory), date))
    write_rows([*read_rows(), noted[-1]])


def read_rows() -> list[Row]:
    """Return all rows that are kept, of this run or an earlier one."""
    return [Row(**json.loads(line)) for line in RESULTS.read_text().splitlines()]


def write_rows(rows: Iterable[Row]) -> None:
    """Keep these rows; of two with the same bench and name the later one, in the first's place."""
    kept = {(row.bench, row.what): row for row in rows}
    RESULTS.write_text("".join(json.dumps(row._asdict()) + "\n" for row in kept.values()))


def render(rows: Iterable[Row]) -> str:
    """Return the rows as a table of Markdown, with a line of its own for each of those beside."""
    lines = [
        cells
        for row in rows
        for number, (name, seconds) in enumerate(row.beside.items() or [("", 0.0)])
        for cells in [_front(row, first=number == 0, beside=_beside(row, name, seconds))]
    ]
    return _HEAD + "".join(f"| {' | '.join(cells)} |\n".replace("  ", " ") for cells in lines)


def _front(row: Row, *, first: bool, beside: tuple[str, str]) -> tuple[str, ...]:
    """Return the cells of a line; only the first line of a row says what it is about."""
    if not first:
        return "", "", "", *beside, ""
    memory = "" if row.memory is None else f", {row.memory:.0f} MB"
    return row.what, f"`{row.bench}`", format_seconds(row.ours) + memory, *beside, row.date


def _beside(row: Row, name: str, seconds: float) -> tuple[str, str]:
    if not name:
        return "", ""
    ratio = row.ours / seconds
    digits = 3 if ratio < 0.01 else 2 if ratio < 2 else 1
    return f"{name} {format_seconds(seconds)}", f"{ratio:.{digits}f}"


def format_seconds(seconds: float) -> str:
    """Return two or three significant digits: 8.7 ms, 23 ms, 0.33 s, 41.3 s."""
    if seconds < 0.1:
        return f"{1000 * seconds:.{1 if seconds < 0.01 else 0}f} ms"
    return f"{seconds:.{2 if seconds < 1 else 1}f} s"


def updated(text: str, rows: Iterable[Row]) -> str:
    """Return the text of docs/speed.md with the table of these rows."""
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    return f"{head}{BEGIN}\n{render(rows)}\n{END}{tail}"


def update_document() -> None:
    """Write the table of all rows that are kept into docs/speed.md."""
    SPEED.write_text(updated(SPEED.read_text(), read_rows()))


if __name__ == "__main__":
    update_document()
