"""What was stopped anywhere is finished by the same command; see `stop_matrix.py`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

from tests.lab.stop_matrix import COMMANDS, WORLDS, Matrix, World, conclude

if TYPE_CHECKING:
    from tests.lab.pair import Lab

TELLING = {"after claim": ("SIGKILL",), "in mkfs.ext4": ("SIGTERM",)}


@pytest.mark.fault("F42")
def test_an_attach_that_is_stopped_while_it_makes_the_disk_is_finished_by_the_same(
    lab: Lab,
) -> None:
    matrix = Matrix(lab)
    try:
        matrix.prepare(["attach"])
        cells = list(islice(matrix.cells("attach", lambda p: TELLING.get(p, ())), len(TELLING)))
    finally:
        matrix.forget()
    assert [(cell.point, cell.stop) for cell in cells] == [
        (point, stop) for point, stops in TELLING.items() for stop in stops
    ]
    assert [cell for cell in cells if not cell.green] == []


@pytest.mark.torture
@pytest.mark.every_suite
@pytest.mark.fault("F41")
@pytest.mark.fault("F42")
@pytest.mark.parametrize(
    "world",
    [
        pytest.param(WORLDS["path"], id="path"),
        pytest.param(WORLDS["map"], id="map", marks=pytest.mark.fault("F94")),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_stopped_at_any_step_in_any_way_is_finished_by_the_same(
    lab: Lab, command: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    matrix = Matrix(lab, world)
    try:
        matrix.prepare([command])
        cells = list(matrix.cells(command))
    finally:
        matrix.forget()
    with capsys.disabled():
        assert conclude(cells) == 0
