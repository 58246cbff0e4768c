"""The handlers for the multipath actions."""

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

from iscsictl.engine.handlers.effect import Handler, Inverse, StepResult
from iscsictl.engine.handlers.services import start_service
from iscsictl.errors import IscsictlError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.multipath import MapSettings
from iscsictl.model.plan import Action
from iscsictl.model.shell_form import shell_form
from iscsictl.system.block import block_tree, disk_guards, multipath_conf, probe, scsi_commands
from iscsictl.system.block.disk_states import disk_states
from iscsictl.system.block.known_partitions import remember_partitions
from iscsictl.system.block.multipath_conf import SEE_MULTIPATHD
from iscsictl.system.context import Context
from iscsictl.system.io.process import run
from iscsictl.system.iscsi.sessions import read_listing

#: Seconds between two requests to look at a path: multipathd may not know of the path yet.
_ASK_AGAIN = 1.0


def _write_settings(action: actions.WriteMapSettings, context: Context) -> StepResult:
    old = multipath_conf.read_settings(context.root)
    unread = multipath_conf.read_unread(context.root)
    new = MapSettings(action.wwid, action.disk.wwid, action.no_path_retry, action.reservation_key)
    kept = [one for one in old if one.wwid != new.wwid]
    multipath_conf.save_settings([*kept, new], context.root)
    before = next((one for one in old if one.wwid == new.wwid), None)
    try:
        multipath_conf.reconfigure(context.deadline(), new, context.root)
    except IscsictlError:
        # A step that failed has nothing to roll back.
        multipath_conf.save_settings(old, context.root, unread=unread)
        raise
    return StepResult(before=before)


def _drop_settings(action: actions.DropMapSettings, context: Context) -> StepResult:
    old = multipath_conf.read_settings(context.root)
    kept = [one for one in old if one.wwid != action.wwid]
    if len(kept) == len(old):
        return StepResult(changed=False)
    unread = [*multipath_conf.read_unread(context.root), action.wwid]
    multipath_conf.save_settings(kept, context.root, unread=dict.fromkeys(unread))
    if action.is_read:
        _have_settings_read(context)
    return StepResult()


def _read_settings(_: actions.ReadMapSettings, context: Context) -> StepResult:
    if not multipath_conf.read_unread(context.root):
        return StepResult(changed=False)
    _have_settings_read(context)
    return StepResult()


def _have_settings_read(context: Context) -> None:
    """Have multipathd read its configuration, and drop the note that it has to."""
    try:
        multipath_conf.reconfigure(context.deadline())
    except UnreachableError as error:
        raise UnreachableError(
            f"{error.text}: it still has the settings of a removed map",
            hint=f"{SEE_MULTIPATHD}; when it answers, run the same command again",
        ) from None
    multipath_conf.save_settings(multipath_conf.read_settings(context.root), context.root)


def _allow_map(action: actions.AllowMap, context: Context) -> StepResult:
    """Add the WWID to the list, and note that if no section of iscsictl says whose map it is.

    A detach removes from the list only what an attach added.
    """
    changed = multipath_conf.allow(action.disk.device)
    old = multipath_conf.read_settings(context.root)
    if changed and not any(one.wwid == action.wwid for one in old):
        listed = MapSettings(action.wwid, action.disk.wwid, None)
        unread = multipath_conf.read_unread(context.root)
        multipath_conf.save_settings([*old, listed], context.root, unread=unread)
    return StepResult(changed)


def _disallow_map(action: actions.DisallowMap, context: Context) -> StepResult:
    changed = multipath_conf.disallow(action.wwid)
    old = multipath_conf.read_settings(context.root)
    kept = [one for one in old if one.wwid != action.wwid or one.no_path_retry is not None]
    if len(kept) < len(old):
        unread = multipath_conf.read_unread(context.root)
        multipath_conf.save_settings(kept, context.root, unread=unread)
    return StepResult(changed)


def _make_map(action: actions.MakeMap, context: Context) -> StepResult:
    """Ask multipathd to add each path of the disk, until its map has them all.

    Each path is first asked which disk it leads to. The kernel and udev keep the WWID of a LUN that
    the array has since mapped to another disk, and multipathd relies on them.
    """
    asked = 0.0
    doing = f"waiting for the map of {action.disk.device}"

    def paths_without_map() -> list[str]:
        return [path for path in _paths_of(action, context) if not _has_map(path, context.root)]

    new = paths_without_map() or [action.disk.device]
    for path in new:
        # A path that does not answer may have been there before, and is no reason to make no map.
        silence = nullcontext() if action.joins else suppress(UnreachableError)
        with silence:
            _require_path_of_disk(action.disk, path, context.root)
    if not action.joins:
        _require_served_path(action.disk, new, context.root)
    for path in new:
        remember_partitions(path, context.root)

    def have_maps() -> bool | None:
        nonlocal asked
        without = paths_without_map()
        if without and time.monotonic() - asked > _ASK_AGAIN:
            asked = time.monotonic()
            for path in without:
                multipath_conf.add_path(path)
            without = paths_without_map()
        return None if without else True

    if context.waiter.wait(have_maps, context.deadline(), doing) is None:
        left = paths_without_map() or [action.disk.device]
        if not action.joins:
            # A step that failed has nothing to roll back, and one path may have got a map.
            with suppress(IscsictlError):
                _remove_map(actions.RemoveMap(action.disk), context)
        raise UnreachableError(
            f"no map of {', '.join(left)} was created by multipathd",
            hint=f"to see why: multipath -v3 {shell_form(left[0])}; or attach with --multipath off",
        )
    for path in new:
        _trigger_udev_event(path)
    return StepResult()


