"""What is said of each volume after a signal: it was interrupted, or not reached; none failed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from iscsictl.engine.volumes import plan_volumes
from iscsictl.engine.volumes_context import VolumesContext
from iscsictl.errors import AuthError, Exit, InterruptError
from iscsictl.output.views.apply import document, summary
from iscsictl.planner.volumes.apply import report_lines, summarize_reports
from iscsictl.system.io import signals
from tests.unit.volumes_host import Host, in_place_of_the_machine, run

if TYPE_CHECKING:
    from pathlib import Path

    from iscsictl.model.plan import Report


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return in_place_of_the_machine(monkeypatch)


def states(reports: dict[str, Report]) -> dict[str, str]:
    rows = json.loads(document(reports, {}, ""))["volumes"]
    return {row["name"]: row["status"] for row in rows}


def interrupt_at(host: Host, verb: str, subject: str, number: int = 2) -> None:
    host.when[verb, subject] = lambda: signals._asked.append(number)


def test_of_three_volumes_one_failed_one_is_interrupted_and_one_was_not_begun(
    host: Host, tmp_path: Path
) -> None:
    host.fails["record", "t0"] = AuthError("t0: no")
    volumes = [host.volume(f"v{n}", f"t{n}") for n in range(3)]
    # A thread at a time: the signal comes with the record of the second.
    interrupt_at(host, "record", "t1")
    reports = run(host, tmp_path, *volumes, at_once=1)
    assert states(reports) == {"v0": "failed", "v1": "interrupted", "v2": "skipped"}
    assert summary(reports) == "3 volumes: 1 failed, 1 interrupted, 1 not reached"
    error = summarize_reports(reports)
    assert isinstance(error, InterruptError)
    assert error.exit is Exit.INTERRUPTED
    assert error.text == "stopped by SIGINT; completed steps are kept"
    assert list(report_lines(reports)) == [
        "v0: t0: no",
        "v1: stopped by SIGINT; completed steps are kept",
        "v2: stopped by SIGINT; nothing was changed",
    ]


def test_a_volume_on_one_that_was_interrupted_was_not_begun(host: Host, tmp_path: Path) -> None:
    interrupt_at(host, "login", "t0", 15)
    reports = run(host, tmp_path, host.volume("v0", "t0"), host.volume("v1", "t1", "v0"), at_once=1)
    assert states(reports) == {"v0": "interrupted", "v1": "skipped"}
    assert reports["v1"].error is not None
    assert reports["v1"].error.text == (
        "not started: the volume that it is mounted on was interrupted"
    )
    error = summarize_reports(reports)
    assert error is not None
    assert error.exit is Exit.TERMINATED


def test_what_ended_before_the_signal_is_done(host: Host, tmp_path: Path) -> None:
    first, second = host.volume("v0", "t0"), host.volume("v1", "t1", "v0")
    interrupt_at(host, "record", "t1")
    reports = run(host, tmp_path, first, second, at_once=1)
    assert states(reports) == {"v0": "done", "v1": "interrupted"}
    assert summary(reports) == "2 volumes: 1 done, 1 interrupted"


def test_a_plan_that_is_interrupted_says_that_volumes_were_not_begun(
    host: Host, tmp_path: Path
) -> None:
    signals._asked.append(2)
    volumes = [host.volume(f"v{n}", f"t{n}") for n in range(2)]
    reports = plan_volumes(volumes, VolumesContext(5, tmp_path), 2, host.observe)
    assert summary(reports) == "2 volumes: 2 not reached"
    error = summarize_reports(reports)
    assert error is not None
    assert (error.exit, error.text) == (
        Exit.INTERRUPTED, "stopped by SIGINT; nothing was changed",
    )  # fmt: skip
