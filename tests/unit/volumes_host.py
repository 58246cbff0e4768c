"""A host in memory, on which volumes are attached: records, sessions, directories, a service."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from iscsictl.engine import executor, graph
from iscsictl.engine.handlers.effect import StepResult
from iscsictl.engine.volumes import VolumeTask, reconcile_volumes
from iscsictl.engine.volumes_context import VolumesContext
from iscsictl.errors import InterruptError, IscsictlError, RefusedError
from iscsictl.model import actions
from iscsictl.model.inventory import Inventory
from iscsictl.model.names import Portal
from iscsictl.model.plan import Action, Outcome, Plan, Status, Step
from iscsictl.planner.builder import PlanBuilder
from iscsictl.system.io import journal, signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pytest

    from iscsictl.model.plan import Report
    from iscsictl.system.context import Context

A = Portal("192.0.2.5", 3260, 1)
Key = tuple[str, str]


class Host:
    """Records, sessions, directories and a service, as the actions of volumes make them."""

    def __init__(self) -> None:
        self.there: set[Key] = set()
        self.log: list[Key] = []
        self.fails: dict[Key, Exception] = {}
        self.when: dict[Key, Callable[[], None]] = {}
        self.lock = threading.Lock()
        self.batches: list[list[str]] = []
        self.observed = 0

    def observe(self, *_: object) -> Inventory:
        self.observed += 1
        return Inventory()

    def log_in(
        self, steps: Sequence[Step], context: Context, begins: Callable[[Step], None]
    ) -> Iterator[Outcome]:
        """Log in to one after the other, as the real batch does with several."""
        self.batches.append([step.subject for step in steps])
        for step in steps:
            signals.check()
            begins(step)
            try:
                changed = self.execute(step.action, context).changed
            except InterruptError:
                continue  # it did not fail: the check below ends the run
            except IscsictlError as error:
                yield Outcome(step, error=error).with_status(Status.FAILED)
            else:
                yield Outcome(step).with_status(Status.DONE if changed else Status.UNCHANGED)
        signals.check()

    def execute(self, action: Action, _: Context) -> StepResult:
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

    def volume(
        self, name: str, target: str, *after: str, refuse: bool = False, slow: bool = False
    ) -> VolumeTask:
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
            name, target, lambda _, host, __: host, make_plan, frozenset(after), slow=slow
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


def in_place_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> Host:
    """Return a host on which the steps of volumes are executed from now on; no signal has come."""
    made = Host()
    monkeypatch.setattr(signals, "_asked", [])
    monkeypatch.setattr(journal, "note", lambda *_: None)
    monkeypatch.setattr(executor, "execute_action", made.execute)
    monkeypatch.setattr(graph, "log_in", made.log_in)
    monkeypatch.setattr(graph, "await_disks", lambda *_: None)
    return made


def run(host: Host, tmp_path: Path, *volumes: VolumeTask, at_once: int = 4) -> dict[str, Report]:
    """Reconcile these volumes on the host, so many at once."""
    context = VolumesContext(5, tmp_path)
    return reconcile_volumes(volumes, context, lambda *_: None, at_once, host.observe)
