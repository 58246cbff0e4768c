"""The one word that sums up a session: up, recovering, down or unknown."""

from iscsictl.model.listing import Status

_NOT_TOLD = (None, "Unknown")
_TRYING = ("IN LOGIN", "TRANSPORT WAIT")
_ENDED = ("FREE", "CLEANUP WAIT", "IN LOGOUT", "LOGOUT REQUESTED")
_STOPPED = ("NO CHANGE", "CLEANUP")


def session_status(
    session_state: str | None, connection_state: str | None, internal_state: str | None
) -> Status:
    """Judge a session by the kernel's state and, as far as they are told, iscsid's two.

    The words are those that `iscsiadm -m session -P 1` prints. A connection state of None is
    not told at all (the kernel's LOGGED_IN then stands for both); "Unknown" is a word of
    iscsiadm's that says that iscsid did not answer, so nothing is claimed.
    """
    if session_state == "LOGGED_IN":
        return "up" if connection_state in (None, "LOGGED IN") else "unknown"
    if session_state not in ("FAILED", "FREE"):
        return "unknown"
    if connection_state in _TRYING or internal_state not in _STOPPED:
        return "recovering"
    stopped = internal_state == "CLEANUP" or connection_state in _ENDED
    return "down" if stopped else "recovering"


def told(value: str | None) -> str | None:
    """Return the value, or None where it only says that it is not known."""
    return None if value in _NOT_TOLD else value
