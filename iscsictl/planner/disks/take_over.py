"""Plan to end the reservation and the registrations of a host that is gone for good."""

from iscsictl.errors import InUseError, NotFoundError, RefusedError
from iscsictl.model import actions
from iscsictl.model.plan import Plan
from iscsictl.model.reservation import LunReservations, format_key
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.builder import PlanBuilder, build_plan
from iscsictl.planner.safety.overwrite import ConsentRequiredError
from iscsictl.planner.selection.disks import DiskInventory, disk_id, subject


def plan_take_over(inventory: DiskInventory, key: int, *, agreed: bool) -> Plan:
    """Plan to preempt a key that another host has registered; the LUN is free afterwards.

    `agreed`: the user confirmed that the host with that key is not running.
    """
    return build_plan(lambda builder: _take_over(builder, inventory, key, agreed=agreed))


def _take_over(
    builder: PlanBuilder, inventory: DiskInventory, key: int, *, agreed: bool
) -> str | None:
    chosen = inventory.one
    disk, name = disk_id(inventory, chosen), subject(chosen)
    found = inventory.reservations[disk.wwid]
    action = actions.TakeOver(disk, key)
    if key in found.keys and (key != found.own_key or found.own_key_is_doubtful):
        if key == found.own_key:
            _require_unused(inventory, disk.device)
        if not agreed:
            raise _consent_required(disk.device, key)
        builder.add(
            action, name, f"ends the registration of the host with the key {format_key(key)}"
        )
        return None
    _require_nothing_left(found, disk.device, key)
    builder.add(action, name, "no other host has registered", done=True)
    return None


def _require_unused(inventory: DiskInventory, device: str) -> None:
    """Raise InUseError if this host uses the disk: its own key may be what protects the disk."""
    if inventory.used.holders:
        raise InUseError(
            f"{device} is in use on this host: {', '.join(inventory.used.holders)}",
            hint="stop that use first, because this host's registration is ended too; to unmount: "
            f"iscsictl umount {shell_form(device)}",
        )


def _require_nothing_left(found: LunReservations, device: str, key: int) -> None:
    """Raise if the key is not registered although others are, or cannot be another host's."""
    if not found.supported:
        raise RefusedError(
            f"{device} does not support persistent reservations",
            hint="the array does not keep hosts apart; map the LUN to one host only",
        )
    if key == found.own_key:
        raise RefusedError(
            f"{format_key(key)} is the key of this host",
            hint="iscsictl detach ends this host's registration",
        )
    keys = ", ".join(map(format_key, found.other_keys))
    if keys or found.other_holder is not None:
        raise NotFoundError(
            f"no host has registered the key {format_key(key)} with {device}; registered: "
            f"{keys or found.other_holder}",
            hint="compare the key with the one on the array, and with the other host's",
        )


def _consent_required(device: str, key: int) -> ConsentRequiredError:
    text = format_key(key)
    return ConsentRequiredError(
        f"the host with the key {text} may still be running: then two hosts can write to {device}",
        question=f"Is the host with the key {text} off for good? If it is running, nothing will "
        f"keep it and other hosts from writing to {device} at the same time, and two "
        "hosts that write to one filesystem destroy it.",
        grant="take-over",
        hint="if it is off for good: --yes",
    )
