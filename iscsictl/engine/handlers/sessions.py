"""Handlers for the actions on sessions, their disks, and holds."""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import nullcontext, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from iscsictl.engine.handlers.effect import Handler, Inverse, StepResult
from iscsictl.engine.handlers.records import key_of
from iscsictl.errors import InUseError, IscsictlError, NotFoundError, UnreachableError
from iscsictl.limits import LOGIN_DISK_WAIT, MAP_WAIT, RESCAN_WAIT
from iscsictl.model import actions
from iscsictl.model.grouping import group_by_keys
from iscsictl.model.hold import Hold
from iscsictl.model.host_index import HostIndex
from iscsictl.model.listing import Disk, Listing, Session
from iscsictl.model.names import DEFAULT_IFACE
from iscsictl.model.plan import Action
from iscsictl.model.record import NodeRecord
from iscsictl.planner.selection.session_index import SessionIndex
from iscsictl.planner.selection.surviving import describe_passive_paths, has_surviving_path
from iscsictl.system.block import (
    block_tree,
    multipath,
    probe,
    scsi_commands,
    scsi_scan,
    udev_db,
)
from iscsictl.system.context import Context
from iscsictl.system.iscsi import holds, iscsiadm, nodedb
from iscsictl.system.iscsi.sessions import has_session, read_listing, read_sessions
from iscsictl.system.mount import usage


def _coalesced_sessions(context: Context) -> tuple[Session, ...]:
    return context.coalesce("sessions", lambda: read_sessions(context.root, details=False))


def _session_of_action(
    sessions: tuple[Session, ...], records: tuple[NodeRecord, ...], action: Any
) -> Session | None:
    """Return the session that an action on a record is about, None if it does not exist."""
    index = SessionIndex(records, (s for s in sessions if s.target == action.target))
    return index.session_of(index.record_for(action.target, action.portal, action.iface))


def _log_in_to_target(action: actions.Login, context: Context) -> StepResult:
    created = context.log_in(key_of(action))
    await_disks([action], context)
    return StepResult(created)


def await_disks(logins: Sequence[actions.Login], context: Context) -> None:
    """Wait briefly until the disk that each login is for has appeared, with its map if it gets one.

    The kernel scans a new session while iscsiadm returns. The wait is LOGIN_DISK_WAIT or MAP_WAIT
    seconds, the latter counted from when udev has handled the disk, and never longer than the
    context's. A disk that has not appeared by then is not an error, since the next observation
    shows what is missing.
    """
    if not logins:
        return
    targets = {action.target for action in logins}
    records = {target: nodedb.read_records(context.db, target) for target in targets}
    maps = multipath.runs(context.root)
    pause = MAP_WAIT if maps else LOGIN_DISK_WAIT
    limit = time.monotonic() + pause

    def have_arrived() -> bool | None:
        nonlocal limit
        sessions = _coalesced_sessions(context)
        for action in logins:
            session = _session_of_action(sessions, records[action.target], action)
            if session is None or not _has_usable_disk(session, action.lun, context.root):
                # multipathd hears of a disk when udev has handled it, which may take a busy host
                # longer than that; until then it knows nothing of a disk that it will take.
                if maps and session is not None and _is_new_to_udev(session, context.root):
                    limit = time.monotonic() + pause
                return None if time.monotonic() < limit else False
        return True

    context.waiter.wait(have_arrived, context.deadline(), _disk_wait(targets, maps=maps))


def _disk_wait(targets: Collection[str], *, maps: bool) -> str:
    """Return what is being waited for until the disks of these targets can be used."""
    whose = "".join(targets) if len(targets) == 1 else f"{len(targets)} targets"
    return f"waiting for {'multipathd and ' if maps else ''}the disk of {whose}"


def _has_usable_disk(session: Session, lun: int | None, root: Path) -> bool:
    """Tell whether the disk exists and can be opened and asked, with its map if it gets one."""
    return any(
        lun in {None, unit.lun} and unit.device is not None and unit.wwid is not None
        and Path(unit.device).exists() and not multipath.is_awaited(unit.device, root)
        for unit in session.luns or ()
    )  # fmt: skip


def _is_new_to_udev(session: Session, root: Path) -> bool:
    """Tell whether udev has not handled a disk of the session yet."""
    names = [Path(unit.device).name for unit in session.luns or () if unit.device is not None]
    numbers = (block_tree.device_number(root, name) for name in names)
    return any(number and not udev_db.device_properties(root, number) for number in numbers)


