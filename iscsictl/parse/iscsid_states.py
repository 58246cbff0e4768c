"""The states of sessions that sysfs does not have, from iscsid."""

from iscsictl.model.listing import Listing
from iscsictl.parse.capture import parse_capture
from iscsictl.parse.session_status import session_status


def with_internal_states(listing: Listing, answer: str) -> Listing:
    """Return the listing with the internal states that `iscsiadm -m session -P 1` printed.

    Sysfs does not have them, and iscsiadm asks iscsid. A session without an answer stays as it is.
    """
    told = {session.sid: session for session in parse_capture(answer).sessions}
    sessions = []
    for session in listing.sessions:
        asked = told.get(session.sid)
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
