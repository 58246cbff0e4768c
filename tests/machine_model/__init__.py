"""What each action does to a machine, as a model: `effect(step, inventory)`.

The planner's properties rest on it, and a lab test per action shows that reality equals it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from iscsictl.model import actions
from iscsictl.model.inventory import DiskUsage, Inventory, Known
from iscsictl.model.plan import Action, Step
from tests.machine_model import disks, multipath, places, records, sessions
from tests.machine_model.machine import Array, coherent


def effect(step: Step, inventory: Inventory, array: Array = ()) -> Inventory:
    """Return the machine as it is after a step; `array` is what is mapped to this host."""
    return apply_action(step.action, inventory, array)


def apply_action(action: Action, inventory: Inventory, array: Array = ()) -> Inventory:
    """Return the machine as it is after an action."""
    return coherent(_EFFECTS[type(action)](action, inventory, array))


def restart(now: Inventory, array: Array) -> tuple[Inventory, Array]:
    """Cut the power: what is on disks and in /etc stays, the rest is gone."""
    mapped = tuple(
        replace(u, content=now.contents.get(u.wwid or "", u.content), usage=DiskUsage())
        for u in array
    )
    mapped = tuple(
        replace(u, content=Known(replace(u.content.value, usage=())))
        if isinstance(u.content, Known)
        else u
        for u in mapped
    )
    now = replace(now, sessions=(), disks=(), contents={}, usage={}, luns={}, holds=())
    facts = now.host.multipath
    starts = facts.enabled and not facts.masked
    in_force = {one.wwid: one.no_path_retry for one in facts.settings} if starts else {}
    now = multipath.changed(now, running=starts, in_force=in_force)
    if isinstance(now.place, Known) and now.place.value.mounted is not None:
        now = places.placed(now, mounted=None, source=None, uid=None, gid=None, mode=None)
    return now, mapped


_EFFECTS: Mapping[type[Action], Callable[[Any, Inventory, Array], Inventory]] = {
    actions.CreateRecord: records.create_record,
    actions.WriteRecord: records.write_record,
    actions.RestoreRecord: records.restore_record,
    actions.DeleteRecord: records.delete_record,
    actions.RemoveCorruptRecord: records.remove_corrupt_record,
    actions.EnableService: records.enable,
    actions.Login: sessions.login,
    actions.Scan: sessions.scan,
    actions.Rescan: sessions.rescan,
    actions.Claim: places.claim,
    actions.Reserve: disks.reserve,
    actions.Release: disks.release,
    actions.TakeOver: disks.take_over,
    actions.Wipe: disks.wipe,
    actions.Label: disks.label,
    actions.Mkfs: disks.mkfs,
    actions.MakeDirectory: places.make_directory,
    actions.RemoveDirectory: places.remove_directory,
    actions.Mount: places.mount,
    actions.Own: places.own,
    actions.WriteFstab: places.write_fstab,
    actions.DropFstab: places.drop_fstab,
    actions.RestoreFstab: places.restore_fstab,
    actions.RequireMount: places.require,
    actions.DropRequire: places.unrequire,
    actions.Unmount: places.unmount,
    actions.RemoveDevice: sessions.remove_device,
    actions.StartMultipathd: multipath.start,
    actions.StopService: multipath.stop,
    actions.WriteMapSettings: multipath.write_settings,
    actions.DropMapSettings: multipath.drop_settings,
    actions.ReadMapSettings: multipath.read_settings,
    actions.AllowMap: multipath.allow,
    actions.DisallowMap: multipath.disallow,
    actions.MakeMap: multipath.make_map,
    actions.RemoveMap: multipath.remove_map,
    actions.Logout: sessions.logout,
    actions.SetHold: sessions.hold,
    actions.DropHold: sessions.unhold,
}
