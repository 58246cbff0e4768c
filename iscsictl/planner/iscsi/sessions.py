"""Plan logins, logouts and holds: the records and sessions that are meant, and the steps."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from iscsictl.errors import InUseError, IscsictlError, UnreachableError
from iscsictl.errors.silent_portals import hint_for_silent_portals
from iscsictl.model import actions
from iscsictl.model.fstab import plain
from iscsictl.model.hold import Hold
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Session
from iscsictl.model.names import Portal
from iscsictl.model.plan import Plan
from iscsictl.model.record import NodeRecord
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.builder import PlanBuilder
from iscsictl.planner.iscsi.boot import hint_for_boot_target
from iscsictl.planner.iscsi.settings import describe_changes
from iscsictl.planner.selection.names import resolve_name
from iscsictl.planner.selection.records import (
    RecordSelector,
    corrupt_record_error,
    select_records,
)
from iscsictl.planner.selection.session_index import SessionIndex
from iscsictl.planner.selection.surviving import describe_passive_paths, has_surviving_path

# Seconds by which the ends of two holds may differ while they count as the same.
SAME_END = 60.0


def plan_login(
    inventory: Inventory,
    selector: RecordSelector,
    values: Mapping[str, str],
    *,
    everything: bool = False,
) -> Plan:
    """Log in to the selected records; `everything` selects those that log in at boot.

    `values` are set in the records first. A hold on a record ends with its login.
    """
    try:
        if everything:
            records = tuple(r for r in inventory.records if r.startup == "automatic")
        else:
            records = select_records(inventory, selector)
    except IscsictlError as error:
        return Plan(refusal=error)
    plan = PlanBuilder(independent=True)
    index = SessionIndex.of(inventory)
    logins: dict[Hold, list[str]] = {}
    for record in records:
        login = _add_login_steps(plan, inventory, index, record, values)
        for hold in inventory.holds_on(record.target):
            if hold.covers(record.target, record.portal, record.iface):
                logins.setdefault(hold, []).append(login)
    for hold, ids in logins.items():
        plan.add(actions.DropHold(hold), hold.name, "no longer on hold", after=ids)
    return plan.build()


def _add_login_steps(
    plan: PlanBuilder,
    inventory: Inventory,
    index: SessionIndex,
    record: NodeRecord,
    values: Mapping[str, str],
) -> str:
    name = index.subject_of(record)
    session = index.session_of(record)
    login = actions.Login(record.target, record.portal, record.iface, None)
    error: IscsictlError | None = None
    if session is None and record.problem is not None:
        error = corrupt_record_error(record)
    elif session is None and record.over_tcp and record.portal in inventory.silent:
        error = UnreachableError(
            f"{record.target}: portal {record.portal} does not answer: "
            f"{inventory.silent[record.portal]}",
            hint=hint_for_silent_portals([inventory.silent[record.portal]]),
        )
    after = []
    if values and error is None:
        wrong = inventory.unsettled.get(str(record.path), tuple(values))
        write = actions.WriteRecord(record.target, record.portal, record.iface, values)
        after.append(
            plan.add(write, name, describe_changes(wrong or values, values), done=not wrong)
        )
        if session is not None and wrong:
            plan.notes.append(f"{name} is already logged in; the values apply from the next login")
    missing = index.missing_sessions(record)
    why = missing_text(record, missing)
    return plan.add(login, name, why, done=missing == 0, after=after, error=error)


def missing_text(record: NodeRecord, missing: int) -> str:
    """Return what a login is for: `node.session.nr_sessions` may ask for several sessions."""
    if record.session_count == 1:
        return "opens the session"
    return f"opens {missing} of {record.session_count} sessions"


def plan_logout(
    inventory: Inventory,
    selector: RecordSelector,
    *,
    boots_from: frozenset[str] = frozenset(),
    seconds: float | None = None,
    now: float = 0.0,
) -> Plan:
    """Log out of the selected sessions, and put their targets on hold.

    `seconds` is how long the hold lasts, None until a boot; `now` is the time by the clock of the
    holds. `boots_from` are the targets that the machine booted from.
    """
    try:
        selector = selector.with_exact_target(inventory)
        sessions = _select_sessions(inventory, selector)
        nothing_missing = selector.selects_all or sessions
        records = () if nothing_missing else select_records(inventory, selector)
    except IscsictlError as error:
        return Plan(refusal=error)
    plan = PlanBuilder(independent=True)
    leaving = {session.sid for session in sessions}
    errors = {s.sid: _refusal_of_logout(inventory, s, leaving, boots_from) for s in sessions}
    wanted = {s.target for s in sessions if errors[s.sid] is None}
    wanted |= {r.target for r in records if r.onboot}
    index = SessionIndex.of(inventory)
    # The hold comes first: a reconnect that runs between the two steps would log in again.
    held: dict[str, str] = {}
    for target in sorted(wanted):
        hold = Hold(target, selector.portal, selector.iface, why="logout")
        done = is_held(hold, inventory.holds_on(target), seconds, now)
        why = "reconnect leaves it alone"
        held[target] = plan.add(actions.SetHold(hold, seconds), hold.name, why, done=done)
    for session in sessions:
        portal = session.requested_portal or Portal("?")
        iface = session.iface or "default"
        name = f"{session.target} {portal}" + ("" if iface == "default" else f" [{iface}]")
        action = actions.Logout(session.target, portal, iface)
        after = [held[session.target]] if errors[session.sid] is None else []
        plan.add(action, name, "ends the session", after=after, error=errors[session.sid])
    for record in records:
        action = actions.Logout(record.target, record.portal, record.iface)
        plan.add(action, index.subject_of(record), "is not logged in", done=True)
    return plan.build()


def _select_sessions(inventory: Inventory, selector: RecordSelector) -> tuple[Session, ...]:
    return tuple(
        session
        for session in inventory.sessions
        if selector.matches(session.target, session.requested_portal, session.iface)
    )


def _refusal_of_logout(
    inventory: Inventory,
    session: Session,
    leaving: AbstractSet[int | None],
    boots_from: frozenset[str],
) -> IscsictlError | None:
    """Return why a session has to stay: the machine boots from it, or a disk of it is in use."""
    if session.target in boots_from:
        return InUseError(
            f"the machine booted from {session.target}: it cannot be logged out",
            hint=hint_for_boot_target(inventory, session.target),
        )
    open_devices = inventory.open_devices.get(session.sid or 0)
    if open_devices:
        return InUseError(
            f"a device of {session.target} is in use: {', '.join(open_devices)}",
            hint="stop that process, then run this again",
        )
    for disk in inventory.index.disks_of_session(session.sid):
        if not has_surviving_path(disk, leaving, inventory.index):
            used = inventory.usage_of(disk)
            if used is not None and used.holders:
                hint = (
                    "stop what uses it, or detach it: iscsictl detach "
                    f"{shell_form(disk.block.device)}"
                )
                if used.releases:
                    hint = used.release_hint
                return InUseError(
                    f"{disk.block.device} of {session.target} is in use: {', '.join(used.holders)}"
                    + describe_passive_paths(disk, leaving, inventory.index),
                    hint=hint,
                )
    return None


def is_held(hold: Hold, holds: tuple[Hold, ...], seconds: float | None, now: float) -> bool:
    """Tell whether there is a hold on exactly this that ends when asked, within a minute.

    `seconds` is how long the new hold would last, None until a boot. Without the minute (SAME_END)
    the same command, run twice, would never be `unchanged`.
    """
    until = None if seconds is None else now + seconds
    for other in holds:
        if _is_same_hold(hold, other):
            if until is None or other.until is None:
                return until is other.until
            return abs(until - other.until) <= SAME_END
    return False


def _is_same_hold(one: Hold, other: Hold) -> bool:
    if one.mount_point is not None:
        return other.covers_mount(one.mount_point)
    portals = (one.portal, other.portal)
    same = portals == (None, None) or (
        one.portal is not None and other.portal is not None and one.portal.same_place(other.portal)
    )
    return same and (one.target, one.iface) == (other.target, other.iface)


def plan_hold(
    inventory: Inventory, name: str, *, interactive: bool, seconds: float | None, now: float
) -> Plan:
    """Put a target, or whatever is mounted on a directory, on hold.

    A name with a leading slash is a directory; with `interactive`, a part of a target's name is
    enough. `seconds` and `now` are as for `is_held`. Nothing is logged out of or unmounted. A note
    says that a directory is none that reconnect would mount.
    """
    if name.startswith("/"):
        hold = Hold(mount_point=plain(name), why="hold")
    else:
        try:
            target = (
                RecordSelector(name, interactive=interactive).with_exact_target(inventory).target
            )
        except IscsictlError as error:
            return Plan(refusal=error)
        hold = Hold(target, why="hold")
    plan = PlanBuilder(independent=True)
    directory = hold.mount_point
    if directory is not None and not any(e.is_ours for e in inventory.fstab.by_dir(directory)):
        plan.notes.append(
            f"reconnect would not mount {directory} anyway: for this directory, fstab has no entry "
            "written by iscsictl"
        )
    done = is_held(hold, inventory.holds, seconds, now)
    plan.add(actions.SetHold(hold, seconds), hold.name, "reconnect leaves it alone", done=done)
    return plan.build()


def plan_unhold(inventory: Inventory, name: str, *, interactive: bool) -> Plan:
    """End all holds on a target, or the one on a directory.

    Holds on single portals of the target end too. A name that nothing has is refused with
    NotFoundError; one without a hold is `unchanged`. Nothing is logged in to; `reconnect` does
    that.
    """
    plan = PlanBuilder(independent=True)
    if name.startswith("/"):
        wanted = Hold(mount_point=plain(name))
        found = [hold for hold in inventory.holds if hold.covers_mount(wanted.name)]
    else:
        known = {hold.target for hold in inventory.holds if hold.target is not None}
        known |= {record.target for record in inventory.records}
        known |= {session.target for session in inventory.sessions}
        try:
            wanted = Hold(resolve_name(name, known, interactive))
        except IscsictlError as error:
            return Plan(refusal=error)
        found = [hold for hold in inventory.holds if hold.target == wanted.target]
    for hold in found:
        plan.add(actions.DropHold(hold), hold.name, "included in reconnect again")
    if not found:
        plan.add(actions.DropHold(wanted), wanted.name, "is not held", done=True)
    return plan.build()
