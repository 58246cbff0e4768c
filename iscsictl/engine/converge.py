"""The loop: look, plan, act, and again, until what was wished is what is seen."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from iscsictl.core.safety import AskError
from iscsictl.engine.act import Done, StepFailedError, execute, undo
from iscsictl.engine.context import Context
from iscsictl.errors import InterruptError, IscsictlError, RefusedError
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Outcome, Plan, Report, Status

_ROUNDS = 12


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


def foresee(task: Task, context: Context) -> tuple[Inventory, Plan]:
    """Look once and plan. A question is asked here; a plan's refusal is in the plan."""
    inventory = task.look(context, None)
    plan = task.think(inventory)
    while isinstance(plan.refusal, AskError) and task.grant and task.ask(plan.refusal.question):
        task = task.grant(plan.refusal.grant)
        plan = task.think(inventory)
    return inventory, plan


def dry_run(task: Task, context: Context) -> Report:
    """Return what would be done; nothing is changed."""
    _, plan = foresee(task, context)
    outcomes = tuple(Outcome(step) for step in plan.steps)
    return Report(
        outcomes,
        plan.refusal,
        notes=plan.notes,
        result=plan.result,
        pending=bool(plan.pending) and plan.refusal is None,
    )


def converge(task: Task, context: Context, listen: Listener) -> Report:
    """Do what it takes, and say what became of each step.

    What comes out after a frontier is never stronger than the first plan showed. When a step
    fails, or the next plan refuses, what this run did is taken back.
    """
    done: list[Done] = []
    ended: dict[str, Outcome] = {}
    inventory: Inventory | None = None
    shown: Plan | None = None
    plan = Plan()
    try:
        for _ in range(_ROUNDS):
            inventory = task.look(context, inventory)
            plan = task.think(inventory)
            while isinstance(plan.refusal, AskError) and task.grant:
                if not task.ask(plan.refusal.question):
                    break
                task = task.grant(plan.refusal.grant)
                plan = task.think(inventory)
            if plan.refusal is not None:
                raise plan.refusal
            shown = shown or plan
            _never_stronger(shown, plan)
            for step in plan.steps:
                if step.status is Status.UNCHANGED and step.id not in ended:
                    ended[step.id] = Outcome(step)
                    listen(ended[step.id])
            if not plan.pending:
                break
            for outcome in execute(plan.ready, context, done):
                listen(outcome)
                if outcome.step.status is not Status.PLANNED:
                    ended[outcome.step.id] = outcome
        else:
            raise IscsictlError("the machine does not come to rest: the same steps stay pending")
    except InterruptError as error:
        return Report(tuple(ended.values()), error, notes=plan.notes)
    except IscsictlError as error:
        return _give_up(error, context, listen, done, ended, plan)
    return Report(tuple(ended.values()), notes=plan.notes, result=plan.result)


def _never_stronger(shown: Plan, plan: Plan) -> None:
    beyond = plan.exceeds(shown)
    if beyond is not None:
        raise RefusedError(
            f"{beyond.id} ({beyond.hazard.value}) was not part of the plan at the start",
            hint="something changed meanwhile; look with --dry-run, then run it again",
        )


def _give_up(
    error: IscsictlError,
    context: Context,
    listen: Listener,
    done: list[Done],
    ended: dict[str, Outcome],
    plan: Plan,
) -> Report:
    if isinstance(error, StepFailedError):
        ended[error.outcome.step.id] = error.outcome
        listen(error.outcome)
        error = error.cause
    undone, leftovers = undo(done, context)
    for outcome in undone:
        listen(outcome)
        ended[outcome.step.id] = replace(outcome, seconds=ended[outcome.step.id].seconds)
    return Report(tuple(ended.values()), error, tuple(leftovers), plan.notes)
