"""Which session belongs to which record, found quickly where there are many of both."""

from collections import defaultdict

from iscsictl.model.listing import Session
from iscsictl.model.record import NodeRecord
from iscsictl.planner.selection.records import led, session_at, twins


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
        if not twins(record, self.records(record.target)):
            return found
        asked = found.persistent_portal or found.portal
        return found if asked is not None and asked.tpgt == record.portal.tpgt else None
