"""The status of a session in one word: up, recovering, down or unknown."""

from iscsictl.model.listing import Status

# Connection states while iscsid tries to log in again, and those of a connection that has ended.
_TRYING = ("IN LOGIN", "TRANSPORT WAIT")
_ENDED = ("FREE", "CLEANUP WAIT", "IN LOGOUT", "LOGOUT REQUESTED")
# iscsid's own states in which it does not try to recover the session.
_STOPPED = ("NO CHANGE", "CLEANUP")


def session_status(
    session_state: str | None, connection_state: str | None, internal_state: str | None
) -> Status:
    """Return the status that follows from the kernel's session state and iscsid's two states.

    The words are those of `iscsiadm -m session -P 1`. If the connection state is None (it was not
    read), the kernel's LOGGED_IN counts for both. iscsiadm prints "Unknown" if iscsid did not
    answer, and then the status is unknown, too.
    """
    if session_state == "LOGGED_IN":
        return "up" if connection_state in (None, "LOGGED IN") else "unknown"
    if session_state not in ("FAILED", "FREE"):
        return "unknown"
    if connection_state in _TRYING or internal_state not in _STOPPED:
        return "recovering"
    stopped = internal_state == "CLEANUP" or connection_state in _ENDED
    return "down" if stopped else "recovering"
