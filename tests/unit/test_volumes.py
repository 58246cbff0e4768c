"""Many volumes in one run: what fails is undone alone, what others need stays, order is kept."""

from __future__ import annotations

import threading
from dataclasses import replace
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

import pytest

from iscsictl.engine import graph
from iscsictl.engine.volumes import plan_volumes, reconcile_volumes
from iscsictl.engine.volumes_context import VolumesContext
from iscsictl.errors import AuthError, Exit, InterruptError, IscsictlError
from iscsictl.model import actions
from iscsictl.model.names import Portal
from iscsictl.model.plan import Outcome, Report, Status
from iscsictl.planner.builder import PlanBuilder
from iscsictl.planner.volumes.apply import summarize_reports
from iscsictl.system.io import signals
from tests.patience import PATIENCE
from tests.unit.volumes_host import A, Host, in_place_of_the_machine, run

if TYPE_CHECKING:
    from pathlib import Path

    from iscsictl.model.inventory import Inventory
    from iscsictl.system.context import Context


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return in_place_of_the_machine(monkeypatch)


def undone(report: Report) -> set[str]:
    return {o.step.action.verb for o in report.outcomes if o.step.status is Status.UNDONE}


def test_all_are_done_and_the_second_time_unchanged(host: Host, tmp_path: Path) -> None:
    volumes = [host.volume(f"v{n}", f"t{n}") for n in range(20)]
    reports = run(host, tmp_path, *volumes)
    assert summarize_reports(reports) is None
    assert len(host.there) == 61
    host.log.clear()
    again = run(host, tmp_path, *volumes)
    assert host.log == []
    assert not any(report.changed for report in again.values())


def test_a_dry_run_does_nothing_and_tells_of_all(host: Host, tmp_path: Path) -> None:
    volumes = [host.volume(f"v{n}", f"t{n}") for n in range(3)]
    reports = plan_volumes(volumes, VolumesContext(5, tmp_path), 2, host.observe)
    assert [len(report.outcomes) for report in reports.values()] == [4, 4, 4]
    assert all(report.pending for report in reports.values())
    assert host.log == []


@pytest.mark.parametrize("at_once", [1, 2, 8])
def test_one_that_is_refused_is_rolled_back_alone(host: Host, tmp_path: Path, at_once: int) -> None:
    volumes = [host.volume(f"v{n}", f"t{n}", refuse=n == 1) for n in range(4)]
    reports = run(host, tmp_path, *volumes, at_once=at_once)
    assert undone(reports["v1"]) == {"record", "login"}
    assert [n for n in range(4) if ("session", f"t{n}") not in host.there] == [1]
    assert ("service", "open-iscsi.service") in host.there
    error = summarize_reports(reports)
    assert error is not None
    assert error.exit is Exit.PARTIAL
    assert "1 of 4 volumes failed: v1: v1 is foreign" in error.text


@pytest.mark.parametrize("at_once", [1, 2, 8])
@pytest.mark.parametrize("bad", [0, 1, 2])
def test_the_session_of_a_target_stays_while_one_of_its_volumes_is_well(
    host: Host, tmp_path: Path, at_once: int, bad: int
) -> None:
    volumes = [host.volume(f"v{n}", "t", refuse=n == bad) for n in range(3)]
    reports = run(host, tmp_path, *volumes, at_once=at_once)
    assert {("record", "t"), ("session", "t")} <= host.there
    assert [name for name, report in reports.items() if report.error] == [f"v{bad}"]
    assert [verb for verb, _ in host.log].count("login") == 1


@pytest.mark.parametrize("at_once", [1, 3])
def test_when_all_volumes_of_the_host_failed_nothing_stays(
    host: Host, tmp_path: Path, at_once: int
) -> None:
    volumes = [host.volume(f"v{n}", "t", refuse=True) for n in range(3)]
    reports = run(host, tmp_path, *volumes, at_once=at_once)
    assert host.there == set()
    assert {verb for r in reports.values() for verb in undone(r)} == {"record", "login", "enable"}
    error = summarize_reports(reports)
    assert error is not None
    assert error.exit is Exit.REFUSED


def test_a_session_is_rolled_back_before_its_record(host: Host, tmp_path: Path) -> None:
    run(host, tmp_path, host.volume("v", "t", refuse=True))
    verbs = [verb for verb, _ in host.log]
    assert verbs.index("logout") < verbs.index("forget")


