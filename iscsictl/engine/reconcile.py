"""The loop: look, plan, act, and again, until what was wished is what is seen."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from iscsictl.engine.executor import Done, StepFailedError, execute, undo
from iscsictl.engine.handlers.registry import found_done
from iscsictl.errors import InterruptError, IscsictlError, RefusedError, from_os
from iscsictl.lazyclass import dataclass
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Outcome, Plan, Report, Status
from iscsictl.planner.safety.overwrite import AskError
from iscsictl.system.context import Context

_ROUNDS = 20


class Listener(Protocol):
    """Hears of each step as it begins and ends."""

    def __call__(self, outcome: Outcome) -> None:
        """Take an outcome; PLANNED means that the step begins now."""


@dataclass(frozen=True)
class Task:
    """One wish: how to look for it, how to plan it, and how to ask the user.

    `grant` takes what a yes gives and returns the task with that consent; `ask` puts a
    question and tells whether the answer was yes.
    """

    look: Callable[[Context, Inventory | None], Inventory]
    think: Callable[[Inventory], Plan]
    grant: Callable[[str], "Task"] | None = None
    ask: Callable[[str], bool] = lambda _: False


def look(task: Task, context: Context, before: Inventory | None = None) -> Inventory:
    """Look at the machine for a task. Raises IscsictlError, whatever the kernel refuses."""
    try:
        return task.look(context, before)
    except OSError as error:
        raise from_os(error) from error


def _decide(task: Task, inventory: Inventory) -> tuple[Task, Plan]:
    """Plan, asking the user where only a yes helps. A refusal stays in the plan."""
    plan = task.think(inventory)
    while isinstance(plan.refusal, AskError) and task.grant and task.ask(plan.refusal.question):
        task = task.grant(plan.refusal.grant)
        plan = task.think(inventory)
    return task, plan


def dry_run(task: Task, context: Context) -> Report:
    """Return what would be done; nothing is changed."""
    _, plan = _decide(task, look(task, context))
    pending = bool(plan.pending) and plan.refusal is None
    outcomes = tuple(Outcome(step) for step in plan.steps)
    return Report(outcomes, plan.refusal, (), plan.notes, plan.result, pending)


def converge(task: Task, context: Context, listen: Listener) -> Report:
    """Do what it takes, and say what became of each step.

    What comes out after a frontier is never stronger than the first plan showed. When a step
    fails, or a later plan refuses, what this run did is taken back; after an interrupt it
    stays, for the same command goes on from there.
    """
    return Run(context, listen).until_seen(task)


class Run:
    """One wish being carried out; `done` is what can be taken back, `ended` what became of each."""

    def __init__(self, context: Context, listen: Listener) -> None:
        self.context = context
        self.listen = listen
        self.done: list[Done] = []
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
                inventory = look(task, self.context, inventory)
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
            error, leftovers = failed.cause, self.take_back()
        except IscsictlError as refused:
            error, leftovers = refused, self.take_back()
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
        for outcome in execute(plan.ready, self.context, self.done):
            if outcome.step.status is Status.PLANNED:
                self.listen(outcome)
            else:
                self.heard(outcome)

    def heard(self, outcome: Outcome) -> None:
        """Note what became of a step, and tell it."""
        self.ended[outcome.step.id] = outcome
        self.listen(outcome)

    def take_back(self) -> tuple[str, ...]:
        """Undo what this run did; return what is left over."""
        return self.undo(self.done)

    def undo(self, done: list[Done]) -> tuple[str, ...]:
        """Undo these steps; return what is left over."""
        undone, leftovers = undo(done, self.context)
        for outcome in undone:
            seconds = self.ended[outcome.step.id].seconds
            self.heard(replace(outcome, seconds=seconds))
        return tuple(leftovers)
