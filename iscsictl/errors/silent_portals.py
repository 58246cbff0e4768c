"""What to do about a portal that takes no connection, by the reason that the kernel gave."""

import errno
import os
from collections.abc import Iterable
from typing import Final

#: How the reason of a name begins that the resolver does not know.
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

    The reasons are those of `portal_probe`: words of strerror(3) in lower case, or of its own.
    Where they differ, or are of another kind, the hint names all layers in between.
    """
    hints = {
        next((hint for begin, hint in _HINTS.items() if reason.startswith(begin)), _OTHER)
        for reason in reasons
    }
    return hints.pop() if len(hints) == 1 else _OTHER
