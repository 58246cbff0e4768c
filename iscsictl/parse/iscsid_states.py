"""The states of sessions that only iscsid has, not sysfs."""

from iscsictl.model.listing import Listing
from iscsictl.parse.capture import parse_capture
from iscsictl.parse.session_status import session_status


def with_internal_states(listing: Listing, answer: str) -> Listing:
    """Return the listing with the internal states that `iscsiadm -m session -P 1` printed.

    sysfs does not have them; iscsiadm asks iscsid. A session without an answer is unchanged.
    """
    answers = {session.sid: session for session in parse_capture(answer).sessions}
    sessions = []
    for session in listing.sessions:
        asked = answers.get(session.sid)
        if asked is not None and asked.internal_state not in {None, "Unknown"}:
            connection = session.connection_state or asked.connection_state
            state = asked.internal_state
            sessions.append(
                session._replace(
                    internal_state=state,
                    connection_state=connection,
                    status=session_status(session.session_state, connection, state),
                )
            )
        else:
            sessions.append(session)
    return listing._replace(sessions=tuple(sessions))
