"""The hands of what is done to records, discovery, defaults and sessions by name."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from iscsictl.engine.handlers.effect import Effect
from iscsictl.errors import IscsictlError, NotFoundError
from iscsictl.model import actions
from iscsictl.model.listing import Listing, Session
from iscsictl.model.plan import Action
from iscsictl.parse.iscsid_conf import edit_conf
from iscsictl.system.block import probe, scsi_commands, scsi_scan
from iscsictl.system.context import Context
from iscsictl.system.io.files import read_file, remove_file, replace_file
from iscsictl.system.iscsi import discovery, iscsiadm, nodedb, nodedb_write
from iscsictl.system.iscsi.nodedb_lock import NodeDbLock
from iscsictl.system.iscsi.sessions import read_listing

_PAUSE = 3.0


def _remove_torn(action: actions.RemoveTorn, context: Context) -> Effect:
    if context.db / "nodes" not in action.path.parents:
        return Effect(_remove_torn_discovery(action.path, context))
    record = nodedb.read_record(action.path)
    if record is None or record.problem is None:
        return Effect(changed=False)
    return Effect(
        nodedb_write.remove_record(
            record, context.db, root=context.root, timeout=context.wait, say=context.say
        )
    )


def _remove_torn_discovery(path: Path, context: Context) -> bool:
    with NodeDbLock(context.root, context.wait, context.say):
        records = nodedb.read_discovery_records(context.db)
        torn = any(record.path == path and record.problem is not None for record in records)
        return torn and remove_file(path)


def _create_discovery(action: actions.CreateDiscovery, context: Context) -> Effect:
    iscsiadm.new_discovery_record(action.portal, timeout=context.wait)
    return Effect()


def _delete_discovery(action: actions.DeleteDiscovery, context: Context) -> Effect:
    iscsiadm.delete_discovery_record(action.portal, timeout=context.wait)
    return Effect()


def _write_discovery(action: actions.WriteDiscovery, context: Context) -> Effect:
    record = discovery.record_of(context.db, action.portal)
    if record is None:
        raise NotFoundError(f"there is no discovery record of {action.portal}")
    before = record.path.read_bytes()
    changed = nodedb_write.write_record(
        record.path, action.changes, root=context.root, timeout=context.wait, say=context.say
    )
    return Effect(changed, actions.RestoreRecord(record.path, before))


def _write_defaults(action: actions.WriteDefaults, context: Context) -> Effect:
    path = discovery.defaults_path(context.root)
    before = read_file(path) or b""
    text = edit_conf(before.decode("utf-8", "surrogateescape"), action.changes)
    data = text.encode("utf-8", "surrogateescape")
    changed = replace_file(path, data, mode=0o600, expect=before)
    return Effect(changed, actions.RestoreRecord(path, before))


def _rescan(action: actions.Rescan, context: Context) -> Effect:
    before = _shape(action, read_listing(context.root))
    session = _by_sid(action, read_listing(context.root))
    if session is None or session.host is None:
        raise NotFoundError(
            f"session {action.sid} ended before it was rescanned", hint="see: iscsictl ls"
        )
    scsi_scan.scan(session.host.number, None, context.root)
    for hctl in action.hctls:
        with suppress(FileNotFoundError):
            scsi_scan.rescan(hctl, context.root)
    deadline = context.deadline() - context.wait + min(_PAUSE, context.wait)
    context.waiter.wait(lambda: _complete(action, context), deadline)
    return Effect(_shape(action, read_listing(context.root)) != before)


def _by_sid(action: actions.Rescan, listing: Listing) -> Session | None:
    return next((s for s in listing.sessions if s.sid == action.sid), None)


def _shape(action: actions.Rescan, listing: Listing) -> frozenset[tuple[str, str, int | None]]:
    return frozenset(
        (path.hctl, path.device, disk.block.size)
        for disk in listing.disks or ()
        for path in disk.paths
        if path.sid == action.sid
    )


def _complete(action: actions.Rescan, context: Context) -> bool | None:
    """Tell whether every LUN that the target shows has a disk; None while one has not."""
    session = _by_sid(action, read_listing(context.root))
    if session is None:
        return True
    there = {unit.lun for unit in session.luns or () if unit.device is not None}
    device = next((unit.device for unit in session.luns or () if unit.device), None)
    if device is None:
        return None
    try:
        with probe.opened(device, exclusive=False) as fd:
            return True if set(scsi_commands.luns(fd)) <= there else None
    except IscsictlError:
        return True


HANDS: Mapping[type[Action], Callable[[Any, Context], Effect]] = {
    actions.RemoveTorn: _remove_torn,
    actions.CreateDiscovery: _create_discovery,
    actions.DeleteDiscovery: _delete_discovery,
    actions.WriteDiscovery: _write_discovery,
    actions.WriteDefaults: _write_defaults,
    actions.Rescan: _rescan,
}


def inverse(action: Action) -> Action | None:
    """Return what undoes an action that changed something; None if nothing has to, or may."""
    match action:
        case actions.CreateDiscovery():
            return actions.DeleteDiscovery(action.portal)
        case actions.SetHold():
            return actions.DropHold(action.hold)
        case _:
            return None
