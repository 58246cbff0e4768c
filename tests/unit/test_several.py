"""An executed plan: what a failure rolls back, and what is noted in the journal."""

from pathlib import Path

import pytest

from iscsictl.engine import executor
from iscsictl.engine.handlers import logouts
from iscsictl.engine.handlers.effect import StepResult
from iscsictl.engine.reconcile import OnFailure, next_batch, reconcile
from iscsictl.engine.task import Task
from iscsictl.errors import AuthError, InUseError, IscsictlError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.inventory import Inventory
from iscsictl.model.names import Portal
from iscsictl.model.plan import Action, Plan, Report, Status, Step
from iscsictl.planner.builder import PlanBuilder
from iscsictl.system.context import Context
from iscsictl.system.io import journal, signals

A, PORTAL = "iqn.2026-01.example:a", Portal("192.0.2.5", 3260, 1)
LOGIN = actions.Login(A, PORTAL, "default", None)
MOUNT = actions.Mount(DiskId(A, 0, "naa.1", ""), "0a-1", "/srv/a", "ext4", ())
RECORD = actions.CreateRecord(A, PORTAL, "default")


class FakeHandlers:
    """Execute nothing, but what is in `fails` fails; keep what was done and noted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fails: dict[str, IscsictlError] = {}
        self.done: list[str] = []
        self.noted: list[tuple[str, Status, str | None]] = []
        monkeypatch.setattr(signals, "_asked", [])
        monkeypatch.setattr(journal, "note", self.note)
        monkeypatch.setattr(executor, "execute_action", self.run_action)

    def run_action(self, action: Action, _: Context) -> StepResult:
        if action.verb in self.fails:
            raise self.fails[action.verb]
        self.done.append(action.verb)
        return StepResult()

    def note(self, step: Step, status: Status, error: str | None = None) -> None:
        self.noted.append((step.action.verb, status, error))

    def run(self, plan: Plan, tmp_path: Path) -> Report:
        task = Task(lambda _context, _before: Inventory(), lambda _: plan)
        return reconcile(task, Context(root=tmp_path), lambda _: None, OnFailure.CONTINUE)


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> FakeHandlers:
    return FakeHandlers(monkeypatch)


def test_a_session_stays_when_what_was_to_be_mounted_fails(
    handlers: FakeHandlers, tmp_path: Path
) -> None:
    plan = PlanBuilder(independent=True)
    login = plan.add(LOGIN, A, "opens the session")
    plan.add(MOUNT, "/srv/a", "mounts it again", after=[login])
    handlers.fails["mount"] = IscsictlError("wrong fs type")
    report = handlers.run(plan.build(), tmp_path)
    assert handlers.done == ["login"]
    assert [o.step.status for o in report.outcomes] == [Status.DONE, Status.FAILED]


def test_what_only_a_failed_step_needed_is_rolled_back_and_noted(
    handlers: FakeHandlers, tmp_path: Path
) -> None:
    plan = PlanBuilder(independent=True)
    record = plan.add(RECORD, A, "is new")
    plan.add(LOGIN, A, "opens the session", after=[record])
    handlers.fails["login"] = AuthError("the array refuses the CHAP secret")
    report = handlers.run(plan.build(), tmp_path)
    assert report.error is handlers.fails["login"]
    assert handlers.done == ["record", "forget"]
    assert handlers.noted == [
        ("record", Status.DONE, None),
        ("login", Status.FAILED, "the array refuses the CHAP secret"),
        ("record", Status.UNDONE, None),
    ]


def test_what_cannot_be_done_is_noted_too(handlers: FakeHandlers, tmp_path: Path) -> None:
    plan = PlanBuilder(independent=True)
    plan.add(LOGIN, A, "opens the session", error=UnreachableError("no route to host"))
    handlers.run(plan.build(), tmp_path)
    assert handlers.done == []
    assert handlers.noted == [("login", Status.FAILED, "no route to host")]


def test_logins_whose_records_were_written_are_sent_together(
    handlers: FakeHandlers, tmp_path: Path
) -> None:
    plan = PlanBuilder(independent=True)
    for number in range(3):
        target = f"{A}{number}"
        write = actions.WriteRecord(target, PORTAL, "default", {"node.startup": "automatic"})
        written = plan.add(write, target, "sets node.startup")
        plan.add(actions.Login(target, PORTAL, "default", None), target, "", after=[written])
    steps = plan.build().steps
    ended = {step.id for step in steps if step.action.verb == "settings"}
    logins = [step for step in steps if step.action.verb == "login"]
    assert next_batch(logins, ended, set()) == logins
    assert next_batch(logins, ended, {steps[0].id}) == [logins[0]]
    assert next_batch(steps, set(), set()) == [steps[0]]


def test_nothing_of_a_target_is_removed_while_one_of_its_sessions_could_not_be_ended(
    handlers: FakeHandlers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = PlanBuilder(independent=True)
    ended = [
        plan.add(actions.Logout(A, PORTAL, "default", sid=1), "session 1", "the target is gone"),
        plan.add(actions.Logout(A, PORTAL, "default", sid=2), "session 2", "the target is gone"),
    ]
    removal = actions.DeleteRecord(A, PORTAL, "default", direct=True)
    plan.add(removal, A, "no portal offers the target", after=ended)
    in_use = InUseError("session 2 is in use")
    monkeypatch.setattr(logouts, "_end_sessions", lambda *_, **__: [True, in_use])
    report = handlers.run(plan.build(), tmp_path)
    assert "forget" not in handlers.done
    assert [o.step.status for o in report.outcomes] == [
        Status.DONE, Status.FAILED, Status.SKIPPED,
    ]  # fmt: skip
    assert report.error is not None
    assert "session 2 is in use" in report.error.text
    assert report.leftovers == ()


def test_logouts_are_sent_together_but_for_those_of_lost_arrays() -> None:
    plan = PlanBuilder(independent=True)
    for number in range(4):
        lost, sid = number == 2, 7 if number == 3 else None
        logout = actions.Logout(f"{A}{number}", PORTAL, "default", lost, sid)
        plan.add(logout, f"{A}{number}", "ends the session")
    first, second, lost_one, dead = plan.build().steps
    assert next_batch([first, second, lost_one, dead], set(), set()) == [first, second, dead]
    assert next_batch([lost_one, first, second], set(), set()) == [lost_one]
