"""Whether this host's own firewall lets iSCSI through, in both directions."""

from collections.abc import Iterator

from iscsictl.checks.packet_walk import CONNTRACK, Drop, Fate, Field, Packet, follow_packet
from iscsictl.checks.portals import wanted_portals
from iscsictl.checks.routing import (
    Address,
    address_of,
    find_route,
    is_default_route,
    is_local,
    network_of,
)
from iscsictl.model.finding import Finding, fail, ok, skip, warn
from iscsictl.model.firewall import Chain, Firewall
from iscsictl.model.host_facts import Machine
from iscsictl.model.inventory import Known, ReadFailed
from iscsictl.model.names import BUILT_IN_IFACES, Portal
from iscsictl.model.shell_form import shell_form

# The hooks that packets pass, by direction (nft(8), "Address families").
_OUTWARDS, _INWARDS = ("output", "postrouting"), ("prerouting", "input")
# The program that owns a chain of iptables-nft, by address family, and the tables that it creates.
_IPTABLES = {"ip": "iptables", "ip6": "ip6tables"}
_IPTABLES_TABLES = frozenset({"filter", "mangle", "nat", "raw", "security"})


def check(machine: Machine) -> Iterator[Finding]:
    """Report rules that drop packets to or from a portal.

    Nothing is reported if it is not certain: if it depends on a condition that was not understood,
    if packets are redirected, or if the portal accepted a connection nevertheless.
    """
    portals = {p: needed for p, needed in wanted_portals(machine).items() if _is_remote(machine, p)}
    firewall = machine.network.firewall
    if not portals:
        return
    if isinstance(firewall, ReadFailed):
        yield skip("net-firewall", firewall.error.text, firewall.error.hint)
    elif isinstance(firewall, Known):
        for portal, needed in portals.items():
            yield from _check_portal(machine, firewall.value, portal, needed=needed)


def _is_remote(machine: Machine, portal: Portal) -> bool:
    """Return whether packets to a portal leave the host: those to its own addresses do not."""
    own = {
        address.partition("/")[0]
        for nic in machine.network.nics.values()
        for address in nic.addresses or ()
    }
    address = address_of(portal.address)
    return address is not None and not is_local(portal.address) and str(address) not in own


def _check_portal(
    machine: Machine, firewall: Firewall, portal: Portal, *, needed: bool
) -> Iterator[Finding]:
    silent = machine.network.silent
    answered = isinstance(silent, Known) and portal not in silent.value
    subject = str(portal)
    outwards, inwards = _packets(machine, firewall, portal)
    sent = [follow_packet(firewall, _OUTWARDS, packet) for packet in outwards]
    received = [follow_packet(firewall, _INWARDS, packet) for packet in inwards]
    if any(fate.altered for fate in (*sent, *received)):
        return
    directions = ((sent, "packets to it", False), (received, "its answers", True))
    for fates, traffic, is_answer in directions:
        fate = next((fate for fate in fates if fate.base is not None), None)
        if fate is not None and not answered:
            drop = fate.drops[-1]
            does = "rejects" if drop.rejects else "drops"
            message = f"this host's firewall {does} {traffic}: {_describe_place(drop)}"
            fix = _accept_command(fate, portal, is_answer=is_answer)
            yield (fail if needed else warn)("net-firewall", message, fix, subject)
    if all(fate.passes for fate in (*sent, *received)):
        yield ok("net-firewall", "no nftables rule drops its packets", subject)


def _packets(
    machine: Machine, firewall: Firewall, portal: Portal
) -> tuple[tuple[Packet, ...], tuple[Packet, ...]]:
    """Return the packets to a portal (the first and a later one) and from it (an answer)."""
    address = address_of(portal.address)
    if address is None:
        return (), ()
    family, words = ("ip", "ipv4") if address.version == 4 else ("ip6", "ipv6")
    remote, port = (int(address), int(address)), (portal.port, portal.port)
    both: dict[str, Field] = {
        "meta l4proto": frozenset({"tcp"}),
        "meta nfproto": frozenset({words}),
        "meta protocol": frozenset({family}),
        "ip protocol": frozenset({"tcp"}),
        "ip6 nexthdr": frozenset({"tcp"}),
    }
    outwards = both | {
        f"{family} daddr": remote,
        "tcp dport": port,
        "tcp sport": firewall.local_ports,
    }
    inwards = both | {
        f"{family} saddr": remote,
        "tcp sport": port,
        "tcp dport": firewall.local_ports,
    }
    own, leaves_by, comes_by = _addresses_and_nics(machine, portal, address)
    if own is not None:
        outwards[f"{family} saddr"] = inwards[f"{family} daddr"] = (int(own), int(own))
    if leaves_by:
        outwards["meta oifname"] = leaves_by
    if comes_by:
        inwards["meta iifname"] = comes_by
    sent = outwards | {"ct direction": frozenset({"original"})}
    states = [frozenset({state}) for state in ("new", "established")]
    answer = inwards | {"ct direction": frozenset({"reply"}), "ct state": states[1]}
    return (
        tuple(Packet(family, sent | {"ct state": state}) for state in states),
        (Packet(family, answer),),
    )


