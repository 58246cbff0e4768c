"""Handlers for the actions on persistent reservations."""

from collections.abc import Mapping

from iscsictl.engine.handlers.effect import Handler, Inverse, StepResult
from iscsictl.engine.handlers.mounts import await_filesystem
from iscsictl.model import actions
from iscsictl.model.fstab import Fstab
from iscsictl.model.plan import Action
from iscsictl.system.block import multipath_conf, reservation_hold
from iscsictl.system.context import Context
from iscsictl.system.mount import fstab_file


def _reserve_disk(action: actions.Reserve, context: Context) -> StepResult:
    if action.exclusive:
        return _keep_reserved(action, context)
    before = fstab_file.read_fstab(context.root)
    reserved = reservation_hold.reserve(action.disk, context.root)
    if reserved:
        context.reserved.add(action.disk.wwid)
    else:
        # It lists registrations and takes none: that shows only now.
        context.say(
            f"{action.disk.device} is not protected from other hosts: it does not accept "
            "reservations"
        )
    return StepResult(reserved, before)


def _keep_reserved(action: actions.Reserve, context: Context) -> StepResult:
    disk = action.disk
    if action.uuid is not None and not disk.device:
        disk, _ = await_filesystem(disk, action.uuid, context)
    # Read first: what fails after the reservation would not be undone.
    before = fstab_file.read_fstab(context.root)
    changed = reservation_hold.keep_reserved(disk, context.root)
    if changed and disk.device.startswith("/dev/mapper/"):
        multipath_conf.note_registration(disk.device.removeprefix("/dev/mapper/"))
    return StepResult(changed, before)


def _end_reservation(action: actions.Reserve, before: Fstab | None) -> actions.Release | None:
    """Return what undoes a reservation; nothing if fstab said that the volume is exclusive."""
    if before is not None and before.is_exclusive(action.disk.wwid):
        return None
    return actions.Release(action.disk)


def _release_reservation(action: actions.Release, context: Context) -> StepResult:
    context.reserved.discard(action.disk.wwid)
    return StepResult(reservation_hold.release(action.disk, context.root))


def _take_over(action: actions.TakeOver, context: Context) -> StepResult:
    return StepResult(reservation_hold.take_over(action.disk, action.key, context.root))


HANDLERS: Mapping[type[Action], Handler] = {
    actions.Reserve: _reserve_disk,
    actions.Release: _release_reservation,
    actions.TakeOver: _take_over,
}
INVERSES: Mapping[type[Action], Inverse] = {
    actions.Reserve: _end_reservation,
    actions.Release: lambda action, _: (
        actions.Reserve(action.disk, exclusive=True) if action.exclusive else None
    ),
}
