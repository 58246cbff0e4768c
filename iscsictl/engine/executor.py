"""Execute steps in order, and roll back what was done when one fails."""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from iscsictl.engine.handlers.effect import StepResult
from iscsictl.engine.handlers.registry import complete_roll_back, execute_action, inverse
from iscsictl.errors import InterruptError, IscsictlError, UnexpectedContentError, from_os
from iscsictl.model import actions
from iscsictl.model.plan import Action, Hazard, Outcome, Status, Step
from iscsictl.system.context import Context
from iscsictl.system.io import journal, signals
from iscsictl.system.io.process import StoppedError


@dataclass(frozen=True)
class CompletedStep:
    """A step that was executed, or failed on the way, and what it changed."""

    step: Step
    effect: StepResult
    error: IscsictlError | None = None


class StepFailedError(IscsictlError):
    """A step failed; `cause` says why, `outcome` which."""

    def __init__(self, outcome: Outcome, cause: IscsictlError) -> None:
        super().__init__(cause.text, hint=cause.hint, tool_exit=cause.tool_exit)
        self.exit = cause.exit
        self.outcome = outcome
        self.cause = cause


def execute_steps(
    steps: Iterable[Step], context: Context, done: list[CompletedStep]
) -> Iterator[Outcome]:
    """Execute steps, adding those executed to `done`; yield an outcome as each begins and ends.

    Raises StepFailedError; InterruptError between steps, or after a tool that was stopped.
    """
    for step in steps:
        signals.check()
        yield Outcome(step)
        began = time.monotonic()
        try:
            effect = _execute_step(step.action, context)
        except StoppedError as error:
            signals.check()
            raise InterruptError(error.text, signal=15) from None
        except InterruptError:
            raise
        except IscsictlError as error:
            outcome = Outcome(step, time.monotonic() - began, error).with_status(Status.FAILED)
            journal.note(step, Status.FAILED, error.text)
            # A step that failed may have changed something all the same, which has to be rolled
            # back too.
            if error.wrote or isinstance(error, UnexpectedContentError):
                done.append(CompletedStep(step, StepResult(changed=error.wrote), error))
            raise StepFailedError(outcome, error) from None
        status = Status.DONE if effect.changed else Status.UNCHANGED
        done.append(CompletedStep(step, effect))
        if effect.changed:
            journal.note(step, status)
        yield Outcome(step, time.monotonic() - began).with_status(status)


def _execute_step(action: Action, context: Context) -> StepResult:
    try:
        with context.lock_for(action):
            return execute_action(action, context)
    except OSError as error:
        raise from_os(error) from error


def roll_back(done: list[CompletedStep], context: Context) -> tuple[list[Outcome], list[str]]:
    """Roll back the executed steps, the last one first. Returns the outcomes and what is left over.

    What was removed, or changed on a disk, is reported and not restored. A claim stays once
    something was written to the disk, because the next run needs it to continue. It is removed if
    foreign content appeared there, because the next run would mistake that for its own.
    """
    outcomes, leftovers = [], []
    destroyed = [d for d in done if d.step.hazard is Hazard.DESTROYS and d.effect.changed]
    foreign = any(isinstance(one.error, UnexpectedContentError) for one in done)
    for one in reversed(done):
        if one in destroyed:
            leftovers.append(f"{one.step.id} is not undone: an undo never destroys data")
            continue
        if isinstance(one.step.action, actions.Claim) and destroyed and not foreign:
            leftovers.append(
                "the claim in /etc/fstab is kept: the same command continues from there"
            )
            continue
        back = inverse(one.step.action, one.effect)
        if back is None:
            if one.effect.changed and not one.step.action.undoable:
                leftovers.append(f"{one.step.id} is not undone")
            continue
        error = _roll_back_step(back, context)
        if error is None:
            journal.note(one.step, Status.UNDONE)
            outcomes.append(Outcome(one.step).with_status(Status.UNDONE))
        else:
            leftovers.append(f"{one.step.id} could not be undone: {error}")
    if outcomes:
        # The run has failed already, and for another reason.
        with signals.shielded(), suppress(IscsictlError):
            complete_roll_back(context)
    return outcomes, leftovers


def _roll_back_step(back: Action, context: Context) -> str | None:
    try:
        with signals.shielded(), context.lock_for(back):
            execute_action(back, context)
    except IscsictlError as error:
        return error.text
    except OSError as error:
        return str(error.strerror)
    return None
