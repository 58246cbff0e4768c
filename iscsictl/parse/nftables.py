"""What `nft --json list ruleset` prints (libnftables-json(5)).

What cannot be parsed becomes a condition that may or may not hold, or an alteration, so that
nothing uncertain is concluded from it.
"""

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from iscsictl.model.firewall import (
    Alteration,
    Chain,
    ChainKey,
    Firewall,
    Interval,
    Match,
    Rule,
    Statement,
    Values,
    Verdict,
    VerdictMap,
)

# Statements that neither judge a packet nor change what is matched.
_WITHOUT_EFFECT = frozenset(
    {"counter", "log", "last", "ct helper", "ct timeout", "ct expectation", "secmark", "dup"}
)
# These match only some packets, depending on a rate, an amount, or room in a set.
_SOMETIMES = frozenset({"limit", "quota", "ct count", "set", "map", "meter"})
# nft(8) omits `meta nfproto ipv6` before a reject that only IPv6 has.
_REJECT_FAMILIES = {"icmp": "ipv4", "icmpv6": "ipv6"}
# The source address is changed after all filters (postrouting), and the packet continues.
_SOURCE_NAT = frozenset({"snat", "masquerade"})
_VERDICTS = frozenset({"accept", "drop", "reject", "return", "jump", "goto", "continue"})
# Targets of iptables-nft that nft(8) cannot express, by what they do.
_XT_WITHOUT_EFFECT = frozenset({"LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS", "TRACE", "CLASSIFY"})
_XT_SOURCE_NAT = frozenset({"SNAT", "MASQUERADE"})
#: A number that is larger than every port, mark and address.
_MOST = 1 << 128
# A flag of a table that does not switch it off.
_OWNED = frozenset({"owner", "persist"})

_STATES = re.compile(r"[a-z]+(,[a-z]+)*")

Sets = Mapping[ChainKey, Any]


def needs_listing(text: str) -> bool:
    """Return whether `nft --handle list ruleset` shows more of some rules than the JSON.

    Of `-m conntrack`, an extension of iptables, the JSON has only the name.
    """
    return '"conntrack"' in text


def parse_ruleset(text: str, local_ports: Interval = (32768, 60999), listing: str = "") -> Firewall:
    """Parse the whole output of nft(8). Raises ValueError if it is no such document.

    `listing` is what it printed without `--json` and with `--handle`; see `needs_listing`.
    """
    states = _states_of_extensions(listing)
    try:
        entries = [dict(entry) for entry in json.loads(text)["nftables"]]
        elements: dict[ChainKey, Any] = {}
        dormant: set[tuple[str, str]] = set()
        for kind, one in _each(entries, "table", "set", "map"):
            if kind == "table":
                # nft 1.0.6 prints the name of the table instead of each flag, so the flags are
                # unknown.
                flags = one.get("flags", [])
                if not _OWNED.issuperset([flags] if isinstance(flags, str) else flags):
                    dormant.add((one["family"], one["name"]))
            else:
                elements[one["family"], one["table"], one["name"]] = one.get("elem", [])
        rules: dict[ChainKey, list[Rule]] = {}
        for _, one in _each(entries, "rule"):
            table = one["family"], one["table"]
            state = states.get((*table, one["chain"], one["handle"]))
            statements = tuple(_statements(one.get("expr", []), table, elements, state))
            made = Rule(one["handle"], statements, one.get("comment"))
            rules.setdefault((*table, one["chain"]), []).append(made)
        chains = {}
        for _, one in _each(entries, "chain"):
            key = one["family"], one["table"], one["name"]
            chains[key] = Chain(
                *key,
                tuple(rules.get(key, ())),
                one.get("type"),
                one.get("hook"),
                one.get("prio", 0),
                one.get("policy", "accept"),
                active=key[:2] not in dormant,
            )
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"not a ruleset: {error}") from error
    return Firewall(chains, local_ports)


