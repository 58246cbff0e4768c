"""Observe what an attach or a detach depends on, as frozen facts for the planner."""

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from iscsictl.errors import IscsictlError, UnreachableError
from iscsictl.errors.silent_portals import hint_for_silent_portals
from iscsictl.lazy_import import lazy_import
from iscsictl.limits import PORTAL_WAIT, UDEV_LINK_WAIT
from iscsictl.model.disk_content import Content
from iscsictl.model.fstab import Fstab
from iscsictl.model.host_index import HostIndex
from iscsictl.model.inventory import (
    DiscoveredTarget,
    DiskUsage,
    Inventory,
    Known,
    MountPointState,
    NotObserved,
    Observation,
    ReadFailed,
    observe_value,
)
from iscsictl.model.listing import Disk, Session, blocks, mount_paths
from iscsictl.model.names import DEFAULT_IFACE, Portal
from iscsictl.model.reservation import LunReservations
from iscsictl.model.spec import AttachSpec, DetachRequest
from iscsictl.observers.disk_content import probe_content
from iscsictl.observers.host_facts import read_host_facts
from iscsictl.observers.multipath import observe_access, read_silent_usage
from iscsictl.observers.record_changes import find_unsettled
from iscsictl.observers.reservations import exclusive_disks, observe_reservations
from iscsictl.planner.attach.attach import values_for_record
from iscsictl.planner.attach.multipath import choose_paths, is_being_mapped, without_silent_paths
from iscsictl.planner.selection.paths import recorded_portals, sound_records
from iscsictl.planner.selection.session_index import SessionIndex
from iscsictl.system.block import multipath_conf, probe, scsi_commands
from iscsictl.system.context import Context
from iscsictl.system.io import journal, signals
from iscsictl.system.io.host_lock import take_turn
from iscsictl.system.iscsi import holds, iscsiadm, nodedb, portal_probe
from iscsictl.system.iscsi.sessions import read_listing
from iscsictl.system.mount import fstab_file, mounts, reserve_unit_file, usage

if TYPE_CHECKING:
    from iscsictl.observers import entries
    from iscsictl.planner.selection import luns
else:
    # For detach; of an attach, only --wipe needs the first.
    entries = lazy_import("iscsictl.observers.entries")
    luns = lazy_import("iscsictl.planner.selection.luns")

UDEV_PAUSE = 0.1


def observe_for_attach(context: Context, spec: AttachSpec, before: Inventory | None) -> Inventory:
    """Observe everything that an attach depends on; the array's answers of `before` are kept.

    `before` is the inventory of the previous round, None in the first. Raises NotFoundError for an
    interface that is not defined, and IscsictlError if records or fstab cannot be read.
    """
    mounts_wanted = frozenset(filter(None, [spec.mount]))
    return observe_lun(context, spec, observe_host(context, mounts_wanted), before)


def observe_host(context: Context, mount_points: frozenset[str]) -> Inventory:
    """Observe what is the same for every LUN of this host.

    udev gets time to examine a filesystem that has just been created and mounted on one of these
    mount points.
    """
    deadline = time.monotonic() + min(UDEV_LINK_WAIT, context.wait)
    while True:
        host = _read_host(context)
        devices = [block for disk in host.disks for block in blocks(disk.block)]
        mounted = (b for b in devices if mount_points & {m.path for m in b.mounts})
        # A disk that udev is just examining has neither, and would look unformatted.
        if all(block.fstype and block.uuid for block in mounted) or time.monotonic() > deadline:
            # Always of this machine, like the directories that may become mount points.
            return replace(host, mounted=mounts.mounted_sources())
        signals.check()
        time.sleep(UDEV_PAUSE)