def test_what_is_mounted_on_another_is_done_after_it_or_not_at_all(
    host: Host, tmp_path: Path
) -> None:
    inner, outer = host.volume("inner", "t2", "outer"), host.volume("outer", "t1")
    run(host, tmp_path, inner, outer)
    made = [subject for verb, subject in host.log if verb == "directory"]
    assert made == ["outer", "inner"]
    host.there.clear()
    host.log.clear()
    host.fails["login", "t1"] = AuthError("no")
    reports = run(host, tmp_path, inner, outer)
    assert [subject for _, subject in host.log if subject in {"t2", "inner"}] == []
    assert reports["inner"].error is not None
    assert "mounted on" in reports["inner"].error.text


def test_one_that_was_not_begun_does_not_make_a_failure_partial(host: Host, tmp_path: Path) -> None:
    inner, outer = host.volume("inner", "t2", "outer"), host.volume("outer", "t1", refuse=True)
    error = summarize_reports(run(host, tmp_path, inner, outer))
    assert error is not None
    assert error.exit is Exit.REFUSED
    assert "failed: outer is foreign" in error.text


def test_what_was_left_for_the_end_is_all_done_and_a_failure_is_told_of_each(
    host: Host, tmp_path: Path
) -> None:
    ends: list[str] = []
    context = VolumesContext(5, tmp_path)

    def fail() -> None:
        raise IscsictlError("systemctl: no")

    def plan_end() -> None:
        context.defer("first", fail)
        context.defer("second", lambda: ends.append("second"))

    host.when["login", "t0"] = plan_end
    volumes = [host.volume("v0", "t0"), host.volume("v1", "t1", refuse=True)]
    reports = reconcile_volumes(volumes, context, lambda *_: None, 4, host.observe)
    assert ends == ["second"]
    told = {name: report.error.text for name, report in reports.items() if report.error}
    assert told == {"v0": "systemctl: no", "v1": "v1 is foreign"}
    assert reports["v0"].changed


def test_after_an_interrupt_no_more_is_looked_at(host: Host, tmp_path: Path) -> None:
    signals._asked.append(2)
    reports = plan_volumes([host.volume("v", "t")], VolumesContext(5, tmp_path), 2, host.observe)
    assert isinstance(reports["v"].error, InterruptError)
    assert reports["v"].outcomes == ()


def test_after_an_interrupt_all_stays_and_the_verdict_is_the_signal(
    host: Host, tmp_path: Path
) -> None:
    host.when["login", "t0"] = lambda: signals._asked.append(15)
    volumes = [host.volume(f"v{n}", f"t{n}") for n in range(3)]
    reports = run(host, tmp_path, *volumes, at_once=1)
    assert ("session", "t0") in host.there
    assert ("session", "t2") not in host.there
    error = summarize_reports(reports)
    assert isinstance(error, InterruptError)
    assert error.exit is Exit.TERMINATED
    signals._asked.clear()
    assert summarize_reports(run(host, tmp_path, *volumes)) is None


def test_what_is_observed_during_a_signal_rolls_nothing_back(host: Host, tmp_path: Path) -> None:
    """An observer may have taken the end of a program that the signal stopped for an answer."""
    refused = host.volume("v", "t", refuse=True)

    def observe(_: Context, found: Inventory, __: Inventory | None) -> Inventory:
        if ("session", "t") in host.there:
            signals._asked.append(2)
        return found

    reports = run(host, tmp_path, replace(refused, observe=observe))
    assert isinstance(reports["v"].error, InterruptError)
    assert ("session", "t") in host.there


def test_a_login_that_was_interrupted_is_said_to_be_with_iscsid(host: Host, tmp_path: Path) -> None:
    def interrupt() -> None:
        signals._asked.append(2)
        signals.check()

    host.when["login", "t0"] = interrupt
    reports = run(host, tmp_path, host.volume("v", "t0"))
    assert isinstance(reports["v"].error, InterruptError)
    (left,) = reports["v"].leftovers
    assert "iscsid may still complete it" in left


def test_each_step_is_heard_with_its_volume(host: Host, tmp_path: Path) -> None:
    heard: list[tuple[str, str, Status]] = []

    def listen(name: str, outcome: Outcome) -> None:
        heard.append((name, outcome.step.action.verb, outcome.step.status))

    volumes = [host.volume(f"v{n}", f"t{n}") for n in range(2)]
    reconcile_volumes(volumes, VolumesContext(5, tmp_path), listen, 2, host.observe)
    for name in ("v0", "v1"):
        mine = [(verb, status) for one, verb, status in heard if one == name]
        assert mine.index(("login", Status.PLANNED)) < mine.index(("login", Status.DONE))
        assert mine[-1] == ("directory", Status.DONE)