def _each(entries: list[dict[str, Any]], *kinds: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for entry in entries:
        for kind in kinds:
            if kind in entry:
                yield kind, entry[kind]


def _states_of_extensions(listing: str) -> dict[tuple[str, str, str, int], Values]:
    """Return the states that rules match, by family, table, chain and handle.

    nft(8) prints `-m conntrack --ctstate X` as `ct state X`, if it can. A rule with other
    conditions on the connection is left out.
    """
    found = {}
    family = table = chain = ""
    for line in listing.splitlines():
        words = line.split()
        if words[:1] == ["table"] and len(words) > 2:
            family, table = words[1:3]
        elif words[:1] == ["chain"] and len(words) > 1:
            chain = words[1]
        elif len(words) > 5 and words.count("ct") == 1 and words[-2] == "handle":
            at = words.index("ct")
            if (
                words[at + 1] == "state"
                and _STATES.fullmatch(words[at + 2])
                and words[-1].isdigit()
            ):
                states = frozenset(words[at + 2].split(","))
                found[family, table, chain, int(words[-1])] = Values(states)
    return found


def _statements(
    expression: Any, table: tuple[str, str], sets: Sets, state: Values | None
) -> Iterator[Statement]:
    """Yield the statements of a rule that judge or change a packet."""
    for text in expression:
        # A reject of the default kind has no values.
        family = _REJECT_FAMILIES.get(str((text.get("reject") or {}).get("type")))
        if family is not None:
            yield Match("meta nfproto", Values(frozenset({family})))
        made = _statement(text, table, sets, state)
        if made is not None:
            yield made


def _statement(
    text: Any, table: tuple[str, str], sets: Sets, state: Values | None = None
) -> Statement | None:
    """Read one statement; None for one that neither judges nor changes a packet.

    `state` is what its rule matches with an extension of iptables.
    """
    ((name, body),) = text.items()
    if name == "match":
        return _match(body, table, sets)
    if name in _VERDICTS:
        return Verdict(name, body.get("target") if isinstance(body, dict) else None)
    if name == "vmap":
        return _verdict_map(body, table, sets)
    if name == "xt":
        return _extension(body, state)
    if name in _SOURCE_NAT:
        return Verdict("accept")
    if name in _SOMETIMES:
        return Match()
    # The mark of a packet counts as unknown, so it may change.
    if name in _WITHOUT_EFFECT or (name == "mangle" and "payload" not in body["key"]):
        return None
    return Alteration()


def _extension(body: Any, state: Values | None) -> Statement | None:
    """Read an extension of iptables; nft before 1.0.3 does not print which one it is."""
    kind, name = (body.get("type"), body.get("name")) if isinstance(body, dict) else (None, None)
    if kind == "match" and name == "conntrack" and state is not None:
        return Match("ct state", state)
    if kind == "match":
        return None if name == "comment" else Match()
    if kind == "target" and name == "REJECT":
        return Verdict("reject")
    if kind == "target" and name in _XT_SOURCE_NAT:
        return Verdict("accept")
    return None if kind == "target" and name in _XT_WITHOUT_EFFECT else Alteration()


def _key(left: Any) -> str | None:
    """Return the name of what is compared, as nft(8) writes it; None for an expression."""
    if not isinstance(left, dict) or len(left) != 1:
        return None
    ((kind, body),) = left.items()
    if not isinstance(body, dict):
        return None
    if kind == "payload" and "tunnel" not in body and "protocol" in body:
        protocol = "tcp" if body["protocol"] == "th" else body["protocol"]
        return f"{protocol} {body['field']}"
    if kind in {"meta", "ct"} and set(body) == {"key"}:
        # The index of a NIC is printed as its name.
        word = {"iif": "iifname", "oif": "oifname"}.get(body["key"], body["key"])
        return f"{kind} {word}"
    return None


def _match(body: Any, table: tuple[str, str], sets: Sets) -> Match:
    op, operand = body["op"], body["right"]
    key = _key(body["left"])
    if op in {"<", ">", "<=", ">="}:
        if not isinstance(operand, int):
            return Match()
        low = {">": operand + 1, ">=": operand}.get(op, 0)
        high = {"<": operand - 1, "<=": operand}.get(op, _MOST)
        return Match(key, Values(intervals=((low, high),)))
    if op not in {"==", "!=", "in"}:
        return Match()
    return Match(key, _values(operand, table, sets), op == "!=")


def _verdict_map(body: Any, table: tuple[str, str], sets: Sets) -> VerdictMap | Alteration:
    data = body["data"]
    name = (*table, data.removeprefix("@")) if isinstance(data, str) else None
    pairs = data.get("set") if name is None else sets.get(name)
    if pairs is None:
        return Alteration()
    entries = []
    for value, verdict in pairs:
        made = _statement(verdict, table, sets)
        if not isinstance(made, Verdict):
            return Alteration()
        entries.append((_values(value, table, sets), made))
    return VerdictMap(_key(body["key"]), tuple(entries))


def _values(operand: Any, table: tuple[str, str], sets: Sets) -> Values:
    """Parse a value, or the values of a set, which may be in the rule or have a name."""
    if isinstance(operand, str) and operand.startswith("@"):
        operand = sets.get((*table, operand[1:]))
    if isinstance(operand, dict) and "set" in operand:
        operand = operand["set"]
    words, intervals, complete = set(), [], True
    for one in operand if isinstance(operand, list) else [operand]:
        value = one["elem"]["val"] if isinstance(one, dict) and "elem" in one else one
        interval = _interval(value)
        if interval is not None:
            intervals.append(interval)
        elif isinstance(value, str):
            words.add(value)
        else:
            complete = False
    return Values(frozenset(words), tuple(intervals), complete)


def _interval(value: Any) -> Interval | None:
    if isinstance(value, dict) and "range" in value:
        low, high = (_number(end) for end in value["range"])
        return None if low is None or high is None else (low, high)
    if isinstance(value, dict) and "prefix" in value:
        addr, length = value["prefix"]["addr"], value["prefix"]["len"]
        try:
            net = ipaddress.ip_network(f"{addr}/{length}", strict=False)
        except ValueError:
            return None
        return int(net.network_address), int(net.broadcast_address)
    number = _number(value)
    return None if number is None else (number, number)


def _number(value: Any) -> int | None:
    if isinstance(value, int):
        return value
    try:
        return int(ipaddress.ip_address(value)) if isinstance(value, str) else None
    except ValueError:
        return None
