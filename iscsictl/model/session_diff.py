"""The differences between two listings of sessions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from iscsictl.model.listing import Listing, LunLoad, Session


class Rate(NamedTuple):
    """Bytes per second, and the load; its latency is that of requests of the same time."""

    read: float
    written: float
    load: LunLoad | None = None


@dataclass(frozen=True)
class Change:
    """One difference in `what`: session, status, device, state, wwid, or one of these.

    session_state, connection_state, internal_state, digest_errors, timeout_errors.

    `before` and `after` are None if it was or is absent.
    """

    sid: int | None
    target: str
    what: str
    before: str | None
    after: str | None
    lun: int | None = None

    def __str__(self) -> str:
        """Return the change as one line."""
        name = self.what if self.lun is None else f"LUN {self.lun} {self.what}"
        return (
            f"session {self.sid} {self.target}: {name} {self.before or '-'} -> {self.after or '-'}"
        )


class Snapshot(NamedTuple):
    """The current sessions, what changed since the last snapshot, and the rates by device."""

    listing: Listing
    changes: tuple[Change, ...]
    rates: dict[str, Rate]


def first_changes(listing: Listing) -> tuple[Change, ...]:
    """Return everything in a listing as changes, as if it had just appeared."""
    return tuple(changes(Listing(), listing))


_STATES = ("status", "session_state", "connection_state", "internal_state")


def changes(before: Listing, after: Listing) -> list[Change]:
    """Return what appeared, disappeared or changed its state, in the order of the session ids.

    LUNs are matched by number and address. A session that iscsid reconnects keeps its id, so an
    interruption shows as a change of state.
    """
    old = {session.sid: session for session in before.sessions}
    new = {session.sid: session for session in after.sessions}
    differences: list[Change] = []
    # A session of a capture may have no id: it comes first.
    for sid in sorted(old.keys() | new.keys(), key=lambda sid: -1 if sid is None else sid):
        differences += _session_changes(old.get(sid), new.get(sid))
    return differences


def _session_changes(old: Session | None, new: Session | None) -> Iterator[Change]:
    session = new or old
    if session is None:
        return
    if old is None or new is None:
        yield Change(
            session.sid,
            session.target,
            "session",
            old.status if old else None,
            new.status if new else None,
        )
    else:
        for name in _STATES:
            was, now = getattr(old, name), getattr(new, name)
            if was != now:
                yield Change(new.sid, new.target, name, was, now)
        yield from _error_changes(old, new)
    yield from _lun_changes(old, new, session)


def _error_changes(old: Session, new: Session) -> Iterator[Change]:
    for name in ("digest", "timeout"):
        was, now = getattr(old.errors, name, None), getattr(new.errors, name, None)
        # Unknown before or now is no difference, unless there are some when they are first known.
        if now is not None and was != now and (was is not None or now):
            before = None if was is None else str(was)
            yield Change(new.sid, new.target, f"{name}_errors", before, str(now))


def _lun_changes(old: Session | None, new: Session | None, session: Session) -> Iterator[Change]:
    was = {(lun.lun, lun.hctl): lun for lun in (old.luns if old else None) or ()}
    now = {(lun.lun, lun.hctl): lun for lun in (new.luns if new else None) or ()}
    for key in sorted(was.keys() | now.keys(), key=lambda key: (key[0], key[1] or "")):
        old_lun, new_lun = was.get(key), now.get(key)
        number = key[0]
        pairs = (
            ("device", old_lun.device if old_lun else None, new_lun.device if new_lun else None),
            ("state", old_lun.state if old_lun else None, new_lun.state if new_lun else None),
            ("wwid", old_lun.wwid if old_lun else None, new_lun.wwid if new_lun else None),
        )
        for name, first, second in pairs:
            if first != second:
                yield Change(session.sid, session.target, name, first, second, number)
