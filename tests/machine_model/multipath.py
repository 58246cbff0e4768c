"""What actions do to multipathd, its configuration and its maps."""

from dataclasses import replace
from typing import Any

from iscsictl.model import actions
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Block, Disk
from iscsictl.model.multipath import MapSettings
from iscsictl.planner.safety.duplicates import outside_map
from tests.machine_model.machine import AnyInventory, Array, with_disks


def spelled(wwid: str) -> str:
    """Return a WWID as multipathd spells it."""
    return "3" + wwid.removeprefix("naa.")


def changed(now: AnyInventory, **changes: Any) -> AnyInventory:
    """Return the machine with other facts about multipath; the daemon knows all paths."""
    facts = replace(now.host.multipath, **changes)
    paths = {path.device: disk.wwid for disk in now.disks for path in disk.paths}
    names = {device: spelled(wwid) for device, wwid in paths.items() if wwid is not None}
    facts = replace(facts, spelled=names if facts.running else {})
    return replace(now, host=replace(now.host, multipath=facts))


def gets_map(now: Inventory, disk: Disk) -> bool:
    """Tell whether multipathd makes a map of a disk that it sees for the first time."""
    facts = now.host.multipath
    if not facts.running:
        return False
    if facts.find_multipaths in {"no", "off", "greedy"}:
        return True
    if facts.find_multipaths in {"smart", "yes"} and len(disk.paths) > 1:
        return True
    return disk.wwid is not None and spelled(disk.wwid) in facts.listed


def map_block(disk: Disk) -> Block:
    """Return the map over a disk, named by its WWID."""
    return Block(f"/dev/mapper/{spelled(disk.wwid or '?')}", "mpath")


def start(_action: actions.StartMultipathd, now: Inventory, _: Array) -> Inventory:
    facts = now.host.multipath
    now = changed(now, running=True, in_force={s.wwid: s.no_path_retry for s in facts.settings})
    disks = tuple(
        disk._replace(block=map_block(disk))
        if gets_map(now, disk) and not used(now, disk)
        else disk
        for disk in now.disks
    )
    return with_disks(now, disks)


def used(now: Inventory, disk: Disk) -> bool:
    """Tell whether somebody has a disk open for himself, so that no map can be made."""
    usage = now.usage_of(disk)
    return usage is not None and bool(usage.holders)


def stop(_action: actions.StopService, now: Inventory, _: Array) -> Inventory:
    if any(disk.block.kind == "mpath" for disk in now.disks):
        return now  # It made maps of other disks too, and keeps running for them.
    return changed(now, running=False)


def write_settings(action: actions.WriteMapSettings, now: Inventory, _: Array) -> Inventory:
    facts = now.host.multipath
    new = MapSettings(action.wwid, action.disk.wwid, action.no_path_retry, action.reservation_key)
    kept = tuple(one for one in facts.settings if one.wwid != action.wwid)
    in_force = {**facts.in_force, action.wwid: action.no_path_retry} if facts.running else {}
    return changed(now, settings=(*kept, new), in_force=in_force, unread=())


def drop_settings(action: actions.DropMapSettings, now: Inventory, _: Array) -> Inventory:
    facts = now.host.multipath
    in_force = {wwid: n for wwid, n in facts.in_force.items() if wwid != action.wwid}
    kept = tuple(one for one in facts.settings if one.wwid != action.wwid)
    if len(kept) == len(facts.settings):
        return now
    unread = () if action.is_read else (*facts.unread, action.wwid)
    return changed(now, settings=kept, in_force=in_force, unread=unread)


def read_settings(_action: actions.ReadMapSettings, now: Inventory, _: Array) -> Inventory:
    return changed(now, unread=())


def allow(action: actions.AllowMap, now: Inventory, _: Array) -> Inventory:
    # multipath(8) spells the WWID by itself; the plan may not know it yet.
    wwid = next(d.wwid for d in now.disks for p in d.paths if p.device == action.disk.device)
    facts, name = now.host.multipath, spelled(wwid or "")
    noted = facts.settings
    if name not in facts.listed and not any(one.wwid == name for one in noted):
        noted = (*noted, MapSettings(name, wwid or "", None))
    return changed(now, listed=facts.listed | {name}, settings=noted)


def disallow(action: actions.DisallowMap, now: Inventory, _: Array) -> Inventory:
    facts = now.host.multipath
    kept = tuple(s for s in facts.settings if s.wwid != action.wwid or s.no_path_retry is not None)
    return changed(now, listed=facts.listed - {action.wwid}, settings=kept)


def make_map(action: actions.MakeMap, now: Inventory, _: Array) -> Inventory:
    """Put the map over each disk of this WWID; paths outside of one that is there join it.

    udev reads a new map, and waits with it until a path of it serves reads.
    """
    paths = [path for disk in now.disks if disk.wwid == action.disk.wwid for path in disk.paths]
    assert not all(path.is_passive for path in paths), "a map that nobody can read"
    disks = []
    for disk in now.disks:
        outside = outside_map(disk, now.index.disks_with_wwid(disk.wwid), now.index)
        if disk.wwid != action.disk.wwid:
            disks.append(disk)
        elif disk.block.kind == "mpath":
            more = (path for other in outside for path in other.paths)
            disks.append(disk._replace(paths=(*disk.paths, *more)))
        elif not outside:
            disks.append(disk._replace(block=map_block(disk)))
    return with_disks(now, disks)


def remove_map(action: actions.RemoveMap, now: Inventory, _: Array) -> Inventory:
    disks = tuple(
        d._replace(block=Block(d.paths[0].device, "disk"))
        if d.block.device == action.disk.device or d.wwid == action.disk.wwid
        else d
        for d in now.disks
    )
    return with_disks(now, disks)
