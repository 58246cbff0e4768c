"""Many wishes side by side: each its own loop and its own undo, what they share done once."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter

from iscsictl.engine.executor import CompletedStep
from iscsictl.engine.parallel.shared_context import Shared
from iscsictl.engine.reconcile import Run, dry_run
from iscsictl.engine.task import Task
from iscsictl.errors import InterruptError, IscsictlError, RefusedError
from iscsictl.model import actions
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Outcome, Plan, Report
from iscsictl.model.spec import AttachSpec, Volume
from iscsictl.observers import attach
from iscsictl.planner.volumes.apply import (
    SavedPlan,
    SavedVolume,
    SkippedError,
    mounted_under,
    plan_volume,
    wwid_of,
)
from iscsictl.system.io import signals

Heard = Callable[[str, Outcome], None]

#: As many logins as an array bears at once; the rest of the work is not helped by more.
AT_ONCE = 16

_OF_TARGET = (actions.CreateRecord, actions.WriteRecord, actions.Login)
_HOST = ""


@dataclass(frozen=True)
class VolumeTask:
    """One volume's wish. `after` are the names of those that must have ended well before it."""

    name: str
    target: str
    task: Task
    after: frozenset[str] = frozenset()


def predict(items: Sequence[VolumeTask], context: Shared, at_once: int) -> dict[str, Report]:
    """Return by name what would be done; nothing is changed."""
    reports = _side_by_side(items, at_once, lambda one, _: _predicted(one, context))
    return {name: report for name, report in reports.items() if report is not None}


def reconcile_all(
    items: Sequence[VolumeTask], context: Shared, heard: Heard, at_once: int
) -> dict[str, Report]:
    """Carry out all errands, up to `at_once` at a time; return by name what became of each.

    An errand that fails is taken back alone: a record or session of a target stays as long as
    another errand needs it. After an interrupt all stays, as with one wish.
    """
    ties = _Ties(items)
    runs = {one.name: _VolumeRun(one, context, heard, ties) for one in items}

    def carry_out(item: VolumeTask, before: Iterable[Report | None]) -> Report | None:
        with context.spec():
            runs[item.name].carry_out(before)
        return runs[item.name].report

    try:
        _side_by_side(items, at_once, carry_out)
    finally:
        failed = context.run_deferred()
    return {name: _not_settled(run.report, failed) for name, run in runs.items()}


def _not_settled(report: Report, failed: Sequence[IscsictlError]) -> Report:
    """Return what became of an errand when what was left for the end `failed`."""
    if not failed or report.error is not None or not report.changed:
        return report
    return replace(report, error=failed[0])


def _predicted(item: VolumeTask, context: Shared) -> Report:
    try:
        signals.check()
        return dry_run(item.task, context)
    except IscsictlError as error:
        return Report(error=error)


def _side_by_side(
    items: Sequence[VolumeTask],
    at_once: int,
    work: Callable[[VolumeTask, Iterable[Report | None]], Report | None],
) -> dict[str, Report | None]:
    """Do the work of each errand, those that others wait for first; `work` gets their reports."""
    futures: dict[str, Future[Report | None]] = {}

    def do(item: VolumeTask) -> Report | None:
        return work(item, [futures[name].result() for name in sorted(item.after)])

    with ThreadPoolExecutor(at_once) as pool:
        # A thread may wait only for volumes that have one already: those that others need go first.
        by_name = {item.name: item for item in items}
        for name in TopologicalSorter({n: e.after for n, e in by_name.items()}).static_order():
            futures[name] = pool.submit(do, by_name[name])
        return {item.name: futures[item.name].result() for item in items}


class _Ties:
    """What several errands stand on: the sessions of a target, the services of the host.

    It is taken back when the last of them has failed.
    """

    def __init__(self, items: Iterable[VolumeTask]) -> None:
        self._lock = threading.Lock()
        self.gates: dict[str, threading.Lock] = {}
        self._waiting: dict[str, set[str]] = {}
        self._stays: set[str] = set()
        self._stash: dict[str, list[tuple[_VolumeRun, CompletedStep]]] = {}
        for one in items:
            self.gates.setdefault(one.target, threading.Lock())
            for key in (one.target, _HOST):
                self._waiting.setdefault(key, set()).add(one.name)

    def ended(
        self, item: VolumeTask, *, stays: bool, shared: "Iterable[tuple[_VolumeRun, CompletedStep]]"
    ) -> "list[tuple[_VolumeRun, CompletedStep]]":
        """Note the end of an errand; return what is to be taken back now, the first done first."""
        useless: list[tuple[_VolumeRun, CompletedStep]] = []
        with self._lock:
            for run, done in shared:
                key = item.target if isinstance(done.step.action, _OF_TARGET) else _HOST
                self._stash.setdefault(key, []).append((run, done))
            for key in (_HOST, item.target):
                self._waiting[key].discard(item.name)
                if stays:
                    self._stays.add(key)
                if not self._waiting[key] and key not in self._stays:
                    useless += self._stash.pop(key, [])
        return useless


