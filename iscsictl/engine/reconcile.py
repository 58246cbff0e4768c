"""The loop of observe, plan and execute: it ends when nothing is left that can be done."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from iscsictl.engine.executor import CompletedStep, StepFailedError, execute_steps, roll_back
from iscsictl.engine.handlers.effect import StepResult
from iscsictl.engine.handlers.registry import complete_unchanged
from iscsictl.engine.task import Task, observe_task
from iscsictl.errors import InterruptError, IscsictlError, RefusedError, UnansweredError
from iscsictl.lazy_import import lazy_import
from iscsictl.model import actions
from iscsictl.model.grouping import group_by_keys
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Action, Outcome, Plan, Report, Status, Step
from iscsictl.planner.builder import error_lines, summarize_steps
from iscsictl.planner.safety.overwrite import ConsentRequiredError
from iscsictl.system.context import Context
from iscsictl.system.io import journal

if TYPE_CHECKING:
    from iscsictl.engine.handlers import logins, logouts, removals
else:
    # A dry run, and a run without what they execute, do without them.
    logins = lazy_import("iscsictl.engine.handlers.logins")
    logouts = lazy_import("iscsictl.engine.handlers.logouts")
    removals = lazy_import("iscsictl.engine.handlers.removals")

# Each round ends with a frontier (a login, a scan) or with the last step. An attach over eight
# portals has nine frontiers; a machine that still changes after twenty never settles.
ROUNDS = 20


class OnFailure(Enum):
    """What a step that fails does to the rest of the run."""

    #: The run ends, and all of its steps are rolled back: the plan is done whole or not at all.
    STOP = auto()
    #: Only the steps that need the failed one are skipped.
    CONTINUE = auto()


class NotConvergedError(IscsictlError):
    """The machine still changes after the last round. What was done stays for the next run."""

    def __init__(self) -> None:
        super().__init__(
            f"the configuration did not converge after {ROUNDS} rounds",
            hint="rerun with --dry-run to see the pending steps",
        )


class ProgressListener(Protocol):
    """Is told about each step when it begins and when it ends."""

    def __call__(self, outcome: Outcome) -> None:
        """Take an outcome; PLANNED means that the step begins now."""


def _plan_with_consent(task: Task, inventory: Inventory) -> tuple[Task, Plan]:
    """Plan, asking the user where only consent is missing. Other refusals stay in the plan."""
    plan = task.plan(inventory)
    while (
        isinstance(plan.refusal, ConsentRequiredError)
        and task.grant
        and task.confirm(plan.refusal.question)
    ):
        task = task.grant(plan.refusal.grant)
        plan = task.plan(inventory)
    return task, plan


def next_batch(
    waiting: Sequence[Step], ended: AbstractSet[str], lost: AbstractSet[str]
) -> list[Step]:
    """Return the next step in the plan's order, with all that can be executed together with it.

    Logins, logouts, and removals of records can be. `ended` and `lost` are ids: `ended` of the
    steps that were executed or given up, `lost` only of the latter.
    """
    kind = _kind_of_batch(waiting[0].action)
    if kind is None:
        return [waiting[0]]
    batch = [
        step
        for step in waiting
        if _kind_of_batch(step.action) is kind and step.after <= ended and not step.after & lost
    ]
    return batch if batch and batch[0] is waiting[0] else [waiting[0]]


def _kind_of_batch(action: Action) -> type[Action] | None:
    """Return the type of actions that this one can be executed together with, None for none."""
    if isinstance(action, actions.Logout):
        return actions.Logout if logouts.go_together(action) else None
    if isinstance(action, actions.DeleteRecord):
        return actions.DeleteRecord if removals.go_together(action) else None
    return actions.Login if isinstance(action, actions.Login) else None


def dry_run(task: Task, context: Context) -> Report:
    """Return what would be done, without changing anything.

    It plans once, so everything behind a frontier is a forecast. If consent is missing, `confirm`
    of the task is asked as in a real run.
    """
    return report_plan(_plan_with_consent(task, observe_task(task, context))[1])


def report_plan(plan: Plan) -> Report:
    """Return what a plan would do, as the report of a run that does nothing.

    `pending` is set if there is something to do; then errors of single steps are left to the run. A
    refusal is always the error of the report.
    """
    outcomes = tuple(Outcome(step, error=plan.errors.get(step.id)) for step in plan.steps)
    pending = bool(plan.pending) and plan.refusal is None
    error = plan.refusal or summarize_steps(plan.errors, plan.steps)
    notes = (*plan.notes, *error_lines(plan.errors))
    return Report(outcomes, None if pending else error, (), notes, plan.result, pending)


def reconcile(
    task: Task,
    context: Context,
    listen: ProgressListener,
    on_failure: OnFailure = OnFailure.STOP,
) -> Report:
    """Do what the task asks for, and report the result of each step.

    After each frontier the machine is observed and planned again. The new plan may be milder than
    the first plan that was shown, never stronger. With STOP, a failure or a later refusal rolls the
    run back; after a signal everything stays, since running the command again finishes it.
    """
    return Run(context, listen, on_failure).until_settled(task)


class Run:
    """One task while it is executed.

    `done` is what can be rolled back, `begun` what was executed, `ended` the outcome of each step,
    `failed` why a step failed, and `lost` all steps that failed or were skipped, by step id.
    """

    def __init__(
        self,
        context: Context,
        listen: ProgressListener,
        on_failure: OnFailure = OnFailure.STOP,
    ) -> None:
        self.context = context
        self.listen = listen
        self.on_failure = on_failure
        self.done: list[CompletedStep] = []
        self.begun: dict[str, Step] = {}
        self.ended: dict[str, Outcome] = {}
        self.failed: dict[str, IscsictlError] = {}
        self.lost: set[str] = set()
        self.leftovers: tuple[str, ...] = ()

    @property
    def stops(self) -> bool:
        """Whether the first failure ends the run."""
        return self.on_failure is OnFailure.STOP

    def until_settled(self, task: Task) -> Report:
        """Observe, plan and execute until nothing is left to do.

        Never raises IscsictlError: what ended the run is the error of the report. After a signal
        nothing is rolled back, unless it came instead of an answer to a question.
        """
        shown: Plan | None = None
        plan = Plan()
        error: IscsictlError | None = None
        inventory: Inventory | None = None
        try:
            for number in range(ROUNDS):
                inventory = observe_task(task, self.context, inventory)
                task, plan = _plan_with_consent(task, inventory)
                # The user has seen, or could have seen, this one: later ones must not exceed it.
                shown = shown or plan
                if not self.is_pending(plan, shown, first=number == 0):
                    break
                self.execute(plan)
            else:
                error = NotConvergedError()
        except UnansweredError as unanswered:
            error = unanswered
            self.leftovers = self.roll_back()
        except InterruptError as interrupt:
            error = self.describe_interrupt(interrupt)
            self.leftovers = self.unfinished_logins()
        except StepFailedError as failure:
            self.end_step(failure.outcome)
            error = failure.cause
            if failure.outcome.step.action.rolls_back:
                self.leftovers = self.roll_back()
        except IscsictlError as refusal:
            error = refusal
            self.leftovers = self.roll_back() if self.stops else self.leftovers
        return self.make_report(shown or plan, plan, error)

    def make_report(self, shown: Plan, last: Plan, error: IscsictlError | None) -> Report:
        """Return how the steps ended, given the first plan, the last one and the run's error."""
        outcomes, notes = tuple(self.ended.values()), shown.notes
        if not self.stops:
            if not isinstance(error, InterruptError):
                steps = [outcome.step for outcome in outcomes]
                error = summarize_steps(self.failed, steps) or error
            notes = (*dict.fromkeys((*notes, *last.notes)), *error_lines(self.failed))
        return Report(outcomes, error, self.leftovers, notes, last.result)

    def describe_interrupt(self, interrupt: InterruptError) -> InterruptError:
        """Return the same interrupt, saying whether anything was changed before it."""
        if not self.has_changed and not self.at_work():
            return InterruptError(f"{interrupt.text}; nothing was changed", signal=interrupt.signal)
        text = f"{interrupt.text}; completed steps are kept" if self.has_changed else interrupt.text
        return InterruptError(text, signal=interrupt.signal, hint=interrupt.hint)

    @property
    def has_changed(self) -> bool:
        """Whether a step was executed that changed something."""
        return any(outcome.step.status is Status.DONE for outcome in self.ended.values())

    def at_work(self) -> tuple[Step, ...]:
        """Return the steps that have begun and not ended."""
        return tuple(step for step in self.begun.values() if step.id not in self.ended)

    def unfinished_logins(self) -> tuple[str, ...]:
        """Return a sentence for each login that iscsid still works on; nothing can stop those."""
        return tuple(
            f"the login to {step.subject} did not finish: iscsid may still complete it; see: "
            "iscsictl ls"
            for step in self.at_work()
            if isinstance(step.action, actions.Login)
        )

    def is_pending(self, plan: Plan, shown: Plan, *, first: bool) -> bool:
        """Tell whether the plan has anything to execute; raise where it must not be executed."""
        if plan.refusal is not None and (self.stops or first):
            raise plan.refusal
        stronger = plan.exceeds(shown) if self.stops else None
        if stronger is not None:
            raise RefusedError(
                f"{stronger.id} ({stronger.hazard.value}) was not part of the plan at the start",
                hint="something has changed meanwhile; check with --dry-run, then run this again",
            )
        if self.stops or first:
            self._end_decided(plan)
        pending = plan.ready if self.stops else plan.pending
        for step in pending:
            ended = self.ended.get(step.id)
            if ended is not None and (self.stops or ended.step.status is Status.DONE):
                raise IscsictlError(f"{step.id} completed but had no visible effect")
        # What another process undid meanwhile is not chased: each step is executed once.
        return bool(pending) and (self.stops or first)

    def _end_decided(self, plan: Plan) -> None:
        """Report the steps that need no execution: those already done, and impossible ones."""
        for step in plan.steps:
            if step.id in self.ended:
                continue
            if step.id in plan.errors:
                self._note_failed_step(Outcome(step, error=plan.errors[step.id]))
            elif step.status is Status.UNCHANGED:
                self.end_step(Outcome(step))
                complete_unchanged(step.action, self.context)

    def execute(self, plan: Plan) -> None:
        """Execute the steps that can be done now.

        A run that continues after failures skips a step once all that it needs has failed (a mount
        needs one login of several; a removal needs the end of every session), and rolls back the
        steps that only failed ones needed. Raises StepFailedError for the first failure if the run
        stops at one, InterruptError after a signal.
        """
        if self.stops:
            self._execute_steps(plan.ready)
            return
        waiting = list(plan.pending)
        while waiting:
            batch = next_batch(waiting, self.ended.keys(), self.lost)
            if len(batch) > 1:
                # By identity: two steps that are alike are for two sessions of one record.
                taken = {id(step) for step in batch}
                waiting = [step for step in waiting if id(step) not in taken]
                self._execute_batch(batch)
                continue
            step = waiting.pop(0)
            if self._lacks_need(step):
                self.lost.add(step.id)
                self.end_step(Outcome(step).with_status(Status.SKIPPED))
            else:
                self._try_step(step)
        self.leftovers = self._roll_back_useless(plan)

    def _lacks_need(self, step: Step) -> bool:
        """Tell whether a step can no longer be executed because what it comes after has failed."""
        failed = step.after & self.lost
        if not failed:
            return False
        # What is removed after sessions: each that could not be ended still uses it.
        if isinstance(step.action, actions.DeleteRecord | actions.DropFstab):
            return True
        return failed == step.after

    def _execute_batch(self, steps: Sequence[Step]) -> None:
        """Execute several steps of one kind together; see `next_batch`."""
        execute = logins.log_in
        if isinstance(steps[0].action, actions.Logout):
            execute = logouts.log_out
        elif isinstance(steps[0].action, actions.DeleteRecord):
            execute = removals.remove_records
        for outcome in execute(steps, self.context, self.begin_step):
            if outcome.error is not None:
                self._note_failed_step(outcome)
                continue
            if outcome.step.status is Status.DONE:
                self.done.append(CompletedStep(outcome.step, StepResult()))
                journal.note(outcome.step, outcome.step.status)
            self.end_step(outcome)

    def _try_step(self, step: Step) -> None:
        try:
            self._execute_steps([step])
        except StepFailedError as failure:
            self.failed[step.id] = failure.cause
            self.lost.add(step.id)
            self.end_step(failure.outcome)

    def _execute_steps(self, steps: Sequence[Step]) -> None:
        for outcome in execute_steps(steps, self.context, self.done):
            if outcome.step.status is Status.PLANNED:
                self.begin_step(outcome.step)
            else:
                self.end_step(outcome)

    def _note_failed_step(self, outcome: Outcome) -> None:
        """Note a step that could not be executed at all."""
        step, error = outcome.step, outcome.error
        if error is not None:
            self.failed[step.id] = error
            journal.note(step, step.status, error.text)
        self.lost.add(step.id)
        self.end_step(outcome)

    def begin_step(self, step: Step) -> None:
        """Note that a step has begun, and tell the listener."""
        self.begun[step.id] = step
        self.listen(Outcome(step))

    def end_step(self, outcome: Outcome) -> None:
        """Note how a step ended, and tell the listener.

        A step that ends again, such as one that is rolled back, replaces its earlier outcome.
        """
        self.ended[outcome.step.id] = outcome
        self.listen(outcome)

    def _roll_back_useless(self, plan: Plan) -> tuple[str, ...]:
        """Undo the steps that only failed ones needed.

        Sessions stay up: the cause of the failure can be fixed only while they are, and the next
        run needs them again. Sessions that were ended stay ended, since the next run would end
        them, too.
        """
        needing = group_by_keys(plan.steps, lambda step: step.after)
        useless = [
            one
            for one in self.done
            if not isinstance(one.step.action, (actions.Login, actions.Logout))
            and (steps := needing.get(one.step.id))
            and all(step.id in self.lost for step in steps)
        ]
        return self.undo(useless)

    def roll_back(self) -> tuple[str, ...]:
        """Undo what this run did; return what is left over, a sentence for each."""
        return self.undo(self.done)

    def undo(self, done: list[CompletedStep]) -> tuple[str, ...]:
        """Undo these steps, the last one first; return what is left over.

        Each keeps the number of seconds that it took originally. Never raises: what cannot be
        undone is left over.
        """
        undone, leftovers = roll_back(done, self.context)
        for outcome in undone:
            seconds = self.ended[outcome.step.id].seconds
            self.end_step(replace(outcome, seconds=seconds))
        return tuple(leftovers)
