"""Merge the outputs of one capture that show the same session."""

from collections import defaultdict
from typing import Any

from iscsictl.model.listing import Note, Session
from iscsictl.parse.found_sessions import FoundSessions
from iscsictl.parse.session_group import printed_status

# What changes while a session lives. The other values are those of its login, and the first one
# counts.
_CHANGING = (
    "connection_state", "session_state", "internal_state", "timeouts", "chap", "params", "host",
    "luns", "since", "errors",
)  # fmt: skip
_LASTING = (
    "target", "alias", "transport", "portal", "persistent_portal", "iface", "initiator",
    "initiator_address", "isid", "tsih",
)  # fmt: skip


_IDENTITY = ("target", "transport", "iface", "initiator", "initiator_address", "isid")


def merge_sessions(sessions: FoundSessions, warnings: list[Note]) -> list[Session]:
    """Merge sessions that are the same, at the position of the first.

    A later output adds what the first one lacks. If both contain the state, the LUNs or another
    value that can change, the later one counts, and a warning says so.
    """
    merged: list[Session] = []
    places: defaultdict[tuple[str, int | None], list[int]] = defaultdict(list)
    where: list[str | None] = []
    for index, (session, host) in enumerate(zip(sessions.found, sessions.hosts, strict=True)):
        key = session.source, session.sid
        for place in places[key]:
            if _may_be_equal(where[place], host) and _is_same_session(merged[place], session):
                merged[place], is_changed = _merge_later_output(merged[place], session)
                if is_changed:
                    warnings.append(sessions.note(_changed_text(session), index))
                where[place] = where[place] or host
                break
        else:
            places[key].append(len(merged))
            merged.append(session)
            where.append(host)
    return merged


def _may_be_equal(one: object, other: object) -> bool:
    """Return whether two values can belong to one session: they are equal, or one is unknown."""
    return one in (None, "") or other in (None, "") or one == other


def _is_same_session(one: Session, other: Session) -> bool:
    """Return whether two outputs show one session: no lasting value differs.

    A SID identifies a session on one host. Without it, the adapter's number (sfnet) or the portal
    (libiscsi) must be the same.
    """
    if not all(_may_be_equal(getattr(one, name), getattr(other, name)) for name in _IDENTITY):
        return False
    if not _same_portal(one, other):
        return False
    if one.source == "sfnet":
        return (
            one.host is not None and other.host is not None and one.host.number == other.host.number
        )
    return one.sid is not None or (one.source == "libiscsi" and one.portal == other.portal)


def _same_portal(one: Session, other: Session) -> bool:
    """Compare the portals that were asked for, else those in use; tags may be missing."""
    for name in ("persistent_portal", "portal"):
        first, second = getattr(one, name), getattr(other, name)
        if first is not None and second is not None:
            return bool(first.same_place(second))
    return True


def _changed_text(session: Session) -> str:
    number = f"session {session.sid}" if session.sid is not None else "a session"
    name = f" of {session.target}" if session.target else ""
    return f"{number}{name} is listed twice with different values; the later ones are used"


def _merge_later_output(first: Session, later: Session) -> tuple[Session, bool]:
    """Return the session, and whether the later output has other values of the first's fields."""
    changes: dict[str, Any] = {}
    differing = False
    for name in (*_LASTING, *_CHANGING):
        before, after = getattr(first, name), getattr(later, name)
        if after in (None, ""):
            continue
        if before in (None, "") or name in _CHANGING:
            changes[name] = after
            differing |= before not in (None, "", after)
    session = first._replace(**changes)
    if session.source == "iscsiadm":
        status = printed_status(
            session.session_state, session.connection_state, session.internal_state,
            session.transport,
        )  # fmt: skip
    else:
        status = first.status if later.status == "unknown" else later.status
    return session._replace(status=status), differing