def _addresses_and_nics(
    machine: Machine, portal: Portal, address: Address
) -> tuple[Address | None, frozenset[str], frozenset[str]]:
    """Return the address from which this host sends to a portal, and the NICs out and back in.

    If that is not certain, there are several NICs and possibly no address: a login through an
    interface definition does not follow the kernel's routes.
    """
    net = machine.network
    every = frozenset(net.nics) - {"lo"}
    if any(name not in BUILT_IN_IFACES for name in _ifaces_to(machine, portal)):
        return None, every, every
    own = address_of(net.own_addresses.get(portal.address, ""))
    route = find_route(portal.address, net.routes)
    nic = net.nics.get(route.nic) if route is not None else None
    held = {one.partition("/")[0] for one in nic.addresses or ()} if nic is not None else set()
    if nic is None or str(own) not in held:
        return own, every, every
    # If two NICs are in the same network, an answer may come in through the other.
    beside = {
        one.nic
        for one in net.routes
        if one.gateway is None and not is_default_route(one)
        and (network := network_of(one.prefix)) is not None
        and network.version == address.version and address in network
    }  # fmt: skip
    leaves_by = frozenset({nic.name})
    return own, leaves_by, leaves_by if beside == {nic.name} else every


def _ifaces_to(machine: Machine, portal: Portal) -> Iterator[str]:
    place = (portal.address, portal.port)
    for session in machine.listing.sessions:
        asked = session.requested_portal
        if asked is not None and (asked.address, asked.port) == place:
            yield session.iface or "default"
    if isinstance(machine.db, Known):
        for record in machine.db.value.records:
            if (record.portal.address, record.portal.port) == place:
                yield record.iface


def _describe_place(drop: Drop) -> str:
    chain = drop.chain
    place = f"table {chain.family} {chain.table}, chain {chain.name}"
    if drop.rule is None:
        return f"{place}, default policy"
    comment = f' "{drop.rule.comment}"' if drop.rule.comment else ""
    return f"{place}, rule handle {drop.rule.handle}{comment}"


def _accept_command(fate: Fate, portal: Portal, *, is_answer: bool) -> str:
    """Return the fix that lets this one portal through, at the first place that drops its packets.

    It ends in a colon and a command, which is effective until the rules are loaded again.
    """
    drop, chain = fate.drops[0], fate.drops[0].chain
    base, address, port = fate.base or chain, address_of(portal.address), portal.port
    if chain.table == "firewalld":
        return "allow it in firewalld, which writes this table: firewall-cmd --info-policy POLICY"
    keep = "accept it, and add this to your saved rules"
    # Of incoming packets only answers: not everybody who sends from port 3260 may reach every port.
    has_state = is_answer and base.priority >= CONNTRACK
    program = _IPTABLES.get(chain.family)
    if program is not None and _is_of_iptables(base):
        table = "" if chain.table == "filter" else f"-t {chain.table} "
        ends = f"-s {address} -p tcp --sport {port}"
        if not is_answer:
            ends = f"-d {address} -p tcp --dport {port}"
        state = " -m conntrack --ctstate ESTABLISHED" if has_state else ""
        return f"{keep}: {program} {table}-I {shell_form(chain.name)} {ends}{state} -j ACCEPT"
    place = " ".join(shell_form(word) for word in (chain.family, chain.table, chain.name))
    family = "ip" if address is not None and address.version == 4 else "ip6"
    ends = f"{family} saddr {address} tcp sport {port}"
    if not is_answer:
        ends = f"{family} daddr {address} tcp dport {port}"
    state = " ct state established" if has_state else ""
    add = f"add rule {place}"
    if drop.rule is not None:
        add = f"insert rule {place} handle {drop.rule.handle}"
    return f"{keep}: nft {add} {ends}{state} accept"


def _is_of_iptables(base: Chain) -> bool:
    """Return whether iptables-nft created a base chain, such as OUTPUT of the table filter."""
    return base.table in _IPTABLES_TABLES and base.name == (base.hook or "").upper()
