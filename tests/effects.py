"""What each action does to a machine, as a model: `effect(step, inventory)`.

The planner's properties rest on it, and a lab test per action shows that reality equals it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from iscsictl.model import actions
from iscsictl.model.content import Content, Filesystem, Partition, Signature
from iscsictl.model.fstab import Fstab, FstabLine
from iscsictl.model.inventory import Inventory, Known, Place, Seen, Users
from iscsictl.model.listing import Block, Disk, Host, Lun, Mount, Session
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.plan import Action, Step
from iscsictl.model.record import MASK, NodeRecord
from iscsictl.model.secret import Secret
from iscsictl.parse import fstab as edit
from iscsictl.parse.record import parse_values

MIB = 1 << 20


@dataclass(frozen=True)
class Unit:
    """A LUN of the array: what a login brings to light; `late` takes a scan.

    `content` None: nobody could probe it, for it has no name.
    """

    target: str
    lun: int
    wwid: str | None
    content: Seen[Content] | None
    users: Users = field(default_factory=Users)
    late: bool = False


Array = tuple[Unit, ...]


def effect(step: Step, inventory: Inventory, array: Array = ()) -> Inventory:
    """Return the machine as it is after a step; `array` is what is mapped to this host."""
    return act(step.action, inventory, array)


def act(action: Action, inventory: Inventory, array: Array = ()) -> Inventory:
    """Return the machine as it is after an action."""
    return coherent(_EFFECTS[type(action)](action, inventory, array))


def coherent(inventory: Inventory) -> Inventory:
    """Draw the device trees, and who uses a disk, from contents and users."""
    disks, seen = [], set[str | None]()
    for disk in inventory.disks:
        used = inventory.users.get(disk.wwid or "", Users()) if disk.wwid not in seen else Users()
        content = inventory.contents.get(disk.wwid or "")
        disks.append(replace(disk, block=_block(disk, content, used)))
        seen.add(disk.wwid)
    contents: dict[str, Seen[Content]] = {}
    for wwid, content in inventory.contents.items():
        used = inventory.users.get(wwid, Users())
        words = (*(f"the mount on {path}" for path in used.mounts), *used.others)
        if isinstance(content, Known):
            contents[wwid] = Known(replace(content.value, users=words))
        else:
            contents[wwid] = content
    return replace(inventory, disks=tuple(disks), contents=contents)


def _block(disk: Disk, content: Seen[Content] | None, used: Users) -> Block:
    device, kind = disk.block.device, disk.block.kind
    mounts = tuple(Mount(path) for path in used.mounts)
    if not isinstance(content, Known):
        return Block(device, kind, mounts=mounts)
    value = content.value
    parts = [Block(part.device, "part", part.size) for part in value.partitions]
    there = value.filesystem
    if there is None:
        return Block(device, kind, value.size, mounts=mounts, children=tuple(parts))
    if there.part is None:
        return Block(device, kind, value.size, there.type, there.label, there.uuid, mounts)
    inner = Block(there.device, "part", parts[0].size, there.type, there.label, there.uuid, mounts)
    return Block(device, kind, value.size, children=(inner, *parts[1:]))


def _same(record: NodeRecord, action: Any) -> bool:
    return (
        record.target == action.target
        and record.portal.same_place(action.portal)
        and record.iface == action.iface
    )


def _create_record(action: actions.CreateRecord, now: Inventory, _: Array) -> Inventory:
    if any(_same(r, action) and r.problem is None for r in now.records):
        return now
    place = f"{action.portal.address},{action.portal.port},{action.portal.tpgt or 1}"
    path = Path("/db/nodes") / action.target / place / action.iface
    made = NodeRecord(path, {}, target=action.target, portal=action.portal, iface=action.iface)
    return replace(now, records=(*(r for r in now.records if not _same(r, action)), made))


def _write_record(action: actions.WriteRecord, now: Inventory, _: Array) -> Inventory:
    def changed(record: NodeRecord) -> NodeRecord:
        values = dict(record.values)
        for key, value in action.changes.items():
            values.pop(key, None)
            if value is not None:
                values[key] = MASK if isinstance(value, Secret) else value
        return replace(record, values=values)

    records = tuple(changed(r) if _same(r, action) else r for r in now.records)
    return replace(now, records=records)


def record_text(record: NodeRecord) -> bytes:
    """Return a record as its file would read."""
    return "".join(f"{k} = {v}\n" for k, v in record.values.items()).encode()


def _restore_record(action: actions.RestoreRecord, now: Inventory, _: Array) -> Inventory:
    values = parse_values(action.data.decode())
    records = tuple(replace(r, values=values) if r.path == action.path else r for r in now.records)
    return replace(now, records=records)


def _delete_record(action: actions.DeleteRecord, now: Inventory, _: Array) -> Inventory:
    return replace(now, records=tuple(r for r in now.records if not _same(r, action)))


def _enable(action: actions.EnableService, now: Inventory, _: Array) -> Inventory:
    return replace(now, host=replace(now.host, service_enabled=action.on))


def _is(session: Session, action: Any) -> bool:
    portal = session.persistent_portal or session.portal
    return (
        session.target == action.target
        and portal is not None
        and portal.same_place(action.portal)
        and (session.iface or "default") == action.iface
    )


def _login(action: actions.Login, now: Inventory, array: Array) -> Inventory:
    if any(_is(s, action) for s in now.sessions):
        return now
    sid = max((s.sid or 0 for s in now.sessions), default=0) + 1
    portal = replace(action.portal, tpgt=action.portal.tpgt or 1)
    made = Session(
        "sysfs", action.target, sid, portal=portal, persistent_portal=portal,
        iface=action.iface, status="up", session_state="LOGGED_IN", host=Host(sid + 1), luns=(),
    )  # fmt: skip
    offered = tuple(u.lun for u in array if u.target == action.target)
    manual = any(_same(r, action) and r.scan == "manual" for r in now.records)
    now = replace(now, sessions=(*now.sessions, made), luns={**now.luns, sid: offered})
    for unit in array:
        asked = not manual or unit.lun == action.lun
        if unit.target == action.target and not unit.late and asked:
            now = _appear(now, sid, unit)
    return now


def _scan(action: actions.Scan, now: Inventory, array: Array) -> Inventory:
    for session in now.sessions:
        there = {unit.lun for unit in session.luns or ()}
        for unit in array:
            wanted = unit.target == session.target == action.target
            if wanted and unit.lun not in there and action.lun in {None, unit.lun}:
                now = _appear(now, session.sid or 0, unit)
    return now


def _appear(now: Inventory, sid: int, unit: Unit) -> Inventory:
    """One more path: to a disk that is known over another path, or to a new one.

    multipathd, where it runs, puts a map over each.
    """
    used = {path.device for disk in now.disks for path in disk.paths}
    device = next(d for c in "abcdefghijklmnop" if (d := f"/dev/sd{c}") not in used)
    hctl = f"{sid + 1}:0:0:{unit.lun}"
    path = DiskPath(sid, hctl, device, "running")
    told = Lun(unit.lun, hctl, device, "running", unit.wwid)
    targets = {(s.sid, u.hctl): (s.target, u.lun) for s in now.sessions for u in s.luns or ()}
    sessions = tuple(
        replace(s, luns=(*(s.luns or ()), told)) if s.sid == sid else s for s in now.sessions
    )
    disks, merged = [], False
    for disk in now.disks:
        first = disk.paths[0]
        if not merged and targets[first.sid, first.hctl] == (unit.target, unit.lun):
            merged = True
            disks.append(replace(disk, paths=(*disk.paths, path)))
        else:
            disks.append(disk)
    contents, users = dict(now.contents), dict(now.users)
    if not merged:
        over = Block(f"/dev/mapper/mpath{unit.lun}", "mpath")
        block = over if now.host.multipathd else Block(device, "disk")
        disks.append(Disk(unit.wwid, (path,), block))
        if unit.wwid is not None:
            users.setdefault(unit.wwid, unit.users)
            if unit.content is not None:
                contents.setdefault(unit.wwid, unit.content)
    return replace(now, sessions=sessions, disks=tuple(disks), contents=contents, users=users)


def _known(now: Inventory, wwid: str) -> Content:
    content = now.contents[wwid]
    assert isinstance(content, Known)
    return content.value


def _stands(now: Inventory, content: Content, wwid: str) -> Inventory:
    return replace(now, contents={**now.contents, wwid: Known(content)})


def _wipe(action: actions.Wipe, now: Inventory, _: Array) -> Inventory:
    old = _known(now, action.disk.wwid)
    rest = None if old.blank else 0
    clean = replace(old, signatures=(), table=None, partitions=(), data_at=rest, filesystem=None)
    return _stands(now, clean, action.disk.wwid)


def _label(action: actions.Label, now: Inventory, _: Array) -> Inventory:
    old = _known(now, action.disk.wwid)
    device = action.disk.device
    name = f"{device}-part1" if device.startswith("/dev/mapper/") else f"{device}1"
    part = Partition(1, name, MIB, old.size - 2 * MIB, "linux", data_at=old.data_at)
    new = replace(old, table=action.table, partitions=(part,), data_at=None, filesystem=None)
    return _stands(now, new, action.disk.wwid)


def _mkfs(action: actions.Mkfs, now: Inventory, _: Array) -> Inventory:
    old = _known(now, action.disk.wwid)
    signature = Signature(action.fs, 0, action.uuid, action.label)
    used = False if action.fs.startswith("ext") else None
    if action.part is None:
        there = Filesystem(
            action.disk.device, None, action.fs, action.uuid, action.label, used=used
        )
        new = replace(old, signatures=(signature,), data_at=None, filesystem=there)
    else:
        part = old.partitions[0]
        there = Filesystem(part.device, 1, action.fs, action.uuid, action.label, used=used)
        part = replace(part, signatures=(signature,), data_at=None)
        new = replace(old, partitions=(part,), filesystem=there)
    return _stands(now, new, action.disk.wwid)


def _put(fstab: Fstab, line: FstabLine) -> Fstab:
    """A line of ours takes the place of the one for the same disk and directory, or claim."""
    for old in fstab.by_wwid(line.wwid or ""):
        same_place = old.mount_point is not None and old.mount_point == line.mount_point
        if old.is_claim or same_place or old.uuid == line.uuid:
            return edit.replace_line(fstab, old.number, line)
    return edit.append_line(fstab, line)


def _claim(action: actions.Claim, now: Inventory, _: Array) -> Inventory:
    disk = action.disk
    line = edit.claim_line(
        action.uuid, action.directory, action.fs,
        wwid=disk.wwid, target=disk.target, lun=disk.lun,
    )  # fmt: skip
    return replace(now, fstab=_put(now.fstab, line))


def _write_fstab(action: actions.WriteFstab, now: Inventory, _: Array) -> Inventory:
    line = edit.mount_line(
        action.uuid, action.path or "none", action.fs, action.options,
        login_service=now.host.login_service, wwid=action.wwid, target=action.target,
        lun=action.lun, boot=action.boot,
    )  # fmt: skip
    return replace(now, fstab=_put(now.fstab, line))


def _restore_fstab(action: actions.RestoreFstab, now: Inventory, _: Array) -> Inventory:
    return replace(now, fstab=edit.with_lines_of(now.fstab, action.before, action.wwid))


def _drop_fstab(action: actions.DropFstab, now: Inventory, _: Array) -> Inventory:
    fstab = now.fstab
    for line in reversed(fstab.by_wwid(action.wwid)):
        if action.uuid in {None, line.uuid}:
            fstab = edit.without_line(fstab, line.number)
    return replace(now, fstab=fstab)


def _placed(now: Inventory, **changes: Any) -> Inventory:
    place = now.place.value if isinstance(now.place, Known) else Place()
    return replace(now, place=Known(replace(place, **changes)))


def _make_directory(_action: actions.MakeDirectory, now: Inventory, _: Array) -> Inventory:
    return _placed(now, exists=True)


def _remove_directory(_action: actions.RemoveDirectory, now: Inventory, _: Array) -> Inventory:
    return _placed(now, exists=False)


def _mount(action: actions.Mount, now: Inventory, _: Array) -> Inventory:
    wwid, content = action.disk.wwid, _known(now, action.disk.wwid)
    there = content.filesystem
    if there is not None and there.used is not None:
        content = replace(content, filesystem=replace(there, used=True))
    old = now.users.get(wwid, Users())
    users = {**now.users, wwid: replace(old, mounts=(*old.mounts, action.path))}
    now = replace(_stands(now, content, wwid), users=users)
    device = there.device if there is not None else action.disk.device
    return _placed(now, mounted="8:1", source=device, uid=0, gid=0, mode=0o755)


def _unmount(action: actions.Unmount, now: Inventory, _: Array) -> Inventory:
    users = {
        wwid: replace(used, mounts=tuple(p for p in used.mounts if p != action.path), inside=())
        if action.path in used.mounts
        else used
        for wwid, used in now.users.items()
    }
    now = replace(now, users=users)
    if isinstance(now.place, Known):
        now = _placed(now, mounted=None, source=None, uid=None, gid=None, mode=None)
    return now


def _own(action: actions.Own, now: Inventory, _: Array) -> Inventory:
    wanted = {"uid": action.uid, "gid": action.gid, "mode": action.mode}
    return _placed(now, **{name: value for name, value in wanted.items() if value is not None})


def _require(action: actions.RequireMount, now: Inventory, _: Array) -> Inventory:
    paths = now.host.required.get(action.unit, ())
    required = {**now.host.required, action.unit: (*paths, action.path)}
    return replace(now, host=replace(now.host, required=required))


def _unrequire(action: actions.DropRequire, now: Inventory, _: Array) -> Inventory:
    required = {
        unit: tuple(p for p in paths if p != action.path or action.unit not in {None, unit})
        for unit, paths in now.host.required.items()
    }
    kept = {unit: paths for unit, paths in required.items() if paths}
    return replace(now, host=replace(now.host, required=kept))


def _gone(now: Inventory, hctls: set[tuple[int, str]]) -> Inventory:
    """Return the machine without some paths; a disk without paths is not there any more."""
    sessions = tuple(
        replace(s, luns=tuple(u for u in s.luns or () if (s.sid, u.hctl) not in hctls))
        for s in now.sessions
    )
    disks = []
    for disk in now.disks:
        paths = tuple(p for p in disk.paths if (p.sid, p.hctl) not in hctls)
        if paths:
            disks.append(replace(disk, paths=paths))
    left = {disk.wwid for disk in disks}
    contents = {w: c for w, c in now.contents.items() if w in left}
    users = {w: u for w, u in now.users.items() if w in left}
    return replace(now, sessions=sessions, disks=tuple(disks), contents=contents, users=users)


def _remove_device(action: actions.RemoveDevice, now: Inventory, _: Array) -> Inventory:
    return _gone(now, {(p.sid, p.hctl) for d in now.disks for p in d.paths
                       if p.hctl in action.hctls})  # fmt: skip


def _logout(action: actions.Logout, now: Inventory, _: Array) -> Inventory:
    ended = {s.sid or 0 for s in now.sessions if _is(s, action)}
    now = _gone(now, {(p.sid, p.hctl) for d in now.disks for p in d.paths if p.sid in ended})
    luns = {sid: seen for sid, seen in now.luns.items() if sid not in ended}
    sessions = tuple(s for s in now.sessions if s.sid not in ended)
    return replace(now, sessions=sessions, luns=luns)


def _remove_map(action: actions.RemoveMap, now: Inventory, _: Array) -> Inventory:
    disks = tuple(
        replace(d, block=Block(d.paths[0].device, "disk"))
        if d.block.device == action.disk.device
        else d
        for d in now.disks
    )
    return replace(now, disks=disks)


def _hold(action: actions.SetHold, now: Inventory, _: Array) -> Inventory:
    return replace(now, holds=(*(h for h in now.holds if h != action.hold), action.hold))


def _unhold(action: actions.DropHold, now: Inventory, _: Array) -> Inventory:
    return replace(now, holds=tuple(h for h in now.holds if h != action.hold))


def restart(now: Inventory, array: Array) -> tuple[Inventory, Array]:
    """Cut the power: what is on disks and in /etc stays, the rest is gone."""
    mapped = tuple(
        replace(u, content=now.contents.get(u.wwid or "", u.content), users=Users()) for u in array
    )
    mapped = tuple(
        replace(u, content=Known(replace(u.content.value, users=())))
        if isinstance(u.content, Known)
        else u
        for u in mapped
    )
    now = replace(now, sessions=(), disks=(), contents={}, users={}, luns={}, holds=())
    if isinstance(now.place, Known) and now.place.value.mounted is not None:
        now = _placed(now, mounted=None, source=None, uid=None, gid=None, mode=None)
    return now, mapped


_EFFECTS: Mapping[type[Action], Callable[[Any, Inventory, Array], Inventory]] = {
    actions.CreateRecord: _create_record,
    actions.WriteRecord: _write_record,
    actions.RestoreRecord: _restore_record,
    actions.DeleteRecord: _delete_record,
    actions.EnableService: _enable,
    actions.Login: _login,
    actions.Scan: _scan,
    actions.Claim: _claim,
    actions.Wipe: _wipe,
    actions.Label: _label,
    actions.Mkfs: _mkfs,
    actions.MakeDirectory: _make_directory,
    actions.RemoveDirectory: _remove_directory,
    actions.Mount: _mount,
    actions.Own: _own,
    actions.WriteFstab: _write_fstab,
    actions.DropFstab: _drop_fstab,
    actions.RestoreFstab: _restore_fstab,
    actions.RequireMount: _require,
    actions.DropRequire: _unrequire,
    actions.Unmount: _unmount,
    actions.RemoveDevice: _remove_device,
    actions.RemoveMap: _remove_map,
    actions.Logout: _logout,
    actions.SetHold: _hold,
    actions.DropHold: _unhold,
}