def test_alike_errors_of_all_are_that_error_and_unlike_ones_are_partial() -> None:
    alike = {n: Report(error=AuthError("no", hint="h")) for n in ("a", "b")}
    one, mixed = (
        summarize_reports(alike),
        summarize_reports({**alike, "c": Report(error=IscsictlError("x"))}),
    )
    assert one is not None
    assert (one.exit, one.hint) == (Exit.AUTH, "h")
    assert mixed is not None
    assert mixed.exit is Exit.PARTIAL
    alone = summarize_reports({"a": Report(error=AuthError("no"))})
    assert alone is not None
    assert (alone.text, alone.exit) == ("a: no", Exit.AUTH)


def test_the_host_is_observed_once_for_all_and_one_batch_logs_in(
    host: Host, tmp_path: Path
) -> None:
    volumes = [host.volume(f"v{n}", f"t{n // 2}") for n in range(20)]
    assert summarize_reports(run(host, tmp_path, *volumes, at_once=2)) is None
    # Before the logins, before the directories, and to see that nothing is left to do.
    assert host.observed == 3
    assert host.batches == [[f"t{n}" for n in range(10)]]
    assert len(host.log) == len(set(host.log))


def test_a_slow_step_of_one_volume_does_not_hold_up_the_others(host: Host, tmp_path: Path) -> None:
    others = threading.Event()

    def wait_for_others() -> None:
        assert others.wait(PATIENCE)

    host.when["directory", "v0"] = wait_for_others
    host.when["directory", "v2"] = others.set
    volumes = [host.volume(f"v{n}", f"t{n}") for n in range(3)]
    assert summarize_reports(run(host, tmp_path, *volumes, at_once=2)) is None


def test_a_volume_whose_whole_disk_is_read_comes_after_the_others(
    host: Host, tmp_path: Path
) -> None:
    volumes = [
        host.volume("whole", "t0", slow=True),
        host.volume("outer", "t1"),
        host.volume("inner", "t2", "outer"),
        host.volume("on-whole", "t3", "whole"),
    ]
    assert summarize_reports(run(host, tmp_path, *volumes)) is None
    made = [subject for verb, subject in host.log if verb == "directory"]
    assert made == ["outer", "inner", "whole", "on-whole"]


def test_volumes_may_name_the_portals_of_a_target_in_any_order() -> None:
    other = Portal("192.0.2.6", 3260, 1)
    plans = {}
    for name, portals in {"one": (A, other), "two": (other, A)}.items():
        draft = PlanBuilder()
        for portal in portals:
            draft.add(actions.CreateRecord("t", portal, "default"), f"t {portal}", "")
            settings = {name: "yes"}
            draft.add(actions.WriteRecord("t", portal, "default", settings), f"t {portal}", "")
        draft.add(actions.Login("t", portals[0], "default", 0), f"t {portals[0]}", "")
        plans[name] = draft.steps
    built = graph.build_graph(plans)
    order = list(TopologicalSorter(built.needs).static_order())
    assert len(order) == len(set(order)) == 6
    (login,) = [key for key in order if key[1] == f"login:t {A}"]
    before = {key[1].partition(":")[0] for key in built.needs[login]}
    assert before == {"record", "settings"}
    written = built.nodes["", f"settings:t {A}"].step.action
    assert isinstance(written, actions.WriteRecord)
    assert written.changes == {"one": "yes", "two": "yes"}


def test_a_failed_login_is_that_of_every_volume_of_the_target_and_of_no_other(
    host: Host, tmp_path: Path
) -> None:
    host.fails["login", "t0"] = AuthError("no")
    volumes = [host.volume("a", "t0"), host.volume("b", "t0"), host.volume("c", "t1")]
    reports = run(host, tmp_path, *volumes)
    assert {name: str(r.error and r.error.text) for name, r in reports.items()} == {
        "a": "no", "b": "no", "c": "None",
    }  # fmt: skip
    assert host.there == {("record", "t1"), ("session", "t1"), ("service", "open-iscsi.service"),
                          ("directory", "c")}  # fmt: skip
