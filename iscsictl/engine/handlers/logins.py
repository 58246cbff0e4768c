"""Many logins at once: fewer after timeouts, more after successes, until a deadline.

Each success renews the deadline.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, cast

from iscsictl.engine.handlers.records import key_of
from iscsictl.errors import InterruptError, IscsictlError, UnreachableError
from iscsictl.lazy_import import lazy_import
from iscsictl.limits import LOGIN_DISK_WAIT
from iscsictl.model.plan import Outcome, Status, Step
from iscsictl.planner.selection.session_index import SessionIndex
from iscsictl.system.context import Context
from iscsictl.system.io import signals
from iscsictl.system.iscsi import iscsiadm, login_batch, nodedb, session_view
from iscsictl.system.iscsi.iscsiadm import Key
from iscsictl.system.iscsi.login_errors import explained_login
from iscsictl.system.iscsi.sessions import read_sessions

if TYPE_CHECKING:
    from iscsictl.errors import codes as error_codes
    from iscsictl.model import actions
else:
    # Needed only where a login fails.
    error_codes = lazy_import("iscsictl.errors.codes")

#: Batches at once: one sends its requests while iscsid and the arrays work on those of the other.
LANES = 2
#: Logins at once, over all batches. iscsid handles hundreds, but some arrays drop connections above
#: a few dozen, so it begins with the number that all arrays seen so far could take.
FIRST = 64
FEWEST = 8
MOST = 256
#: As many processes as do one login each, where no batch can be had: each reads all records.
ALONE = 32
_LATE = "see iscsid's log: journalctl -u iscsid; or allow more time with --timeout"
Ended = list[Outcome]


def log_in(
    steps: Sequence[Step], context: Context, begins: Callable[[Step], None]
) -> Iterator[Outcome]:
    """Execute steps that are all logins, and yield the result of each as it ends.

    If none has succeeded for `context.wait` seconds, those in progress are ended and the others are
    not begun. `begins` is told about each step as it begins. Raises InterruptError once those in
    progress have ended and the sessions that they made were reported.
    """
    batches = session_view.is_possible(context.root)
    waiting, at_work = list(steps), set[Future[Ended]]()
    width, deadline = FIRST if batches else ALONE, context.deadline()
    with ThreadPoolExecutor(LANES if batches else ALONE) as pool:
        while waiting or at_work:
            lanes = LANES if batches else width
            while (
                waiting
                and len(at_work) < lanes
                and time.monotonic() < deadline
                and not signals.asked()
            ):
                size = batch_size(width, len(waiting), lanes - len(at_work)) if batches else 1
                batch, waiting = waiting[:size], waiting[size:]
                for step in batch:
                    begins(step)
                at_work.add(pool.submit(_log_in_together, batch, context))
            # The deadline is over, and the rest is reported below without being tried; or a signal
            # came, and ends the run once those at work have been told of.
            if not at_work:
                break
            ended, at_work = wait(at_work, return_when=FIRST_COMPLETED)
            for outcomes in [future.result() for future in ended]:
                width = adapt_batch_width(
                    width, [outcome.error for outcome in outcomes], batches=batches
                )
                for outcome in outcomes:
                    if isinstance(outcome.error, InterruptError):
                        continue  # it did not fail: the check below ends the run
                    if outcome.error is None:
                        deadline = context.deadline()
                    yield outcome
    signals.check()
    for step in waiting:
        late = UnreachableError(
            f"{step.subject}: not tried, because no login has succeeded for {context.wait:g} s",
            hint=_LATE,
        )
        yield Outcome(step, error=late).with_status(Status.FAILED)
    _await_disks(steps, context)


def batch_size(width: int, waiting: int, lanes: int) -> int:
    """Return the size of the next batch: a fair share of `width`, and of the remaining logins.

    `lanes` is the number of batches that may begin now, at least 1.
    """
    return max(1, min(width // LANES, -(-waiting // lanes)))


def adapt_batch_width(width: int, errors: Sequence[IscsictlError | None], *, batches: bool) -> int:
    """Return how many logins may run at once, after some have ended with these errors.

    Half as many after a timeout, twice as many if all succeeded. A refused login, such as one with
    a wrong secret, says nothing about the load.
    """
    if any(isinstance(error, UnreachableError) for error in errors):
        return max(FEWEST, width // 2)
    if all(error is None for error in errors):
        # One process each is no batch: its success is one of many, so the step is small.
        return min(MOST, width * 2) if batches else min(ALONE, width + 1)
    return width


def _log_in_together(steps: list[Step], context: Context) -> Ended:
    """Execute several logins at once."""
    began = time.monotonic()
    results = log_in_to([key_of(step.action) for step in steps], context)
    seconds = time.monotonic() - began
    ended = []
    for step, result in zip(steps, results, strict=True):
        if isinstance(result, IscsictlError):
            ended.append(Outcome(step, seconds, result).with_status(Status.FAILED))
        else:
            status = Status.DONE if result else Status.UNCHANGED
            ended.append(Outcome(step, seconds).with_status(status))
    return ended


def log_in_to(keys: Sequence[Key], context: Context) -> list[bool | IscsictlError]:
    """Log in to some records with one iscsiadm, if that is possible.

    Returns for each whether a session was made, or why there is none; what the kernel shows
    afterwards decides.
    """
    late = False
    stopped: InterruptError | None = None
    codes: Mapping[Key, int] | None = None
    try:
        if len(keys) > 1 and session_view.is_possible(context.root):
            codes = login_batch.log_in(keys, context.db, timeout=context.wait)
    except UnreachableError:
        codes, late = {}, True
    except InterruptError as error:
        codes, stopped = {}, error
    except IscsictlError as error:
        return [error for _ in keys]
    if codes is None:
        with ThreadPoolExecutor(len(keys)) as pool:
            return list(pool.map(lambda key: _log_in_to_one(key, context), keys))
    targets = {key.target for key in keys}
    records = [r for target in targets for r in nodedb.read_records(context.db, target)]
    sessions = read_sessions(context.root, details=False, targets=targets)
    index = SessionIndex(records, sessions)
    if stopped is not None:
        return [_is_logged_in(key, index) or stopped for key in keys]
    results = [
        _result_of_login(key, index, codes.get(key), context.wait if late else None) for key in keys
    ]
    return [
        explained_login(result, key, context.db, context.wait)
        if isinstance(result, IscsictlError)
        else result
        for key, result in zip(keys, results, strict=True)
    ]


def _result_of_login(
    key: Key, index: SessionIndex, code: int | None, late: float | None
) -> bool | IscsictlError:
    """Return the result of a login: `code` is iscsiadm's; it was ended after `late` seconds."""
    # iscsiadm's exit code is that of the first error of a batch; the kernel has the truth of each.
    if _is_logged_in(key, index):
        return code == 0 or late is not None
    doing = f"logging in to {key.target} through {key.portal}"
    if late is not None:
        error = UnreachableError(f"no answer within {late:g} s", hint=_LATE)
        return iscsiadm.explain_no_answer(error, doing)
    return error_codes.error_from_iscsiadm(code or 1, "", doing)


def _is_logged_in(key: Key, index: SessionIndex) -> bool:
    session = index.session_of(index.record_for(key.target, key.portal, key.iface))
    return session is not None and session.status == "up"


def _log_in_to_one(key: Key, context: Context) -> bool | IscsictlError:
    try:
        return context.log_in(key)
    except IscsictlError as error:
        return error


def _await_disks(steps: Sequence[Step], context: Context) -> None:
    """Wait a moment until each session of these targets has a disk."""
    targets = {cast("actions.Login", step.action).target for step in steps}

    def all_have_disks() -> bool | None:
        sessions = read_sessions(context.root, details=False, targets=targets)
        without = [s for s in sessions if not any(unit.device for unit in s.luns or ())]
        return None if without else True

    deadline = time.monotonic() + min(LOGIN_DISK_WAIT, context.wait)
    context.waiter.wait(all_have_disks, deadline, "waiting for the kernel to show the disks")
