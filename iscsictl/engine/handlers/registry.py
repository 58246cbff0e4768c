"""What each action means for the hands: one function an action, and where to find it."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from iscsictl.engine.handlers import fstab, records
from iscsictl.engine.handlers import sessions as session_handlers
from iscsictl.engine.handlers.effect import Effect
from iscsictl.engine.handlers.records import key_of
from iscsictl.errors import InUseError, IscsictlError, NotFoundError, RefusedError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.hold import Hold
from iscsictl.model.listing import Block, Disk, Session
from iscsictl.model.plan import Action
from iscsictl.planner.iscsi.sessions import carried
from iscsictl.planner.safety import overwrite
from iscsictl.planner.selection.records import session_at
from iscsictl.system.block import disk_writer as writer
from iscsictl.system.block import multipath, probe, scsi_commands, scsi_scan
from iscsictl.system.block.block_tree import read_block
from iscsictl.system.block.udev_db import known_uuids
from iscsictl.system.context import Context
from iscsictl.system.host import systemd
from iscsictl.system.io.process import run
from iscsictl.system.iscsi import holds, iscsiadm
from iscsictl.system.iscsi.sessions import read_listing, read_sessions
from iscsictl.system.mount import mounts, usage

_LOGIN_PAUSE = 3.0
_MAP_PAUSE = 15.0


def _enable(action: actions.EnableService, context: Context) -> Effect:
    if systemd.enabled(action.unit, context.root) == action.on:
        return Effect(changed=False)
    if action.on:
        systemd.enable(action.unit)
    else:
        systemd.disable(action.unit)
    return Effect()


def _sessions(context: Context) -> tuple[Session, ...]:
    return context.together("sessions", lambda: read_sessions(context.root, details=False))


def _session(sessions: tuple[Session, ...], action: Any) -> Session | None:
    return session_at(sessions, action.target, action.portal, action.iface)


def _login(action: actions.Login, context: Context) -> Effect:
    created = context.log_in(key_of(action))
    pause = _MAP_PAUSE if multipath.runs(context.root) else _LOGIN_PAUSE
    deadline = min(context.deadline(), context.deadline() - context.wait + pause)

    def look() -> Session | None:
        session = _session(_sessions(context), action)
        there = session is not None and _arrived(session, action.lun, context.root)
        return session if there else None

    context.waiter.wait(look, deadline)
    return Effect(created)


def _arrived(session: Session, lun: int | None, root: Path) -> bool:
    """Tell whether the disk is there, and can be opened and asked, with its map if it gets one."""
    return any(
        lun in {None, unit.lun} and unit.device is not None and unit.wwid is not None
        and Path(unit.device).exists() and not multipath.is_awaited(unit.device, root)
        for unit in session.luns or ()
    )  # fmt: skip


def _scan(action: actions.Scan, context: Context) -> Effect:
    def sessions() -> list[Session]:
        return [s for s in _sessions(context) if s.target == action.target]

    for session in sessions():
        if session.host is not None:
            scsi_scan.scan(session.host.number, action.lun, context.root)

    def look() -> bool | None:
        there = sessions()
        if not there or not all(_arrived(s, action.lun, context.root) for s in there):
            return None
        return True if action.lun is not None or _complete(there[0]) else None

    if context.waiter.wait(look, context.deadline()) is None:
        shown = sorted({u.lun for s in sessions() for u in s.luns or ()})
        name = "a LUN" if action.lun is None else f"LUN {action.lun}"
        raise NotFoundError(
            f"{action.target} did not show {name} within {context.wait:g} s"
            + (f"; it shows {', '.join(map(str, shown))}" if shown else ""),
            hint="map the LUN to this host on the array, then: iscsictl rescan",
        )
    return Effect()


def _complete(session: Session) -> bool:
    units = [unit for unit in session.luns or () if unit.device is not None]
    with probe.opened(str(units[0].device), exclusive=False) as fd:
        return set(scsi_commands.luns(fd)) <= {unit.lun for unit in units}


def _wipe(action: actions.Wipe, context: Context) -> Effect:
    writer.wipe(action.disk, context.deadline())
    return Effect()


def _label(action: actions.Label, context: Context) -> Effect:
    writer.label(
        action.disk,
        action.table,
        lambda content: overwrite.may_write(content, action.right, action.uuid, action.table),
        context.deadline(),
    )
    return Effect()


def _mkfs(action: actions.Mkfs, context: Context) -> Effect:
    writer.mkfs(
        action.disk,
        action.part,
        writer.mkfs_command(action.fs, action.uuid, action.label),
        lambda content: overwrite.may_write(content, action.right, action.uuid, action.table),
        context.deadline(),
        watch=context.watch,
    )
    return Effect()


def _make_directory(action: actions.MakeDirectory, _: Context) -> Effect:
    return Effect(mounts.make_directory(action.path))


def _remove_directory(action: actions.RemoveDirectory, _: Context) -> Effect:
    mounts.remove_directory(action.path)
    return Effect()


def _find(block: Block, uuid: str) -> Block | None:
    if block.uuid is not None and block.uuid.lower() == uuid.lower():
        return block
    return next((b for child in block.children if (b := _find(child, uuid))), None)


def _block(disk: DiskId, context: Context) -> Block | None:
    """Return what udev shows of a disk: by its device where that is known, else by its WWID."""
    if disk.device:
        return read_block(context.root, disk.device)
    disks = read_listing(context.root).disks or ()
    return next((d.block for d in disks if d.wwid == disk.wwid), None)


def _mount(action: actions.Mount, context: Context) -> Effect:
    # Also what was just made waits for udev: when it comes late to a partition that was taken away
    # before, systemd ends a mount on the new one of that name.
    def look() -> tuple[str, Block] | None:
        # udev makes the link before it says what else it found, and a link is cheap to look for.
        if action.uuid.lower() not in {uuid.lower() for uuid in known_uuids(context.root) or ()}:
            return None
        disk = _block(action.disk, context)
        block = None if disk is None else _find(disk, action.uuid)
        return None if disk is None or block is None else (disk.device, block)

    found = context.waiter.wait(look, context.deadline())
    if found is None:
        raise UnreachableError(
            f"udev does not show a filesystem {action.uuid} on {action.disk.wwid}",
            hint="see whether the disk is there: iscsictl ls; and what udev does: "
            "journalctl -u systemd-udevd",
        )
    device, block = found
    with probe.opened(device, exclusive=False) as fd:
        if action.disk.wwid not in scsi_commands.wwids(fd):
            raise RefusedError(f"{device} is not the disk {action.disk.wwid} any more")
    made = mounts.mount(block.device, action.path, action.fs, action.options)
    if "ro" not in action.options:
        why = mounts.takes_writes(action.path)
        if why is not None:
            error = IscsictlError(f"{action.path} is mounted but takes no writes: {why}")
            error.wrote = made
            raise error
    return Effect(made)


def _own(action: actions.Own, _: Context) -> Effect:
    mounts.set_owner(action.path, action.uid, action.gid, action.mode)
    return Effect()


def _require(action: actions.RequireMount, context: Context) -> Effect:
    systemd.require_mount(action.unit, action.path, context.root)
    try:
        context.reload()
    except IscsictlError as error:
        error.wrote = True
        raise
    return Effect()


def _unrequire(action: actions.DropRequire, context: Context) -> Effect:
    systemd.drop_require(action.path, context.root, action.unit)
    context.reload()
    return Effect()


def _unmount(action: actions.Unmount, _: Context) -> Effect:
    mounts.unmount(action.path, lazy=action.lost)
    return Effect()


def _remove_device(action: actions.RemoveDevice, context: Context) -> Effect:
    _test_free(action.disk.device, context.root)
    for hctl in action.hctls:
        scsi_scan.delete(hctl, context.root)
    return Effect()


def _remove_map(action: actions.RemoveMap, context: Context) -> Effect:
    run(["multipath", "-f", action.disk.device.removeprefix("/dev/mapper/")], timeout=context.wait)
    return Effect()


def _test_free(device: str, root: Path) -> None:
    """Raise InUseError if the kernel says that somebody has the disk."""
    for end in multipath.ends(device, root):
        if Path(end).exists():
            with probe.opened(end, exclusive=True):
                pass


def _logout(action: actions.Logout, context: Context) -> Effect:
    listing = read_listing(context.root)
    session = _session(listing.sessions, action)
    if session is None or session.sid is None:
        return Effect(changed=False)
    if action.lost:
        scsi_scan.fail_at_once(session.sid, context.root)
    else:
        _refuse_reached(session.sid, action, context)
        leaving = _leaving(session, listing.sessions, context)
        for disk in listing.disks or ():
            ours = any(path.sid == session.sid for path in disk.paths)
            if ours and not carried(disk, leaving, listing.sessions):
                _refuse_used(disk, context)
    iscsiadm.logout(session.sid, action.target, timeout=context.wait)

    def gone() -> bool | None:
        return True if _session(_sessions(context), action) is None else None

    if context.waiter.wait(gone, context.deadline()) is None:
        raise UnreachableError(f"the session to {action.target} did not end")
    return Effect()


def _leaving(
    session: Session, sessions: tuple[Session, ...], context: Context
) -> frozenset[int | None]:
    """Return the sessions that end together with one, as the holds tell that a logout set before.

    So a map that somebody has keeps all its paths, instead of losing all but the last. Of several
    holds on the session the narrowest is this logout's; another target's is not looked at unless
    it was logged out too.
    """
    found = holds.read_holds(context.root)
    own = [hold for hold in found if _covers(hold, session)]
    narrowest = max(own, key=lambda h: (h.portal is not None) + (h.iface is not None), default=None)
    away = {hold for hold in found if hold.why == "logout" and hold.target != session.target}
    if narrowest is None:
        return frozenset({session.sid})
    too = (s.sid for s in sessions if any(_covers(hold, s) for hold in {narrowest, *away}))
    return frozenset({session.sid, *too})


def _covers(hold: Hold, session: Session) -> bool:
    portal = session.persistent_portal or session.portal
    return hold.covers(session.target, portal, session.iface or "default")


def _refuse_reached(sid: int, action: actions.Logout, context: Context) -> None:
    who = usage.reached((sid,), context.root)[sid]
    if who:
        raise InUseError(
            f"a device of {action.target} is in use: {', '.join(who)}",
            hint="end that process, then run this again",
        )


def _refuse_used(disk: Disk, context: Context) -> None:
    used = usage.users(disk, context.root)
    if used.mounts or used.others:
        what = ", ".join((*(f"the mount on {m}" for m in used.mounts), *used.others))
        raise InUseError(
            f"{disk.block.device} is in use: {what}",
            hint="end what uses it, or take it down with: iscsictl detach",
        )
    _test_free(disk.block.device, context.root)


def _hold(action: actions.SetHold, context: Context) -> Effect:
    return Effect(holds.add_hold(action.hold, context.root, seconds=action.seconds))


def _unhold(action: actions.DropHold, context: Context) -> Effect:
    return Effect(holds.remove_hold(action.hold, context.root))


_HANDS: Mapping[type[Action], Callable[[Any, Context], Effect]] = {
    actions.EnableService: _enable,
    actions.Login: _login,
    actions.Scan: _scan,
    actions.Wipe: _wipe,
    actions.Label: _label,
    actions.Mkfs: _mkfs,
    actions.MakeDirectory: _make_directory,
    actions.RemoveDirectory: _remove_directory,
    actions.Mount: _mount,
    actions.Own: _own,
    actions.RequireMount: _require,
    actions.DropRequire: _unrequire,
    actions.Unmount: _unmount,
    actions.RemoveDevice: _remove_device,
    actions.RemoveMap: _remove_map,
    actions.Logout: _logout,
    actions.SetHold: _hold,
    actions.DropHold: _unhold,
    **fstab.HANDS,
    **records.HANDS,
    **session_handlers.HANDS,
}

# The module of the action, and the hands that most commands do without.
_FURTHER_HANDS = {
    "iscsictl.model.disk_actions": "iscsictl.engine.handlers.disks",
    "iscsictl.model.host_actions": "iscsictl.engine.handlers.host",
    "iscsictl.model.schedule": "iscsictl.engine.handlers.schedule",
}


def perform(action: Action, context: Context) -> Effect:
    """Do one action now. Raises IscsictlError; then the action left nothing half done."""
    kind = type(action)
    if kind in _HANDS:
        return _HANDS[kind](action, context)
    further = importlib.import_module(_FURTHER_HANDS[kind.__module__])
    effect: Effect = further.HANDS[kind](action, context)
    return effect


def found_done(action: Action, context: Context) -> None:
    """See to what belongs to an action that an earlier run has done, and may not have got to."""
    if isinstance(action, actions.WriteFstab):
        fstab.make_up(context)


def inverse(action: Action, effect: Effect) -> Action | None:
    """Return what undoes an action that was done; None if nothing has to, or may.

    Data is never destroyed by an undo, and what was there before is not ours to take away.
    """
    if not effect.changed:
        return None
    match action:
        case actions.CreateRecord():
            return actions.DeleteRecord(action.target, action.portal, action.iface)
        case _ if isinstance(effect.before, Action):
            return effect.before
        case actions.EnableService():
            return replace(action, on=not action.on)
        case actions.Login():
            return actions.Logout(action.target, action.portal, action.iface)
        case actions.Claim() | actions.WriteFstab():
            wwid = action.disk.wwid if isinstance(action, actions.Claim) else action.wwid
            return actions.RestoreFstab(wwid, effect.before)
        case actions.MakeDirectory():
            return actions.RemoveDirectory(action.path)
        case actions.Mount():
            return actions.Unmount(action.path)
        case actions.RequireMount():
            return actions.DropRequire(action.path, action.unit)
        case _:
            return session_handlers.inverse(action)
