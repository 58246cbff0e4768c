"""Tables and JSON of records, discovery, CHAP accounts and holds; this module sees no secrets."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iscsictl.model.hold import Hold
from iscsictl.model.inventory import DiscoveredTarget
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord
from iscsictl.output.table import Column, Value, print_table, print_tsv
from iscsictl.output.terminal import Screen
from iscsictl.output.text import escape_controls, human_duration


@dataclass(frozen=True)
class Account:
    """A CHAP account without its secrets. `kind` is node, discovery or default."""

    kind: str
    target: str | None
    portal: Portal | None
    iface: str | None
    username: str | None
    has_secret: bool
    username_in: str | None
    has_secret_in: bool
    algorithms: tuple[str, ...]


def show(
    document: Mapping[str, Any],
    rows: Sequence[Sequence[Value]],
    columns: Sequence[Column],
    screen: Screen,
    output: str,
) -> None:
    """Print rows as a table or tsv, or the document as JSON.

    An empty table prints nothing; tsv still has its header, and JSON the whole document.
    """
    if output == "json":
        screen.stream.write(json.dumps(document, indent=1) + "\n")
    elif output == "tsv":
        print_tsv(rows, columns, screen)
    elif rows:
        print_table(rows, columns, screen)


def portal_row(portal: Portal | None) -> dict[str, Any] | None:
    """Return a portal as in the JSON; the tag is null if it is not known."""
    if portal is None:
        return None
    return {"address": portal.address, "port": portal.port, "tpgt": portal.tpgt}


def _portal_with_tag(portal: Portal) -> str:
    return f"{portal}" if portal.tpgt is None else f"{portal},{portal.tpgt}"


def yes_or_no(value: bool) -> str:
    """Return the word for a boolean in tables and tsv; JSON has `true` and `false`."""
    return "yes" if value else "no"


def show_offers(
    portal: Portal,
    offers: Iterable[DiscoveredTarget],
    known: Iterable[DiscoveredTarget],
    screen: Screen,
    output: str,
) -> None:
    """Print what a portal offers; `known` are the offers that have a node record.

    `output` is table, tsv or json (iscsictl.discover/1).
    """
    targets, with_record = list(offers), set(known)
    document = {
        "schema": "iscsictl.discover/1",
        "portal": portal_row(portal),
        "targets": [
            {"target": o.target, "portal": portal_row(o.portal), "record": o in with_record}
            for o in targets
        ],
    }
    rows = [(o.target, _portal_with_tag(o.portal), yes_or_no(o in with_record)) for o in targets]
    columns = [Column("TARGET", shrink=True), Column("PORTAL"), Column("RECORD", rank=1)]
    show(document, rows, columns, screen, output)


def show_nodes(
    records: Sequence[NodeRecord],
    sids: Mapping[str, int],
    screen: Screen,
    output: str,
    *,
    values: bool = False,
) -> None:
    """Print node records; `sids` maps the path of a record to the id of its session.

    With `values`, each record is printed with all its settings. These do not include secrets, of
    which `NodeRecord` only says whether they are set.
    """
    if values and output == "table":
        screen.write("\n".join(_format_whole_record(record) for record in records))
        return
    document = {
        "schema": "iscsictl.nodes/1",
        "nodes": [_node_document(record, sids, values=values) for record in records],
    }
    if values:
        pairs = [(record, key) for record in records for key in record.values]
        rows: list[tuple[Value, ...]] = [
            (r.target, _portal_with_tag(r.portal), r.iface, key, r.values[key]) for r, key in pairs
        ]
        names = ("TARGET", "PORTAL", "IFACE", "KEY", "VALUE")
        show(document, rows, [Column(name) for name in names], screen, output)
        return
    rows = [
        (
            record.target, _portal_with_tag(record.portal), record.iface, record.startup,
            record.username, yes_or_no(str(record.path) in sids), record.problem,
        )
        for record in records
    ]  # fmt: skip
    columns = [
        Column("TARGET", shrink=True), Column("PORTAL"), Column("IFACE", rank=3),
        Column("STARTUP", rank=1), Column("CHAP", rank=2), Column("SESSION"),
        Column("PROBLEM", shrink=True, style=lambda _: "red"),
    ]  # fmt: skip
    # Without problems the table has no column for them; a script always gets it.
    if output == "table" and not any(record.problem for record in records):
        rows, columns = [row[:-1] for row in rows], columns[:-1]
    show(document, rows, columns, screen, output)


def _format_whole_record(record: NodeRecord) -> str:
    lines = [f"# {escape_controls(str(record.path))}"]
    if record.problem is not None:
        lines.append(f"# {escape_controls(record.problem)}")
    lines += [f"{key} = {escape_controls(value)}" for key, value in record.values.items()]
    return "\n".join(lines) + "\n"


def _node_document(record: NodeRecord, sids: Mapping[str, int], *, values: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "target": record.target,
        "portal": portal_row(record.portal),
        "iface": record.iface,
        "startup": record.startup,
        "chap": {
            "username": record.username,
            "secret": record.has_secret,
            "username_in": record.username_in,
            "secret_in": record.has_secret_in,
        },
        "sid": sids.get(str(record.path)),
        "path": str(record.path),
        "problem": record.problem,
    }
    if values:
        document["values"] = dict(record.values)
    return document


def show_accounts(
    accounts: Sequence[Account], warnings: Sequence[str], screen: Screen, output: str
) -> None:
    """Print CHAP accounts: names, and whether secrets are set.

    `warnings` are only in the JSON (iscsictl.chap/1), as the command prints them itself.
    """
    document = {
        "schema": "iscsictl.chap/1",
        "accounts": [
            {
                "for": a.kind,
                "target": a.target,
                "portal": portal_row(a.portal),
                "iface": a.iface,
                "username": a.username,
                "secret": a.has_secret,
                "username_in": a.username_in,
                "secret_in": a.has_secret_in,
                "algorithms": list(a.algorithms),
            }
            for a in accounts
        ],
        "warnings": [{"line": None, "text": text} for text in warnings],
    }
    rows: list[tuple[Value, ...]] = [
        (
            a.target or a.kind, None if a.portal is None else _portal_with_tag(a.portal), a.iface,
            a.username, yes_or_no(a.has_secret), a.username_in, yes_or_no(a.has_secret_in),
            a.algorithms,
        )
        for a in accounts
    ]  # fmt: skip
    columns = [
        Column("TARGET", shrink=True), Column("PORTAL"), Column("IFACE", rank=3),
        Column("USER"), Column("SECRET"), Column("MUTUAL USER", "mutual_user", rank=1),
        Column("MUTUAL SECRET", "mutual_secret", rank=2), Column("ALGORITHMS", rank=4),
    ]  # fmt: skip
    show(document, rows, columns, screen, output)


def show_holds(holds: Sequence[Hold], now: float, screen: Screen, output: str) -> None:
    """Print the holds in force, and how long each lasts.

    `now` is in seconds since the boot (CLOCK_BOOTTIME), as in the holds.
    """
    lefts = [None if h.until is None else max(0, round(h.until - now)) for h in holds]
    document = {
        "schema": "iscsictl.holds/1",
        "holds": [
            {
                "target": hold.target,
                "portal": portal_row(hold.portal),
                "iface": hold.iface,
                "mount_point": hold.mount_point,
                "seconds": left,
                "why": hold.why,
            }
            for hold, left in zip(holds, lefts, strict=True)
        ],
    }
    rows: list[tuple[Value, ...]] = [
        (hold.name, "until boot" if left is None else human_duration(left), hold.why)
        for hold, left in zip(holds, lefts, strict=True)
    ]
    columns = [Column("HELD", shrink=True), Column("LEFT"), Column("BY", rank=1)]
    show(document, rows, columns, screen, output)
