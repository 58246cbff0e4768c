"""Handlers for changes of the host itself: names, interfaces, files of the node database."""

from collections.abc import Mapping

from iscsictl.engine.handlers.effect import Handler, Inverse, StepResult
from iscsictl.errors import InUseError
from iscsictl.errors.codes import error_from_iscsiadm
from iscsictl.model import actions
from iscsictl.model.plan import Action
from iscsictl.system.context import Context
from iscsictl.system.io.files import protect
from iscsictl.system.io.process import run
from iscsictl.system.iscsi import ifaces, initiator_name
from iscsictl.system.iscsi.iscsiadm import SESSION_EXISTS
from iscsictl.system.iscsi.sessions import read_sessions


def _clear_lock(_: actions.ClearLock, context: Context) -> StepResult:
    # Whoever takes the lock clears one that was left behind, and lets go of it.
    with context.db_lock:
        return StepResult()


def _protect_file(action: actions.Protect, context: Context) -> StepResult:
    with context.db_lock:
        return StepResult(protect(action.path))


def _set_initiator(action: actions.SetInitiatorName, context: Context) -> StepResult:
    # Nobody locks out iscsiadm: a session may have come up since the plan.
    if read_sessions(context.root):
        raise InUseError(
            "a session has come up meanwhile", hint="log out first: iscsictl logout --all"
        )
    changed = initiator_name.write_name(action.name, context.root)
    if changed:
        initiator_name.restart_running_iscsid(context.root)
    return StepResult(changed)


def _write_iface(action: actions.WriteIface, context: Context) -> StepResult:
    return StepResult(ifaces.write_iface(context.db, action.name, action.values, context.db_lock))


def _remove_iface(action: actions.RemoveIface, context: Context) -> StepResult:
    ifaces.remove_iface(context.db, action.name, context.db_lock)
    return StepResult()


def _firmware_login(_: actions.FirmwareLogin, context: Context) -> StepResult:
    result = run(["iscsiadm", "-m", "fw", "--login"], timeout=context.wait, ok=None)
    if result.code not in {0, SESSION_EXISTS}:
        raise error_from_iscsiadm(result.code, result.err, "logging in to the firmware's targets")
    return StepResult()


HANDLERS: Mapping[type[Action], Handler] = {
    actions.ClearLock: _clear_lock,
    actions.Protect: _protect_file,
    actions.SetInitiatorName: _set_initiator,
    actions.WriteIface: _write_iface,
    actions.RemoveIface: _remove_iface,
    actions.FirmwareLogin: _firmware_login,
}
INVERSES: Mapping[type[Action], Inverse] = {}
