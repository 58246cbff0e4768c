"""What `schedule status` says of the schedule that is installed: how often it runs, with what."""

import json

import pytest

from iscsictl.errors import Exit
from iscsictl.model.schedule import CRON, TIMER_UNIT
from tests.unit.test_schedule_change import (
    BY_CRON,
    BY_TIMER,
    Machine,
    install_package,
    machine,
)

__all__ = ["machine"]


@pytest.mark.parametrize("packaged", [True, False])
@pytest.mark.parametrize("method", [BY_CRON, BY_TIMER])
def test_status_shows_the_period_and_the_file_of_metrics(
    machine: Machine, method: list[str], packaged: bool
) -> None:
    if packaged:
        install_package(machine)
    directory = machine.root / "50% of $HOME"
    directory.mkdir()
    file = str(directory / 'it\'s "my" \\ iscsi.prom')
    for more, period, shown in ((["--every", "6h"], 21600, "6h"), ([], 120, "2min")):
        for metrics in ([], ["--metrics", file]):
            assert machine.schedule(*method, *more, *metrics).code == Exit.DONE
            document = json.loads(machine.schedule("status", "-J").out)
            assert document["period"] == period
            assert document["metrics"] == (file if metrics else None)
            status = machine.schedule("status").out
            assert status.startswith(f"every {shown} by {method[1].removeprefix('--')}: ")
            assert (f"\nmetrics: {file}\n" in status) == bool(metrics)


def test_status_shows_the_period_of_a_package_whose_timer_was_enabled_by_hand(
    machine: Machine,
) -> None:
    install_package(machine)
    machine.systemctl(["systemctl", "enable", TIMER_UNIT])
    assert machine.schedule("status").out.startswith("every 2min by systemd: ")
    assert json.loads(machine.schedule("status", "-J").out)["period"] == 120


def test_status_shows_no_period_where_nothing_or_something_else_is_scheduled(
    machine: Machine,
) -> None:
    document = json.loads(machine.schedule("status", "-J").out)
    assert (document["period"], document["metrics"]) == (None, None)
    machine.schedule(*BY_CRON)
    path = machine.root / CRON.lstrip("/")
    path.write_text(path.read_text().replace("*/2 * * * *", "0 6 * * mon-fri"))
    assert machine.schedule("status").out == f"by cron: {CRON}\n"
    assert json.loads(machine.schedule("status", "-J").out)["period"] is None
