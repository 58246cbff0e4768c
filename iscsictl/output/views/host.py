"""The initiator name, services, interfaces and boot table of the host, as tables and JSON."""

from collections.abc import Iterable
from typing import Any

from iscsictl.model.boot import BootEntry
from iscsictl.model.names import BUILT_IN_IFACES, why_not_made
from iscsictl.model.services import Systemd
from iscsictl.output.table import Column, Value, print_table
from iscsictl.output.terminal import Screen
from iscsictl.output.views.nodes import portal_row, show, yes_or_no
from iscsictl.planner.iscsi.ifaces import IfaceFacts, ifaces_bound_to, initiator_kinds
from iscsictl.planner.iscsi.initiator import NameFacts


def show_name(facts: NameFacts, screen: Screen, output: str) -> None:
    """Print the initiator name of this host, and its problem if there is one.

    If the host has no name, it is null in the JSON and a dash in the table.
    """
    name = facts.now.name
    why = None if name is None else why_not_made(name)
    in_use = len({s.sid for s in facts.sessions})
    document = {
        "schema": "iscsictl.initiator/1",
        "name": name,
        "well_formed": name is not None and why is None,
        "problem": why,
        "sessions": in_use,
    }
    columns = (Column("NAME", "name"), Column("SESSIONS", "sessions", numeric=True),
               Column("PROBLEM", "problem"))  # fmt: skip
    show(document, [(name, in_use, why)], columns, screen, output)


def show_services(systemd: Systemd, screen: Screen, output: str) -> None:
    """Print the units: whether they start at boot, and whether they run.

    Units that this host does not have are left out. In a capture it is not known whether they run.
    """
    descriptions = {
        systemd.login_service: "logs in at boot",
        "iscsid.service": "keeps the sessions",
        "iscsid.socket": "starts iscsid when needed",
        "multipathd.service": "multipath maps",
    }
    defined = [unit for unit in systemd.units.values() if unit.defined]
    rows: list[tuple[Value, ...]] = [
        (
            u.name,
            "masked" if u.masked else yes_or_no(u.enabled),
            u.active,
            descriptions.get(u.name, ""),
        )
        for u in defined
    ]
    document = {
        "schema": "iscsictl.service/1",
        "systemd": systemd.running,
        "login_service": systemd.login_service,
        "units": [
            {"unit": u.name, "enabled": u.enabled, "masked": u.masked, "active": u.active}
            for u in defined
        ],
    }
    columns = (Column("UNIT", "unit"), Column("AT BOOT", "enabled"), Column("NOW", "active"),
               Column("WHAT IT DOES", "what", rank=1))  # fmt: skip
    show(document, rows, columns, screen, output)


_KEYS = {
    "transport": "iface.transport_name",
    "netdev": "iface.net_ifacename",
    "mac": "iface.hwaddress",
    "address": "iface.ipaddress",
    "initiator": "iface.initiatorname",
}


def iface_rows(facts: IfaceFacts) -> list[dict[str, Any]]:
    """Return the definitions, the built-in ones first, and how many records and sessions use each.

    The rows have the keys of iscsictl.iface/1; a value that is not set is None.
    """
    rows: list[dict[str, Any]] = [
        {"iface": name, "transport": transport, "netdev": None, "mac": None, "address": None,
         "initiator": None, "built_in": True}
        for name, transport in BUILT_IN_IFACES.items()
    ]  # fmt: skip
    for iface in facts.ifaces:
        values = {name: iface.values.get(key) for name, key in _KEYS.items()}
        rows.append(
            {"iface": iface.name, **values, "transport": iface.transport, "built_in": False}
        )
    for row in rows:
        row["records"] = sum(1 for record in facts.records if record.iface == row["iface"])
        row["sessions"] = sum(1 for s in facts.sessions if (s.iface or "default") == row["iface"])
    return rows


def show_ifaces(facts: IfaceFacts, screen: Screen, output: str) -> None:
    """Print the interface definitions, including the built-in ones, and what uses them."""
    rows = iface_rows(facts)
    keys = ("iface", "transport", "netdev", "mac", "address", "initiator", "records", "sessions")
    ranks = {"initiator": 3, "mac": 2, "address": 1}
    columns = tuple(Column(key.upper(), key, rank=ranks.get(key, 0)) for key in keys)
    document = {"schema": "iscsictl.iface/1", "ifaces": rows}
    show(document, [tuple(row[key] for key in keys) for row in rows], columns, screen, output)


def show_hardware(facts: IfaceFacts, screen: Screen, output: str) -> None:
    """Print the kinds of initiator with advice, the NICs, and the kernel's iSCSI hosts.

    The table leaves out offload drivers without an adapter on this host. tsv has only the kinds of
    initiator, json has everything.
    """
    kinds = initiator_kinds(facts)
    transports = [
        {
            "transport": k.transport,
            "module": k.module,
            "state": k.state,
            "nics": list(k.nics),
            "usable": k.usable,
            "advice": k.advice,
        }
        for k in kinds
    ]
    nics, hosts = _nic_rows(facts), _host_rows(facts)
    document = {
        "schema": "iscsictl.transports/1",
        "transports": transports,
        "nics": nics,
        "hosts": hosts,
    }
    rows: list[tuple[Value, ...]] = [
        (k.transport, k.state, k.nics, yes_or_no(k.usable), k.advice)
        for k in kinds
        if output != "table" or k.usable or k.transport in {"tcp", "iser"}
    ]
    columns = (Column("TRANSPORT", "transport"), Column("MODULE", "state"),
               Column("NICS", "nics", rank=1), Column("USABLE", "usable"),
               Column("ADVICE", "advice", rank=2))  # fmt: skip
    show(document, rows, columns, screen, output)
    if output == "table":
        _print_below(_NIC_COLUMNS, [_nic_cells(row) for row in nics], screen)
        cells = [tuple(_cell(row[column.key]) for column in _HOST_COLUMNS) for row in hosts]
        _print_below(_HOST_COLUMNS, cells, screen)


