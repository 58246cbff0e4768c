"""Plan what `prune` removes: sessions and records of targets that are proved to be gone.

The proof is an answer: every portal at which this host knows the target lists other targets, and
not this one. A silent portal, one that refuses and an empty list prove nothing: that is what an
array looks like that was switched off, or that struck this host from an access list.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from iscsictl.errors import NotFoundError
from iscsictl.model import actions
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Session
from iscsictl.model.names import DEFAULT_IFACE, Portal
from iscsictl.model.plan import Plan
from iscsictl.model.record import NodeRecord
from iscsictl.planner.builder import PlanBuilder
from iscsictl.planner.selection.session_index import SessionIndex

#: A portal and the interface that it is asked through: an array may answer each differently.
Asked = tuple[tuple[str, int], str]


@dataclass(frozen=True)
class PruneFacts(Inventory):
    """An inventory with what the portals say.

    `offered` are the targets that each portal lists for this host; one that was silent or refused
    is not there. `down_for` is how many seconds a session has been down at least, by its number.
    `boot_targets` are those that the host boots from, `fstab_targets` those behind its fstab.
    """

    offered: Mapping[Asked, frozenset[str]] = field(default_factory=dict)
    down_for: Mapping[int, float] = field(default_factory=dict)
    boot_targets: frozenset[str] = frozenset()
    fstab_targets: frozenset[str] = frozenset()


def portals_to_ask(
    records: Iterable[NodeRecord], sessions: Iterable[Session], names: Collection[str] = ()
) -> dict[str, dict[Asked, Portal]]:
    """Return where each target is known without being logged in to, with a portal to name there.

    Addresses that no host can reach are left out; of a target that has only such ones nothing is
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

    A session goes once it has been down for `seconds`, and its records after it.
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
    for target, asked in sorted(portals_to_ask(facts.records, facts.sessions, names).items()):
        # Not proved to be gone, so nothing is said of it either.
        if not _is_gone(target, asked, facts.offered):
            continue
        reason = _why_kept(target, facts, index.sessions(target), seconds)
        if reason is not None:
            plan.notes.append(f"{target} is not offered any more, but kept: {reason}")
            continue
        ended = list(_end_sessions(plan, index.sessions(target)))
        for record in index.records(target):
            if record.problem is None:
                delete = actions.DeleteRecord(target, record.portal, record.iface, direct=True)
                plan.add(
                    delete, index.subject_of(record), "no portal offers the target", after=ended
                )
    return plan.build()


def _is_gone(
    target: str, asked: Mapping[Asked, Portal], offered: Mapping[Asked, frozenset[str]]
) -> bool:
    """Tell whether all portals of a target answered with others, and no portal at all lists it."""
    proved = all(offered.get(place) for place in asked)
    return proved and not any(target in names for names in offered.values())


def _why_kept(
    target: str, facts: PruneFacts, sessions: Collection[Session], seconds: float
) -> str | None:
    """Say why a target stays though it is gone from the array; None if nothing speaks for it."""
    if target in facts.boot_targets:
        return "the machine boots from it"
    if target in facts.fstab_targets:
        return "/etc/fstab has an entry for it"
    if any(hold.target == target for hold in facts.holds):
        return "it is on hold"
    sids = {session.sid for session in sessions}
    for disk in facts.disks:
        used = facts.usage.get(disk.wwid or disk.block.device)
        if used is not None and any(path.sid in sids for path in disk.paths):
            holders = (*(f"the mount on {path}" for path in used.mounts), *used.other_holders)
            if holders:
                return f"{disk.block.device} is in use: {', '.join(holders)}"
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
