"""Handlers of the actions on discovery records and on the defaults of new records."""

from collections.abc import Mapping

from iscsictl.engine.handlers.effect import Handler, Inverse, StepResult
from iscsictl.engine.handlers.records import write_settings
from iscsictl.errors import InUseError, NotFoundError
from iscsictl.model import actions
from iscsictl.model.plan import Action
from iscsictl.system.context import Context
from iscsictl.system.iscsi import discovery, iscsiadm, nodedb


def _create_discovery(action: actions.CreateDiscovery, context: Context) -> StepResult:
    iscsiadm.new_discovery_record(action.portal, timeout=context.wait)
    return StepResult()


def _delete_discovery(action: actions.DeleteDiscovery, context: Context) -> StepResult:
    record = discovery.record_of(context.db, action.portal)
    links = nodedb.read_discovery_links(context.db)
    if record is not None and any(
        link.leads_to_record and link.path.parent == record.path.parent for link in links
    ):
        # iscsiadm would delete them too (idbm.c, idbm_rm_disc_node_links).
        raise InUseError(
            f"the discovery record of {action.portal} is kept: node records came from it",
            hint="see them: iscsictl nodes ls",
        )
    iscsiadm.delete_discovery_record(action.portal, timeout=context.wait)
    return StepResult()


def _write_discovery(action: actions.WriteDiscovery, context: Context) -> StepResult:
    record = discovery.record_of(context.db, action.portal)
    if record is None:
        raise NotFoundError(f"there is no discovery record of {action.portal}")
    return write_settings(record.path, action.changes, context)


def _write_defaults(action: actions.WriteDefaults, context: Context) -> StepResult:
    edit = discovery.write_defaults(action.changes, context.root)
    if edit is None:
        return StepResult(changed=False)
    path = discovery.defaults_path(context.root)
    return StepResult(before=actions.RestoreRecord(path, edit.before, edit.after))


HANDLERS: Mapping[type[Action], Handler] = {
    actions.CreateDiscovery: _create_discovery,
    actions.DeleteDiscovery: _delete_discovery,
    actions.WriteDiscovery: _write_discovery,
    actions.WriteDefaults: _write_defaults,
}
INVERSES: Mapping[type[Action], Inverse] = {
    actions.CreateDiscovery: lambda action, _: actions.DeleteDiscovery(action.portal),
}
