"""Plan a reconnect: restore missing sessions and mounts. Nothing is taken down."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iscsictl.errors import (
    InUseError,
    IscsictlError,
    NotFoundError,
    RefusedError,
    UnreachableError,
)
from iscsictl.errors.silent_portals import hint_for_silent_portals
from iscsictl.lazy_import import lazy_import
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.fstab import FstabLine, is_read_only_mount
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Session
from iscsictl.model.names import Portal
from iscsictl.model.plan import Plan
from iscsictl.model.record import NodeRecord
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.builder import PlanBuilder
from iscsictl.planner.safety.mount_points import directories_above
from iscsictl.planner.selection.session_index import SessionIndex

if TYPE_CHECKING:
    from iscsictl.planner.disks import new_filesystem
    from iscsictl.planner.iscsi import sessions as session_planner
    from iscsictl.planner.selection import records as record_selection
    from iscsictl.planner.selection import surviving
else:
    # Only for exclusive volumes.
    new_filesystem = lazy_import("iscsictl.planner.disks.new_filesystem")
    # Their words are for what is missing.
    session_planner = lazy_import("iscsictl.planner.iscsi.sessions")
    record_selection = lazy_import("iscsictl.planner.selection.records")
    surviving = lazy_import("iscsictl.planner.selection.surviving")

# For mount(8) and systemd, which read fstab; no filesystem takes them as options.
_FOR_FSTAB_ONLY = frozenset({"_netdev", "nofail", "noauto", "auto", "defaults"})
# What the kernel makes of a disk whose session was away for longer than the recovery timeout.
_GIVEN_UP = frozenset({"transport-offline", "offline"})


@dataclass(frozen=True)
class Mounted:
    """What is mounted on a directory: its options and, if it is unusable, why.

    `other` is the source of the mount if it is another filesystem than that of fstab.
    """

    options: tuple[str, ...]
    problem: str | None = None
    other: str | None = None


def plan_reconnect(
    inventory: Inventory, mounted: Mapping[str, Mounted], target: str | None = None
) -> Plan:
    """Return the logins, scans and mounts that are missing, each mount after what it needs.

    `mounted` has what is mounted, by mount point. What iscsid or an admin must repair, such as a
    session that iscsid is restoring or a filesystem that became read-only, is an error of its step
    and left alone. A path that does not work while its map has another one is not an error but a
    note, because I/O to the map continues.
    """
    return _Keep(inventory, mounted, target).plan()


def missing_records(inventory: Inventory, target: str | None) -> tuple[NodeRecord, ...]:
    """Return the records that should have a session and have none.

    With `target` all of its records count, otherwise those that are used at boot. If a target has
    an fstab entry written by iscsictl but no such record, one of its records is included. Records
    on hold are not.
    """
    keep = _Keep(inventory, {}, target)
    return tuple(r for r in keep.wanted_records() if keep.index.missing_sessions(r))


def wanted_records(inventory: Inventory) -> tuple[NodeRecord, ...]:
    """Return the records that should have a session, whether they have one or not.

    For a target that only an fstab entry needs, this is the record that has a session, or the one
    that would be used to log in.
    """
    keep = _Keep(inventory, {}, None)
    wanted = list(keep.wanted_records())
    for target in {line.target or "" for line in keep.lines} - {r.target for r in wanted}:
        connected = (r for r in keep.index.records(target) if keep.index.sessions_of(r))
        wanted += [record for record in (next(connected, None),) if record is not None]
    return tuple(wanted)


class _Keep:
    def __init__(
        self, inventory: Inventory, mounted: Mapping[str, Mounted], target: str | None
    ) -> None:
        self.inventory = inventory
        self.mounted = mounted
        self.target = target
        self.index = SessionIndex.of(inventory)
        self.lines = _with_outer_mounts_first(self._wanted_lines())
        self.mounts: dict[str, str] = {}
        self.builder = PlanBuilder(independent=True)
        self.logins: dict[str, list[str]] = {}

    def plan(self) -> Plan:
        for record in self.wanted_records():
            session = self.index.session_of(record)
            if session is not None and session.status != "up":
                self._add_broken_session(record, session)
            elif self.index.missing_sessions(record):
                self._log_in_again(record)
        for line in self.lines:
            self._add_mount(line, line.mount_point or "")
        planned = {id(line) for line in self.lines}
        for line in self.inventory.fstab.ours:
            # What is not mounted at boot may be mounted all the same.
            here = line.mount_point in self.mounted and self.target in {None, line.target}
            if here and id(line) not in planned:
                self._keep_reserved(line)
        if self.target is not None:
            self._refuse_held(self.target)
        elif self.inventory.holds:
            self._note_held()
        return self.builder.build()

    def _note_held(self) -> None:
        """Note what stays down because it is on hold, each name once."""
        names = [
            record.target
            for record in self.inventory.records
            if record.onboot
            and self._is_record_on_hold(record)
            and self.index.session_of(record) is None
        ]
        for line in self.inventory.fstab.ours:
            path, target = line.mount_point, line.target or ""
            if path is None or path in self.mounted or line.is_claim or not line.auto:
                continue
            if self._is_mount_on_hold(path):
                names.append(path)
            elif any(hold.covers(target) for hold in self.inventory.holds_on(target)):
                names.append(target)
        for name in dict.fromkeys(names):
            error = _on_hold_error(name)
            self.builder.notes.append(f"{error.text}; to {error.hint}")

    def _refuse_held(self, target: str) -> None:
        """Report what is missing of the named target because it is on hold."""
        for record in self.index.records(target):
            if self._is_record_on_hold(record) and self.index.session_of(record) is None:
                self._add_login(record, error=_on_hold_error(target))
        for line in self.inventory.fstab.ours:
            path = line.mount_point
            if line.target == target and path is not None and self._is_mount_on_hold(path):
                if line.is_claim or path in self.mounted:
                    continue
                self.builder.add(
                    _mount_for_line(line), path, "mounts it again", error=_on_hold_error(path)
                )

    def wanted_records(self) -> Iterator[NodeRecord]:
        """Yield the records that should have a session.

        They are those used at boot and those of fstab entries written by iscsictl, or all of the
        named target.
        """
        lines = {line.target for line in self.lines}
        taken = set()
        for record in self.inventory.records:
            wanted = record.onboot if self.target is None else record.target == self.target
            if wanted and not self._is_record_on_hold(record):
                taken.add(record.target)
                yield record
        for target in sorted(lines - taken - {None}, key=str):
            yield from self._records_for_fstab_target(str(target))

    def _records_for_fstab_target(self, target: str) -> Iterator[NodeRecord]:
        """Yield a record for a target that is not logged in to at boot but has a line in fstab.

        If the target has sessions but none is up, yield the records of those sessions.
        """
        records = self.index.records(target)
        free = [r for r in records if not r.onboot and not self._is_record_on_hold(r)]
        sessions = self.index.sessions(target)
        if sessions and all(session.status != "up" for session in sessions):
            yield from (r for r in free if self.index.session_of(r) is not None)
        elif free and not sessions:
            # False sorts before True: a portal that answers.
            yield min(free, key=lambda r: r.portal in self.inventory.silent)

    def _is_record_on_hold(self, record: NodeRecord) -> bool:
        found = self.inventory.holds_on(record.target)
        return any(hold.covers(record.target, record.portal, record.iface) for hold in found)

    def _is_mount_on_hold(self, path: str) -> bool:
        return any(hold.covers_mount(path) for hold in self.inventory.holds)

    def _wanted_lines(self) -> Iterator[FstabLine]:
        """Yield the fstab entries written by iscsictl that should be mounted."""
        for line in self.inventory.fstab.ours:
            path = line.mount_point
            if path is None or not line.auto or line.is_claim or self._is_mount_on_hold(path):
                continue
            if self.target not in {None, line.target}:
                continue
            if not any(
                hold.covers(line.target or "") for hold in self.inventory.holds_on(line.target)
            ):
                yield line

    def _login_error(self, record: NodeRecord) -> IscsictlError | None:
        if record.problem is not None:
            return record_selection.corrupt_record_error(record)
        why = self.inventory.silent.get(record.portal)
        if why is None or not record.over_tcp:
            return None
        return UnreachableError(
            f"{record.target}: portal {record.portal} does not answer: {why}",
            hint=hint_for_silent_portals([why]),
        )

    def _add_broken_session(self, record: NodeRecord, session: Session) -> None:
        """Add the session of a record that is not up: iscsid has to restore it, not a login."""
        if session.status == "recovering" and self._has_other_paths(record, session):
            self._add_path_note(record, f"is {session.status}")
            self._add_login(record, done=True)
        else:
            self._add_login(record, error=self._down_session_error(session, record.portal))

    def _log_in_again(self, record: NodeRecord) -> None:
        """Add the login of a record that has no session, or too few."""
        error = self._login_error(record)
        if isinstance(error, UnreachableError) and self._has_other_paths(record, None):
            self._add_path_note(record, f"does not answer: {self.inventory.silent[record.portal]}")
            self._add_login(record, done=True)
        else:
            self._add_login(record, error=error)

    def _has_other_paths(self, record: NodeRecord, session: Session | None) -> bool:
        return surviving.has_other_paths(record.target, session, self.inventory.index)

    def _add_path_note(self, record: NodeRecord, what: str) -> None:
        self.builder.notes.append(
            f"the path to {record.target} through {record.portal} {what}; its map works without it"
        )

    def _add_login(
        self, record: NodeRecord, *, done: bool = False, error: IscsictlError | None = None
    ) -> None:
        login = actions.Login(record.target, record.portal, record.iface, None)
        subject = self.index.subject_of(record)
        why = session_planner.missing_text(record, self.index.missing_sessions(record))
        step = self.builder.add(login, subject, why, done=done, error=error)
        self.logins.setdefault(record.target, []).append(step)

    def _add_mount(self, line: FstabLine, path: str) -> None:
        mount, target = _mount_for_line(line), line.target or ""
        sessions = self.index.sessions(target)
        up = [s for s in sessions if s.status == "up"]
        now = self.mounted.get(path)
        if now is not None:
            # While nothing leads to the disk, that has to be repaired first.
            away = sessions and not up and not self._is_served_by_map(line)
            error = None if away else _broken_mount_error(now, mount)
            self.builder.add(mount, path, "is mounted", done=error is None, error=error)
            self._keep_reserved(line)
            return
        # A login that only adds a path need not succeed before a mount that another path carries.
        after = [] if up else self.logins.get(target, [])
        if not after and not up:
            why = self._no_session_error(target)
            self.mounts[path] = self.builder.add(mount, path, "mounts it again", error=why)
            return
        # What is mounted over this one later would hide it.
        outer = next((one for one in directories_above(path) if one in self.mounts), None)
        if outer is not None:
            after = [*after, self.mounts[outer]]
        if self._must_scan(line, up):
            scan = actions.Scan(target, line.lun, ())
            name = f"{target} LUN {line.lun}"
            after = [self.builder.add(scan, name, "finds the disk", after=after)]
        if line.exclusive:
            after = [self._add_reservation(line, after)]
        self.mounts[path] = self.builder.add(mount, path, "mounts it again", after=after)

    def _is_served_by_map(self, line: FstabLine) -> bool:
        """Tell whether the disk of a line is a working map, even through another target."""
        index = self.inventory.index
        disks = index.disks_with_wwid(line.wwid)
        return any(surviving.has_surviving_path(disk, frozenset(), index) for disk in disks)

    def _add_reservation(
        self, line: FstabLine, after: Iterable[str] = (), *, done: bool = False
    ) -> str:
        """Add the reservation of an exclusive volume, without which it must not be mounted."""
        found = self.inventory.reservations.get(line.wwid or "")
        mount = _mount_for_line(line)
        disk = next(iter(self.inventory.index.disks_with_wwid(line.wwid)), None)
        device = mount.path if disk is None else disk.block.device
        error = None if found is None else found.exclusive_refusal(device)
        reserve = actions.Reserve(mount.disk, exclusive=True, uuid=mount.uuid)
        subject = f"{line.target} LUN {line.lun}"
        why = "no other host can write until it is detached"
        return self.builder.add(reserve, subject, why, after=after, done=done, error=error)

    def _keep_reserved(self, line: FstabLine) -> None:
        """Add what is missing from the reservation of a mounted volume, as after an array restart.

        If a LUN cannot be asked now, its session has to be repaired first.
        """
        found = self.inventory.reservations.get(line.wwid or "")
        disk = next(iter(self.inventory.index.disks_with_wwid(line.wwid)), None)
        if line.exclusive and disk is not None and found is not None:
            self._add_reservation(line, done=new_filesystem.is_kept_over(disk, found))

    def _no_session_error(self, target: str) -> IscsictlError:
        """Return why a target has neither a session that is up nor a planned login."""
        sessions = self.index.sessions(target)
        if sessions:
            return self._down_session_error(sessions[0], sessions[0].requested_portal)
        if self.index.records(target):
            return _on_hold_error(target)
        return NotFoundError(
            f"there is no node record of {target}",
            hint="create one: iscsictl discover ADDRESS --save; or delete the line from fstab",
        )

    def _down_session_error(self, session: Session, portal: Portal | None) -> UnreachableError:
        under_maps = surviving.is_under_maps(session, self.inventory.index)
        return _session_error(session, portal, self.lines, under_maps=under_maps)

    def _must_scan(self, line: FstabLine, up: list[Session]) -> bool:
        """Tell whether the kernel will not find the LUN without a scan."""
        if line.lun is None:
            return False
        if up:
            return all(
                line.lun not in {u.lun for u in s.luns or () if u.device is not None} for s in up
            )
        records = self.index.records(line.target or "")
        return any(record.scan == "manual" for record in records)


def _with_outer_mounts_first(lines: Iterable[FstabLine]) -> tuple[FstabLine, ...]:
    """Return the lines in their order, but a mount point below another one after that one."""
    wanted = tuple(lines)
    paths = {line.mount_point for line in wanted}

    def depth(line: FstabLine) -> int:
        return sum(above in paths for above in directories_above(line.mount_point))

    return tuple(sorted(wanted, key=depth))


def _mount_for_line(line: FstabLine) -> actions.Mount:
    """Return the mount that a line written by iscsictl asks for."""
    options = tuple(o for o in line.options if o not in _FOR_FSTAB_ONLY and not o.startswith("x-"))
    disk = DiskId(line.target or "", line.lun or 0, line.wwid or "", "")
    path, fs = line.mount_point or "", line.fstype or "auto"
    return actions.Mount(disk, line.uuid or "", path, fs, options)


def _on_hold_error(name: str) -> RefusedError:
    return RefusedError(
        f"{name} is on hold",
        hint=f"end the hold: iscsictl unhold {shell_form(name)}",
    )


def _session_error(
    session: Session, portal: Portal | None, lines: tuple[FstabLine, ...], *, under_maps: bool
) -> UnreachableError:
    """Return the error for a session that exists but is not up.

    If the session is `under_maps`, a disk that was given up is one of several paths, and the
    filesystem did not notice the failure.
    """
    through = "" if portal is None else f" through {portal}"
    where = f"the session to {session.target}{through} is {session.status}"
    given_up = any(unit.state in _GIVEN_UP for unit in session.luns or ())
    if session.status == "down":
        return UnreachableError(
            f"{where}: iscsid is not trying to restore it",
            hint="see its log: journalctl -u iscsid; then: systemctl restart iscsid",
        )
    if not given_up:
        return UnreachableError(
            f"{where}: iscsid keeps trying, and writes wait",
            hint="check the array, the cable and the route; see: iscsictl doctor",
        )
    if under_maps:
        return UnreachableError(
            f"{where}, and its map has no path left: writes wait, and fail once no_path_retry is "
            "exhausted",
            hint="restore the array or a network path to it; iscsid then logs in again by itself; "
            "see: iscsictl doctor, multipath -ll",
        )
    places = [line.mount_point or "" for line in lines if line.target == session.target]
    what = f"umount {shell_form(*places)}, fsck, " if places else ""
    return UnreachableError(
        f"{where} for longer than its recovery timeout: its disks fail all writes",
        hint=f"bring the array back; then: {what}iscsictl reconnect; to wait longer, raise "
        "node.session.timeo.replacement_timeout with: iscsictl nodes set",
    )


def _broken_mount_error(now: Mounted, expected: actions.Mount) -> IscsictlError | None:
    """Return the error for a filesystem that is mounted but unusable."""
    problem, path = now.problem, expected.path
    if problem is None and now.other is not None:
        return InUseError(
            f"{path} is the mount point of {now.other}, not of the filesystem {expected.uuid} "
            "named in /etc/fstab",
            hint=f"save the data that was written there; then: umount {shell_form(path)}, "
            "iscsictl reconnect",
        )
    if problem is None and "ro" in now.options and not is_read_only_mount(expected.options):
        problem = "became read-only after errors"
    if problem is None:
        return None
    return IscsictlError(
        f"{path} is mounted, but {problem}",
        hint=f"see the kernel's log for the cause; then: umount {shell_form(path)}, check the "
        f"filesystem (fsck UUID={expected.uuid}), iscsictl reconnect",
    )
