"""The handler of each action, and the inverse with which an action is rolled back.

The actions of `model/actions/NAME.py` are executed by the module NAME of this package, which is
imported for the first of them: a command that only plans needs none.
"""

from collections.abc import Mapping
from types import ModuleType

from iscsictl.engine.handlers.effect import Handler, Inverse, StepResult
from iscsictl.lazy_import import lazy_import
from iscsictl.model import actions
from iscsictl.model.plan import Action
from iscsictl.system.context import Context

_MODULES: Mapping[str, ModuleType] = {
    "discovery": lazy_import("iscsictl.engine.handlers.discovery"),
    "disks": lazy_import("iscsictl.engine.handlers.disks"),
    "fstab": lazy_import("iscsictl.engine.handlers.fstab"),
    "host": lazy_import("iscsictl.engine.handlers.host"),
    "mounts": lazy_import("iscsictl.engine.handlers.mounts"),
    "multipath": lazy_import("iscsictl.engine.handlers.multipath"),
    "partitions": lazy_import("iscsictl.engine.handlers.partitions"),
    "records": lazy_import("iscsictl.engine.handlers.records"),
    "reservations": lazy_import("iscsictl.engine.handlers.reservations"),
    "schedule": lazy_import("iscsictl.engine.handlers.schedule"),
    "services": lazy_import("iscsictl.engine.handlers.services"),
    "sessions": lazy_import("iscsictl.engine.handlers.sessions"),
}


def _module_for(action: Action) -> ModuleType:
    return _MODULES[type(action).__module__.rpartition(".")[2]]


def handlers() -> dict[type[Action], Handler]:
    """Return every type of action with its handler. This imports all modules of handlers."""
    return {kind: handler for module in _MODULES.values() for kind, handler in
            module.HANDLERS.items()}  # fmt: skip


def execute_action(action: Action, context: Context) -> StepResult:
    """Execute one action now. Raises IscsictlError; then the action left nothing half done.

    If it did change something before it failed, the error has `wrote` set, and the step is rolled
    back with those before it.
    """
    handler: Handler = _module_for(action).HANDLERS[type(action)]
    return handler(action, context)


def complete_unchanged(action: Action, context: Context) -> None:
    """Complete a step that is already done: an earlier run may have been killed right after it.

    Only the fstab entry is followed by something, systemd's reload. Raises IscsictlError.
    """
    if isinstance(action, actions.WriteFstab):
        _MODULES["fstab"].complete_fstab(action, context)


def complete_roll_back(context: Context) -> None:
    """Do what other runs left to this one because of its records.

    A run that has the host for itself has no others to do it for. Raises IscsictlError.
    """
    if context.scope is not None:
        _MODULES["fstab"].complete_others(context)


def inverse(action: Action, effect: StepResult) -> Action | None:
    """Return the action that undoes an executed one; None if nothing has to, or may, be undone.

    An undo never destroys data, and never removes what existed before. What was ended or removed,
    such as a session or a disk, is not restored: the executor reports it as left over.
    """
    if not effect.changed:
        return None
    if isinstance(effect.before, Action):
        return effect.before
    inverses: Mapping[type[Action], Inverse] = _module_for(action).INVERSES
    make = inverses.get(type(action))
    return None if make is None else make(action, effect.before)
