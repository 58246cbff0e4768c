"""Which session belongs to which node record."""

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from iscsictl.model.host_index import HostIndex
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Session
from iscsictl.model.names import DEFAULT_IFACE, Portal
from iscsictl.model.record import NodeRecord


class SessionIndex:
    """Records and sessions by target, and the one rule that says which belong together.

    A session belongs to the record that it was logged in with: same target and interface, and the
    portal that was requested, which after a login redirect is not the current one (RFC 7143,
    11.13.5). Among records that differ only in the portal group tag, the session's tag decides.
    """

    def __init__(
        self,
        records: Iterable[NodeRecord],
        sessions: Iterable[Session],
        *,
        index: HostIndex | None = None,
    ) -> None:
        self._index = index or HostIndex(tuple(records), tuple(sessions))

    @classmethod
    def of(cls, inventory: Inventory) -> Self:
        """Return the index of an inventory; it reuses the one that the inventory has.

        So it may be requested wherever it is needed, even for each of many volumes.
        """
        return cls(inventory.records, inventory.sessions, index=inventory.index)

    def records(self, target: str) -> tuple[NodeRecord, ...]:
        """Return the records of a target."""
        return self._index.records(target)

    def sessions(self, target: str) -> tuple[Session, ...]:
        """Return the sessions to a target, through whichever portal and in whichever state.

        This includes sessions that are down or recovering.
        """
        return self._index.sessions(target)

    def record_for(self, target: str, portal: Portal, iface: str) -> NodeRecord:
        """Return the record with this key, or an empty one: a session can outlive its record."""
        for record in self._index.records(target):
            if record.iface == iface and record.portal == portal:
                return record
        return NodeRecord(path=Path(), target=target, portal=portal, iface=iface)

    def session_of(self, record: NodeRecord) -> Session | None:
        """Return the session that serves a record best, None where there is none."""
        return next(iter(self.sessions_serving(record)), None)

    def sessions_serving(self, record: NodeRecord) -> tuple[Session, ...]:
        """Return the sessions of a record, or those that make its own unnecessary.

        open-iscsi logs in to records with `node.leading_login` through one interface after the
        other until one succeeds (iscsiadm.c, __do_leading_login), so for them a session to the same
        portal through any interface counts.
        """
        sessions = self.sessions_of(record)
        if not sessions and record.leading_login:
            sessions = self._sessions_at(record)
        return sessions

    def sessions_of(self, record: NodeRecord) -> tuple[Session, ...]:
        """Return the sessions that were logged in with a record, the best match first.

        There can be several: `node.session.nr_sessions`.
        """
        return tuple(
            session
            for session in self._sessions_at(record)
            if (session.iface or DEFAULT_IFACE) == record.iface
        )

    def missing_sessions(self, record: NodeRecord) -> int:
        """Return how many of the sessions that a record asks for do not exist.

        It asks for one, or for `node.session.nr_sessions`. A record with `node.leading_login`
        misses none while any interface has a session to its portal.
        """
        there = len(self.sessions_of(record))
        if there == 0 and self.session_of(record) is not None:
            return 0
        return max(0, record.session_count - there)

    def _sessions_at(self, record: NodeRecord) -> tuple[Session, ...]:
        """Return the sessions to the portal of a record, through any interface."""
        exact, others = [], []
        has_sibling = self.differs_only_in_tpgt(record)
        for session in self._index.sessions(record.target):
            portal = session.requested_portal
            if portal is None or not portal.same_place(record.portal):
                continue
            if portal.tpgt == record.portal.tpgt:
                exact.append(session)
            elif not has_sibling or portal.matches(record.portal):
                others.append(session)
        return (*exact, *others)

    def differs_only_in_tpgt(self, record: NodeRecord) -> bool:
        """Tell whether another record differs from this one only in the portal group tag.

        Such records have the same address, port and interface; commands have to name the tag to
        choose one.
        """
        return any(
            other.iface == record.iface
            and other.portal != record.portal
            and other.portal.same_place(record.portal)
            for other in self._index.records(record.target)
        )

    def subject_of(self, record: NodeRecord) -> str:
        """Return the name of a record in a step.

        It has the portal group tag if another record differs only in that, and the interface unless
        it is the default one. The name has to be the same in each plan, because it is part of the
        step's id.
        """
        tag = f",{record.portal.tpgt}" if self.differs_only_in_tpgt(record) else ""
        suffix = "" if record.iface == DEFAULT_IFACE else f" [{record.iface}]"
        return f"{record.target} {record.portal}{tag}{suffix}"
