"""Which sessions of a listing a name means."""

from dataclasses import replace
from typing import TYPE_CHECKING

from iscsictl.errors import NotFoundError

if TYPE_CHECKING:
    from iscsictl.model.listing import Listing


def only(listing: "Listing", target: str) -> "Listing":
    """Keep the sessions of one target: the exact name, else all that have the text in them.

    Raises NotFoundError if there are none.
    """
    names = {session.target for session in listing.sessions}
    part = target.lower()
    kept = {target} if target in names else {name for name in names if part in name.lower()}
    if not kept:
        raise NotFoundError(
            f"no session with a target like {target!r}", hint="iscsictl ls shows all sessions"
        )
    sessions = tuple(session for session in listing.sessions if session.target in kept)
    sids = {session.sid for session in sessions}
    disks = listing.disks
    if disks is not None:
        disks = tuple(disk for disk in disks if any(path.sid in sids for path in disk.paths))
        disks = tuple(
            replace(disk, paths=tuple(path for path in disk.paths if path.sid in sids))
            for disk in disks
        )
    return replace(listing, sessions=sessions, disks=disks)