def observe_lun(
    context: Context, spec: AttachSpec, host: Inventory, before: Inventory | None
) -> Inventory:
    """Observe what one attach depends on besides its `host`: array, disk and mount point.

    `before` is as for `observe_for_attach`. If an array or a disk does not answer, the inventory
    has a ReadFailed, which the plan reports. The disk is probed only when all of its paths exist.
    For an exclusive volume, raises what `require_program` raises.
    """
    for iface in spec.ifaces:
        nodedb.require_iface(context.db, iface)
    if spec.exclusive:
        reserve_unit_file.require_program(context.root)
    offers: Observation[tuple[DiscoveredTarget, ...]] = NotObserved()
    silent: Mapping[Portal, str] = {}
    facts = host.host.multipath
    if before is not None:
        offers, silent = before.offers, before.silent
    else:
        offers, silent = _ask_array(context, spec, host)
    target = spec.target or _only_target(offers)
    sessions = tuple(s for s in host.index.sessions(target) if s.status == "up")
    inventory = replace(
        host,
        offers=offers,
        silent=silent,
        luns=_read_reported_luns(spec, sessions),
        place=_observe_mount_point(spec, host),
        open_iscsi=context.open_iscsi,
    )
    inventory = observe_access(inventory, target, spec.lun)
    try:
        # Without a map, nothing that multipathd does not know yet is worth waiting for.
        wait = context.wait if choose_paths(inventory, spec).mapped and sessions else 0.0
        # A caller that waits must not get the answer of one that does not.
        asked = ("multipathd", wait > 0)
        known = context.coalesce(asked, lambda: multipath_conf.ask_daemon(facts, wait))
        inventory = replace(inventory, host=replace(host.host, multipath=known))
        choice = choose_paths(inventory, spec)
    except IscsictlError:
        return inventory  # The plan will be refused for the same reason.
    unsettled = observe_unsettled(host, spec, target, multipath=choice.several)
    inventory = replace(
        inventory, unsettled=unsettled, usage=read_silent_usage(context, inventory, target)
    )
    if choice.mapped and sessions and is_being_mapped(inventory, spec):
        return inventory  # The disk is read once, when its map has all paths.
    read, _ = without_silent_paths(inventory, target)
    meant = _meant_disks(spec, read.index, sessions)
    if spec.consent.wipe is not None:
        inventory = entries.observe_entries(inventory, "", context.root)
    contents = _probe_unmounted_disks(context, spec, meant)
    reservations = _reservations(context, spec, meant, contents, host.fstab)
    return replace(inventory, contents=contents, reservations=reservations)


def observe_for_export(root: Path) -> tuple[Inventory, dict[str, MountPointState]]:
    """Observe everything that a file of volumes describes, and the roots of our mounts.

    No disk is read; those of exclusive volumes are asked who has reserved them. A mount point that
    cannot be read is left out.
    """
    host = _read_host(Context(root=root))
    reserved = observe_reservations(exclusive_disks(host.fstab, host.disks), root)
    host = replace(host, reservations=reserved)
    places = {}
    mounted = mounts.mounted_sources(root)
    for line in host.fstab.ours:
        if line.mount_point is not None:
            with contextlib.suppress(IscsictlError):
                places[line.mount_point] = mounts.read_mount_point(line.mount_point, mounted)
    return host, places


def _read_host(context: Context) -> Inventory:
    """Read records, sessions, disks, fstab and holds, each once."""
    root = context.root
    records, listing = nodedb.read_records(context.db), read_listing(root, details=False)
    return Inventory(
        records,
        listing.sessions,
        listing.disks or (),
        fstab_file.read_fstab(root),
        host=read_host_facts(root),
        holds=holds.read_holds(root),
    )


def observe_for_detach(
    context: Context, spec: DetachRequest, before: Inventory | None
) -> Inventory:
    """Observe everything that a detach depends on. A dead array is not accessed: that could hang.

    Open files are searched on disks that answer, or that are to be given up (`--lost`). Raises
    NotFoundError if the name matches several LUNs; if it matches nothing, the journal shows whether
    it was detached earlier. With `before`, an earlier round of this run has detached it.
    """
    root = context.root
    listing = read_listing(root, details=False)
    inventory = Inventory(
        nodedb.read_records(context.db),
        listing.sessions,
        listing.disks or (),
        fstab_file.read_fstab(root),
        host=read_host_facts(root),
    )
    alive = {s.sid for s in listing.sessions if s.status == "up"}
    inventory = entries.observe_entries(inventory, spec.name, root)
    found = luns.find(inventory, spec.name, spec.lun)
    if not found:
        known = before is not None or journal.mentions(spec.name, root)
        return replace(inventory, in_journal=known or _is_left_empty(spec.name, root))
    targets = {meant.target for meant in found}
    sids = {s.sid for s in listing.sessions if s.target in targets}
    named = {id(meant.disk) for meant in found}
    asked = [
        meant.disk
        for meant in found
        if meant.disk is not None and _has_live_session(meant.disk, alive)
    ]
    scan = usage.UsageScan(root)
    used: dict[str, DiskUsage] = {}
    # Also the other disks of the target: the session stays while one of them is in use.
    for disk in inventory.disks:
        if id(disk) in named or any(path.sid in sids for path in disk.paths):
            answers = _has_live_session(disk, alive)
            inside = id(disk) in named and (answers or spec.consent.lost is not None)
            own = usage.disk_usage(disk, root, open_files=inside, answers=answers, scan=scan)
            device = disk.block.device
            used[device] = own.joined_with(used.get(device))
    paths = (line.mount_point for line in inventory.fstab.ours)
    stranded = mounts.find_stranded((path for path in paths if path is not None), root)
    reservations = {} if spec.consent.lost else observe_reservations(asked, root)
    return replace(inventory, usage=used, stranded=stranded, reservations=reservations)


