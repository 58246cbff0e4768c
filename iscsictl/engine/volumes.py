"""All volumes of a file in one run: observed once, planned at once, executed as one graph."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from iscsictl.engine.graph import Ended, GraphExecution, Node, build_graph, is_shared
from iscsictl.engine.reconcile import ROUNDS, NotConvergedError, Run, report_plan
from iscsictl.engine.volumes_context import VolumesContext
from iscsictl.errors import InterruptError, IscsictlError, NotBegunError, RefusedError, from_os
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Outcome, Plan, Report, Status, Step
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
from iscsictl.system.context import Context
from iscsictl.system.io import signals
from iscsictl.system.io.waits import waiting

if TYPE_CHECKING:
    from iscsictl.engine.executor import CompletedStep

VolumesListener = Callable[[str, Outcome], None]
HostObserver = Callable[[Context, frozenset[str]], Inventory]

#: Volumes that are probed or formatted at a time; more do not help an array.
AT_ONCE = 16


@dataclass(frozen=True)
class VolumeTask:
    """One volume: how to observe and how to plan it, given what was observed about the host.

    `after` are the names of the volumes that it is mounted inside. `slow`: its whole disk is read,
    which may take hours, so other volumes must not wait for it.
    """

    name: str
    target: str
    observe: Callable[[Context, Inventory, Inventory | None], Inventory]
    plan: Callable[[Inventory], Plan]
    after: frozenset[str] = frozenset()
    mount: str | None = None
    slow: bool = False


@dataclass(frozen=True)
class _Observers:
    """How a run observes: the host once for all volumes, then whatever else each of them needs."""

    context: VolumesContext
    threads: int
    host: HostObserver

    def observe(
        self, before: Mapping[VolumeTask, Inventory | None]
    ) -> dict[VolumeTask, Inventory | IscsictlError]:
        """Return an inventory for each volume, or why there is none.

        `before` has the inventory of the round before, None in the first. The volumes are observed
        in parallel, since probes wait for disks; a failure to read the host is that of all volumes.
        """
        with waiting("reading the state of this host"):
            return self._observe_volumes(before)

    def _observe_volumes(
        self, before: Mapping[VolumeTask, Inventory | None]
    ) -> dict[VolumeTask, Inventory | IscsictlError]:
        try:
            signals.check()
            mounts = frozenset(task.mount for task in before if task.mount is not None)
            host = self.host(self.context, mounts)
        except OSError as error:
            return dict.fromkeys(before, from_os(error))
        except IscsictlError as error:
            return dict.fromkeys(before, error)

        def observe_one(task: VolumeTask) -> Inventory | IscsictlError:
            try:
                signals.check()
                return task.observe(self.context, host, before[task])
            except OSError as error:
                return from_os(error)
            except IscsictlError as error:
                return error

        self.context.at_work = len(before)
        try:
            with ThreadPoolExecutor(self.threads) as pool:
                return dict(zip(before, pool.map(observe_one, before), strict=True))
        finally:
            self.context.at_work = 0


def plan_volumes(
    tasks: Sequence[VolumeTask],
    context: VolumesContext,
    at_once: int,
    observe_host: HostObserver = attach.observe_host,
) -> dict[str, Report]:
    """Return by name what would be done; nothing is changed.

    `at_once` is how many volumes are observed at a time. Why a volume could not be planned is the
    error of its report.
    """
    observed = _Observers(context, at_once, observe_host).observe(dict.fromkeys(tasks))
    reports = {}
    for task in tasks:
        # Of thousands, inventories take more memory than all the plans.
        found = observed.pop(task)
        if isinstance(found, InterruptError):
            reports[task.name] = Report(error=_not_begun(found))
        elif isinstance(found, IscsictlError):
            reports[task.name] = Report(error=found)
        else:
            reports[task.name] = report_plan(task.plan(found))
    return reports


def reconcile_volumes(
    tasks: Sequence[VolumeTask],
    context: VolumesContext,
    listen: VolumesListener,
    at_once: int,
    observe_host: HostObserver = attach.observe_host,
) -> dict[str, Report]:
    """Do what all tasks ask for, and return by name the result of each.

    If a volume fails, only that one is rolled back: what others need as well, such as a session,
    stays as long as one of them has not failed. After a signal everything stays, since running the
    command again finishes it.
    """
    observers = _Observers(context, at_once, observe_host)
    runs = {task.name: _VolumeRun(task, context, listen) for task in tasks}
    whole = _VolumesRun(runs, observers)
    sorter: TopologicalSorter[str] = TopologicalSorter({t.name: t.after for t in tasks})
    sorter.prepare()
    waiting: list[_VolumeRun] = []
    try:
        while sorter.is_active():
            waiting += [runs[name] for name in sorter.get_ready()]
            quick = [run for run in waiting if not run.task.slow]
            # What reads a whole disk may take hours: it begins when nothing quick is left to wait
            # for it.
            group = quick or waiting
            waiting = [] if group is waiting else [run for run in waiting if run.task.slow]
            chosen = {run.task.name for run in group}
            whole.reconcile([run for name, run in runs.items() if name in chosen])
            sorter.done(*(run.task.name for run in group))
    finally:
        failed = context.run_deferred()
    return {name: _with_deferred(run.report, failed) for name, run in runs.items()}


def _with_deferred(report: Report, failed: Sequence[IscsictlError]) -> Report:
    """Return the report of a volume after something that was deferred to the end `failed`."""
    if not failed or report.error is not None or not report.changed:
        return report
    return replace(report, error=failed[0])


def _not_begun(interrupt: InterruptError) -> NotBegunError:
    return NotBegunError(f"{interrupt.text}; nothing was changed", signal=interrupt.signal)


class _VolumeRun(Run):
    """The part of one volume in a run of all."""

    def __init__(self, task: VolumeTask, context: VolumesContext, listen: VolumesListener) -> None:
        super().__init__(context, lambda outcome: listen(task.name, outcome))
        self.task = task
        self.report = Report(error=SkippedError(f"{task.name} was not started"))
        self.inventory: Inventory | None = None
        self.error: IscsictlError | None = None
        self.has_ended = False
        self._first = Plan()
        self._last = Plan()
        self._rounds = 0

    @property
    def has_failed(self) -> bool:
        """Whether it is rolled back, or was not begun because of one that was.

        One that was interrupted, or did not settle, has not failed: what it did stays for the next
        run.
        """
        stays = (InterruptError, NotConvergedError)
        return self.error is not None and not isinstance(self.error, stays)

    def decide(self, found: Inventory | IscsictlError) -> tuple[Step, ...]:
        """Plan with what was observed; return the steps to execute now, none once it has ended.

        Never raises: what forbids the plan ends only this volume.
        """
        try:
            if isinstance(found, IscsictlError):
                raise found
            self.inventory = found
            self._last = self.task.plan(found)
            self._rounds += 1
            self._first = self._last if self._rounds == 1 else self._first
            if self._rounds > ROUNDS:
                raise NotConvergedError
            if self.is_pending(self._last, self._first, first=self._rounds == 1):
                return self._last.ready
            self.end()
        except IscsictlError as error:
            self.end(error)
        return ()

    def end(self, error: IscsictlError | None = None) -> None:
        """Note the end of this volume, and why it failed.

        The first error counts; a later one, such as one from rolling back, does not replace it.
        """
        self.has_ended = True
        self.error = self.error or error
        self.write_report()

    def end_interrupted(self, interrupt: InterruptError) -> None:
        """Note that a signal ended the run before this volume had ended, or had begun."""
        self.leftovers = (*self.leftovers, *self.unfinished_logins())
        is_begun = self.has_changed or self.at_work()
        self.end(self.describe_interrupt(interrupt) if is_begun else _not_begun(interrupt))

    def write_report(self) -> None:
        """Bring the report up to date."""
        self.report = self.make_report(self._first, self._last, self.error)

    def roll_back_own(self) -> None:
        """Undo the steps that no other volume needs, and note the end of this one.

        A second call undoes nothing more.
        """
        if self.done:
            self.leftovers = (*self.leftovers, *self.roll_back())
            self.done.clear()
        self.end()

    @property
    def needed(self) -> frozenset[str] | None:
        """The ids of the steps that this volume depends on; None before it is planned."""
        return frozenset(step.id for step in self._first.steps) if self._rounds else None


class _VolumesRun:
    """The loop of observe, plan and execute for all volumes.

    `shared` are the steps that were executed for several volumes, in the order of their execution.
    """

    def __init__(self, runs: Mapping[str, _VolumeRun], observers: _Observers) -> None:
        self.runs = runs
        self.observers = observers
        self.shared: list[tuple[_VolumeRun, CompletedStep]] = []

    def reconcile(self, group: Sequence[_VolumeRun]) -> None:
        """Bring these volumes to their end, in parallel.

        A volume that is mounted inside one that failed is not begun. After a signal, that is the
        error of all that had not ended.
        """
        for run in group:
            errors = [self.runs[name].report.error for name in sorted(run.task.after)]
            stops = [error for error in errors if error is not None]
            interrupts = [error for error in stops if isinstance(error, InterruptError)]
            if interrupts:
                run.end(
                    NotBegunError(
                        "not started: the volume that it is mounted on was interrupted",
                        signal=interrupts[0].signal,
                    )
                )
            elif stops:
                run.end(
                    SkippedError(
                        "not started: the volume that it is mounted on failed",
                        hint="fix that one, then run the command again",
                    )
                )
        try:
            while active := [run for run in group if not run.has_ended]:
                self._run_round(active)
                self._roll_back_failed(active)
        except InterruptError as interrupt:
            for run in group:
                if not run.has_ended:
                    run.end_interrupted(interrupt)
        self._roll_back_failed(group)

    def _run_round(self, active: Sequence[_VolumeRun]) -> None:
        observed = self.observers.observe({run.task: run.inventory for run in active})
        signals.check()
        for found in observed.values():
            if isinstance(found, InterruptError):
                raise found
        steps = {run.task.name: run.decide(observed[run.task]) for run in active}
        graph = build_graph(steps)
        if graph.nodes:
            GraphExecution(graph, self.observers.context, self, self.observers.threads).execute()

    def _roll_back_failed(self, active: Sequence[_VolumeRun]) -> None:
        """Roll back the volumes that failed, and what only such volumes need."""
        failed = [run for run in active if run.has_failed]
        with ThreadPoolExecutor(self.observers.threads) as pool:
            # A step of one volume may wait long to be undone, as an unmount does on a dead array.
            list(pool.map(_VolumeRun.roll_back_own, failed))
        self._roll_back_shared()

    def _roll_back_shared(self) -> None:
        """Roll back the shared steps that only failed volumes need.

        A volume that was not planned yet may need everything that concerns its target.
        """
        needed: set[str] = set()
        targets: set[str | None] = set()
        for run in self.runs.values():
            if run.has_failed:
                continue
            if run.needed is None:
                targets |= {run.task.target, None}
            else:
                needed |= run.needed
        shared, self.shared = self.shared, []
        useless: list[tuple[_VolumeRun, CompletedStep]] = []
        for run, one in shared:
            target = getattr(one.step.action, "target", None)
            stays = one.step.id in needed or target in targets
            (self.shared if stays else useless).append((run, one))
        for run, one in reversed(useless):
            run.leftovers = (*run.leftovers, *run.undo([one]))
            run.write_report()

    def is_wanted(self, volume: str) -> bool:
        """Tell whether a volume's steps are still to be executed: none of them has failed."""
        return self.runs[volume].error is None

    def begin(self, volume: str, step: Step) -> None:
        """Tell the listener that a step begins."""
        self.runs[volume].begin_step(step)

    def end(self, node: Node, ended: Ended) -> None:
        """Note how a step ended, for each volume that needs it.

        The first volume gets what can be rolled back; for the others the step is unchanged. An
        error is that of all of them.
        """
        wanting = [self.runs[name] for name in node.volumes if self.is_wanted(name)]
        for number, run in enumerate(wanting):
            self._end_step_for_run(run, ended, first=number == 0)

    def _end_step_for_run(self, run: _VolumeRun, ended: Ended, *, first: bool) -> None:
        if ended.error is not None:
            run.error = ended.error
        outcome = ended.outcome
        if not first and ended.error is None:
            # The step was executed for another volume.
            outcome = Outcome(outcome.step).with_status(Status.UNCHANGED)
        if first:
            for one in ended.done:
                if is_shared(one.step.action):
                    self.shared.append((run, one))
                else:
                    run.done.append(one)
        run.end_step(outcome)


