"""Plan what `prune` removes: sessions and records of targets that are proved to be gone.

The proof is an answer: every portal at which this host knows the target lists other targets, and
not this one. A silent portal, a refusal and an empty list prove nothing: an array that was switched
off, or that removed this host from an access list, looks just like that.

With a target, the claims on its disks are removed, and so is what nothing refers to: links and
discovery records without node records, and multipath maps without paths.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from iscsictl.errors import NotFoundError
from iscsictl.model import actions
from iscsictl.model.fstab import Fstab, FstabLine
from iscsictl.model.grouping import group_by_keys
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Disk, Session
from iscsictl.model.names import DEFAULT_IFACE, Portal
from iscsictl.model.plan import Plan
from iscsictl.model.record import DiscoveryLink, DiscoveryRecord, NodeRecord
from iscsictl.planner.builder import PlanBuilder
from iscsictl.planner.selection.session_index import SessionIndex

#: A portal and the interface that it is asked through: an array may answer each differently.
Asked = tuple[tuple[str, int], str]


@dataclass(frozen=True)
class PruneFacts(Inventory):
    """An inventory with what the portals say.

    `offered` are the targets that each portal lists for this host; a portal that was silent or
    refused is missing. `down_for` is for how many seconds, at least, a session has been down, by
    its number. `boot_targets` are those that the host boots from, `fstab_targets` those behind
    entries of its fstab and crypttab other than claims. `discoveries` and `links` are the
    SendTargets records and what they lead to. `empty_maps` are multipath maps without a path,
    `fstab_disks` the names of all disks that those entries lead to.
    """

    offered: Mapping[Asked, frozenset[str]] = field(default_factory=dict)
    down_for: Mapping[int, float] = field(default_factory=dict)
    boot_targets: frozenset[str] = frozenset()
    fstab_targets: frozenset[str] = frozenset()
    discoveries: tuple[DiscoveryRecord, ...] = ()
    links: tuple[DiscoveryLink, ...] = ()
    empty_maps: tuple[Disk, ...] = ()
    fstab_disks: frozenset[str] = frozenset()


def without_claims(fstab: Fstab) -> Fstab:
    """Return the entries that mount something: a claim keeps no target from being removed."""
    return Fstab(tuple(line for line in fstab.lines if not line.is_claim), fstab.newline)


def leftovers_to_ask(
    discoveries: Iterable[DiscoveryRecord], links: Iterable[DiscoveryLink]
) -> dict[Asked, Portal]:
    """Return the portals of links and discovery records that lead to no node record any more."""
    links = tuple(links)
    in_use = {link.path.parent for link in links if link.leads_to_record}
    portals = [
        record.portal
        for record in discoveries
        if record.problem is None and record.path.parent not in in_use
    ]
    portals += [one.portal for one in links if one.portal is not None and not one.leads_to_record]
    return {(portal.place, DEFAULT_IFACE): portal for portal in portals}


def portals_to_ask(
    records: Iterable[NodeRecord], sessions: Iterable[Session], names: Collection[str] = ()
) -> dict[str, dict[Asked, Portal]]:
    """Return where each target without a working session is known, with the portals to query.

    Addresses that no host can reach are left out; a target that has only such addresses is not
    returned. `names` restricts the targets.
    """
    sessions = tuple(sessions)
    alive = {session.target for session in sessions if session.status == "up"}
    found: dict[str, dict[Asked, Portal]] = {}
    places = [(r.target, r.portal, r.iface) for r in records if r.problem is None]
    places += [
        (s.target, portal, s.iface or DEFAULT_IFACE)
        for s in sessions
        if (portal := s.requested_portal) is not None
    ]
    for target, portal, iface in places:
        if target not in alive and portal.unreachable is None and (not names or target in names):
            found.setdefault(target, {})[portal.place, iface] = portal
    return found


def plan_prune(facts: PruneFacts, *, seconds: float, names: Collection[str] = ()) -> Plan:
    """Return the steps that remove what is gone; `names` restricts the targets.

    A session is removed once it has been down for `seconds`, and its records after it.
    """
    index = SessionIndex.of(facts)
    known = {r.target for r in facts.records} | {s.target for s in facts.sessions}
    for name in names:
        if name not in known:
            return Plan(
                refusal=NotFoundError(
                    f"there is no record and no session of {name}", hint="iscsictl nodes"
                )
            )
    plan = PlanBuilder(independent=True)
    gone: dict[str, list[str]] = {}
    claims = group_by_keys(
        (line for line in facts.fstab.ours if line.is_claim), lambda line: (line.target,)
    )
    offered = frozenset[str]().union(*facts.offered.values())
    for target, asked in sorted(portals_to_ask(facts.records, facts.sessions, names).items()):
        # It is gone where all its portals answer with others, and no portal at all lists it. Of
        # what is not proved to be gone nothing is said either.
        if target in offered or not all(facts.offered.get(place) for place in asked):
            continue
        reason = _reason_to_keep(target, facts, index.sessions(target), seconds)
        if reason is not None:
            plan.notes.append(f"{target} is no longer offered, but kept: {reason}")
            continue
        ended = list(_end_sessions(plan, index.sessions(target)))
        # Before the records: without them, no later run would ask for the target of a claim.
        dropped = [
            _drop_claim(plan, line, ended)
            for line in claims.get(target, ())
            if not _is_shown_by_another(line, facts)
        ]
        gone[target] = [
            plan.add(
                actions.DeleteRecord(target, record.portal, record.iface, direct=True),
                index.subject_of(record),
                "no portal offers the target",
                after=[*ended, *dropped],
            )
            for record in index.records(target)
            if record.problem is None
        ]
    if not names:
        _drop_links(plan, facts)
        _drop_discoveries(plan, facts, gone)
        _drop_empty_maps(plan, facts)
    return plan.build()


def _is_shown_by_another(line: FstabLine, facts: PruneFacts) -> bool:
    """Return whether another target than that of a claim shows its disk."""
    sids = (p.sid for disk in facts.index.disks_with_wwid(line.making) for p in disk.paths)
    sessions = (session for sid in sids for session in facts.index.sessions_with_sid(sid))
    return any(session.target != line.target for session in sessions)


def _drop_claim(plan: PlanBuilder, line: FstabLine, ended: Collection[str]) -> str:
    subject = f"UUID={line.uuid} on {line.making}"
    return plan.add(
        actions.DropFstab(line), subject, "the target of the claim is gone", after=ended
    )


def _drop_links(plan: PlanBuilder, facts: PruneFacts) -> None:
    """Drop links that lead to no record, if their portal answers; a silent one proves nothing."""
    for link in facts.links:
        place = (link.portal.place, DEFAULT_IFACE) if link.portal is not None else None
        if not link.leads_to_record and place is not None and facts.offered.get(place):
            unlink = actions.RemoveLink(link.path)
            plan.add(unlink, str(link.path), "it points to no record")


def _drop_discoveries(
    plan: PlanBuilder, facts: PruneFacts, gone: Mapping[str, Collection[str]]
) -> None:
    """Drop discovery records whose portal answered, but offers no target that is recorded here.

    iscsiadm deletes the node records of a discovery record with it, so none may be left. A
    discovery record with a CHAP secret, or one that iscsid queries by itself, is an admin's setting
    and stays.
    """
    kept = [record for record in facts.records if record.target not in gone]
    targets = {record.target for record in kept} | {session.target for session in facts.sessions}
    places = {record.portal.place for record in kept}
    links = group_by_keys(
        (link for link in facts.links if link.leads_to_record), lambda link: (link.path.parent,)
    )
    for record in facts.discoveries:
        offered = facts.offered.get((record.portal.place, DEFAULT_IFACE))
        if (
            record.problem is not None
            or not offered
            or offered & targets
            or record.portal.place in places
        ):
            continue
        below = links.get(record.path.parent, ())
        if any(link.target not in gone for link in below):
            continue
        if record.has_secret or record.asked_by_iscsid:
            why = "it has a CHAP secret" if record.has_secret else "iscsid asks it periodically"
            plan.notes.append(f"no record came from the discovery at {record.portal}, kept: {why}")
            continue
        plan.add(
            actions.DeleteDiscovery(record.portal),
            str(record.portal),
            "no record came from it",
            after=[step for link in below for step in gone[link.target]],
        )


def _drop_empty_maps(plan: PlanBuilder, facts: PruneFacts) -> None:
    for disk in facts.empty_maps:
        device = disk.block.device
        name = disk.wwid or device
        used = facts.usage_of(disk)
        if (used is not None and used.holders) or {name, device} & facts.fstab_disks:
            continue
        disk_id = actions.DiskId("", 0, disk.wwid or "", device)
        plan.add(actions.RemoveMap(disk_id), device, "it has no path left")


def _reason_to_keep(
    target: str, facts: PruneFacts, sessions: Collection[Session], seconds: float
) -> str | None:
    """Return why a target stays although the array no longer offers it; None for no reason."""
    if target in facts.boot_targets:
        return "the machine boots from it"
    if target in facts.fstab_targets:
        return "/etc/fstab has an entry for it"
    if facts.holds_on(target):
        return "it is on hold"
    for disk in (disk for one in sessions for disk in facts.index.disks_of_session(one.sid)):
        used = facts.usage_of(disk)
        if used is not None and used.holders:
            return f"{disk.block.device} is in use: {', '.join(used.holders)}"
    for session in sessions:
        openers = facts.open_devices.get(session.sid or 0)
        if openers:
            return f"a device of it is in use: {', '.join(openers)}"
        if facts.down_for.get(session.sid or 0, 0.0) < seconds:
            return f"its session is not known to have been down for {seconds:.0f} s"
    return None


def _end_sessions(plan: PlanBuilder, sessions: Iterable[Session]) -> Iterator[str]:
    for session in sessions:
        portal = session.requested_portal or Portal("?")
        iface = session.iface or DEFAULT_IFACE
        logout = actions.Logout(session.target, portal, iface, sid=session.sid)
        yield plan.add(
            logout, f"{session.target} {portal} session {session.sid}", "the target is gone"
        )