def _scan_for_lun(action: actions.Scan, context: Context) -> StepResult:
    def sessions_of_target() -> list[Session]:
        return [s for s in _coalesced_sessions(context) if s.target == action.target]

    for session in sessions_of_target():
        if session.sid is not None and session.host is not None:
            scsi_scan.scan_session(session.sid, session.host.number, action.lun, context.root)

    def have_arrived() -> bool | None:
        there = sessions_of_target()
        if not there or not all(_has_usable_disk(s, action.lun, context.root) for s in there):
            return None
        return True if action.lun is not None or _has_all_reported_luns(there[0]) else None

    doing = _disk_wait((action.target,), maps=multipath.runs(context.root))
    if context.waiter.wait(have_arrived, context.deadline(), doing) is None:
        shown = sorted({u.lun for s in sessions_of_target() for u in s.luns or ()})
        name = "a LUN" if action.lun is None else f"LUN {action.lun}"
        raise NotFoundError(
            f"{action.target} did not show {name} within {context.wait:g} s"
            + (f"; it shows {', '.join(map(str, shown))}" if shown else ""),
            hint="map the LUN to this host on the array, then run this again",
        )
    return StepResult()


def _has_all_reported_luns(session: Session) -> bool:
    units = [unit for unit in session.luns or () if unit.device is not None]
    with probe.opened(str(units[0].device), exclusive=False) as fd:
        return session.settled_luns >= set(scsi_commands.luns(fd))


def _remove_device(action: actions.RemoveDevice, context: Context) -> StepResult:
    # What came into use since the plan shows in an exclusive open(2).
    _test_free(action.disk.device, context.root)
    for hctl in action.hctls:
        scsi_scan.delete(hctl, context.root)
    return StepResult()


def _test_free(device: str, root: Path) -> None:
    """Raise InUseError if the kernel reports that the disk is in use."""
    for end in multipath.ends(device, root):
        if Path(end).exists():
            with probe.opened(end, exclusive=True):
                pass


def _log_out_session(action: actions.Logout, context: Context) -> StepResult:
    # Of a session that is named by its number nothing else is needed: there may be hundreds.
    listing = read_listing(context.root, details=False, sid=action.sid)
    if action.sid is None:
        records = nodedb.read_records(context.db, action.target)
        session = _session_of_action(listing.sessions, records, action)
    else:
        session = find_dead_session(listing.sessions, action)
    if session is None or session.sid is None:
        return StepResult(changed=False)
    # Otherwise what waits for the lost array would keep the logout from ending.
    if action.lost and session.status != "up":
        scsi_scan.fail_at_once(session.sid, context.root)
    else:
        disks = multipath.with_failed_paths(listing.disks or (), context.root)
        index = HostIndex((), listing.sessions, disks)
        is_dead = session.status != "up"
        has_units = session.luns != ()
        opened = usage.open_devices((session.sid,), context.root) if has_units else {}
        require_unused(
            session,
            index,
            context,
            openers=opened.get(session.sid, ()),
            leaving=HeldSessions(index, context.root).ending_with(session),
            dead=is_dead,
        )
        if is_dead:
            # Otherwise iscsid ends it only after its next attempt to connect.
            scsi_scan.fail_at_once(session.sid, context.root)
    iscsiadm.logout(session.sid, action.target, timeout=context.wait)

    def has_ended() -> bool | None:
        return None if has_session(session.sid or 0, context.root) else True

    doing = f"waiting for the session to {action.target} to end"
    if context.waiter.wait(has_ended, context.deadline(), doing) is None:
        raise UnreachableError(f"the session to {action.target} did not end")
    return StepResult()


def require_unused(
    session: Session,
    index: HostIndex,
    context: Context,
    *,
    openers: Sequence[str],
    leaving: AbstractSet[int | None],
    dead: bool = False,
    scan: usage.UsageScan | None = None,
) -> None:
    """Raise InUseError if anything uses a device of a session, or a disk that ends with it.

    `index` has all sessions and disks, `openers` says who has open a device of the session that is
    not a disk. `leaving` are the ids of all sessions that end together, including this one. `dead`:
    the session does not answer, so that its disks cannot be opened is no reason to keep it. `scan`
    is one scan for many sessions.
    """
    _refuse_in_use(session.target, openers)
    for disk in index.disks_of_session(session.sid):
        if not has_surviving_path(disk, leaving, index):
            left = describe_passive_paths(disk, leaving, index)
            _refuse_used(disk, context, left, dead=dead, scan=scan)


def find_dead_session(sessions: Iterable[Session], action: actions.Logout) -> Session | None:
    """Return the session of a logout by number if it exists, None if it has ended.

    Raises InUseError if it came up.
    """
    for session in sessions:
        if session.sid == action.sid and session.target == action.target:
            if session.status == "up":
                raise InUseError(
                    f"session {session.sid} to {session.target} is up again",
                    hint="there is nothing to do; to log out: iscsictl logout",
                )
            return session
    return None


