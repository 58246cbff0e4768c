"""Compare the number of sessions with the number wanted, by the rules of `reconnect`."""

from iscsictl.model.inventory import Inventory
from iscsictl.model.metrics import SessionCount, SessionLabels
from iscsictl.model.names import DEFAULT_IFACE
from iscsictl.planner.attach.reconnect import wanted_records
from iscsictl.planner.selection.session_index import SessionIndex


def count_sessions(
    inventory: Inventory,
) -> tuple[tuple[SessionCount, ...], dict[int | None, SessionLabels]]:
    """Return the counts by record, and the labels of each session by its id.

    Sessions that are on hold, or that neither the boot nor an fstab entry needs, are not wanted. A
    session without a record has the labels of the login that made it. The counts of records that
    differ only in the portal group tag are added up, since their labels are equal.
    """
    index = SessionIndex.of(inventory)
    wanted = {record.path for record in wanted_records(inventory)}
    labels_of: dict[int | None, SessionLabels] = {}
    counts: dict[SessionLabels, tuple[int, int]] = {}

    def add_to_counts(labels: SessionLabels, up: int, missing: int) -> None:
        before = counts.get(labels, (0, 0))
        counts[labels] = before[0] + up, before[1] + missing

    for record in inventory.records:
        labels = SessionLabels(record.target, str(record.portal), record.iface)
        there = [s for s in index.sessions_of(record) if s.sid not in labels_of]
        number = 0
        if record.path in wanted:
            # With node.leading_login a session through another interface is enough.
            number = min(record.session_count, len(there) + index.missing_sessions(record))
        labels_of.update((session.sid, labels) for session in there)
        if there or number:
            add_to_counts(labels, sum(session.status == "up" for session in there), number)
    for session in inventory.sessions:
        if session.sid not in labels_of:
            portal = str(session.requested_portal or "")
            labels = SessionLabels(session.target, portal, session.iface or DEFAULT_IFACE)
            labels_of[session.sid] = labels
            add_to_counts(labels, int(session.status == "up"), 0)
    found = tuple(SessionCount(labels, *numbers) for labels, numbers in counts.items())
    return found, labels_of
