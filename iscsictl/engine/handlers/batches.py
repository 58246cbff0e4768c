"""Steps that are executed together, one batch after the other, and reported one by one."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar, cast

from iscsictl.errors import InterruptError, IscsictlError, from_os
from iscsictl.model.plan import Action, Outcome, Status, Step
from iscsictl.system.io import signals

#: Steps of a batch. Whether they may be executed is found out right before, and again for the next
#: ones: the fewer they are, the less can change in between, and the sooner a signal ends the run.
AT_ONCE: Final = 32

ActionType = TypeVar("ActionType", bound=Action)
#: Tells of each action whether it changed anything, or why it failed.
Work = Callable[[Sequence[ActionType]], Sequence[bool | IscsictlError]]


def execute_batches(
    steps: Sequence[Step], work: Work[ActionType], begins: Callable[[Step], None]
) -> Iterator[Outcome]:
    """Have `work` execute the actions of all steps, AT_ONCE at a time; yield each result.

    `begins` is told about each step as it begins. An error that `work` raises is that of the whole
    batch. Raises InterruptError after a batch, once the steps that have ended were reported.
    """
    for first in range(0, len(steps), AT_ONCE):
        batch = steps[first : first + AT_ONCE]
        for step in batch:
            begins(step)
        began = time.monotonic()
        results: Sequence[bool | IscsictlError]
        try:
            results = work([cast("ActionType", step.action) for step in batch])
        except IscsictlError as error:
            results = [error] * len(batch)
        except OSError as error:
            results = [from_os(error)] * len(batch)
        seconds = time.monotonic() - began
        for step, result in zip(batch, results, strict=True):
            if isinstance(result, InterruptError):
                continue  # it did not fail: the check below ends the run
            if isinstance(result, IscsictlError):
                yield Outcome(step, seconds, result).with_status(Status.FAILED)
            else:
                status = Status.DONE if result else Status.UNCHANGED
                yield Outcome(step, seconds).with_status(status)
        signals.check()