def _has_live_session(disk: Disk, alive: set[int | None]) -> bool:
    """Return whether a session to the disk is up; `alive` are the ids of those that are."""
    return any(path.sid in alive for path in disk.paths)


def _is_left_empty(name: str, root: Path) -> bool:
    """Return whether a name is an empty directory, such as the mount point that a detach leaves.

    A power failure right after a detach can lose its lines in the journal; the directory stays, and
    running the same command again must succeed.
    """
    try:
        return name.startswith("/") and not any((root / name.lstrip("/")).iterdir())
    except OSError:
        return False


def _session_to_target(host: Inventory, spec: AttachSpec) -> Session | None:
    """Return a session to the target through a record with a portal of the spec, or None."""
    index = SessionIndex.of(host)
    sessions = (
        index.session_of(record)
        for record in sound_records(host.index, spec)
        if any(record.portal.same_place(p) for p in spec.portals)
    )
    return next((session for session in sessions if session is not None), None)


def _only_target(offers: Observation[tuple[DiscoveredTarget, ...]]) -> str | None:
    names = {o.target for o in offers.value} if isinstance(offers, Known) else set()
    return names.pop() if len(names) == 1 else None


def _ask_array(
    context: Context,
    spec: AttachSpec,
    host: Inventory,
) -> tuple[Observation[tuple[DiscoveredTarget, ...]], Mapping[Portal, str]]:
    """Ask portals for their targets if the records do not suffice, and find silent portals.

    For one path a session or a record is enough. For a map, all portals must be known: those of the
    records, if there are several or one is in use, otherwise those that the array announces.
    """
    own = sound_records(host.index, spec)
    recorded = recorded_portals(host.index, spec)
    session = _session_to_target(host, spec)
    if recorded and not all(record.over_tcp for record in own):
        # An offload adapter has its own TCP: what the host can reach proves nothing about it.
        return NotObserved(), {}
    all_paths = host.host.multipath.installed and spec.multipath != "off"
    if session is not None and not (all_paths and session.status == "up"):
        return NotObserved(), {}
    wait = min(PORTAL_WAIT, context.wait)
    # Each portal once: a silent one costs the whole wait.
    portals = tuple(dict.fromkeys((*recorded, *(r.portal for r in own)))) if all_paths else recorded
    if recorded and not all_paths:
        return NotObserved(), _find_silent_portals(context, recorded, wait)
    missing = [p for p in spec.portals if not any(p.same_place(r.portal) for r in own)]
    entries = (line for line in host.fstab.ours if not line.is_claim)
    attached = not spec.mount or any(line.target == spec.target for line in entries)
    if session is not None and attached and not missing and len(portals) == len(spec.ifaces) == 1:
        # Its only path; the session of an attach that was stopped may be that of a boot.
        return NotObserved(), {}
    index = SessionIndex.of(host)
    used = {r.portal for r in own if index.session_of(r) is not None}
    if recorded and not missing and (len(portals) > 1 or len(spec.ifaces) > 1):
        return NotObserved(), _find_silent_portals(
            context, [p for p in portals if p not in used], wait
        )
    offers, silent = _discover_targets(
        context, spec, missing if missing and recorded else spec.portals
    )
    if isinstance(offers, ReadFailed) and recorded:
        # It is another portal of a target with records: their paths suffice.
        offers = NotObserved()
    return offers, {
        **silent,
        **_find_silent_portals(context, [p for p in portals if p not in used], wait),
    }


def _discover_targets(
    context: Context, spec: AttachSpec, portals: Sequence[Portal]
) -> tuple[Observation[tuple[DiscoveredTarget, ...]], Mapping[Portal, str]]:
    """Ask the first portal that answers for its targets, and test the portals that it names."""
    wait = min(PORTAL_WAIT, context.wait)
    silent = dict(_find_silent_portals(context, portals, wait))
    answering = [p for p in portals if p not in silent]
    if not answering:
        reasons = "; ".join(f"{p}: {why}" for p, why in silent.items())
        error = UnreachableError(
            f"the array does not answer ({reasons})",
            hint=hint_for_silent_portals(silent.values()),
        )
        return ReadFailed(error), silent
    iface = spec.ifaces[0]
    offers = observe_value(
        lambda: context.memoize(
            ("offers", answering[0], iface),
            lambda: _ask_in_turn(context, answering[0], iface),
        )
    )
    if not isinstance(offers, Known):
        return offers, silent
    offers = Known(tuple(replace(offer, named_by=answering[0]) for offer in offers.value))
    wanted = [o.portal for o in offers.value if spec.target in {None, o.target}]
    places = {(p.address, p.port) for p in answering}
    others = [p for p in wanted if (p.address, p.port) not in places]
    # One path is enough, and the portal that just answered is one.
    if len(others) < len(wanted) and spec.multipath == "off" and not silent:
        return offers, silent
    return offers, {**silent, **_find_silent_portals(context, others, wait)}