class _VolumeRun(Run):
    """The loop of one errand among others."""

    def __init__(self, item: VolumeTask, context: Shared, heard: Heard, ties: _Ties) -> None:
        super().__init__(context, lambda outcome: heard(item.name, outcome))
        self.item = item
        self.ties = ties
        self.report = Report(error=SkippedError(f"{item.name} was not begun"))
        self._gate = ties.gates[item.target]
        self._inside = False

    def carry_out(self, before: Iterable[Report | None]) -> None:
        """Do it, unless one that it waits for failed."""
        failed = [report for report in before if report is None or report.error is not None]
        try:
            signals.check()
            if failed:
                raise SkippedError(
                    "not begun: a volume that it is mounted on failed",
                    hint="mend that one, then run it again",
                )
            self._enter()
            self.report = self.until_settled(self.item.task)
        except IscsictlError as error:
            self.report = Report(error=error)
        finally:
            self._leave()
        why = self.report.error
        stays = why is None or isinstance(why, InterruptError)
        shared = [] if stays else [(self, one) for one in self.done if _is_shared(one)]
        for run, one in reversed(self.ties.ended(self.item, stays=stays, shared=shared)):
            run.take_back_late(one)

    def execute(self, plan: Plan) -> None:
        """Execute what can be done now; the way to a target is made by one errand at a time."""
        if self._inside and not any(isinstance(s.action, _OF_TARGET) for s in plan.ready):
            self._leave()
        super().execute(plan)

    def roll_back(self) -> tuple[str, ...]:
        """Undo what only this errand stands on."""
        return self.undo([one for one in self.done if not _is_shared(one)])

    def take_back_late(self, one: CompletedStep) -> None:
        """Undo a step that others stood on, all of which failed."""
        leftovers = self.undo([one])
        report = self.report
        self.report = Report(
            tuple(self.ended.values()), report.error, (*report.leftovers, *leftovers),
            report.notes, report.result,
        )  # fmt: skip

    def _enter(self) -> None:
        self._gate.acquire()
        self._inside = True

    def _leave(self) -> None:
        if self._inside:
            self._inside = False
            self._gate.release()


def _is_shared(one: CompletedStep) -> bool:
    return isinstance(one.step.action, (*_OF_TARGET, actions.EnableService, actions.StartService))


class VolumeTasks:
    """The errands of a file, and the disk that each was seen to mean."""

    def __init__(
        self,
        volumes: Sequence[Volume],
        specs: Mapping[str, AttachSpec],
        saved: SavedPlan | None = None,
    ) -> None:
        self._lock = threading.Lock()
        self._owners: dict[str, str] = {}
        self.wwids: dict[str, str] = {}
        self.all = tuple(
            VolumeTask(
                volume.name,
                volume.spec.target or "",
                self._task(volume, specs[volume.name], _saved_of(volume, saved)),
                mounted_under(volume, volumes),
            )
            for volume in volumes
        )

    def _task(self, volume: Volume, spec: AttachSpec, saved: SavedVolume | None) -> Task:
        return Task(
            lambda context, before: attach.for_attach(context, spec, before),
            lambda inventory: self._plan(inventory, volume, spec, saved),
        )

    def _plan(
        self, inventory: Inventory, volume: Volume, spec: AttachSpec, saved: SavedVolume | None
    ) -> Plan:
        plan = plan_volume(inventory, volume, spec, saved)
        wwid = wwid_of(plan)
        if wwid is None:
            return plan
        with self._lock:
            self.wwids[volume.name] = wwid
            owner = self._owners.setdefault(wwid, volume.name)
        if owner == volume.name:
            return plan
        error = RefusedError(
            f"its disk {wwid} is that of volume {owner} too",
            hint="take one of them out of the file, or put both portals into one volume",
        )
        return Plan(plan.steps, error, notes=plan.notes)


def _saved_of(volume: Volume, saved: SavedPlan | None) -> SavedVolume | None:
    return None if saved is None else saved.volumes.get(volume.name, SavedVolume({}))
