"""The loop: look, plan, act, and again, until what was wished is what is seen."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from iscsictl.engine.executor import CompletedStep, StepFailedError, execute_steps, roll_back
from iscsictl.engine.handlers.effect import StepResult
from iscsictl.engine.handlers.logins import log_in
from iscsictl.engine.handlers.registry import found_done
from iscsictl.engine.task import Task, observe_task
from iscsictl.errors import InterruptError, IscsictlError, RefusedError
from iscsictl.model.actions import Login
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Outcome, Plan, Report, Status, Step
from iscsictl.planner.builder import Fork, reasons, verdict
from iscsictl.planner.safety.overwrite import ConsentRequiredError
from iscsictl.system.context import Context
from iscsictl.system.io import journal

_ROUNDS = 20


class ProgressListener(Protocol):
    """Hears of each step as it begins and ends."""

    def __call__(self, outcome: Outcome) -> None:
        """Take an outcome; PLANNED means that the step begins now."""


def _decide(task: Task, inventory: Inventory) -> tuple[Task, Plan]:
    """Plan, asking the user where only a yes helps. A refusal stays in the plan."""
    plan = task.plan(inventory)
    while (
        isinstance(plan.refusal, ConsentRequiredError)
        and task.grant
        and task.confirm(plan.refusal.question)
    ):
        task = task.grant(plan.refusal.grant)
        plan = task.plan(inventory)
    return task, plan


def dry_run(task: Task, context: Context) -> Report:
    """Return what would be done; nothing is changed."""
    _, plan = _decide(task, observe_task(task, context))
    pending = bool(plan.pending) and plan.refusal is None
    outcomes = tuple(Outcome(step) for step in plan.steps)
    return Report(outcomes, plan.refusal, (), plan.notes, plan.result, pending)


def reconcile(task: Task, context: Context, listen: ProgressListener) -> Report:
    """Do what it takes, and say what became of each step.

    What comes out after a frontier is never stronger than the first plan showed. When a step
    fails, or a later plan refuses, what this run did is taken back; after an interrupt it
    stays, for the same command goes on from there.
    """
    return Run(context, listen).until_seen(task)


class Run:
    """One wish being carried out; `done` is what can be taken back, `ended` what became of each."""

    def __init__(self, context: Context, listen: ProgressListener) -> None:
        self.context = context
        self.listen = listen
        self.done: list[CompletedStep] = []
        self.ended: dict[str, Outcome] = {}

    def until_seen(self, task: Task) -> Report:
        """Look, plan and act until nothing is left to do."""
        plan = Plan()
        error: IscsictlError | None = None
        leftovers: tuple[str, ...] = ()
        inventory: Inventory | None = None
        shown: Plan | None = None
        try:
            for _ in range(_ROUNDS):
                inventory = observe_task(task, self.context, inventory)
                task, plan = _decide(task, inventory)
                shown = shown or plan
                if self._nothing_left(plan, shown):
                    break
                self.act(plan)
            else:
                error = IscsictlError("the machine does not come to rest: run it again, with -n")
        except InterruptError as interrupt:
            error = interrupt
        except StepFailedError as failed:
            self.heard(failed.outcome)
            error, leftovers = failed.cause, self.roll_back()
        except IscsictlError as refused:
            error, leftovers = refused, self.roll_back()
        notes = (shown or plan).notes
        return Report(tuple(self.ended.values()), error, leftovers, notes, plan.result)

    def _nothing_left(self, plan: Plan, shown: Plan) -> bool:
        if plan.refusal is not None:
            raise plan.refusal
        stronger = plan.exceeds(shown)
        if stronger is not None:
            raise RefusedError(
                f"{stronger.id} ({stronger.hazard.value}) was not part of the plan at the start",
                hint="something changed meanwhile; look with --dry-run, then run it again",
            )
        for step in plan.steps:
            if step.status is Status.UNCHANGED and step.id not in self.ended:
                self.heard(Outcome(step))
                found_done(step.action, self.context)
        again = [s.id for s in plan.ready if s.id in self.ended]
        if again:
            raise IscsictlError(f"{again[0]} was done, but it does not show")
        return not plan.pending

    def act(self, plan: Plan) -> None:
        """Carry out what can be done now."""
        for outcome in execute_steps(plan.ready, self.context, self.done):
            if outcome.step.status is Status.PLANNED:
                self.listen(outcome)
            else:
                self.heard(outcome)

    def heard(self, outcome: Outcome) -> None:
        """Note what became of a step, and tell it."""
        self.ended[outcome.step.id] = outcome
        self.listen(outcome)

    def roll_back(self) -> tuple[str, ...]:
        """Undo what this run did; return what is left over."""
        return self.undo(self.done)

    def undo(self, done: list[CompletedStep]) -> tuple[str, ...]:
        """Undo these steps; return what is left over."""
        undone, leftovers = roll_back(done, self.context)
        for outcome in undone:
            seconds = self.ended[outcome.step.id].seconds
            self.heard(replace(outcome, seconds=seconds))
        return tuple(leftovers)


def forecast(task: Task, context: Context) -> Report:
    """Return what would be done; nothing is changed."""
    plan = task.plan(observe_task(task, context))
    errors = _errors(plan)
    outcomes = tuple(Outcome(step, error=errors.get(step.id)) for step in plan.steps)
    error = plan.refusal or verdict(errors, plan.steps)
    pending = bool(plan.pending) and plan.refusal is None
    notes = (*plan.notes, *reasons(errors))
    return Report(outcomes, None if pending else error, (), notes, plan.result, pending)


def reconcile_independent(task: Task, context: Context, listen: ProgressListener) -> Report:
    """Do each step whose forerunners did not fail, look again, and say what became of each.

    A step of this run on which only failed ones rested is taken back, but a session stays: what
    failed on it is mended with it. The error is that of the only failure, or a PartialError where
    something else worked.
    """
    before = observe_task(task, context)
    plan = task.plan(before)
    if plan.refusal is not None:
        return Report((), plan.refusal, (), plan.notes, plan.result)
    run = _Run(plan, context, listen)
    try:
        run.all_steps()
    except InterruptError as interrupt:
        return Report(tuple(run.ended.values()), interrupt, (), plan.notes, plan.result)
    leftovers = run.roll_back()
    after = task.plan(observe_task(task, context, before))
    notes = tuple(dict.fromkeys((*plan.notes, *after.notes)))
    steps = [outcome.step for outcome in run.ended.values()]
    error = verdict(run.failed, steps) or run.not_seen(after)
    return Report(
        tuple(run.ended.values()), error, leftovers, (*notes, *reasons(run.failed)), after.result
    )


def _batches(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Part steps into single ones and runs of logins that wait for nothing."""
    run: list[Step] = []
    for step in steps:
        if isinstance(step.action, Login) and step.status is Status.PLANNED and not step.after:
            run.append(step)
            continue
        if run:
            yield run
            run = []
        yield [step]
    if run:
        yield run


