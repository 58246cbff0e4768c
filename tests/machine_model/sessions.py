"""What actions do to sessions, to the disks that come with them, and to holds."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from iscsictl.model import actions
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Block, Disk, Host, Lun, Session
from iscsictl.model.listing import Path as DiskPath
from tests.machine_model import multipath
from tests.machine_model.machine import AnyInventory, Array, Unit, with_disks
from tests.machine_model.records import same


def _is(session: Session, action: Any) -> bool:
    portal = session.persistent_portal or session.portal
    return (
        session.target == action.target
        and portal is not None
        and portal.same_place(action.portal)
        and (session.iface or "default") == action.iface
    )


def login(action: actions.Login, now: Inventory, array: Array) -> Inventory:
    if any(_is(s, action) for s in now.sessions):
        return now
    sid = max((s.sid or 0 for s in now.sessions), default=0) + 1
    portal = replace(action.portal, tpgt=action.portal.tpgt or 1)
    made = Session(
        "sysfs", action.target, sid, portal=portal, persistent_portal=portal,
        iface=action.iface, status="up", session_state="LOGGED_IN", host=Host(sid + 1), luns=(),
    )  # fmt: skip
    offered = tuple(u.lun for u in array if u.target == action.target)
    manual = any(same(r, action) and r.scan == "manual" for r in now.records)
    now = replace(now, sessions=(*now.sessions, made), luns={**now.luns, sid: offered})
    for unit in array:
        asked = not manual or unit.lun == action.lun
        if unit.target == action.target and not unit.late and asked:
            now = _appear(now, sid, unit)
    return now


def scan(action: actions.Scan, now: Inventory, array: Array) -> Inventory:
    for session in now.sessions:
        there = {unit.lun for unit in session.luns or ()}
        for unit in array:
            wanted = unit.target == session.target == action.target
            if wanted and unit.lun not in there and action.lun in {None, unit.lun}:
                now = _appear(now, session.sid or 0, unit)
    return now


def rescan(action: actions.Rescan, now: Inventory, array: Array) -> Inventory:
    """Show all LUNs of one session. Sizes are those of the array at any time in this model."""
    for session in now.sessions:
        there = {unit.lun for unit in session.luns or ()}
        for unit in array:
            if (
                session.sid == action.sid
                and unit.target == session.target
                and unit.lun not in there
            ):
                now = _appear(now, action.sid, unit)
    return now


def _appear(now: Inventory, sid: int, unit: Unit) -> Inventory:
    """One more path: to a disk that is known over another path, or to a new one.

    multipathd, where it runs and may, puts a map over it.
    """
    used = {path.device for disk in now.disks for path in disk.paths}
    device = next(d for c in "abcdefghijklmnop" if (d := f"/dev/sd{c}") not in used)
    hctl = f"{sid + 1}:0:0:{unit.lun}"
    portals = [s.portal for s in now.sessions if s.sid == sid and s.portal is not None]
    access = next((one for p, one in unit.access.items() if p.same_place(portals[0])), None)
    path = DiskPath(sid, hctl, device, "running", access)
    told = Lun(unit.lun, hctl, device, "running", unit.wwid, access=access)
    targets = {(s.sid, u.hctl): (s.target, u.lun) for s in now.sessions for u in s.luns or ()}
    sessions = tuple(
        s._replace(luns=(*(s.luns or ()), told)) if s.sid == sid else s for s in now.sessions
    )
    disks, merged = [], False
    for disk in now.disks:
        first = disk.paths[0]
        if not merged and targets[first.sid, first.hctl] == (unit.target, unit.lun):
            merged = True
            disks.append(disk._replace(paths=(*disk.paths, path)))
        else:
            disks.append(disk)
    contents, usage = dict(now.contents), dict(now.usage)
    if not merged:
        made = Disk(unit.wwid, (path,), Block(device, "disk"))
        if multipath.gets_map(now, made):
            made = made._replace(block=multipath.map_block(made))
        disks.append(made)
        if unit.wwid is not None:
            usage[made.block.device] = unit.usage
            if unit.content is not None:
                contents.setdefault(unit.wwid, unit.content)
    now = replace(now, sessions=sessions, disks=tuple(disks), contents=contents, usage=usage)
    return multipath.changed(now)


def _gone(now: AnyInventory, hctls: set[tuple[int, str]]) -> AnyInventory:
    """Return the machine without some paths; a disk without paths is not there any more."""
    sessions = tuple(
        s._replace(luns=tuple(u for u in s.luns or () if (s.sid, u.hctl) not in hctls))
        for s in now.sessions
    )
    disks = []
    for disk in now.disks:
        paths = tuple(p for p in disk.paths if (p.sid, p.hctl) not in hctls)
        if paths:
            disks.append(disk._replace(paths=paths))
    left = {disk.wwid for disk in disks}
    contents = {w: c for w, c in now.contents.items() if w in left}
    now = replace(with_disks(now, disks), sessions=sessions, contents=contents)
    return multipath.changed(now)


def remove_device(action: actions.RemoveDevice, now: Inventory, _: Array) -> Inventory:
    return _gone(now, {(p.sid, p.hctl) for d in now.disks for p in d.paths
                       if p.hctl in action.hctls})  # fmt: skip


def logout(action: actions.Logout, now: Inventory, _: Array) -> Inventory:
    return end_sessions({s.sid or 0 for s in now.sessions if _is(s, action)}, now)


def end_sessions(ended: Collection[int], now: AnyInventory) -> AnyInventory:
    """Return the machine without these sessions, and without what they alone led to."""
    now = _gone(now, {(p.sid, p.hctl) for d in now.disks for p in d.paths if p.sid in ended})
    luns = {sid: seen for sid, seen in now.luns.items() if sid not in ended}
    sessions = tuple(s for s in now.sessions if s.sid not in ended)
    return replace(now, sessions=sessions, luns=luns)


def hold(action: actions.SetHold, now: Inventory, _: Array) -> Inventory:
    return replace(now, holds=(*(h for h in now.holds if h != action.hold), action.hold))


def unhold(action: actions.DropHold, now: Inventory, _: Array) -> Inventory:
    return replace(now, holds=tuple(h for h in now.holds if h != action.hold))
