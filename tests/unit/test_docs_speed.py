"""The table of docs/speed.md is made from the results that are kept, and not typed."""

from pathlib import Path

import pytest

from tests.bench import table
from tests.bench.table import Row

ROWS = [
    Row("bench_a", "`ls`", 0.0087, {"peer": 0.02, "floor": 0.5}, 103.0, "2026-11-29"),
    Row("bench_b", "`apply`", 41.26, {}, None, "2026-11-28"),
]
TABLE = """\
| what | measured by | iscsictl | compared with | ratio | on |
|---|---|---|---|---|---|
| `ls` | `bench_a` | 8.7 ms, 103 MB | peer 20 ms | 0.43 | 2026-11-29 |
| | | | floor 0.50 s | 0.02 | |
| `apply` | `bench_b` | 41.3 s | | | 2026-11-28 |
"""


def test_the_table_of_performance_is_that_of_the_kept_results() -> None:
    text = table.SPEED.read_text()
    assert table.BEGIN in text
    assert table.updated(text, table.read_rows()) == text, "run: python -m tests.bench.table"


def test_a_row_has_a_line_for_each_that_it_is_compared_with() -> None:
    assert table.render(ROWS) == TABLE


def test_a_new_measurement_replaces_the_earlier_one_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "RESULTS", tmp_path / "results.jsonl")
    monkeypatch.setattr(table, "noted", [])
    table.write_rows(ROWS)
    table.note("bench_a", "`ls`", 0.5, {"peer": 1.0})
    assert [row.ours for row in table.read_rows()] == [0.5, 41.26]
    assert [row.ours for row in table.noted] == [0.5]
