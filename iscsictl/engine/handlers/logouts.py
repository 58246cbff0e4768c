"""Many logouts at once: users of the disks are read once, and one iscsiadm ends the sessions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from iscsictl.engine.handlers.batches import execute_batches
from iscsictl.engine.handlers.sessions import HeldSessions, find_dead_session, require_unused
from iscsictl.errors import InterruptError, InUseError, IscsictlError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.host_index import HostIndex
from iscsictl.model.listing import Session
from iscsictl.model.plan import Outcome, Step
from iscsictl.model.record import NodeRecord
from iscsictl.planner.selection.session_index import SessionIndex
from iscsictl.system.block import multipath, scsi_scan
from iscsictl.system.context import Context
from iscsictl.system.iscsi import iscsiadm, nodedb
from iscsictl.system.iscsi.sessions import has_session, read_listing
from iscsictl.system.mount import usage


def go_together(action: actions.Logout) -> bool:
    """Tell whether a logout may be one of many: not that of a lost array, with disks in use.

    The user consents to each of those separately, and it ends whatever still uses the disks.
    """
    return not action.lost


def log_out(
    steps: Sequence[Step], context: Context, begins: Callable[[Step], None]
) -> Iterator[Outcome]:
    """Execute steps that are all logouts which go together, and yield the result of each.

    `begins` is told about each step as it begins. Raises InterruptError after a batch, once the
    logouts that have ended were reported.
    """
    return execute_batches(steps, partial(_end_sessions, context=context), begins)


def _end_sessions(
    logouts: Sequence[actions.Logout], context: Context
) -> list[bool | IscsictlError]:
    """End the sessions that nobody uses; return whether each existed, or why it stays."""
    found = _find_unused(logouts, context)
    pairs = list(zip(logouts, found, strict=True))
    ending = {sid: action.target for action, sid in pairs if isinstance(sid, int)}
    failures = _end_together(ending, context)
    return [_result_of_logout(action, sid, failures, context) for action, sid in pairs]


def _find_unused(
    logouts: Sequence[actions.Logout], context: Context
) -> list[int | IscsictlError | None]:
    """Return the session of each logout that may end; None without one, or why it may not.

    I/O that waits for a dead session fails then; otherwise iscsid would end the session only after
    its next attempt to connect.
    """
    listing = read_listing(context.root, details=False)
    disks = multipath.with_failed_paths(listing.disks or (), context.root)
    index = HostIndex(_records_of(logouts, context), listing.sessions, disks)
    meant = _sessions_of_logouts(logouts, index)
    together = frozenset(session.sid for session in meant if isinstance(session, Session))
    openers = usage.open_devices((sid for sid in together if sid is not None), context.root)
    scan = usage.UsageScan(context.root)
    held = HeldSessions(index, context.root)
    found: list[int | IscsictlError | None] = []
    for session in meant:
        if isinstance(session, IscsictlError):
            found.append(session)
            continue
        if session is None or session.sid is None:
            found.append(None)
            continue
        try:
            require_unused(
                session,
                index,
                context,
                openers=openers[session.sid],
                leaving=together | held.ending_with(session),
                dead=session.status != "up",
                scan=scan,
            )
            if session.status != "up":
                scsi_scan.fail_at_once(session.sid, context.root)
            found.append(session.sid)
        except InterruptError:
            raise
        except IscsictlError as error:
            found.append(error)
    return found


def _records_of(logouts: Sequence[actions.Logout], context: Context) -> tuple[NodeRecord, ...]:
    # A logout of a session by its number needs none.
    targets = dict.fromkeys(action.target for action in logouts if action.sid is None)
    return tuple(r for target in targets for r in nodedb.read_records(context.db, target))


def _sessions_of_logouts(
    logouts: Sequence[actions.Logout], index: HostIndex
) -> list[Session | IscsictlError | None]:
    """Return the session that each logout is for, None if it does not exist.

    Each logout gets a session of its own: a record can have several sessions (nr_sessions), and
    nothing else distinguishes their logouts. If a logout names a session by its number as dead, and
    the session came up, an error is returned.
    """
    sessions = SessionIndex((), (), index=index)
    taken: set[int | None] = set()
    found: list[Session | IscsictlError | None] = []
    for action in logouts:
        if action.sid is not None:
            try:
                found.append(find_dead_session(index.sessions_with_sid(action.sid), action))
            except InUseError as error:
                found.append(error)
            continue
        record = sessions.record_for(action.target, action.portal, action.iface)
        own = (s for s in sessions.sessions_serving(record) if s.sid not in taken)
        session = next(own, None)
        if session is not None:
            taken.add(session.sid)
        found.append(session)
    return found


def _end_together(ending: Mapping[int, str], context: Context) -> Mapping[int, IscsictlError]:
    """End these sessions, each with its target; return why others stay, as far as reported."""
    if not ending:
        return {}
    try:
        failures = iscsiadm.log_out_together(ending, timeout=context.wait)
        if failures is None:
            failures = _end_one_by_one(ending, context)
        awaited = ending.keys() - failures.keys()

        def have_ended() -> bool | None:
            return None if any(has_session(sid, context.root) for sid in awaited) else True

        context.waiter.wait(
            have_ended, context.deadline(), f"waiting for {len(awaited)} sessions to end"
        )
    except IscsictlError as error:
        return dict.fromkeys(ending, error)
    return failures


def _end_one_by_one(ending: Mapping[int, str], context: Context) -> dict[int, IscsictlError]:
    """End them if iscsiadm cannot be given a view: it reads all sessions again for each."""
    failures: dict[int, IscsictlError] = {}
    for sid, target in ending.items():
        try:
            iscsiadm.logout(sid, target, timeout=context.wait)
        except InterruptError:
            raise
        except IscsictlError as error:
            failures[sid] = error
    return failures


def _result_of_logout(
    action: actions.Logout,
    sid: int | IscsictlError | None,
    failures: Mapping[int, IscsictlError],
    context: Context,
) -> bool | IscsictlError:
    """Return the result of a logout: what the kernel shows decides."""
    if not isinstance(sid, int):
        return sid or False
    if not has_session(sid, context.root):
        return True
    return failures.get(sid) or UnreachableError(f"the session to {action.target} did not end")
