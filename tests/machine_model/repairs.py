"""What the repairs of `doctor --fix` do to the machine that doctor examines."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from iscsictl.model import actions
from iscsictl.model.host_facts import Machine, NodeDb
from iscsictl.model.inventory import Known
from iscsictl.model.plan import Action, Plan
from tests.machine_model.execution import execute_pending

_ROOT_ALONE = 0o700


def _database(machine: Machine) -> NodeDb:
    assert isinstance(machine.db, Known)
    return machine.db.value


def clear_lock(_: actions.ClearLock, machine: Machine) -> Machine:
    assert machine.lock is not None
    assert not machine.lock.owners, "whoever holds it is at work"
    return replace(machine, lock=None)


def protect(action: actions.Protect, machine: Machine) -> Machine:
    db = _database(machine)

    def protected(record: Any) -> Any:
        kept = record.mode & _ROOT_ALONE
        return replace(record, mode=kept) if record.path == action.path else record

    assert any(one.path == action.path for one in (*db.records, *db.discovery))
    records = tuple(map(protected, db.records))
    return replace(
        machine,
        db=Known(replace(db, records=records, discovery=tuple(map(protected, db.discovery)))),
    )


def remove_corrupt(action: actions.RemoveCorruptRecord, machine: Machine) -> Machine:
    db = _database(machine)
    gone = [r for r in (*db.records, *db.discovery) if r.path == action.path]
    assert all(record.problem is not None for record in gone)
    records = tuple(r for r in db.records if r not in gone)
    discovery = tuple(r for r in db.discovery if r not in gone)
    return replace(machine, db=Known(replace(db, records=records, discovery=discovery)))


def complete_record(action: actions.WriteRecord, machine: Machine) -> Machine:
    # A record is always written with its end; its values are those that it had.
    assert not action.changes
    db = _database(machine)
    records = tuple(
        replace(r, truncated=False)
        if (r.target, r.portal, r.iface) == (action.target, action.portal, action.iface)
        else r
        for r in db.records
    )
    return replace(machine, db=Known(replace(db, records=records)))


#: The effects of the repairs of the node database.
EFFECTS: Mapping[type[Action], Callable[..., Machine]] = {
    actions.ClearLock: clear_lock,
    actions.Protect: protect,
    actions.RemoveCorruptRecord: remove_corrupt,
    actions.WriteRecord: complete_record,
}


def apply_repairs(plan: Plan, machine: Machine) -> Machine:
    """Return the machine after all pending repairs of a plan."""
    return execute_pending(plan, EFFECTS, machine)
