"""Keep other hosts from writing to a LUN with a persistent reservation, and end it again.

open-iscsi derives the ISID from the number of the session. After a new login this host is therefore
another nexus, and its own earlier reservation keeps it out like that of any other host. So every
change replaces whatever has the key of this host. Commands go to the paths of a disk, never through
a multipath map, which chooses a path by itself.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from iscsictl.errors import InUseError, IscsictlError, MissingError, RefusedError
from iscsictl.model.actions import DiskId
from iscsictl.model.reservation import (
    LunReservations,
    Reservation,
    ReservationType,
    format_key,
    no_reservations,
)
from iscsictl.model.shell_form import shell_form
from iscsictl.system.block import disk_guards, multipath, probe, scsi_commands
from iscsictl.system.block.disk_states import disk_states
from iscsictl.system.block.reservation_key import read_own_key
from iscsictl.system.block.reservations import (
    OutAction,
    change_reservation,
    is_registered_with,
    read_reservations,
    register,
    unregister,
)

#: How often a map whose paths change meanwhile is read again; each further login is one change.
_ROUNDS = 4


def reserve(disk: DiskId, root: Path = Path("/")) -> bool:
    """Register this host on every path of a disk, and keep all others from writing to it.

    The type is Write Exclusive; for a map, Write Exclusive - Registrants Only. Returns False if the
    LUN supports PERSISTENT RESERVE IN but not OUT. Raises RefusedError if another host was first,
    or has the same key as this one; no registration of this host is left then.
    """
    own, kind = _require_own_key(root), _reservation_type_for(disk, root)
    disk_guards.require_same_paths(disk, root)
    with _opened_paths(disk, root) as fds:
        for fd in fds:
            disk_guards.require_same_disk(fd, disk)
        try:
            if not _register_first(disk, fds[0], own, root):
                return False
            _take_reservation(disk, fds, own, kind, root)
        except IscsictlError:
            _end_registrations(fds, own, root)
            raise
    return True


def _reservation_type_for(disk: DiskId, root: Path) -> ReservationType:
    """Return the type for a disk; a map with one working path counts, too, as others will join."""
    if multipath.paths_of(disk.device, root):
        return ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY
    return ReservationType.WRITE_EXCLUSIVE


def keep_reserved(disk: DiskId, root: Path = Path("/")) -> bool:
    """Reserve a LUN for as long as its volume is attached; return whether that changed anything.

    It is called again after anything that may have ended the reservation: a boot, a login, a
    restart of the array. A path that joins a map meanwhile is registered by multipathd, which knows
    the key, or by the next call. Raises RefusedError, before anything is changed, if the LUN does
    not support reservations or another host has one.
    """
    changed = False
    for _ in range(_ROUNDS):
        paths = multipath.paths_of(disk.device, root)
        changed = _keep_over_paths(disk, root) or changed
        if multipath.paths_of(disk.device, root) == paths:
            break
    return changed


def _keep_over_paths(disk: DiskId, root: Path) -> bool:
    own, kind = _require_own_key(root), _reservation_type_for(disk, root)
    disk_guards.require_same_paths(disk, root, with_dead_paths=True)
    with _opened_paths(disk, root) as fds:
        for fd in fds:
            disk_guards.require_same_disk(fd, disk)
        found = read_reservations(fds[0], root)
        refusal = found.exclusive_refusal(disk.device)
        if refusal is not None:
            raise refusal
        in_use = disk_guards.is_in_use(disk, root)
        # Registrations of earlier sessions pile up on the array; they are removed while nobody
        # writes.
        stale = found.keys.count(own) > len(fds) and not in_use
        if (
            found.is_kept(kind, len(fds))
            and not stale
            and all(is_registered_with(fd, own) for fd in fds)
        ):
            return False
        try:
            _take_and_keep(disk, fds, own, kind, root, in_use=in_use)
        except IscsictlError:
            if not found.is_registered:
                _end_registrations(fds, own, root)
            raise
    return True


def _take_and_keep(
    disk: DiskId, fds: list[int], own: int, kind: ReservationType, root: Path, *, in_use: bool
) -> None:
    if not _register_first(disk, fds[0], own, root):
        raise no_reservations(disk.device)
    if in_use and kind is ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY:
        # A write over a path that is unregistered even for a moment would fail; which of our paths
        # holds the reservation does not matter.
        for fd in fds[1:]:
            _register_path(disk, fd, own, root)
        if _read_or_refuse(fds[0], disk, root).is_kept(kind, len(fds)):
            return
    _take_reservation(disk, fds, own, kind, root)


def _end_registrations(fds: list[int], own: int, root: Path) -> None:
    """Unregister these paths as far as they answer; the caller raises the error that led here.

    The registration of a path that was lost meanwhile is removed over one that works.
    """
    for fd in fds:
        with suppress(IscsictlError):
            unregister(fd, own)
    for fd in fds:
        with suppress(IscsictlError):
            found = read_reservations(fd, root)
            if found.is_ours and found.owners_known:
                _end_lost_registrations(fd, own)
            return


def _register_path(disk: DiskId, fd: int, own: int, root: Path) -> None:
    """Register a path. Raises RefusedError if another host, with our names, has the nexus."""
    try:
        register(fd, own)
    except scsi_commands.ScsiError as error:
        refusal = None
        if error.conflict:
            refusal = read_reservations(fd, root).format_refusal(disk.device)
        raise refusal or error from None


def _register_first(disk: DiskId, fd: int, own: int, root: Path) -> bool:
    """Register over the first path; return whether the LUN supports registrations."""
    try:
        _register_path(disk, fd, own, root)
    except scsi_commands.ScsiError as error:
        if error.unknown:
            return False
        raise
    return True


def _require_own_key(root: Path) -> int:
    own = read_own_key(root)
    if own is None:
        raise MissingError(
            "this host has no machine-id, from which its reservation key is derived",
            hint="make one: systemd-machine-id-setup",
        )
    return own


def _take_reservation(
    disk: DiskId, fds: list[int], own: int, kind: ReservationType, root: Path
) -> None:
    """Reserve the LUN over these paths, the first of which is registered.

    If several hosts do so at once, the LUN lets only one of them (SPC-4 5.12.9).
    """
    first, *others = fds
    before = _read_or_refuse(first, disk, root)
    if before.owners_known and (before.holder is not None or before.keys.count(own) > 1):
        _preempt_own_key(first, own, kind)
    for fd in others:
        _register_path(disk, fd, own, root)
    try:
        change_reservation(first, OutAction.RESERVE, kind, own, 0)
    except scsi_commands.ScsiError as error:
        if not error.conflict:
            raise
        _require_known_owner(disk, _read_or_refuse(first, disk, root))
        raise RefusedError(
            f"another host reserved {disk.device} first, and has since released it",
            hint="run the same command again: it will see what that host left on the LUN",
        ) from None
    after = _read_or_refuse(first, disk, root)
    # multipathd may have registered a path that has just joined the map.
    if not after.is_kept(kind, len(fds)):
        raise RefusedError(
            f"{disk.device} accepted a reservation but does not report it",
            hint="inspect it: sg_persist --in --read-full-status " + shell_form(disk.device),
        )


def _preempt_own_key(fd: int, own: int, kind: ReservationType) -> None:
    """Remove the registrations of this host over sessions that are gone.

    This nexus is registered before and afterwards: some targets, such as the kernel's, also remove
    the nexus that preempts its own key (SPC-4 5.12.11.4.4).
    """
    change_reservation(fd, OutAction.PREEMPT, kind, own, own)
    register(fd, own)


def _end_lost_registrations(fd: int, own: int) -> None:
    """End the registrations that this host has over paths and sessions that are gone."""
    register(fd, own)
    _preempt_own_key(fd, own, ReservationType.WRITE_EXCLUSIVE)
    unregister(fd, own)


def _require_known_owner(disk: DiskId, found: LunReservations) -> None:
    """Raise RefusedError if a registration with the key of this host may be that of a clone."""
    if not found.owners_known:
        raise RefusedError(
            f"{disk.device} does not report which initiator has registered with the key of this "
            f"host, {format_key(found.own_key or 0)}",
            hint="if no other host has its machine-id(5): iscsictl take-over TARGET --lun N "
            "--confirm KEY",
        )


def _read_or_refuse(fd: int, disk: DiskId, root: Path) -> LunReservations:
    """Return the reservations of a LUN. Raises RefusedError if they keep this host out."""
    found = read_reservations(fd, root)
    refusal = found.refusal(disk.device)
    if refusal is not None:
        raise refusal
    return found


def _read_without_clone(fd: int, disk: DiskId, root: Path) -> LunReservations:
    """Return the reservations of a LUN. Raises RefusedError if another host has our key."""
    found = read_reservations(fd, root)
    refusal = found.refusal(disk.device)
    if refusal is not None and found.clones:
        raise refusal
    return found


def release(disk: DiskId, root: Path = Path("/")) -> bool:
    """End every registration of this host, and with it its reservation.

    Those of earlier sessions and of paths that are down are removed, too: their key is preempted
    over a path that works. Returns whether there was one. Raises RefusedError if another host has
    the key.
    """
    own = read_own_key(root)
    with _opened_paths(disk, root) as fds:
        for fd in fds:
            disk_guards.require_same_disk(fd, disk)
        first = fds[0]
        found = _read_without_clone(first, disk, root)
        if own is None or not found.is_registered:
            return False
        if found.holder is not None and found.other_holder is None:
            _end_reservation(fds, own, found.holder)
        for fd in fds:
            unregister(fd, own)
        found = _read_without_clone(first, disk, root)
        if found.is_registered:
            _require_known_owner(disk, found)
            _end_lost_registrations(first, own)
    return True


def _end_reservation(fds: list[int], own: int, holder: Reservation) -> None:
    """End the reservation; one of these paths is its holder, unless that path is down.

    This happens before any path is unregistered: a filesystem is mounted by now, and while the
    reservation exists, its writes over a path that is not registered would fail.
    """
    for fd in fds:
        # The kernel logs each conflict: registering again would cause one for each path.
        if not is_registered_with(fd, own):
            register(fd, own)
    for fd in fds:
        # Over a path that is not the holder it changes nothing (SPC-4 5.12.11.2.2).
        change_reservation(fd, OutAction.RELEASE, holder.type or 0, own, 0)


def take_over(disk: DiskId, key: int, root: Path = Path("/")) -> bool:
    """End the reservation and all registrations that another host has made with this key.

    This host registers for that, and leaves no registration. Returns whether there was anything to
    end. Raises RefusedError for the key of this host, unless another host may have it, too; in that
    case, raises InUseError while this host uses the disk.
    """
    own = _require_own_key(root)
    with _opened_paths(disk, root) as fds:
        for fd in fds:
            disk_guards.require_same_disk(fd, disk)
        first = fds[0]
        if key == own:
            if not read_reservations(first, root).own_key_is_doubtful:
                raise RefusedError("this is the key of this host", hint="use: iscsictl detach")
            # It may have been mounted while the user was asked.
            if disk_guards.is_in_use(disk, root):
                raise InUseError(
                    f"{disk.device} is in use on this host, and its own registration would end too",
                    hint=f"see what holds it: iscsictl disk show {shell_form(disk.device)}",
                )
            _end_lost_registrations(first, own)
            return True
        if key not in _read_without_clone(first, disk, root).keys:
            return False
        # If this host has got another machine-id meanwhile, it is the same nexus with its earlier
        # key.
        for fd in fds:
            unregister(fd, key)
        found = _read_without_clone(first, disk, root)
        if key in found.keys:
            _preempt_other_key(first, own, key, stay_registered=found.is_registered)
    return True


def _preempt_other_key(fd: int, own: int, key: int, *, stay_registered: bool) -> None:
    register(fd, own)
    try:
        # Where that host was the holder, this nexus is from now on (SPC-4 5.12.11.4.3).
        change_reservation(fd, OutAction.PREEMPT, ReservationType.WRITE_EXCLUSIVE, own, key)
    finally:
        if not stay_registered:
            unregister(fd, own)


@contextmanager
def _opened_paths(disk: DiskId, root: Path) -> Iterator[list[int]]:
    """Open the disk, or in place of a multipath map its paths that work, or all if none does."""
    paths = multipath.paths_of(disk.device, root) or (disk.device,)
    working = [path for path in paths if "running" in disk_states(Path(path).name, root)]
    with ExitStack() as stack:
        yield [
            stack.enter_context(probe.opened(path, exclusive=False)) for path in working or paths
        ]
