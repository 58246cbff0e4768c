"""Volumes in parallel: what fails is undone alone, what others need stays, order is kept."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from iscsictl.engine import executor
from iscsictl.engine.handlers.effect import StepResult
from iscsictl.engine.parallel.scheduler import VolumeTask, predict, reconcile_all
from iscsictl.engine.parallel.shared_context import Shared
from iscsictl.engine.task import Task
from iscsictl.errors import AuthError, Exit, InterruptError, IscsictlError, RefusedError
from iscsictl.model import actions
from iscsictl.model.inventory import Inventory
from iscsictl.model.names import Portal
from iscsictl.model.plan import Action, Outcome, Plan, Report, Status
from iscsictl.planner.builder import PlanBuilder
from iscsictl.planner.volumes.apply import summarize_reports
from iscsictl.system.context import Context
from iscsictl.system.io import journal, signals

if TYPE_CHECKING:
    from collections.abc import Callable

A = Portal("192.0.2.5", 3260, 1)
Key = tuple[str, str]


class Host:
    """Records, sessions, directories and a service, as the actions of the volumes make them."""

    def __init__(self) -> None:
        self.there: set[Key] = set()
        self.log: list[Key] = []
        self.fails: dict[Key, Exception] = {}
        self.when: dict[Key, Callable[[], None]] = {}
        self.lock = threading.Lock()

    def run_action(self, action: Action, _: Context) -> StepResult:
        key, makes = key_of(action)
        with self.lock:
            self.log.append((action.verb, key[1]))
            if (action.verb, key[1]) in self.fails:
                raise self.fails[action.verb, key[1]]
            before = set(self.there)
            (self.there.add if makes else self.there.discard)(key)
            changed = before != self.there
        self.when.get((action.verb, key[1]), lambda: None)()
        return StepResult(changed)

    def item(self, name: str, target: str, *after: str, refuse: bool = False) -> VolumeTask:
        def make_plan(_: Inventory) -> Plan:
            draft = PlanBuilder()
            there = set(self.there)
            steps = [
                (actions.CreateRecord(target, A, "default"), target),
                (actions.EnableService("open-iscsi.service"), "open-iscsi.service"),
                (actions.Login(target, A, "default", 0), target),
                (actions.MakeDirectory(name), name),
            ]
            for action, subject in steps:
                draft.add(action, subject, "", done=key_of(action)[0] in there)
            refusal = None
            if refuse and not draft.beyond_frontier:
                refusal = RefusedError(f"{name} is foreign")
            return draft.build(refusal)

        return VolumeTask(
            name, target, Task(lambda _c, _b: Inventory(), make_plan), frozenset(after)
        )


def key_of(action: Action) -> tuple[Key, bool]:
    """What an action makes or takes away."""
    match action:
        case actions.CreateRecord() | actions.DeleteRecord():
            return ("record", action.target), isinstance(action, actions.CreateRecord)
        case actions.Login() | actions.Logout():
            return ("session", action.target), isinstance(action, actions.Login)
        case actions.EnableService():
            return ("service", action.unit), action.on
        case actions.MakeDirectory() | actions.RemoveDirectory():
            return ("directory", action.path), isinstance(action, actions.MakeDirectory)
    raise AssertionError(action)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host()
    monkeypatch.setattr(signals, "_asked", [])
    monkeypatch.setattr(journal, "note", lambda *_: None)
    monkeypatch.setattr(executor, "execute_action", made.run_action)
    return made


def run(tmp_path: Path, *items: VolumeTask, at_once: int = 4) -> dict[str, Report]:
    return reconcile_all(items, Shared(5, tmp_path), lambda *_: None, at_once)


def undone(report: Report) -> set[str]:
    return {o.step.action.verb for o in report.outcomes if o.step.status is Status.UNDONE}


def test_all_are_done_and_the_second_time_unchanged(host: Host, tmp_path: Path) -> None:
    items = [host.item(f"v{n}", f"t{n}") for n in range(20)]
    reports = run(tmp_path, *items)
    assert summarize_reports(reports) is None
    assert len(host.there) == 61
    host.log.clear()
    again = run(tmp_path, *items)
    assert host.log == []
    assert not any(report.changed for report in again.values())


def test_a_dry_run_does_nothing_and_tells_of_all(host: Host, tmp_path: Path) -> None:
    items = [host.item(f"v{n}", f"t{n}") for n in range(3)]
    reports = predict(items, Shared(5, tmp_path), 2)
    assert [len(report.outcomes) for report in reports.values()] == [4, 4, 4]
    assert all(report.pending for report in reports.values())
    assert host.log == []


@pytest.mark.parametrize("at_once", [1, 2, 8])
def test_one_that_is_refused_is_rolled_back_alone(host: Host, tmp_path: Path, at_once: int) -> None:
    items = [host.item(f"v{n}", f"t{n}", refuse=n == 1) for n in range(4)]
    reports = run(tmp_path, *items, at_once=at_once)
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
    items = [host.item(f"v{n}", "t", refuse=n == bad) for n in range(3)]
    reports = run(tmp_path, *items, at_once=at_once)
    assert {("record", "t"), ("session", "t")} <= host.there
    assert [name for name, report in reports.items() if report.error] == [f"v{bad}"]
    assert [verb for verb, _ in host.log].count("login") == 1


@pytest.mark.parametrize("at_once", [1, 3])
def test_when_all_volumes_of_the_host_failed_nothing_stays(
    host: Host, tmp_path: Path, at_once: int
) -> None:
    items = [host.item(f"v{n}", "t", refuse=True) for n in range(3)]
    reports = run(tmp_path, *items, at_once=at_once)
    assert host.there == set()
    assert {verb for r in reports.values() for verb in undone(r)} == {"record", "login", "enable"}
    error = summarize_reports(reports)
    assert error is not None
    assert error.exit is Exit.REFUSED


def test_a_session_is_rolled_back_before_its_record(host: Host, tmp_path: Path) -> None:
    run(tmp_path, host.item("v", "t", refuse=True))
    verbs = [verb for verb, _ in host.log]
    assert verbs.index("logout") < verbs.index("forget")


def test_what_is_mounted_on_another_is_done_after_it_or_not_at_all(
    host: Host, tmp_path: Path
) -> None:
    inner, outer = host.item("inner", "t2", "outer"), host.item("outer", "t1")
    run(tmp_path, inner, outer)
    made = [subject for verb, subject in host.log if verb == "directory"]
    assert made == ["outer", "inner"]
    host.there.clear()
    host.log.clear()
    host.fails["login", "t1"] = AuthError("no")
    reports = run(tmp_path, inner, outer)
    assert [subject for _, subject in host.log if subject in {"t2", "inner"}] == []
    assert reports["inner"].error is not None
    assert "mounted on" in reports["inner"].error.text


def test_one_that_was_not_begun_does_not_make_a_failure_partial(host: Host, tmp_path: Path) -> None:
    inner, outer = host.item("inner", "t2", "outer"), host.item("outer", "t1", refuse=True)
    error = summarize_reports(run(tmp_path, inner, outer))
    assert error is not None
    assert error.exit is Exit.REFUSED
    assert "failed: outer is foreign" in error.text


def test_what_was_left_for_the_end_is_all_done_and_a_failure_is_told_of_each(
    host: Host, tmp_path: Path
) -> None:
    ends: list[str] = []
    context = Shared(5, tmp_path)

    def fail() -> None:
        raise IscsictlError("systemctl: no")

    def plan_end() -> None:
        context.defer("first", fail)
        context.defer("second", lambda: ends.append("second"))

    host.when["login", "t0"] = plan_end
    items = [host.item("v0", "t0"), host.item("v1", "t1", refuse=True)]
    reports = reconcile_all(items, context, lambda *_: None, 4)
    assert ends == ["second"]
    told = {name: report.error.text for name, report in reports.items() if report.error}
    assert told == {"v0": "systemctl: no", "v1": "v1 is foreign"}
    assert reports["v0"].changed


def test_after_an_interrupt_no_more_is_looked_at(host: Host, tmp_path: Path) -> None:
    signals._asked.append(2)
    reports = predict([host.item("v", "t")], Shared(5, tmp_path), 2)
    assert isinstance(reports["v"].error, InterruptError)
    assert reports["v"].outcomes == ()


def test_after_an_interrupt_all_stays_and_the_verdict_is_the_signal(
    host: Host, tmp_path: Path
) -> None:
    host.when["login", "t0"] = lambda: signals._asked.append(15)
    items = [host.item(f"v{n}", f"t{n}") for n in range(3)]
    reports = run(tmp_path, *items, at_once=1)
    assert ("session", "t0") in host.there
    assert ("session", "t2") not in host.there
    error = summarize_reports(reports)
    assert isinstance(error, InterruptError)
    assert error.exit is Exit.TERMINATED
    signals._asked.clear()
    assert summarize_reports(run(tmp_path, *items)) is None


def test_each_step_is_heard_with_its_volume(host: Host, tmp_path: Path) -> None:
    heard: list[tuple[str, str, Status]] = []

    def listen(name: str, outcome: Outcome) -> None:
        heard.append((name, outcome.step.action.verb, outcome.step.status))

    items = [host.item(f"v{n}", f"t{n}") for n in range(2)]
    reconcile_all(items, Shared(5, tmp_path), listen, 2)
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
