"""The handler of each action, and the inverse with which an action is rolled back."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from iscsictl.engine.handlers import (
    disks,
    fstab,
    host,
    mounts,
    multipath,
    records,
    schedule,
    sessions,
)
from iscsictl.engine.handlers.effect import StepResult
from iscsictl.model import actions
from iscsictl.model.plan import Action
from iscsictl.system.context import Context

HANDLERS: Mapping[type[Action], Callable[[Any, Context], StepResult]] = {
    **disks.HANDLERS,
    **fstab.HANDLERS,
    **host.HANDLERS,
    **mounts.HANDLERS,
    **multipath.HANDLERS,
    **records.HANDLERS,
    **schedule.HANDLERS,
    **sessions.HANDLERS,
}


def execute_action(action: Action, context: Context) -> StepResult:
    """Do one action now. Raises IscsictlError; then the action left nothing half done.

    Where it did change something before it failed, the error has `wrote` set, and the step is
    rolled back with those before it.
    """
    return HANDLERS[type(action)](action, context)


def complete_unchanged(action: Action, context: Context) -> None:
    """Finish what belongs to a step that is already done: an earlier run may have been killed.

    Only the fstab entry has something after it, systemd's reload. Raises IscsictlError.
    """
    if isinstance(action, actions.WriteFstab):
        fstab.complete_fstab(action, context)


def complete_roll_back(context: Context) -> None:
    """Do what other runs left to this one while its records were there.

    A run that has the host for itself has no others to do it for. Raises IscsictlError.
    """
    if context.scope is not None:
        fstab.complete_others(context)


def inverse(action: Action, effect: StepResult) -> Action | None:
    """Return what undoes an action that was done; None if nothing has to, or may.

    Data is never destroyed by an undo, and what was there before is not ours to take away.
    """
    if not effect.changed:
        return None
    match action:
        case actions.CreateRecord():
            return actions.DeleteRecord(action.target, action.portal, action.iface)
        case _ if isinstance(effect.before, Action):
            return effect.before
        case actions.EnableService():
            return replace(action, on=not action.on)
        case actions.Login():
            return actions.Logout(action.target, action.portal, action.iface)
        case actions.Claim() | actions.WriteFstab():
            return actions.RestoreFstab(action.disk.wwid, effect.before)
        case actions.MakeDirectory():
            return actions.RemoveDirectory(action.path)
        case actions.Mount():
            return actions.Unmount(action.path)
        case actions.RequireMount():
            return actions.DropRequire(action.path, action.unit)
        case _:
            return multipath.inverse(action, effect.before) or sessions.inverse(action)
