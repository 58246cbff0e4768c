"""Many logins side by side: so many at once, and one deadline that each success renews."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import cast

from iscsictl.engine.context import Context
from iscsictl.errors import IscsictlError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.plan import Outcome, Status, Step
from iscsictl.system import iscsiadm, stop
from iscsictl.system.iscsiadm import Key
from iscsictl.system.sysfs import read_sessions

#: Arrays suffer from more; with fewer the waits for one another's answers add up.
AT_ONCE = 8
_PAUSE = 3.0


def log_in(
    steps: Sequence[Step], context: Context, begins: Callable[[Step], None]
) -> Iterator[Outcome]:
    """Carry out steps that are all logins, and yield what became of each as it ends.

    When none has ended well for `context.wait` seconds, those at work are ended and the others
    are not begun. `begins` is told of each step as it begins. Raises InterruptError once those
    at work have ended.
    """
    waiting = list(steps)
    at_work: dict[Future[bool], tuple[Step, float]] = {}
    deadline = context.deadline()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while waiting or at_work:
            stop.check()
            while waiting and len(at_work) < AT_ONCE and time.monotonic() < deadline:
                step = waiting.pop(0)
                begins(step)
                at_work[pool.submit(_login, step, context.wait)] = step, time.monotonic()
            if not at_work:
                break
            ended, _ = wait(at_work, return_when=FIRST_COMPLETED)
            for future in ended:
                outcome = _outcome(future, *at_work.pop(future))
                if outcome.error is None:
                    deadline = context.deadline()
                yield outcome
    for step in waiting:
        late = UnreachableError(
            f"{step.subject}: not tried, for no login has ended well for {context.wait:g} s",
            hint="see what iscsid says: journalctl -u iscsid; or give it longer with --timeout",
        )
        yield Outcome(step, error=late).with_status(Status.FAILED)
    _await_disks(steps, context)


def _login(step: Step, seconds: float) -> bool:
    action = cast(actions.Login, step.action)
    return iscsiadm.login(Key(action.target, action.portal, action.iface), timeout=seconds)


def _outcome(future: Future[bool], step: Step, began: float) -> Outcome:
    seconds = time.monotonic() - began
    try:
        created = future.result()
    except IscsictlError as error:
        return Outcome(step, seconds, error).with_status(Status.FAILED)
    return Outcome(step, seconds).with_status(Status.DONE if created else Status.UNCHANGED)


def _await_disks(steps: Sequence[Step], context: Context) -> None:
    """Wait a moment until each new session has a disk that can be opened."""
    targets = {cast(actions.Login, step.action).target for step in steps}

    def look() -> bool | None:
        sessions = [s for s in read_sessions(context.root, details=False) if s.target in targets]
        without = [s for s in sessions if not any(unit.device for unit in s.luns or ())]
        return None if without else True

    context.waiter.wait(look, time.monotonic() + min(_PAUSE, context.wait))
