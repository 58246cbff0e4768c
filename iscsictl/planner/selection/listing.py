"""Which sessions of a listing a name means."""

from dataclasses import replace
from typing import TYPE_CHECKING

from iscsictl.errors import NotFoundError

if TYPE_CHECKING:
    from iscsictl.model.capture import CapturedDisk
    from iscsictl.model.listing import Listing


def only(listing: "Listing", target: str) -> "Listing":
    """Keep the sessions of one target: the exact name, else all that have the text in them.

    Of a capture the node records of that target are kept too. Raises NotFoundError if there is
    neither.
    """
    records = (listing.capture.records if listing.capture else None) or ()
    names = {session.target for session in listing.sessions}
    names |= {record.target for record in records}
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
            disk._replace(paths=tuple(path for path in disk.paths if path.sid in sids))
            for disk in disks
        )
    capture = listing.capture
    if capture is not None:
        capture = replace(
            capture,
            records=tuple(record for record in records if record.target in kept) or None,
            disks=_captured_of(capture.disks, sids),
        )
    return listing._replace(sessions=sessions, disks=disks, capture=capture)


def _captured_of(
    disks: "tuple[CapturedDisk, ...] | None", sids: "set[int | None]"
) -> "tuple[CapturedDisk, ...] | None":
    """Keep the disks that have a path through one of these sessions."""
    if disks is None:
        return None
    known = sids - {None}
    return tuple(d for d in disks if any(path.sid in known for path in d.paths or ()))