class Volumes:
    """The tasks of the volumes of a file, and the WWID of each disk once it is known."""

    def __init__(
        self,
        volumes: Sequence[Volume],
        specs: Mapping[str, AttachSpec],
        saved: SavedPlan | None = None,
    ) -> None:
        self._owners: dict[str, str] = {}
        self.wwids: dict[str, str] = {}
        under = mounted_under(volumes)
        self.tasks = tuple(
            self._task_for_volume(
                volume, specs[volume.name], _saved_volume_of(volume, saved), under[volume.name]
            )
            for volume in volumes
        )

    def _task_for_volume(
        self,
        volume: Volume,
        spec: AttachSpec,
        saved: SavedVolume | None,
        after: frozenset[str],
    ) -> VolumeTask:
        return VolumeTask(
            volume.name,
            volume.spec.target or "",
            lambda context, host, before: attach.observe_lun(context, spec, host, before),
            lambda inventory: self._plan_one_volume(inventory, volume, spec, saved),
            after,
            spec.mount,
            spec.full_probe,
        )

    def _plan_one_volume(
        self, inventory: Inventory, volume: Volume, spec: AttachSpec, saved: SavedVolume | None
    ) -> Plan:
        """Plan a volume; if two volumes mean one disk, the second is refused."""
        plan = plan_volume(inventory, volume, spec, saved)
        wwid = wwid_of(plan)
        if wwid is None:
            return plan
        self.wwids[volume.name] = wwid
        owner = self._owners.setdefault(wwid, volume.name)
        if owner == volume.name:
            return plan
        error = RefusedError(
            f"its disk {wwid} also belongs to volume {owner}",
            hint="remove one of them from the file, or put both portals in one volume",
        )
        return Plan(plan.steps, error, notes=plan.notes)


def _saved_volume_of(volume: Volume, saved: SavedPlan | None) -> SavedVolume | None:
    return None if saved is None else saved.volumes.get(volume.name, SavedVolume({}))
