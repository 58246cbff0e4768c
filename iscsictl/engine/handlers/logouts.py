"""Many logouts at once: who uses the disks is read once, and one iscsiadm ends the sessions."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, cast

from iscsictl.engine.handlers.sessions import require_unused, session_of_action
from iscsictl.errors import InterruptError, IscsictlError, UnreachableError, from_os
from iscsictl.model import actions
from iscsictl.model.plan import Outcome, Status, Step
from iscsictl.system.context import Context
from iscsictl.system.io import signals
from iscsictl.system.iscsi import iscsiadm, nodedb
from iscsictl.system.iscsi.sessions import has_session, read_listing
from iscsictl.system.mount import usage

#: Sessions that end together. Who uses them is looked for right before, and again for the next
#: ones: the fewer they are, the less can come into use in between.
AT_ONCE: Final = 32


def go_together(action: actions.Logout) -> bool:
    """Tell whether a logout may be one of many: dead sessions and lost arrays need more than that.

    What waits for them has to fail first, or their logout does not end.
    """
    return not action.lost and action.sid is None


def log_out(
    steps: Sequence[Step], context: Context, begins: Callable[[Step], None]
) -> Iterator[Outcome]:
    """Execute steps that are all logouts which go together, and yield the result of each.

    `begins` is told of each step as it begins. Raises InterruptError between two batches.
    """
    for first in range(0, len(steps), AT_ONCE):
        signals.check()
        batch = steps[first : first + AT_ONCE]
        for step in batch:
            begins(step)
        began = time.monotonic()
        results = _end_sessions([cast("actions.Logout", step.action) for step in batch], context)
        seconds = time.monotonic() - began
        for step, result in zip(batch, results, strict=True):
            if isinstance(result, IscsictlError):
                yield Outcome(step, seconds, result).with_status(Status.FAILED)
            else:
                status = Status.DONE if result else Status.UNCHANGED
                yield Outcome(step, seconds).with_status(status)


def _end_sessions(
    logouts: Sequence[actions.Logout], context: Context
) -> list[bool | IscsictlError]:
    """End what nobody uses; tell of each whether there was a session, or why it stays."""
    try:
        found = _find_unused(logouts, context)
        pairs = list(zip(logouts, found, strict=True))
        ending = {sid: action.target for action, sid in pairs if isinstance(sid, int)}
        failure = _end_together(ending, context)
        return [_result(action, sid, failure, context) for action, sid in pairs]
    except OSError as error:
        return [from_os(error) for _ in logouts]


def _find_unused(
    logouts: Sequence[actions.Logout], context: Context
) -> list[int | IscsictlError | None]:
    """Return the session of each logout that may end; None without one, or who uses it."""
    listing = read_listing(context.root, details=False)
    scan = usage.UsageScan(context.root)
    sids = [session.sid for session in listing.sessions if session.sid is not None]
    openers = usage.open_devices(sids, context.root)
    meant = [
        session_of_action(listing.sessions, nodedb.read_records(context.db, action.target), action)
        for action in logouts
    ]
    together = frozenset(session.sid for session in meant if session is not None)
    found: list[int | IscsictlError | None] = []
    for session in meant:
        if session is None:
            found.append(None)
            continue
        try:
            require_unused(session, listing, context, together=together, openers=openers, scan=scan)
            found.append(session.sid)
        except InterruptError:
            raise
        except IscsictlError as error:
            found.append(error)
    return found


def _end_together(ending: Mapping[int, str], context: Context) -> IscsictlError | None:
    """End these sessions, each with its target; return what was met first, of whichever."""
    if not ending:
        return None
    doing = f"logging out of {len(ending)} sessions"
    try:
        if not iscsiadm.log_out_together(ending, doing, timeout=context.wait):
            return _end_one_by_one(ending, context)
    except InterruptError:
        raise
    except IscsictlError as error:
        return error

    def have_ended() -> bool | None:
        return None if any(has_session(sid, context.root) for sid in ending) else True

    context.waiter.wait(have_ended, context.deadline())
    return None


def _end_one_by_one(ending: Mapping[int, str], context: Context) -> IscsictlError | None:
    """Do it where iscsiadm can be given no view: it reads all sessions again for each."""
    failure = None
    for sid, target in ending.items():
        try:
            iscsiadm.logout(sid, target, timeout=context.wait)
        except InterruptError:
            raise
        except IscsictlError as error:
            failure = failure or error
    return failure


def _result(
    action: actions.Logout,
    sid: int | IscsictlError | None,
    failure: IscsictlError | None,
    context: Context,
) -> bool | IscsictlError:
    """Tell what became of a logout: what the kernel shows is what counts."""
    if not isinstance(sid, int):
        return sid or False
    if not has_session(sid, context.root):
        return True
    return failure or UnreachableError(f"the session to {action.target} did not end")
