"""Hints for portals that accept no connection, by the reason that the kernel gave."""

import errno
import os
from collections.abc import Iterable
from typing import Final

#: The beginning of the reason for a host name that cannot be resolved.
UNRESOLVED: Final = "the name cannot be resolved"

_HINTS: Final = {
    UNRESOLVED: "check the name, or give the address of the portal",
    os.strerror(errno.ECONNREFUSED).lower(): (
        "nothing listens on that port, or a firewall rejects it: check the port (usually 3260), "
        "and that the array's iSCSI service is running"
    ),
    os.strerror(errno.ENETUNREACH).lower(): "this host has no route to it: ip route",
}
_OTHER: Final = (
    "check the address, the cable and the route, and that the array's iSCSI service is running; "
    "see: iscsictl doctor"
)


def hint_for_silent_portals(reasons: Iterable[str]) -> str:
    """Return what to do about portals that are silent for these reasons.

    The reasons are those of `portal_probe`: texts of strerror(3) in lower case, or its own texts.
    If they differ or are of another kind, the hint names all layers in between.
    """
    hints = {
        next((hint for begin, hint in _HINTS.items() if reason.startswith(begin)), _OTHER)
        for reason in reasons
    }
    return hints.pop() if len(hints) == 1 else _OTHER
