"""Handlers for the actions on node records."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iscsictl.engine.handlers.effect import Handler, Inverse, StepResult
from iscsictl.errors import IscsictlError, NotFoundError
from iscsictl.model import actions
from iscsictl.model.plan import Action
from iscsictl.model.record import NodeRecord
from iscsictl.parse.record import Changes
from iscsictl.planner.selection.session_index import SessionIndex
from iscsictl.system.context import Context
from iscsictl.system.io.files import flush
from iscsictl.system.iscsi import discovery, iscsiadm, nodedb, nodedb_write
from iscsictl.system.iscsi.iscsiadm import Key


def key_of(action: Any) -> Key:
    """Return what iscsiadm needs to find a record or a session.

    The action must have a target, a portal and an interface.
    """
    return Key(action.target, action.portal, action.iface)


def _create_record(action: actions.CreateRecord, context: Context) -> StepResult:
    # iscsiadm flushes nothing: a power cut may leave a record that it can neither read nor replace.
    path = nodedb.record_path(context.db, action.target, action.portal, action.iface)
    there = nodedb.read_record(path)
    if there is not None and there.problem is not None:
        with context.lock_for(actions.DeleteRecord(action.target, action.portal, action.iface)):
            nodedb_write.remove_corrupt_record(path, context.db, context.db_lock, keep_copy=True)
    iscsiadm.new_record(key_of(action), timeout=context.wait)
    try:
        flush(_record_path(action, context), context.db)
    except IscsictlError as error:
        error.wrote = True
        raise
    return StepResult()


def _write_record(action: actions.WriteRecord, context: Context) -> StepResult:
    return write_settings(_record_path(action, context), action.changes, context)


def write_settings(path: Path, changes: Changes, context: Context) -> StepResult:
    """Change the settings of a node or discovery record, and note what they were.

    Returns `changed=False` if the file already has them. Raises InUseError if the lock of the node
    database cannot be had, NotFoundError if the record is gone, UsageError for a value that no
    record can contain.
    """
    edit = nodedb_write.write_record(path, changes, context.db_lock)
    if edit is None:
        return StepResult(changed=False)
    return StepResult(before=actions.RestoreRecord(path, edit.before, edit.after))


def _restore_record(action: actions.RestoreRecord, context: Context) -> StepResult:
    edit = nodedb_write.RecordEdit(action.before, action.after)
    if action.path == discovery.defaults_path(context.root):
        return StepResult(discovery.revert_defaults(edit, context.root))
    return StepResult(nodedb_write.revert_record(action.path, edit, context.db_lock))


def _record_path(action: Any, context: Context) -> Path:
    path = nodedb.record_path(context.db, action.target, action.portal, action.iface)
    if action.portal.tpgt is not None and path.is_file():
        return path
    fitting = [
        record
        for record in nodedb.read_records(context.db, action.target)
        if record.iface == action.iface and record.portal.same_place(action.portal)
    ]
    # Records may differ in the portal group tag alone.
    for record in sorted(fitting, key=lambda record: record.portal != action.portal):
        return record.path
    raise NotFoundError(f"there is no record of {action.target} through {action.portal}")


def _delete_record(action: actions.DeleteRecord, context: Context) -> StepResult:
    records = nodedb.read_records(context.db, action.target)
    wanted = (action.portal, action.iface)
    record = next((r for r in records if (r.portal, r.iface) == wanted), None)
    if action.direct:
        return StepResult(record is not None and _remove_directly(record, context))
    if record is None or not SessionIndex(records, ()).differs_only_in_tpgt(record):
        iscsiadm.delete_record(key_of(action), timeout=context.wait)
        if record is not None:
            flush(record.path, context.db)
        return StepResult()
    # iscsiadm does not look at the portal group tag here: it would delete them all.
    return StepResult(_remove_directly(record, context))


def _remove_directly(record: NodeRecord, context: Context) -> bool:
    return nodedb_write.remove_record(record, context.db, context.db_lock)


def _remove_corrupt_record(action: actions.RemoveCorruptRecord, context: Context) -> StepResult:
    return StepResult(
        nodedb_write.remove_corrupt_record(
            action.path, context.db, context.db_lock, keep_copy=action.keep_copy
        )
    )


def _remove_link(action: actions.RemoveLink, context: Context) -> StepResult:
    return StepResult(nodedb_write.remove_dangling_link(action.path, context.db, context.db_lock))


HANDLERS: Mapping[type[Action], Handler] = {
    actions.CreateRecord: _create_record,
    actions.WriteRecord: _write_record,
    actions.DeleteRecord: _delete_record,
    actions.RestoreRecord: _restore_record,
    actions.RemoveCorruptRecord: _remove_corrupt_record,
    actions.RemoveLink: _remove_link,
}
INVERSES: Mapping[type[Action], Inverse] = {
    actions.CreateRecord: lambda action, _: actions.DeleteRecord(
        action.target, action.portal, action.iface
    ),
}
