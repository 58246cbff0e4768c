"""What actions do to fstab, to the mount point and to what waits for it."""

from dataclasses import replace
from typing import Any

from iscsictl.engine.handlers.fstab import put_claim, put_entry
from iscsictl.model import actions
from iscsictl.model.inventory import DiskUsage, Inventory, Known, MountPointState
from iscsictl.parse import fstab as edit
from tests.machine_model.disks import known, stands
from tests.machine_model.machine import Array


def claim(action: actions.Claim, now: Inventory, _: Array) -> Inventory:
    disk = action.disk
    entry = edit.claim_line(
        action.claim, action.directory, wwid=disk.wwid, target=disk.target, lun=disk.lun
    )
    return replace(now, fstab=put_claim(now.fstab, entry, disk.wwid))


def write_fstab(action: actions.WriteFstab, now: Inventory, _: Array) -> Inventory:
    disk = action.disk
    entry = edit.mount_line(
        action.uuid, action.path or "none", action.fs, action.options,
        login_service=now.host.login_service, wwid=disk.wwid, target=disk.target,
        lun=disk.lun, boot=action.boot, exclusive=action.exclusive,
    )  # fmt: skip
    return replace(now, fstab=put_entry(now.fstab, entry, disk.wwid))


def restore_fstab(action: actions.RestoreFstab, now: Inventory, _: Array) -> Inventory:
    return replace(now, fstab=edit.with_lines_of(now.fstab, action.before, action.wwid))


def drop_fstab(action: actions.DropFstab, now: Inventory, _: Array) -> Inventory:
    fstab = now.fstab
    for entry in reversed(fstab.ours):
        if entry.raw == action.entry.raw:
            return replace(now, fstab=edit.without_line(fstab, entry.number))
    return now


def placed(now: Inventory, **changes: Any) -> Inventory:
    place = now.place.value if isinstance(now.place, Known) else MountPointState()
    return replace(now, place=Known(replace(place, **changes)))


def make_directory(_action: actions.MakeDirectory, now: Inventory, _: Array) -> Inventory:
    return placed(now, exists=True)


def remove_directory(_action: actions.RemoveDirectory, now: Inventory, _: Array) -> Inventory:
    return placed(now, exists=False)


def mount(action: actions.Mount, now: Inventory, _: Array) -> Inventory:
    wwid, content = action.disk.wwid, known(now, action.disk.wwid)
    there = content.filesystem
    if there is not None and there.used is not None:
        content = replace(content, filesystem=replace(there, used=True))
    disk = next(one for one in now.disks if one.wwid == wwid)
    old = now.usage_of(disk) or DiskUsage()
    usage = {**now.usage, disk.block.device: replace(old, mounts=(*old.mounts, action.path))}
    now = replace(stands(now, content, wwid), usage=usage)
    device = there.device if there is not None else action.disk.device
    return placed(now, mounted="8:1", source=device, uid=0, gid=0, mode=0o755)


def unmount(action: actions.Unmount, now: Inventory, _: Array) -> Inventory:
    usage = dict(now.usage)
    for device, used in now.usage.items():
        if action.path in used.mounts:
            left = tuple(path for path in used.mounts if path != action.path)
            covered = tuple(pair for pair in used.covered if pair[0] in left)
            usage[device] = replace(used, mounts=left, open_files=(), covered=covered)
    now = replace(now, usage=usage)
    if isinstance(now.place, Known):
        now = placed(now, mounted=None, source=None, uid=None, gid=None, mode=None)
    return now


def own(action: actions.Own, now: Inventory, _: Array) -> Inventory:
    wanted = {"uid": action.uid, "gid": action.gid, "mode": action.mode}
    return placed(now, **{name: value for name, value in wanted.items() if value is not None})


def require(action: actions.RequireMount, now: Inventory, _: Array) -> Inventory:
    paths = now.host.required.get(action.unit, ())
    required = {**now.host.required, action.unit: (*paths, action.path)}
    return replace(now, host=replace(now.host, required=required))


def unrequire(action: actions.DropRequire, now: Inventory, _: Array) -> Inventory:
    required = {
        unit: tuple(p for p in paths if p != action.path or action.unit not in {None, unit})
        for unit, paths in now.host.required.items()
    }
    kept = {unit: paths for unit, paths in required.items() if paths}
    return replace(now, host=replace(now.host, required=kept))
