"""Handlers for the actions on systemd units."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from iscsictl.engine.handlers.effect import Handler, Inverse, StepResult
from iscsictl.errors import InUseError, IscsictlError
from iscsictl.model import actions
from iscsictl.model.plan import Action
from iscsictl.planner.selection.session_index import SessionIndex
from iscsictl.system.block import multipath
from iscsictl.system.context import Context
from iscsictl.system.host import systemd
from iscsictl.system.io.host_lock import no_other_run
from iscsictl.system.io.process import run
from iscsictl.system.iscsi import nodedb
from iscsictl.system.iscsi.sessions import read_sessions


def _enable_or_disable(action: actions.EnableService, context: Context) -> StepResult:
    if systemd.enabled(action.unit, context.root) == action.on:
        return StepResult(changed=False)
    if action.on:
        # Noted before, so that an undo can tell whose targets came since.
        before = replace(action, on=False, boot_targets=_boot_targets(context))
        ran = systemd.active(action.unit, context.root)
        systemd.enable(action.unit, context.root)
        # Debian's login service gets its second name, iscsi.service, when it is enabled.
        if ran and systemd.is_forgotten(action.unit, context.root):
            _start_unless_it_logs_in(action.unit, context)
        return StepResult(before=before)
    own = context.scope.targets | action.boot_targets if context.scope is not None else None
    with _exclude_other_runs(context) as alone:
        if not alone or (own is not None and _boot_targets(context) - own):
            raise InUseError(f"other targets need {action.unit}")
        systemd.disable(action.unit, context.root)
    return StepResult()


def start_login_service(context: Context) -> None:
    """Start the login service if the boot did not, as happens while there is no record.

    At shutdown systemd stops only what was started, and stopping this service is what logs out
    after the unmount. It is not started if it would log in to something that is logged out.
    """
    service = systemd.login_service(context.root)
    if systemd.running(context.root) and not systemd.active(service, context.root):
        _start_unless_it_logs_in(service, context)


def _start_unless_it_logs_in(unit: str, context: Context) -> None:
    if unit == systemd.login_service(context.root):
        records = nodedb.read_records(context.db)
        index = SessionIndex(records, read_sessions(context.root, details=False))
        if any(index.session_of(record) is None for record in records if record.onboot):
            return
    systemd.start_soon(unit)


def _boot_targets(context: Context) -> frozenset[str]:
    return frozenset(r.target for r in nodedb.read_records(context.db) if r.onboot)


def _require_mount(action: actions.RequireMount, context: Context) -> StepResult:
    systemd.require_mount(action.unit, action.path, context.root)
    try:
        context.reload()
    except IscsictlError as error:
        error.wrote = True
        raise
    return StepResult()


def _drop_mount_requirement(action: actions.DropRequire, context: Context) -> StepResult:
    systemd.drop_require(action.path, context.root, action.unit)
    context.reload()
    return StepResult()


def _reload_systemd(_: actions.Reload, __: Context) -> StepResult:
    systemd.daemon_reload()
    return StepResult()


def start_service(action: actions.StartService, context: Context) -> StepResult:
    """Have systemd start a unit; unchanged if it is active. Raises ToolError, StoppedError."""
    ran = systemd.active(action.unit, context.root)
    run(["systemctl", "start", action.unit], timeout=max(context.wait, 1.0))
    return StepResult(changed=not ran)


def _stop_service(action: actions.StopService, context: Context) -> StepResult:
    with _exclude_other_runs(context) as alone:
        if not alone:
            raise InUseError(f"other targets need {action.unit}")
        # multipathd may have made maps of other disks too when it started. They outlive it, and
        # without it nobody tests their paths.
        if multipath.has_maps(context.root):
            raise InUseError(f"{action.unit} keeps running for a remaining multipath map")
        run(["systemctl", "stop", action.unit], timeout=max(context.wait, 1.0))
    return StepResult()


def _exclude_other_runs(context: Context) -> AbstractContextManager[bool]:
    """Tell whether no other run is active, and let none begin in the meantime."""
    return nullcontext(True) if context.scope is None else no_other_run(context.root)


HANDLERS: Mapping[type[Action], Handler] = {
    actions.EnableService: _enable_or_disable,
    actions.StartService: start_service,
    actions.StopService: _stop_service,
    actions.Reload: _reload_systemd,
    actions.RequireMount: _require_mount,
    actions.DropRequire: _drop_mount_requirement,
}
INVERSES: Mapping[type[Action], Inverse] = {
    actions.EnableService: lambda action, _: replace(action, on=not action.on),
    actions.RequireMount: lambda action, _: actions.DropRequire(action.path, action.unit),
}