def _require_served_path(disk: DiskId, paths: Sequence[str], root: Path) -> None:
    """Raise UnreachableError where the array serves the disk over none of these paths.

    udev reads a new map, and that read would wait for a path: nothing ends it, and nothing removes
    the map meanwhile. Where hosts may ask the array to serve a path, device-mapper does.
    """
    told = []
    for path in paths:
        try:
            _require_running_path(path, root)
            with probe.opened(path, exclusive=False) as fd:
                access = scsi_commands.port_access(fd)
                if access is None or scsi_commands.can_be_activated(fd):
                    return
        except UnreachableError:
            continue
        told.append(f"{path} is {access}")
    if told:
        raise UnreachableError(
            f"the array does not serve {disk.wwid} over any path: {', '.join(told)}",
            hint="name a portal of the array's other controller too, with -p; the array shows "
            "which controller has the LUN",
        )


def _require_path_of_disk(disk: DiskId, path: str, root: Path) -> None:
    """Raise RefusedError if a path leads to another disk, UnreachableError if it does not answer.

    A blocked path is sent no command: the command would wait until its session is restored or given
    up, and neither its timeout nor a signal would end it.
    """
    _require_running_path(path, root)
    with probe.opened(path, exclusive=False) as fd:
        disk_guards.require_same_disk(fd, replace(disk, device=path))


def _require_running_path(path: str, root: Path) -> None:
    states = disk_states(Path(path).name, root)
    if states and "running" not in states:
        raise UnreachableError(
            f"{path} does not answer: its state is {', '.join(states)}",
            hint="restore the path, or log out of its portal, then run this again",
        )


def _paths_of(action: actions.MakeMap, context: Context) -> list[str]:
    disks = read_listing(context.root, details=False).disks or ()
    paths = [path.device for d in disks if d.wwid == action.disk.wwid for path in d.paths]
    return paths or [action.disk.device]


def _has_map(device: str, root: Path) -> bool:
    """Tell whether there is a map over a path, with its node in /dev/mapper."""
    return any(
        block_tree.kind_of(root, holder) == "mpath"
        and Path(block_tree.device_path(root, holder)).exists()
        for holder in block_tree.holders(root, device.removeprefix("/dev/"))
    )


def _trigger_udev_event(device: str) -> None:
    """Have udev examine a path again, now that it is part of a map.

    Until then, a path that existed before its map keeps its partition nodes and links, and udev
    considers it a disk (multipath's udev rules).
    """
    run(["udevadm", "trigger", "--action=change", device], ok=None)


def _remove_map(action: actions.RemoveMap, context: Context) -> StepResult:
    """Remove the map over a disk; an undo knows the disk by its first path (/dev/sda)."""
    disks = read_listing(context.root, details=False).disks or ()
    maps = {
        disk.block.device
        for disk in disks
        if disk.block.kind == "mpath" and disk.wwid == action.disk.wwid
    }
    if action.disk.device.startswith("/dev/mapper/"):
        maps = {action.disk.device}
    for device in maps:
        name = device.removeprefix("/dev/mapper/")
        if action.lost:
            multipath_conf.fail_waiting(name)
        multipath_conf.flush(name, context.deadline())
    return StepResult(changed=bool(maps))


def _restore_settings(action: actions.WriteMapSettings, before: object) -> Action:
    """Return the action that restores the earlier settings, or removes those of iscsictl."""
    if isinstance(before, MapSettings) and before.no_path_retry is not None:
        return replace(
            action,
            wwid=before.wwid,
            no_path_retry=before.no_path_retry,
            reservation_key=before.reservation_key,
        )
    return actions.DropMapSettings(action.wwid, is_read=True)


HANDLERS: Mapping[type[Action], Handler] = {
    actions.WriteMapSettings: _write_settings,
    actions.DropMapSettings: _drop_settings,
    actions.ReadMapSettings: _read_settings,
    actions.AllowMap: _allow_map,
    actions.DisallowMap: _disallow_map,
    actions.MakeMap: _make_map,
    actions.RemoveMap: _remove_map,
    actions.StartMultipathd: start_service,
}
INVERSES: Mapping[type[Action], Inverse] = {
    actions.StartMultipathd: lambda action, _: actions.StopService(action.unit),
    actions.WriteMapSettings: _restore_settings,
    actions.AllowMap: lambda action, _: actions.DisallowMap(action.wwid),
    actions.MakeMap: lambda action, _: None if action.joins else actions.RemoveMap(action.disk),
}
