"""Observe records, sessions and what uses them, as far as a command on sessions needs it."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from iscsictl.errors import IscsictlError, NotFoundError, UnreachableError
from iscsictl.errors.silent_portals import hint_for_silent_portals
from iscsictl.limits import PORTAL_WAIT
from iscsictl.model.inventory import (
    DiscoveredTarget,
    DiskAnswers,
    DiskUsage,
    Inventory,
    Observation,
    observe_value,
)
from iscsictl.model.listing import Disk, Session
from iscsictl.model.names import Portal
from iscsictl.model.secret import Secret
from iscsictl.observers.host_facts import read_host_facts
from iscsictl.observers.record_changes import Changes, find_unsettled, keys_that_differ
from iscsictl.parse.iscsid_conf import edit_conf
from iscsictl.planner.iscsi.rescan import Asked, select_sessions
from iscsictl.planner.safety.storage_graph import root_filesystem_targets
from iscsictl.planner.selection.records import RecordSelector, select_records
from iscsictl.planner.selection.session_index import SessionIndex
from iscsictl.system.block import multipath, probe, scsi_commands
from iscsictl.system.context import Context
from iscsictl.system.io import journal
from iscsictl.system.io.files import read_file
from iscsictl.system.iscsi import discovery, firmware_boot, holds, iscsiadm, nodedb, portal_probe
from iscsictl.system.iscsi.sessions import read_listing, read_sessions
from iscsictl.system.mount import fstab_file, usage


def boots_from(root: Path, inventory: Inventory | None = None) -> frozenset[str]:
    """Return the targets that the machine boots from: by firmware, or with its root filesystem.

    They must not be logged out: the root filesystem would lose its disk. `inventory` has the
    sessions and their disks if they were read already.
    """
    known = inventory or read_listing(root, details=False)
    target_of = {session.sid: session.target for session in known.sessions}
    return firmware_boot.firmware_targets(root) | root_filesystem_targets(
        known.disks or (), target_of
    )


def observe_records(
    context: Context,
    selector: RecordSelector | None = None,
    changes: Changes | None = None,
    *,
    sessions: tuple[Session, ...] | None = None,
) -> Inventory:
    """Observe records, sessions and holds; `unsettled` is for the records of `selector`.

    `sessions` are those that were read already. Without `changes` nothing is compared. A selector
    that matches nothing is no error here: the plan reports it. Raises NeedsRootError if the records
    may not be read.
    """
    root = context.root
    inventory = Inventory(
        nodedb.read_records(context.db),
        read_sessions(root) if sessions is None else sessions,
        fstab=fstab_file.read_fstab(root),
        holds=holds.read_holds(root),
        open_iscsi=context.open_iscsi,
    )
    if selector is None or not changes:
        return inventory
    try:
        chosen = select_records(inventory, selector)
    except NotFoundError:
        return inventory
    return replace(inventory, unsettled=find_unsettled(chosen, changes))


def observe_for_forget(
    context: Context, selector: RecordSelector, before: Inventory | None
) -> Inventory:
    """Observe records as `observe_records` does; for a target without any, search the journal.

    The journal shows whether the record was deleted earlier, so that the same command succeeds
    again; the result is None if nothing is logged. With `before`, an earlier round of this run has
    deleted it.
    """
    inventory = replace(observe_records(context), host=read_host_facts(context.root))
    try:
        select_records(inventory, selector)
    except NotFoundError:
        mentioned = before is not None or journal.mentions(selector.target or "", context.root)
        return replace(inventory, in_journal=mentioned)
    return inventory


def observe_for_startup(context: Context, selector: RecordSelector, changes: Changes) -> Inventory:
    """Observe records as `observe_records` does, and the login service.

    Portals of selected records without a session are tested in parallel, for PORTAL_WAIT seconds,
    because the boot would wait for each silent one.
    """
    inventory = replace(
        observe_records(context, selector, changes), host=read_host_facts(context.root)
    )
    index = SessionIndex.of(inventory)
    asked = [
        r.portal
        for r in inventory.records
        if selector.matches(r.target, r.portal, r.iface)
        and r.over_tcp
        and r.portal.unreachable is None
        and index.session_of(r) is None
    ]
    return replace(
        inventory, silent=portal_probe.find_silent_portals(asked, min(PORTAL_WAIT, context.wait))
    )


def observe_for_login(
    context: Context, selector: RecordSelector, changes: Changes, *, everything: bool, again: bool
) -> Inventory:
    """Observe records and sessions, and test in parallel all portals that are to be logged in to.

    This finds a portal that does not accept a connection within PORTAL_WAIT seconds; iscsiadm needs
    two minutes for that (8 tries of 15 s). With `again`, after the logins, nothing is tested.
    """
    inventory = observe_records(context)
    try:
        chosen = (
            tuple(r for r in inventory.records if r.startup == "automatic")
            if everything
            else select_records(inventory, selector)
        )
    except NotFoundError:
        return inventory
    inventory = replace(inventory, unsettled=find_unsettled(chosen, changes) if changes else {})
    index = SessionIndex.of(inventory)
    missing = [
        r.portal for r in chosen if index.session_of(r) is None and not r.problem and r.over_tcp
    ]
    if again or not missing:
        return inventory
    return replace(
        inventory, silent=portal_probe.find_silent_portals(missing, min(PORTAL_WAIT, context.wait))
    )


def observe_for_logout(context: Context) -> Inventory:
    """Observe sessions and who uses their disks.

    This includes who has a tape, a changer or an sg device of a session open. Records are read as
    in `observe_records`.
    """
    listing = read_listing(context.root, details=False)
    disks = multipath.with_failed_paths(listing.disks or (), context.root)
    return replace(
        observe_records(context, sessions=listing.sessions),
        disks=disks,
        usage=_read_usage_by_device(disks, context.root),
        open_devices=usage.open_devices(
            (s.sid for s in listing.sessions if s.sid is not None), context.root
        ),
    )


def _read_usage_by_device(disks: Iterable[Disk], root: Path) -> dict[str, DiskUsage]:
    disks = tuple(disks)
    scan = usage.UsageScan(root) if disks else None
    found: dict[str, DiskUsage] = {}
    for disk in disks:
        own, device = usage.disk_usage(disk, root, scan=scan), disk.block.device
        found[device] = own.joined_with(found.get(device))
    return found


def observe_for_rescan(context: Context, selector: RecordSelector, before: Asked | None) -> Asked:
    """Observe the disks; the first time, ask each for its identity and each target for its LUNs.

    Sessions that are not up are not asked: a command to their disks would wait for the session.
    After the rescan (with `before`) only the kernel's own facts are read, for comparison.
    """
    listing = read_listing(context.root, details=False)
    disks = listing.disks or ()
    asked = Asked(nodedb.read_records(context.db), listing.sessions, disks)
    if before is not None:
        return asked
    try:
        sessions = select_sessions(asked, selector)
    except NotFoundError:
        return asked
    answers = ask_disks(session for session in sessions if session.status == "up")
    return replace(asked, answers=answers, usage=_read_usage_by_device(disks, context.root))


def ask_disks(sessions: Iterable[Session]) -> DiskAnswers:
    """Ask each disk of these sessions for its names and size, and each target for its LUNs.

    Needs root. A disk that cannot be opened, does not answer, does not know the command or has no
    name of a standard type is left out. An empty set of names means that the answer was LOGICAL
    UNIT NOT SUPPORTED: the target has no such LUN.
    """
    luns: dict[int, tuple[int, ...]] = {}
    names: dict[str, frozenset[str]] = {}
    sizes: dict[str, int] = {}
    for session in sessions:
        _ask_session(session, luns, names, sizes)
    return DiskAnswers(luns, names, sizes)


def _ask_session(
    session: Session,
    luns: dict[int, tuple[int, ...]],
    names: dict[str, frozenset[str]],
    sizes: dict[str, int],
) -> None:
    for unit in session.luns or ():
        if unit.device is None or unit.hctl is None:
            continue
        try:
            with probe.opened(unit.device, exclusive=False) as fd:
                if session.sid is not None and session.sid not in luns:
                    _ask_for_luns(fd, session.sid, luns)
                if own := scsi_commands.wwids(fd):
                    names[unit.hctl] = own
                capacity = scsi_commands.capacity(fd)
                if capacity is not None:
                    sizes[unit.hctl] = capacity.size
        except scsi_commands.ScsiError as error:
            if error.no_such_lun:
                names[unit.hctl] = frozenset()
        except IscsictlError:
            continue


def _ask_for_luns(fd: int, sid: int, luns: dict[int, tuple[int, ...]]) -> None:
    """Add the LUNs that the target of a session shows; raise ScsiError if the asked LUN is gone."""
    try:
        luns[sid] = scsi_commands.luns(fd)
    except scsi_commands.ScsiError as error:
        # A target that does not know REPORT LUNS still has disks that can be identified.
        if not error.unknown:
            raise


def observe_for_save(
    context: Context, portal: Portal, iface: str, changes: Changes | None, before: Inventory | None,
    *, kind: str = "sendtargets",
) -> Inventory:  # fmt: skip
    """Observe the records and what a portal offers; it is asked once.

    `before` is the inventory of the previous round, None in the first. A portal that does not
    answer is a ReadFailed in `offers`. `kind` is sendtargets or isns.
    """
    offers: Observation[tuple[DiscoveredTarget, ...]]
    if before is not None:
        offers = before.offers
    else:
        offers = observe_value(lambda: discover(context, portal, iface, changes, kind=kind))
    return replace(observe_records(context), offers=offers)


def require_answer(context: Context, portal: Portal) -> None:
    """Raise UnreachableError, which names the portal, unless it accepts a connection."""
    silent = portal_probe.find_silent_portals([portal], min(PORTAL_WAIT, context.wait))
    if portal in silent:
        raise UnreachableError(
            f"portal {portal} does not answer: {silent[portal]}",
            hint=hint_for_silent_portals([silent[portal]]),
        )


def discover(
    context: Context, portal: Portal, iface: str, changes: Changes | None, *,
    kind: str = "sendtargets", warn: Callable[[str], None] | None = None,
) -> tuple[DiscoveredTarget, ...]:  # fmt: skip
    """Ask a portal for its targets, after testing quickly whether it accepts a connection.

    `warn` is told if some may be missing in the answer; by default, the user is. Raises
    UnreachableError, AuthError, MissingError, IscsictlError.
    """
    nodedb.require_iface(context.db, iface)
    require_answer(context, portal)
    warn = warn or context.say
    if kind == "isns":
        return iscsiadm.discover(portal, timeout=context.wait, kind=kind, iface=iface, warn=warn)
    return discovery.ask(
        context.db, portal, iface=iface, changes=changes, timeout=context.wait,
        lock=context.db_lock, warn=warn,
    )  # fmt: skip


def discovery_unsettled(
    context: Context, portal: Portal, changes: Changes
) -> tuple[bool, tuple[str, ...]]:
    """Return whether a portal has a discovery record, and which of its keys differ.

    Without a record, all keys differ. A secret in a file that others may read counts as different.
    """
    record = discovery.record_of(context.db, portal)
    if record is None:
        return False, tuple(changes)
    data = read_file(record.path) or b""
    return True, keys_that_differ(data.decode("utf-8", "surrogateescape"), record.mode, changes)


def defaults_unsettled(context: Context, changes: Changes) -> tuple[str, ...]:
    """Return the keys of iscsid.conf that differ from the requested values.

    A secret counts as different while others may read the file; writing it again makes the file
    0600.
    """
    path = discovery.defaults_path(context.root)
    text = (read_file(path) or b"").decode("utf-8", "surrogateescape")
    open_ = path.exists() and path.stat().st_mode & 0o077
    return tuple(
        key
        for key, value in changes.items()
        if (open_ and isinstance(value, Secret)) or edit_conf(text, {key: value}) != text
    )
