"""A disk that lost its table is not blank, whatever is on it and wherever that is.

These are the cells in which any two of content, place, size and kernel meet; all of them run with
`python -m tests.bench.blank_matrix`.
"""

import os
from pathlib import Path

import pytest

from tests.unit.blank_cells import (
    BY_HAND,
    TOOLS,
    Cell,
    all_cells,
    is_refused,
    missing_tool,
    pairwise_cells,
)
from tests.unit.loops import give_name

CELLS = pairwise_cells()


def name_of(cell: Cell) -> str:
    known = "kernel" if cell.known else "forgotten"
    return f"{cell.content}, {cell.place}, {cell.size}, {known}"


@pytest.mark.fault("F60")
@pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
@pytest.mark.parametrize("cell", CELLS, ids=name_of)
def test_a_disk_that_lost_its_table_is_refused(
    cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = missing_tool(cell)
    if tool is not None:
        pytest.skip(f"{tool} is not installed")
    give_name(monkeypatch)
    assert is_refused(cell, tmp_path / "image")


def test_every_content_is_among_the_cells_and_no_blank_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {cell.content for cell in CELLS} == {*TOOLS, *BY_HAND}
    assert len(set(all_cells())) == 17 * (3 * 5 - 1) * 2
    if os.geteuid():
        pytest.skip("loop devices need root")
    give_name(monkeypatch)
    monkeypatch.setitem(BY_HAND, "LVM", lambda _: [])
    assert not is_refused(Cell("LVM", "a third", "10 GiB", known=False), tmp_path / "image")
