"""What actions do to the partition table of a disk, as sfdisk(8) leaves it."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from iscsictl.model import actions
from iscsictl.model.partition_table import Entry, Table
from iscsictl.model.plan import Action


def _with_entry(table: Table, entry: Entry) -> Table:
    others = [one for one in table.entries if one.number != entry.number]
    return replace(table, entries=tuple(sorted([*others, entry], key=lambda one: one.number)))


def _entry(table: Table, number: int) -> Entry:
    entry = table.entry(number)
    assert entry is not None, f"there is no partition {number}"
    return entry


def add_partition(action: actions.AddPart, table: Table) -> Table:
    assert table.entry(action.number) is None
    made = Entry(action.number, action.start, action.size, action.type, bootable=action.bootable)
    return _with_entry(table, made)


def remove_partition(action: actions.RemovePart, table: Table) -> Table:
    _entry(table, action.number)
    return replace(table, entries=tuple(e for e in table.entries if e.number != action.number))


def set_type(action: actions.SetType, table: Table) -> Table:
    return _with_entry(table, replace(_entry(table, action.number), type=action.type))


def set_bootable(action: actions.SetBootable, table: Table) -> Table:
    assert _entry(table, action.number).number == action.after.number
    return _with_entry(table, action.after)


def grow_partition(action: actions.GrowPart, table: Table) -> Table:
    return _with_entry(table, replace(_entry(table, action.number), size=action.size))


#: The effects on a table of the actions that change one partition.
EFFECTS: Mapping[type[Action], Callable[..., Table]] = {
    actions.AddPart: add_partition,
    actions.RemovePart: remove_partition,
    actions.SetType: set_type,
    actions.SetBootable: set_bootable,
    actions.GrowPart: grow_partition,
}


def apply_to_table(action: Action, table: Table) -> Table:
    """Return the table after an action, which must have been planned for this very table."""
    assert isinstance(action, actions.Reshape)
    assert action.before == table
    return EFFECTS[type(action)](action, table)
