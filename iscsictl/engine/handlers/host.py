"""Handlers for changes of the host itself: services, names, interfaces, corrupt files."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from iscsictl.engine.handlers.effect import StepResult
from iscsictl.errors import InUseError, IscsictlError
from iscsictl.errors.codes import error_from_iscsiadm
from iscsictl.model import actions
from iscsictl.model.plan import Action
from iscsictl.system.block import multipath
from iscsictl.system.context import Context
from iscsictl.system.host import systemd
from iscsictl.system.io.files import protect
from iscsictl.system.io.host_lock import no_other_run
from iscsictl.system.io.process import run
from iscsictl.system.iscsi import ifaces, initiator_name, nodedb, nodedb_lock
from iscsictl.system.iscsi.iscsiadm import SESSION_EXISTS
from iscsictl.system.iscsi.sessions import read_sessions


def _enable(action: actions.EnableService, context: Context) -> StepResult:
    if systemd.enabled(action.unit, context.root) == action.on:
        return StepResult(changed=False)
    if action.on:
        # Noted before, so that an undo can tell whose targets came since.
        before = replace(action, on=False, boot_targets=_boot_targets(context))
        systemd.enable(action.unit, context.root)
        return StepResult(before=before)
    own = context.scope.targets | action.boot_targets if context.scope is not None else None
    with _alone(context) as alone:
        if not alone or (own is not None and _boot_targets(context) - own):
            raise InUseError(f"other targets need {action.unit}")
        systemd.disable(action.unit, context.root)
    return StepResult()


def _boot_targets(context: Context) -> frozenset[str]:
    return frozenset(r.target for r in nodedb.read_records(context.db) if r.onboot)


def _require(action: actions.RequireMount, context: Context) -> StepResult:
    systemd.require_mount(action.unit, action.path, context.root)
    try:
        context.reload()
    except IscsictlError as error:
        error.wrote = True
        raise
    return StepResult()


def _unrequire(action: actions.DropRequire, context: Context) -> StepResult:
    systemd.drop_require(action.path, context.root, action.unit)
    context.reload()
    return StepResult()


def _clear_lock(_: actions.ClearLock, context: Context) -> StepResult:
    # Whoever takes the lock clears one that was left behind, and lets go of it.
    with nodedb_lock.NodeDbLock(context.root, context.wait, context.say):
        return StepResult()


def _protect(action: actions.Protect, context: Context) -> StepResult:
    with nodedb_lock.NodeDbLock(context.root, context.wait, context.say):
        return StepResult(protect(action.path))


def _reload(_: actions.Reload, __: Context) -> StepResult:
    systemd.daemon_reload()
    return StepResult()


def _start(action: actions.StartService, context: Context) -> StepResult:
    ran = systemd.active(action.unit, context.root)
    run(["systemctl", "start", action.unit], timeout=max(context.wait, 1.0))
    return StepResult(changed=not ran)


def _stop(action: actions.StopService, context: Context) -> StepResult:
    with _alone(context) as alone:
        # multipathd is started for a map; maps that are left are those of other runs.
        if context.scope is not None and (not alone or multipath.has_maps(context.root)):
            raise InUseError(f"other targets need {action.unit}")
        run(["systemctl", "stop", action.unit], timeout=max(context.wait, 1.0))
    return StepResult()


def _alone(context: Context) -> AbstractContextManager[bool]:
    """Tell whether no other run is at work, and let none begin meanwhile."""
    return nullcontext(True) if context.scope is None else no_other_run(context.root)


def _set_initiator(action: actions.SetInitiatorName, context: Context) -> StepResult:
    # Nobody locks out iscsiadm: a session may have come up since the plan.
    if read_sessions(context.root):
        raise InUseError("a session came up meanwhile", hint="log out first: iscsictl logout --all")
    changed = initiator_name.write_name(action.name, context.root)
    if changed:
        initiator_name.reread(context.root)
    return StepResult(changed)


def _write_iface(action: actions.WriteIface, context: Context) -> StepResult:
    changed = ifaces.write_iface(
        context.db,
        action.name,
        action.values,
        root=context.root,
        timeout=context.wait,
        say=context.say,
    )
    return StepResult(changed)


def _remove_iface(action: actions.RemoveIface, context: Context) -> StepResult:
    ifaces.remove_iface(
        context.db, action.name, root=context.root, timeout=context.wait, say=context.say
    )
    return StepResult()


def _firmware_login(_: actions.FirmwareLogin, context: Context) -> StepResult:
    result = run(["iscsiadm", "-m", "fw", "--login"], timeout=context.wait, ok=None)
    if result.code not in {0, SESSION_EXISTS}:
        raise error_from_iscsiadm(result.code, result.err, "logging in to the firmware's targets")
    return StepResult()


HANDLERS: Mapping[type[Action], Callable[[Any, Context], StepResult]] = {
    actions.EnableService: _enable,
    actions.StopService: _stop,
    actions.RequireMount: _require,
    actions.DropRequire: _unrequire,
    actions.ClearLock: _clear_lock,
    actions.Protect: _protect,
    actions.Reload: _reload,
    actions.StartService: _start,
    actions.StartMultipathd: _start,
    actions.SetInitiatorName: _set_initiator,
    actions.WriteIface: _write_iface,
    actions.RemoveIface: _remove_iface,
    actions.FirmwareLogin: _firmware_login,
}