_NIC_COLUMNS = (
    Column("NIC", "netdev"), Column("STATE", "state"), Column("MTU", "mtu", numeric=True),
    Column("VLAN", "vlan", rank=1), Column("MAC", "mac", rank=2), Column("ADDRESSES", "addresses"),
    Column("IFACES", "ifaces", rank=3),
)  # fmt: skip
_HOST_COLUMNS = (
    Column("HOST", "host", numeric=True), Column("TRANSPORT", "transport"),
    Column("NIC", "netdev"), Column("ADDRESS", "address"), Column("MAC", "mac", rank=2),
    Column("PORT", "port_state", rank=1), Column("SPEED", "port_speed", rank=1),
    Column("SESSIONS", "sids"), Column("INITIATOR", "initiator", rank=3),
)  # fmt: skip


def _nic_rows(facts: IfaceFacts) -> list[dict[str, Any]]:
    """Return the NICs to which an interface can be bound: all except loopback."""
    return [
        {
            "netdev": nic.name,
            "mac": nic.mac,
            "vlan": nic.vlan,
            "parent": nic.parent,
            "mtu": nic.mtu,
            "state": nic.state,
            "addresses": None if nic.addresses is None else list(nic.addresses),
            "ifaces": list(ifaces_bound_to(facts, nic)),
        }
        for nic in (facts.nics or {}).values()
        if nic.name != "lo"
    ]


def _host_rows(facts: IfaceFacts) -> list[dict[str, Any]]:
    sids: dict[int, list[int]] = {}
    for session in facts.sessions:
        if session.host is not None and session.sid is not None:
            sids.setdefault(session.host.number, []).append(session.sid)
    return [
        {
            "host": host.number,
            "transport": host.transport,
            "netdev": host.netdev,
            "address": host.address,
            "mac": host.mac,
            "initiator": host.initiator,
            "port_state": host.port_state,
            "port_speed": host.port_speed,
            "sids": sids.get(host.number, []),
        }
        for host in facts.hosts
    ]


def _nic_cells(row: dict[str, Any]) -> tuple[Value, ...]:
    vlan = row["vlan"] if row["parent"] is None else f"{row['vlan'] or '?'} on {row['parent']}"
    return tuple(_cell(vlan if c.key == "vlan" else row[c.key]) for c in _NIC_COLUMNS)


def _cell(value: Any) -> Value:
    """Return the table cell for a value of the document; a list becomes several values."""
    return tuple(str(item) for item in value) if isinstance(value, list) else value


def _print_below(
    columns: tuple[Column, ...], rows: list[tuple[Value, ...]], screen: Screen
) -> None:
    """Print another table, without the columns that are empty in every row."""
    filled = [n for n in range(len(columns)) if any(row[n] not in {None, ()} for row in rows)]
    if rows:
        screen.write("\n")
        print_table(
            [[row[n] for n in filled] for row in rows], [columns[n] for n in filled], screen
        )


def show_iface(facts: IfaceFacts, name: str, screen: Screen, output: str) -> None:
    """Print all values of one definition, sorted by key.

    `name` must be that of a definition or of a built-in interface.
    """
    iface = next((i for i in facts.ifaces if i.name == name), None)
    if iface is not None:
        values = dict(sorted(iface.values.items()))
    else:
        values = {"iface.iscsi_ifacename": name, "iface.transport_name": BUILT_IN_IFACES[name]}
    document = {"schema": "iscsictl.iface/1", "iface": name, "values": values}
    columns = (Column("KEY", "key"), Column("VALUE", "value"))
    show(document, list(values.items()), columns, screen, output)


def show_boot(entries: Iterable[BootEntry], screen: Screen, output: str) -> None:
    """Print the firmware's boot table; of a secret, only whether there is one.

    `selected`: the firmware booted from the entry; null if the table does not say.
    """
    targets = list(entries)
    document = {
        "schema": "iscsictl.boot/1",
        "targets": [
            {
                "target": e.target,
                "portal": portal_row(e.portal),
                "lun": e.lun,
                "initiator": e.initiator,
                "selected": e.selected,
                "chap": {
                    "username": e.username,
                    "secret": e.has_secret,
                    "username_in": e.username_in,
                    "secret_in": e.has_secret_in,
                },
                "nic": {
                    "mac": e.nic.mac,
                    "netdev": e.nic.netdev,
                    "address": e.nic.address,
                    "prefix": e.nic.prefix,
                    "mask": e.nic.mask,
                    "gateway": e.nic.gateway,
                    "vlan": e.nic.vlan,
                    "dhcp": e.nic.dhcp,
                },
            }
            for e in targets
        ],
    }
    rows: list[tuple[Value, ...]] = [
        (
            e.target,
            None if e.portal is None else str(e.portal),
            e.lun,
            e.nic.netdev or e.nic.mac,
            e.nic.address,
            _describe_chap(e),
            None if e.selected is None else yes_or_no(e.selected),
            e.initiator,
        )
        for e in targets
    ]
    keys = ("target", "portal", "lun", "nic", "address", "chap", "booted", "initiator")
    ranks = {"initiator": 3, "address": 2, "chap": 1}
    columns = tuple(
        Column(key.upper(), key, rank=ranks.get(key, 0), shrink=key == "target") for key in keys
    )
    show(document, rows, columns, screen, output)


def _describe_chap(entry: BootEntry) -> str:
    if entry.username is None and not entry.has_secret:
        return "none"
    return "mutual" if entry.has_secret_in else "one-way"
