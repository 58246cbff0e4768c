"""Handlers of the actions on persistent reservations."""

from collections.abc import Mapping

from iscsictl.engine.handlers.effect import Handler, Inverse, StepResult
from iscsictl.model import actions
from iscsictl.model.plan import Action
from iscsictl.system.block import reservation_hold
from iscsictl.system.context import Context


def _reserve(action: actions.Reserve, context: Context) -> StepResult:
    reserved = reservation_hold.reserve(action.disk, context.root)
    if not reserved:
        # It lists registrations and takes none: that shows only now.
        context.say(
            f"{action.disk.device} is not kept apart from other hosts: it takes no reservation"
        )
    return StepResult(reserved)


def _release(action: actions.Release, context: Context) -> StepResult:
    return StepResult(reservation_hold.release(action.disk, context.root))


def _take_over(action: actions.TakeOver, context: Context) -> StepResult:
    return StepResult(reservation_hold.take_over(action.disk, action.key, context.root))


HANDLERS: Mapping[type[Action], Handler] = {
    actions.Reserve: _reserve,
    actions.Release: _release,
    actions.TakeOver: _take_over,
}
INVERSES: Mapping[type[Action], Inverse] = {
    actions.Reserve: lambda action, _: actions.Release(action.disk),
}
