"""Which sessions of a listing a name means."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from iscsictl.errors import NotFoundError

if TYPE_CHECKING:
    from iscsictl.model.capture import CapturedDisk
    from iscsictl.model.listing import Listing


def named_targets(listing: "Listing", wanted: str) -> Callable[[str], bool]:
    """Return a predicate for the targets that are meant: the one of that name, or several.

    Without a target of that name, all whose names contain it are meant. In a capture, the targets
    of node records count too. Raises NotFoundError if there is none.
    """
    records = (listing.capture.records if listing.capture else None) or ()
    names = {session.target for session in listing.sessions}
    names |= {record.target for record in records}
    if wanted in names:
        return wanted.__eq__
    part = wanted.lower()
    if not any(part in name.lower() for name in names):
        raise NotFoundError(
            f"no session with a target like {wanted!r}", hint="iscsictl ls shows all sessions"
        )
    return lambda name: part in name.lower()


def keep_targets(listing: "Listing", is_meant: Callable[[str], bool]) -> "Listing":
    """Keep the sessions of some targets, with their disks and, in a capture, their records."""
    sessions = tuple(session for session in listing.sessions if is_meant(session.target))
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
            records=tuple(r for r in capture.records or () if is_meant(r.target)) or None,
            disks=_captured_disks_of(capture.disks, sids),
        )
    return listing._replace(sessions=sessions, disks=disks, capture=capture)


def _captured_disks_of(
    disks: "tuple[CapturedDisk, ...] | None", sids: "set[int | None]"
) -> "tuple[CapturedDisk, ...] | None":
    """Keep the disks that have a path through one of these sessions."""
    if disks is None:
        return None
    known = sids - {None}
    return tuple(d for d in disks if any(path.sid in known for path in d.paths or ()))
