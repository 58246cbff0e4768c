"""What actions do to node records and to the login service."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from iscsictl.model import actions
from iscsictl.model.inventory import Inventory
from iscsictl.model.multipath import MULTIPATHD
from iscsictl.model.record import NodeRecord
from iscsictl.model.record_text import MASK
from iscsictl.model.secret import Secret
from iscsictl.parse.record import parse_values
from tests.machine_model import multipath
from tests.machine_model.machine import Array


def same(record: NodeRecord, action: Any) -> bool:
    return (
        record.target == action.target
        and record.portal.same_place(action.portal)
        and record.iface == action.iface
    )


def create_record(action: actions.CreateRecord, now: Inventory, _: Array) -> Inventory:
    if any(same(r, action) and r.problem is None for r in now.records):
        return now
    place = f"{action.portal.address},{action.portal.port},{action.portal.tpgt or 1}"
    path = Path("/db/nodes") / action.target / place / action.iface
    made = NodeRecord(path, {}, target=action.target, portal=action.portal, iface=action.iface)
    return replace(now, records=(*(r for r in now.records if not same(r, action)), made))


def write_record(action: actions.WriteRecord, now: Inventory, _: Array) -> Inventory:
    def changed(record: NodeRecord) -> NodeRecord:
        values = dict(record.values)
        for key, value in action.changes.items():
            values.pop(key, None)
            if value is not None:
                values[key] = MASK if isinstance(value, Secret) else value
        return replace(record, values=values)

    records = tuple(changed(r) if same(r, action) else r for r in now.records)
    return replace(now, records=records)


def record_text(record: NodeRecord) -> bytes:
    """Return a record as its file would read."""
    return "".join(f"{k} = {v}\n" for k, v in record.values.items()).encode()


def restore_record(action: actions.RestoreRecord, now: Inventory, _: Array) -> Inventory:
    before, after = (parse_values(data.decode()) for data in (action.before, action.after))

    def reverted(record: NodeRecord) -> NodeRecord:
        values = dict(record.values)
        for key in before.keys() | after.keys():
            if before.get(key) != after.get(key) and values.get(key) == after.get(key):
                values.pop(key, None)
                values.update({key: before[key]} if key in before else {})
        return replace(record, values=values)

    records = tuple(reverted(r) if r.path == action.path else r for r in now.records)
    return replace(now, records=records)


def delete_record(action: actions.DeleteRecord, now: Inventory, _: Array) -> Inventory:
    return replace(now, records=tuple(r for r in now.records if not same(r, action)))


def remove_corrupt_record(
    action: actions.RemoveCorruptRecord, now: Inventory, _: Array
) -> Inventory:
    kept = tuple(r for r in now.records if r.path != action.path or r.problem is None)
    return replace(now, records=kept)


def enable(action: actions.EnableService, now: Inventory, _: Array) -> Inventory:
    if action.unit == MULTIPATHD:
        return multipath.changed(now, enabled=action.on)
    return replace(now, host=replace(now.host, service_enabled=action.on))