def _errors(plan: Plan) -> dict[str, IscsictlError]:
    return dict(plan.errors) if isinstance(plan, Fork) else {}


class _Run:
    def __init__(self, plan: Plan, context: Context, listen: ProgressListener) -> None:
        self.plan = plan
        self.context = context
        self.listen = listen
        self.done: list[CompletedStep] = []
        self.ended: dict[str, Outcome] = {}
        self.failed = _errors(plan)
        self.lost = set(self.failed)

    def all_steps(self) -> None:
        for steps in _batches(self.plan.steps):
            if len(steps) > 1:
                self._log_in(steps)
            else:
                self._one(steps[0])

    def _one(self, step: Step) -> None:
        if step.id in self.failed:
            error = self.failed[step.id]
            journal.note(step, step.status, error.text)
            self._heard(Outcome(step, error=error))
        elif step.status is Status.UNCHANGED:
            self._heard(Outcome(step))
        elif step.after and step.after <= self.lost:
            self.lost.add(step.id)
            self._heard(Outcome(step).with_status(Status.SKIPPED))
        else:
            self._perform(step)

    def _log_in(self, steps: Sequence[Step]) -> None:
        for outcome in log_in(steps, self.context, lambda step: self.listen(Outcome(step))):
            step = outcome.step
            if outcome.error is not None:
                self.failed[step.id] = outcome.error
                self.lost.add(step.id)
                journal.note(step, step.status, outcome.error.text)
            elif step.status is Status.DONE:
                self.done.append(CompletedStep(step, StepResult()))
                journal.note(step, step.status)
            self._heard(outcome)

    def _perform(self, step: Step) -> None:
        try:
            for outcome in execute_steps([step], self.context, self.done):
                if outcome.step.status is Status.PLANNED:
                    self.listen(outcome)
                else:
                    self._heard(outcome)
        except StepFailedError as failed:
            self._heard(failed.outcome)
            self.failed[step.id] = failed.cause
            self.lost.add(step.id)

    def roll_back(self) -> tuple[str, ...]:
        """Undo what only failed steps rested on."""
        useless = []
        for one in self.done:
            resting = {step.id for step in self.plan.steps if one.step.id in step.after}
            if resting and resting <= self.lost and not isinstance(one.step.action, Login):
                useless.append(one)
        undone, leftovers = roll_back(useless, self.context)
        for outcome in undone:
            seconds = self.ended[outcome.step.id].seconds
            self._heard(replace(outcome, seconds=seconds))
        return tuple(leftovers)

    def not_seen(self, after: Plan) -> IscsictlError | None:
        """Tell what was done and yet is still to be done."""
        for step in after.pending:
            outcome = self.ended.get(step.id)
            if outcome is not None and outcome.step.status is Status.DONE:
                return IscsictlError(f"{step.id} was done, but it does not show")
        return None

    def _heard(self, outcome: Outcome) -> None:
        self.ended[outcome.step.id] = outcome
        self.listen(outcome)