class HeldSessions:
    """The sessions that logouts end, known from the holds that each of them set before.

    So a map in use keeps all its paths, instead of losing all but the last. The holds are read when
    they are first needed: only maps have paths that may stay.
    """

    def __init__(self, index: HostIndex, root: Path) -> None:
        self._index = index
        self._root = root

    @cached_property
    def _holds(self) -> dict[str | None, tuple[Hold, ...]]:
        return group_by_keys(holds.read_holds(self._root), lambda hold: (hold.target,))

    def ending_with(self, session: Session) -> frozenset[int | None]:
        """Return the sessions that end together with one, of those that lead to the same maps.

        Of several holds on the session, the narrowest belongs to this logout; one on another target
        does not count unless that was logged out as well.
        """
        behind = self._index.disks_of_session(session.sid)
        maps = [disk for disk in behind if disk.block.kind == "mpath"]
        own = self._holds_of(session) if maps else []
        if not own:
            return frozenset({session.sid})
        narrowest = max(own, key=lambda h: (h.portal is not None) + (h.iface is not None))
        sids = {path.sid for disk in maps for path in disk.paths}
        beside = (other for sid in sids for other in self._index.sessions_with_sid(sid))
        too = (
            other.sid
            for other in beside
            if _covers_session(narrowest, other)
            or (other.target != session.target and self._is_logged_out(other))
        )
        return frozenset({session.sid, *too})

    def _is_logged_out(self, session: Session) -> bool:
        return any(hold.why == "logout" for hold in self._holds_of(session))

    def _holds_of(self, session: Session) -> list[Hold]:
        found = self._holds.get(session.target, ())
        return [hold for hold in found if _covers_session(hold, session)]


def _covers_session(hold: Hold, session: Session) -> bool:
    return hold.covers(session.target, session.requested_portal, session.iface or DEFAULT_IFACE)


def _refuse_in_use(target: str, who: Sequence[str]) -> None:
    if who:
        raise InUseError(
            f"a device of {target} is in use: {', '.join(who)}",
            hint="stop that process, then run this again",
        )


def _refuse_used(
    disk: Disk, context: Context, left: str, *, dead: bool, scan: usage.UsageScan | None
) -> None:
    """Raise InUseError if the disk is in use; `left` names the paths that do not serve it."""
    used = usage.disk_usage(disk, context.root, scan=scan)
    if used.holders:
        raise InUseError(
            f"{disk.block.device} is in use: {', '.join(used.holders)}{left}",
            hint=used.release_hint
            if used.releases
            else "stop what uses it, or detach it: iscsictl detach",
        )
    # The kernel looks for another holder first: a disk that cannot be opened has none.
    with suppress(UnreachableError) if dead else nullcontext():
        _test_free(disk.block.device, context.root)


def _set_hold(action: actions.SetHold, context: Context) -> StepResult:
    return StepResult(holds.add_hold(action.hold, context.root, seconds=action.seconds))


def _drop_hold(action: actions.DropHold, context: Context) -> StepResult:
    return StepResult(holds.remove_hold(action.hold, context.root))


def _rescan_session(action: actions.Rescan, context: Context) -> StepResult:
    before = _devices_with_sizes(action, read_listing(context.root))
    session = _session_to_rescan(action, read_listing(context.root))
    if session is None or session.host is None:
        raise NotFoundError(
            f"session {action.sid} ended before it was rescanned", hint="see: iscsictl ls"
        )
    scsi_scan.scan_session(action.sid, session.host.number, None, context.root)
    for hctl in action.hctls:
        with suppress(FileNotFoundError):
            scsi_scan.rescan(hctl, context.root)
    deadline = context.deadline() - context.wait + min(RESCAN_WAIT, context.wait)
    context.waiter.wait(
        lambda: _shows_every_lun(action, context), deadline, "waiting for the disks of new LUNs"
    )
    return StepResult(_devices_with_sizes(action, read_listing(context.root)) != before)


def _session_to_rescan(action: actions.Rescan, listing: Listing) -> Session | None:
    return next((s for s in listing.sessions if s.sid == action.sid), None)


def _devices_with_sizes(
    action: actions.Rescan, listing: Listing
) -> frozenset[tuple[str, str, int | None]]:
    return frozenset(
        (path.hctl, path.device, disk.block.size)
        for disk in listing.disks or ()
        for path in disk.paths
        if path.sid == action.sid
    )


def _shows_every_lun(action: actions.Rescan, context: Context) -> bool | None:
    """Tell whether every LUN that the target shows has a disk; None while one has not."""
    session = _session_to_rescan(action, read_listing(context.root))
    if session is None:
        return True
    device = next((unit.device for unit in session.luns or () if unit.device), None)
    if device is None:
        return None
    try:
        with probe.opened(device, exclusive=False) as fd:
            return True if session.settled_luns >= set(scsi_commands.luns(fd)) else None
    except IscsictlError:
        return True


HANDLERS: Mapping[type[Action], Handler] = {
    actions.Login: _log_in_to_target,
    actions.Scan: _scan_for_lun,
    actions.Logout: _log_out_session,
    actions.RemoveDevice: _remove_device,
    actions.SetHold: _set_hold,
    actions.DropHold: _drop_hold,
    actions.Rescan: _rescan_session,
}
INVERSES: Mapping[type[Action], Inverse] = {
    actions.Login: lambda action, _: actions.Logout(action.target, action.portal, action.iface),
    actions.SetHold: lambda action, _: actions.DropHold(action.hold),
}