def _ask_in_turn(context: Context, portal: Portal, iface: str) -> tuple[DiscoveredTarget, ...]:
    """Ask a portal for its targets, or use the answer to a request begun after our call.

    Every discovery session of a host has the same name and ISID. A target ends the earlier one when
    the next one logs in (session reinstatement, RFC 7143, section 6.3.5), so several runs take
    turns.
    """
    if context.scope is None:
        return iscsiadm.discover(portal, timeout=context.wait, iface=iface, warn=context.say)
    wanted = time.monotonic()
    through = "" if iface == DEFAULT_IFACE else f" through {iface}"
    doing = f"asking {portal} for its targets{through}"
    with take_turn(doing, context.wait, context.root) as turn:
        if turn.serves(wanted):
            return iscsiadm.parse_offers(turn.text)
        began = time.monotonic()
        offers = iscsiadm.discover(portal, timeout=context.wait, iface=iface, warn=context.say)
        turn.leave(began, iscsiadm.format_offers(offers))
        return offers


def _find_silent_portals(
    context: Context, some: Iterable[Portal], wait: float
) -> Mapping[Portal, str]:
    asked = tuple(dict.fromkeys(some))
    return context.memoize(("silent", asked), lambda: portal_probe.find_silent_portals(asked, wait))


def observe_unsettled(
    host: Inventory, spec: AttachSpec, target: str | None, *, multipath: bool | None
) -> dict[str, tuple[str, ...]]:
    """Return the keys whose values the attach must write to sound records of a target.

    The result is by the path of the record. `multipath` is as for `record_values`.
    """
    found: dict[str, tuple[str, ...]] = {}
    for record in sound_records(host.index, replace(spec, target=target)):
        values = values_for_record(host, spec, record, multipath=multipath)
        found |= find_unsettled([record], values)
    return found


def _read_reported_luns(
    spec: AttachSpec, sessions: tuple[Session, ...]
) -> dict[int, tuple[int, ...]]:
    """Ask each session's target which LUNs it shows, unless the spec names one."""
    if spec.lun is not None:
        return {}
    found = {}
    for session in sessions:
        device = next((u.device for u in session.luns or () if u.device), None)
        if device is None or session.sid is None:
            continue
        try:
            # Any LUN of the target can be asked: the answer is the same.
            with probe.opened(device, exclusive=False) as fd:
                found[session.sid] = scsi_commands.luns(fd)
        except IscsictlError:
            continue
    return found


def _meant_disks(spec: AttachSpec, index: HostIndex, sessions: tuple[Session, ...]) -> list[Disk]:
    """Return the disks that the spec may mean: LUNs of these sessions."""
    hctls = {(s.sid, u.hctl) for s in sessions for u in s.luns or () if spec.lun in {None, u.lun}}
    disks = {id(disk): disk for s in sessions for disk in index.disks_of_session(s.sid)}
    return [d for d in disks.values() if any((p.sid, p.hctl) in hctls for p in d.paths)]


def _reservations(
    context: Context,
    spec: AttachSpec,
    disks: Iterable[Disk],
    contents: Mapping[str, Observation[Content]],
    fstab: Fstab,
) -> dict[str, LunReservations]:
    """Return the reservations of probed disks, and of those that may be reserved by this host."""
    probed = {w: c.value.reservations for w, c in contents.items() if isinstance(c, Known)}
    mounted = [
        disk
        for disk in disks
        if disk.wwid not in contents
        and (spec.fs or spec.exclusive or fstab.is_exclusive(disk.wwid))
    ]
    return {**probed, **observe_reservations(mounted, context.root)}


def _probe_unmounted_disks(
    context: Context, spec: AttachSpec, disks: Iterable[Disk]
) -> dict[str, Observation[Content]]:
    """Probe these disks, except those that are mounted where the spec wants them."""
    contents: dict[str, Observation[Content]] = {}
    for disk in disks:
        # The plan refuses a disk without a WWID. A mounted one changes while it is read.
        wanted = spec.fs or spec.mount
        if disk.wwid is None or not wanted or spec.mount in mount_paths(disk.block):
            continue
        scan = context.coalesce("users", lambda: usage.UsageScan(context.root))
        used = usage.disk_usage(disk, context.root, scan=scan)
        contents[disk.wwid] = probe_content(
            context, disk.block.device, disk.wwid, used, full=spec.full_probe
        )
    return contents


def _observe_mount_point(spec: AttachSpec, host: Inventory) -> Observation[MountPointState]:
    directory = spec.mount
    return (
        NotObserved()
        if directory is None
        else observe_value(lambda: mounts.read_mount_point(directory, host.mounted))
    )
