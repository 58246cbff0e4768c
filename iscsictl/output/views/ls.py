"""A Listing for people: a row per LUN, a tree from portal to mount, or all details of sessions."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from iscsictl.lazy_import import lazy_import
from iscsictl.model.listing import Block, Disk, Listing, Lun, LunLoad, Session, blocks
from iscsictl.model.names import Portal
from iscsictl.output.table import Column, Value, print_table, print_tsv, status_style
from iscsictl.output.terminal import Screen
from iscsictl.output.text import escape_controls, human_size
from iscsictl.output.views.ls_text import canonical, mount_text, place_of

if TYPE_CHECKING:
    from iscsictl.output.views import ls_capture, ls_tree
else:
    # Needed only for --from and --tree.
    ls_capture = lazy_import("iscsictl.output.views.ls_capture")
    ls_tree = lazy_import("iscsictl.output.views.ls_tree")

COLUMNS = (
    Column("TARGET", shrink=True),
    Column("PORTAL", rank=3),
    Column("STATUS", style=status_style),
    Column("LUN", numeric=True, rank=4),
    Column("PATHS", numeric=True, rank=2),
    Column("DEVICE", rank=1),
    Column("SIZE", numeric=True, rank=5),
    Column("FS", key="filesystem", rank=6),
    Column("MOUNT", shrink=True),
)
_Cell = TypeVar("_Cell")
_PATHS = [column.title for column in COLUMNS].index("PATHS")
LONG_COLUMNS = (
    *COLUMNS,
    Column("SID"), Column("WWID"), Column("STATE"), Column("SESSION STATE", "session_state"),
    Column("CONNECTION STATE", "connection_state"), Column("INTERNAL STATE", "internal_state"),
    Column("IFACE"), Column("TRANSPORT"), Column("HOST"), Column("INITIATOR"),
    Column("CHAP USER", "chap_username"), Column("CHAP USER IN", "chap_username_in"),
    Column("RESERVED BY", "reserved_by"),
)  # fmt: skip
_RESERVED = Column("RESERVED BY", "reserved_by", rank=7)
_STATE = Column("STATE", rank=1, style=status_style)


class Way:
    """One path to a LUN; `lun` is None for a session without known LUNs."""

    __slots__ = ("lun", "session")

    def __init__(self, session: Session, lun: Lun | None) -> None:
        self.session = session
        self.lun = lun


class Row:
    """One LUN with all paths to it, and its disk if the source knows it."""

    __slots__ = ("disk", "ways")

    def __init__(self, ways: tuple[Way, ...], disk: Disk | None) -> None:
        self.ways = ways
        self.disk = disk


def rows_of(listing: Listing) -> list[Row]:
    """Return a row for each LUN and for each session without LUNs, in the order of the sessions.

    All paths to a disk are one row. If the disks are not known, as in a capture, LUNs with the same
    name and number are assumed to be paths to one disk.
    """
    disks = {(path.sid, path.hctl): disk for disk in listing.disks or () for path in disk.paths}
    rows: dict[tuple[object, ...], tuple[list[Way], Disk | None]] = {}
    for number, session in enumerate(listing.sessions):
        for lun in session.luns or (None,):
            disk = disks.get((session.sid or 0, lun.hctl or "")) if lun else None
            name = (lun.wwid or lun.page83) if lun else None
            if disk is not None:
                key: tuple[object, ...] = ("disk", id(disk))
            elif name is not None and lun is not None:
                key = ("name", name, lun.lun)
            else:
                # Without a name, two LUNs cannot be recognised as one disk.
                key = ("lun", number, lun and (lun.lun, lun.hctl))
            rows.setdefault(key, ([], disk))[0].append(Way(session, lun))
    return [Row(tuple(ways), disk) for ways, disk in rows.values()]


class Form:
    """The form in which `ls` prints a listing.

    `columns` are the keys of the columns that the user chose, () for the default ones.
    """

    __slots__ = ("columns", "header", "long", "tree", "tsv")

    def __init__(
        self,
        *,
        tsv: bool = False,
        long: bool = False,
        tree: bool = False,
        columns: tuple[str, ...] = (),
        header: bool = True,
    ) -> None:
        self.tsv = tsv
        self.long = long
        self.tree = tree
        self.columns = columns
        self.header = header


def print_listing(listing: Listing, screen: Screen, form: Form) -> None:
    """Print a listing in one of the forms of `ls`; without sessions, tables print nothing.

    What else a capture contains follows the sessions, unless columns were chosen.
    """
    capture = listing.capture
    tsv = form.tsv
    if capture is None or capture.tells_sessions:
        if form.columns:
            _print_columns(listing, screen, form)
        else:
            _print_sessions(listing, screen, form)
    if form.columns:
        return
    if capture is not None:
        is_first = not (listing.sessions or (tsv and capture.tells_sessions))
        ls_capture.print_details(capture, screen, tsv=tsv, is_first=is_first)


def _print_columns(listing: Listing, screen: Screen, form: Form) -> None:
    places = {column.key: number for number, column in enumerate(LONG_COLUMNS)}
    chosen = [places[key] for key in form.columns]
    columns = [LONG_COLUMNS[number] for number in chosen]
    rows = []
    for row in rows_of(listing):
        values = _row_values(row, exact=form.tsv) + _long_row_values(row)
        rows.append([values[number] for number in chosen])
    if form.tsv:
        print_tsv(rows, columns, screen, header=form.header)
    elif rows:
        print_table(rows, columns, screen, header=form.header)


def _print_sessions(listing: Listing, screen: Screen, form: Form) -> None:
    if form.tsv:
        long = form.long
        rows = [
            _row_values(row, exact=True) + (_long_row_values(row) if long else ())
            for row in rows_of(listing)
        ]
        print_tsv(rows, LONG_COLUMNS if long else COLUMNS, screen, header=form.header)
    elif not listing.sessions:
        return
    elif form.tree:
        ls_tree.print_sessions(listing, screen)
    elif form.long:
        _print_long(listing, screen)
    else:
        # On a terminal the default port is omitted; a script gets it.
        short = screen.width is not None
        shown = rows_of(listing)
        cells = [_row_values(row, exact=False, short=short) for row in shown]
        columns: tuple[Column, ...] = COLUMNS
        if any(row.disk is not None and row.disk.reservations is not None for row in shown):
            columns = (*COLUMNS, _RESERVED)
            cells = [(*cell, _reserved_by(row)) for cell, row in zip(cells, shown, strict=True)]
        if all(row[_PATHS] is None for row in cells):  # There is no map.
            columns = _without_paths(columns)
            cells = [_without_paths(row) for row in cells]
        if any(_has_special_state(way) for row in shown for way in row.ways):
            columns = (*columns, _STATE)
            cells = [(*cell, _lun_states(row)) for cell, row in zip(cells, shown, strict=True)]
        print_table(cells, columns, screen, header=form.header)


def _without_paths(row: tuple[_Cell, ...]) -> tuple[_Cell, ...]:
    return (*row[:_PATHS], *row[_PATHS + 1 :])


def _row_values(row: Row, *, exact: bool, short: bool = False) -> tuple[Value, ...]:
    sessions = [way.session for way in row.ways]
    block = row.disk.block if row.disk else None
    lun = row.ways[0].lun
    statuses = [session.status for session in sessions]
    size = block.size if block else None
    mounts = [mount for device in blocks(block) for mount in device.mounts] if block else []
    return (
        _merge_equal_values([session.target or "-" for session in sessions]),
        tuple(place_of(session, short=short) or "-" for session in sessions),
        tuple(statuses) if len(set(statuses)) > 1 else statuses[0],
        None if lun is None else lun.lun,
        _count_working_paths(row),
        _device_names(row),
        size if exact else human_size(size),
        tuple(dict.fromkeys(_filesystems(block))) if block else None,
        tuple(mount.path if exact else mount_text(mount) for mount in mounts),
    )


def _long_row_values(row: Row) -> tuple[Value, ...]:
    sessions = [way.session for way in row.ways]
    return (
        tuple("" if session.sid is None else str(session.sid) for session in sessions),
        _first_known([way.lun.wwid for way in row.ways if way.lun]),
        _lun_states(row),
        *(
            tuple(getattr(session, name) or "" for session in sessions)
            for name in ("session_state", "connection_state", "internal_state", "iface",
                         "transport")
        ),
        tuple(str(session.host.number) if session.host else "" for session in sessions),
        *(
            _merge_equal_values([value or "" for value in values])
            for values in (
                [session.initiator for session in sessions],
                [session.chap and session.chap.username for session in sessions],
                [session.chap and session.chap.username_in for session in sessions],
            )
        ),
        _reserved_by(row),
    )  # fmt: skip


def _has_special_state(way: Way) -> bool:
    """Tell whether reads and writes do not go this way in a way that STATUS does not show.

    While a session is away, I/O waits; once the recovery timeout is over, it fails.
    """
    given_up = way.lun is not None and way.lun.state == "transport-offline"
    return bool(given_up or way.session.stopped_luns or (way.lun and way.lun.is_passive))


def _lun_states(row: Row) -> tuple[str, ...]:
    """Return the state of the LUN on each path to it, "" where it is not known."""
    return tuple((way.lun.shown_state or "") if way.lun else "" for way in row.ways)


def _reserved_by(row: Row) -> str | None:
    """Return who holds the LUN; None if it was not asked or nobody has registered."""
    reservations = None if row.disk is None else row.disk.reservations
    return None if reservations is None else reservations.held_by


def _merge_equal_values(values: Sequence[str]) -> Value:
    """Return a single value if all are equal, otherwise all of them."""
    return values[0] if len(set(values)) == 1 else tuple(values)


def _first_known(values: Sequence[str | None]) -> str | None:
    return next((value for value in values if value), None)


def _count_working_paths(row: Row) -> str | None:
    """Return how many of the paths of a map work, as in 1/2; None if there is no map."""
    if row.disk is None or row.disk.block.kind != "mpath":
        return None
    working = sum(
        way.session.status == "up" and bool(way.lun and way.lun.works) for way in row.ways
    )
    return f"{working}/{len(row.ways)}"


def _device_names(row: Row) -> Value:
    # With a map, its paths must not be used directly.
    if row.disk is not None and row.disk.block.kind != "disk":
        return row.disk.block.device
    names = [way.lun.device for way in row.ways if way.lun and way.lun.device]
    return tuple(names) or None


def _filesystems(block: Block) -> Iterator[str]:
    """Yield the filesystems on the leaves of a device tree; members of other devices are none."""
    for child in block.children:
        yield from _filesystems(child)
    if block.fstype and not block.children:
        yield block.fstype


def _print_long(listing: Listing, screen: Screen) -> None:
    """Print everything known about each session, one value per line, and then its LUNs."""
    rows = rows_of(listing)
    blocks = []
    for session in listing.sessions:
        lines = [escape_controls(session.target) or "target not known"]
        lines += [
            f"  {label:<24} {escape_controls(value)}"
            for label, value in _describe_session(session)
            if value
        ]
        lines += [
            "  "
            + " ".join(
                ["LUN", *map(_flatten_value, _without_paths(_row_values(row, exact=False))[3:]),
                 *_describe_lun(way.lun), *_reservation_words(row)]
            )
            for row in rows
            for way in row.ways
            if way.session is session and way.lun
        ]  # fmt: skip
        blocks.append("\n".join(lines))
    screen.write("\n\n".join(blocks) + "\n")


def _reservation_words(row: Row) -> list[str]:
    """Return who holds the LUN and which keys are registered, each key once."""
    reservations = None if row.disk is None else row.disk.reservations
    if reservations is None:
        return []
    keys = [f"{key:#018x}" for key in dict.fromkeys(reservations.keys)]
    return [f"reserved by {reservations.held_by}", f"keys {','.join(keys) or 'none'}"]


def _describe_lun(lun: Lun) -> list[str]:
    """Return what is known about the LUN itself, regardless of its content."""
    words = (lun.shown_state, lun.wwid or lun.page83, lun.vendor, lun.model)
    load = [] if lun.load is None else [_describe_load(lun.load)]
    return [*(escape_controls(word) for word in words if word), *load]


def _describe_load(load: LunLoad) -> str:
    depth = "" if load.queue_depth is None else f"/{load.queue_depth}"
    mean = "" if load.latency is None else f", {load.latency:.1f} ms"
    return f"queue {load.in_flight}{depth}{mean}"


def _flatten_value(value: Value) -> str:
    if value is None or value == ():
        return "-"
    return escape_controls(",".join(value) if isinstance(value, tuple) else str(value))


def _describe_session(session: Session) -> Iterator[tuple[str, str | None]]:
    yield "status", session.status
    yield "since", session.since
    yield "sid", None if session.sid is None else str(session.sid)
    yield "alias", session.alias
    yield "portal", _portal_with_tag(session.portal)
    if canonical(session.persistent_portal) != canonical(session.portal):
        yield "persistent portal", _portal_with_tag(session.persistent_portal)
    yield "transport", session.transport
    yield "iface", session.iface
    yield "initiator", session.initiator
    yield "initiator address", session.initiator_address
    yield "session state", session.session_state
    yield "connection state", session.connection_state
    yield "iscsid's state", session.internal_state
    yield "ISID", session.isid
    yield "TSIH", session.tsih
    if session.host:
        yield "host", f"{session.host.number} {session.host.state or ''}".strip()
    if session.chap:
        yield "CHAP user", session.chap.username or "none"
        yield "CHAP user in", session.chap.username_in or "none"
    if times := session.timeouts:
        yield "recovery timeout", _seconds_text(times.recovery)
        yield "abort timeout", _seconds_text(times.abort)
        yield "LUN reset", _seconds_text(times.lun_reset)
        yield "target reset", _seconds_text(times.target_reset)
    if session.errors is not None:
        yield "digest errors", _count_text(session.errors.digest)
        yield "timeout errors", _count_text(session.errors.timeout)
    yield from (session.params or {}).items()


def _count_text(value: int | None) -> str | None:
    return None if value is None else str(value)


def _portal_with_tag(portal: Portal | None) -> str | None:
    portal = canonical(portal)
    if portal is None:
        return None
    return str(portal) if portal.tpgt is None else f"{portal},{portal.tpgt}"


def _seconds_text(value: int | None) -> str | None:
    return None if value is None else f"{value} s"
