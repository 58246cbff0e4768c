"""Which records and sessions a command means, and which belong together."""

from collections import defaultdict
from dataclasses import dataclass, replace

from iscsictl.errors import NotFoundError, RefusedError
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Session
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord
from iscsictl.planner.selection.names import resolve


@dataclass(frozen=True)
class Choice:
    """Which records or sessions a command is about; None takes all there are.

    On a terminal (`interactive`) a part of the target's name will do.
    """

    target: str | None = None
    portal: Portal | None = None
    iface: str | None = None
    interactive: bool = False

    def fits(self, target: str, portal: Portal | None, iface: str | None) -> bool:
        """Tell whether these are meant; a portal group tag counts where both sides know it."""
        if self.target not in {None, target} or self.iface not in {None, iface or "default"}:
            return False
        if self.portal is None:
            return True
        if portal is None or not self.portal.same_place(portal):
            return False
        return self.portal.tpgt is None or portal.tpgt in {None, self.portal.tpgt}

    def exact(self, inventory: Inventory) -> "Choice":
        """Return the choice with the target's whole name. Raises NotFoundError."""
        if self.target is None:
            return self
        known = {record.target for record in inventory.records}
        known |= {session.target for session in inventory.sessions}
        return replace(self, target=resolve(self.target, known, self.interactive))

    @property
    def words(self) -> str:
        """How an error names what was asked for."""
        parts = [
            self.target or "",
            f"portal {self.portal}" if self.portal else "",
            f"iface {self.iface}" if self.iface else "",
        ]
        return ", ".join(part for part in parts if part) or "any target"


def subject_of(record: NodeRecord, records: tuple[NodeRecord, ...]) -> str:
    """Name a record in a step: with its portal group tag where only that tells it apart."""
    tag = "" if not records_differing_only_in_tpgt(record, records) else f",{record.portal.tpgt}"
    suffix = "" if record.iface == "default" else f" [{record.iface}]"
    return f"{record.target} {record.portal}{tag}{suffix}"


def records_differing_only_in_tpgt(record: NodeRecord, records: tuple[NodeRecord, ...]) -> bool:
    """Tell whether another record differs from this one in the portal group tag alone."""
    return any(
        other.target == record.target
        and other.iface == record.iface
        and other.portal != record.portal
        and other.portal.same_place(record.portal)
        for other in records
    )


def session_at(
    sessions: tuple[Session, ...], target: str, portal: Portal, iface: str
) -> Session | None:
    """Return the session that was asked for there; of several the one with the portal's tag."""
    fitting = [
        session
        for session in sessions
        if session.target == target
        and (session.iface or "default") == iface
        and (asked := session.persistent_portal or session.portal) is not None
        and asked.same_place(portal)
    ]
    fitting.sort(key=lambda s: (s.persistent_portal or s.portal) != portal)
    return fitting[0] if fitting else None


def led(sessions: tuple[Session, ...], record: NodeRecord) -> Session | None:
    """Return a session, through any iface, that does for a record with `node.leading_login`.

    open-iscsi logs in to such a portal through one iface after the other until one succeeds
    (iscsiadm.c, __do_leading_login).
    """
    if record.values.get("node.leading_login") != "Yes":
        return None
    return next(
        (
            session
            for session in sessions
            if session.target == record.target
            and (asked := session.persistent_portal or session.portal) is not None
            and asked.same_place(record.portal)
        ),
        None,
    )


def session_for(record: NodeRecord, inventory: Inventory) -> Session | None:
    """Return the session of a record: by target, portal asked for, iface; the tag among twins."""
    found = session_at(inventory.sessions, record.target, record.portal, record.iface)
    if found is None or not records_differing_only_in_tpgt(record, inventory.records):
        return found
    asked = found.persistent_portal or found.portal
    return found if asked is not None and asked.tpgt == record.portal.tpgt else None


def chosen_records(inventory: Inventory, choice: Choice) -> tuple[NodeRecord, ...]:
    """Return the records that are meant. Raises NotFoundError if there are none."""
    choice = choice.exact(inventory)
    found = tuple(r for r in inventory.records if choice.fits(r.target, r.portal, r.iface))
    if not found:
        address = choice.portal or "ADDRESS"
        raise NotFoundError(
            f"there is no node record of {choice.words}",
            hint=f"make one: iscsictl discover {address} --save",
        )
    return found


def torn_error(record: NodeRecord) -> RefusedError:
    """Return the error for a record that cannot be used."""
    tag = "" if record.portal.tpgt is None else f",{record.portal.tpgt}"
    return RefusedError(
        f"the record {record.path} {record.problem}",
        hint="remove it and discover again: iscsictl forget "
        f"{record.target} -p {record.portal}{tag} -I {record.iface}",
    )


class Pairs:
    """An index of records and sessions by target."""

    def __init__(self, records: tuple[NodeRecord, ...], sessions: tuple[Session, ...]) -> None:
        self._records: dict[str, tuple[NodeRecord, ...]] = defaultdict(tuple)
        self._sessions: dict[str, tuple[Session, ...]] = defaultdict(tuple)
        for record in records:
            self._records[record.target] += (record,)
        for session in sessions:
            self._sessions[session.target] += (session,)

    def records(self, target: str) -> tuple[NodeRecord, ...]:
        """Return the records of a target."""
        return self._records.get(target, ())

    def sessions(self, target: str) -> tuple[Session, ...]:
        """Return the sessions to a target."""
        return self._sessions.get(target, ())

    def session(self, record: NodeRecord) -> Session | None:
        """Return the session of a record; by the portal group tag where only that tells apart.

        For a record with a leading login that of another iface does too.
        """
        sessions = self.sessions(record.target)
        found = session_at(sessions, record.target, record.portal, record.iface)
        if found is None:
            return led(sessions, record)
        if not records_differing_only_in_tpgt(record, self.records(record.target)):
            return found
        asked = found.persistent_portal or found.portal
        return found if asked is not None and asked.tpgt == record.portal.tpgt else None
