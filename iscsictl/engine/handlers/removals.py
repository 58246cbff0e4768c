"""Many node records removed at once: the database is locked and flushed once for all of them."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from iscsictl.engine.handlers.batches import execute_batches
from iscsictl.errors import IscsictlError
from iscsictl.model import actions
from iscsictl.model.plan import Outcome, Step
from iscsictl.model.record import NodeRecord
from iscsictl.system.context import Context
from iscsictl.system.iscsi import nodedb, nodedb_write


def go_together(action: actions.DeleteRecord) -> bool:
    """Tell whether a removal may be one of many: iscsiadm deletes one record at a time."""
    return action.direct


def remove_records(
    steps: Sequence[Step], context: Context, begins: Callable[[Step], None]
) -> Iterator[Outcome]:
    """Execute steps that are all removals which go together, and yield the result of each.

    `begins` is told about each step as it begins. Raises InterruptError after a batch, once the
    removals that have ended were reported.
    """
    return execute_batches(steps, partial(_remove_batch, context=context), begins)


def _remove_batch(
    removals: Sequence[actions.DeleteRecord], context: Context
) -> list[bool | IscsictlError]:
    """Remove the records that exist; return whether each did, or why it stays."""
    by_target: dict[str, tuple[NodeRecord, ...] | IscsictlError] = {}
    for target in dict.fromkeys(one.target for one in removals):
        try:
            by_target[target] = nodedb.read_records(context.db, target)
        except IscsictlError as error:
            by_target[target] = error
    found = [_find_record(one, by_target[one.target]) for one in removals]
    there = [record for record in found if isinstance(record, NodeRecord)]
    removed = iter(nodedb_write.remove_records(there, context.db, context.db_lock) if there else ())
    return [
        next(removed) if isinstance(record, NodeRecord) else record or False for record in found
    ]


def _find_record(
    removal: actions.DeleteRecord, records: tuple[NodeRecord, ...] | IscsictlError
) -> NodeRecord | IscsictlError | None:
    if isinstance(records, IscsictlError):
        return records
    wanted = (removal.portal, removal.iface)
    return next((r for r in records if (r.portal, r.iface) == wanted), None)
