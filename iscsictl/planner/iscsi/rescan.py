"""Plan a rescan: which LUNs are gone or became another disk, and what the rescan changed."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from iscsictl.errors import InUseError, IscsictlError, NotFoundError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.inventory import DiskAnswers, Inventory
from iscsictl.model.listing import Disk, Session
from iscsictl.model.plan import Plan
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.builder import PlanBuilder
from iscsictl.planner.safety.changed_luns import (
    find_replaced_luns,
    find_shrunk_luns,
    remove_path_command,
)
from iscsictl.planner.selection.records import RecordSelector
from iscsictl.planner.selection.surviving import has_surviving_path


@dataclass(frozen=True)
class Asked(Inventory):
    """An inventory with what the disks have just said about themselves."""

    answers: DiskAnswers = field(default_factory=DiskAnswers)


def select_sessions(inventory: Inventory, selector: RecordSelector) -> tuple[Session, ...]:
    """Return the sessions to rescan. Raises NotFoundError if a target has none.

    Portal and interface of the selector do not count. Without a target, all sessions are returned.
    """
    if selector.target is None:
        return inventory.sessions
    selector = selector.with_exact_target(inventory)
    found = tuple(s for s in inventory.sessions if s.target == selector.target)
    if not found:
        raise NotFoundError(
            f"{selector.target} is not logged in",
            hint=f"iscsictl login -T {shell_form(selector.target)}",
        )
    return found


def plan_rescan(asked: Asked, selector: RecordSelector, first: Asked | None) -> Plan:
    """Remove what is gone and unused, then look for new LUNs and sizes.

    With `first`, the facts of the run before, nothing is left to be done: the notes say what
    changed.
    """
    try:
        sessions = select_sessions(asked, selector)
    except IscsictlError as error:
        return Plan(refusal=error)
    # The scan was the last step; a second one would find the same.
    if first is not None:
        return Plan(notes=tuple(_describe_changes(first, asked)))
    plan = PlanBuilder(independent=True)
    for session in sessions:
        _add_session_steps(plan, asked, session)
    return plan.build()


def _add_session_steps(plan: PlanBuilder, asked: Asked, session: Session) -> None:
    name = f"{session.target} {session.requested_portal}"
    gone = list(find_replaced_luns(session, asked.answers))
    removed = []
    for unit, why in gone:
        disk = asked.index.disk_of_path(session.sid, unit.hctl)
        words = _holders_of_disk(asked, disk)
        error = None
        if words and disk is not None:
            hint = "stop what uses it before anything is written to the wrong disk"
            if has_surviving_path(disk, frozenset({session.sid}), asked.index):
                hint = remove_path_command(unit)
            error = InUseError(
                f"{unit.device} is in use ({', '.join(words)}), but {why}",
                hint=f"{hint}, then rescan again",
            )
        disk_id = DiskId(session.target, unit.lun, unit.wwid or "?", unit.device or "?")
        remove = actions.RemoveDevice(disk_id, (unit.hctl or "",))
        step = plan.add(remove, f"{session.target} LUN {unit.lun}", why, error=error)
        plan.notes.append(f"LUN {unit.lun} of {session.target} ({unit.device}): {why}")
        removed.append(step)
    kept = [unit for unit, _ in gone]
    for unit, disk, why in find_shrunk_luns(session, asked.index, asked.answers):
        words = _holders_of_disk(asked, disk)
        if words and unit not in kept:
            # The kernel would cut off what the filesystem has behind the new end.
            shrunk = InUseError(
                f"{unit.device} is in use ({', '.join(words)}), but {why}",
                hint="restore the LUN's size on the array; to accept the smaller size, unmount "
                "first, then rescan again",
            )
            again = actions.Rescan(session.sid or 0, (unit.hctl or "",))
            plan.add(
                again,
                f"{session.target} LUN {unit.lun}",
                "does not take the new size",
                error=shrunk,
            )
            kept.append(unit)
    hctls = tuple(
        unit.hctl
        for unit in session.luns or ()
        if unit.hctl is not None and unit.device and all(unit is not one for one in kept)
    )
    error_: IscsictlError | None = None
    if session.status != "up":
        error_ = UnreachableError(
            f"the session to {name} is {session.status}, so it cannot be rescanned",
            hint="see: iscsictl doctor, journalctl -u iscsid",
        )
    rescan = actions.Rescan(session.sid or 0, hctls)
    plan.add(rescan, name, "looks for new LUNs and sizes", error=error_)


def _holders_of_disk(asked: Asked, disk: Disk | None) -> tuple[str, ...]:
    if disk is None:
        return ()
    used = asked.usage_of(disk)
    return () if used is None else used.holders


def _visible_luns(asked: Asked) -> dict[tuple[str, int, str | None], tuple[str | None, int | None]]:
    found: dict[tuple[str, int, str | None], tuple[str | None, int | None]] = {}
    for session in asked.sessions:
        for unit in session.luns or ():
            disk = asked.index.disk_of_path(session.sid, unit.hctl)
            size = None if disk is None else disk.block.size
            if unit.device is not None:
                found[session.target, unit.lun, unit.wwid] = (unit.device, size)
    return found


def _describe_changes(first: Asked, now: Asked) -> Iterator[str]:
    before, after = _visible_luns(first), _visible_luns(now)
    for key, (device, size) in after.items():
        target, lun, wwid = key
        old = before.get(key)
        if old is None:
            yield f"LUN {lun} of {target} appeared as {device}: {wwid}, {size} bytes"
        elif size != old[1]:
            word = "grew" if (size or 0) > (old[1] or 0) else "shrank"
            yield f"LUN {lun} of {target} ({device}) {word} from {old[1]} to {size} bytes"
    for key, (device, _) in before.items():
        if key not in after:
            yield f"LUN {key[1]} of {key[0]} ({device}, {key[2]}) is gone"
