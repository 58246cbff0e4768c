"""What becomes of a packet in the chains of nf_tables.

A condition that is not understood may hold or not, so the answer is all that can become of the
packet: only where that is one thing is it certain.
"""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass

from iscsictl.model.firewall import (
    Alteration,
    Chain,
    ChainKey,
    Firewall,
    Interval,
    Match,
    Rule,
    Values,
    Verdict,
    VerdictMap,
)

Field = frozenset[str] | Interval
# What a TCP packet over IP is not: a rule for it never holds, not even a negated one.
_OTHER_PROTOCOLS = frozenset(
    {"udp", "udplite", "sctp", "dccp", "icmp", "icmpv6", "igmp", "esp", "ah", "comp", "arp"}
)
# NF_IP_PRICONNTRACK: a chain before it sees packets that belong to no connection yet.
CONNTRACK = -200


@dataclass(frozen=True)
class Packet:
    """What is known of a packet, by the keys of nft(8), and the protocols that it has not.

    A field has all values that are possible: words, or an interval. One that is not there is not
    known.
    """

    family: str
    fields: Mapping[str, Field]

    def may_match(self, match: Match) -> bool | None:
        """Tell whether a condition holds; None where that is not certain."""
        if match.key is None:
            return None
        protocol = match.key.partition(" ")[0]
        if protocol in _OTHER_PROTOCOLS | ({"ip", "ip6"} - {self.family}):
            return False
        known = self.fields.get(match.key)
        if known is None:
            return None
        if isinstance(known, frozenset):
            held = _words_match(known, match.values)
        else:
            held = _interval_matches(known, match.values)
        return held if held is None else held is not match.negated


def _words_match(known: frozenset[str], values: Values) -> bool | None:
    def holds(word: str) -> bool:
        patterns = (w for w in values.words if w.endswith("*"))
        return word in values.words or any(word.startswith(p[:-1]) for p in patterns)

    found = [holds(word) for word in known]
    if all(found):
        return True
    return False if not any(found) and values.complete and not values.intervals else None


def _interval_matches(known: Interval, values: Values) -> bool | None:
    low, high = known
    if any(first <= low and high <= last for first, last in values.intervals):
        return True
    overlap = any(first <= high and low <= last for first, last in values.intervals)
    return None if overlap or not values.complete or values.words else False


@dataclass(frozen=True)
class Drop:
    """Where a packet is dropped: by a rule, or without one by the policy of the chain."""

    chain: Chain
    rule: Rule | None = None
    rejects: bool = False


@dataclass(frozen=True)
class Outcome:
    """All that can become of a packet. `ends` says that it may come to the end of the chain.

    An `altered` packet is not the one that was judged, so nothing is known of it.
    """

    drops: tuple[Drop, ...] = ()
    accepted: bool = False
    ends: bool = False
    altered: bool = False

    def joined(self, other: "Outcome") -> "Outcome":
        """Return what can become of it where either of two things can happen."""
        return Outcome(
            (*self.drops, *other.drops),
            self.accepted or other.accepted,
            self.ends or other.ends,
            self.altered or other.altered,
        )


_ON = Outcome(ends=True)


class _Walk:
    """Follows one packet through chains; each chain is judged once, however often it is called."""

    def __init__(self, firewall: Firewall, packet: Packet) -> None:
        self._chains = firewall.chains
        self._packet = packet
        self._found: dict[ChainKey, Outcome] = {}

    def through_chain(self, chain: Chain) -> Outcome:
        key = chain.family, chain.table, chain.name
        if key not in self._found:
            # The kernel refuses loops; should a listing have one, nothing is certain of it.
            self._found[key] = Outcome(altered=True)
            self._found[key] = self._through_rules(chain)
        return self._found[key]

    def _through_rules(self, chain: Chain) -> Outcome:
        found = Outcome()
        for rule in chain.rules:
            on, here = self._through_rule(chain, rule)
            found = found.joined(here)
            if not on:
                return found
        return found.joined(_ON)

    def _through_rule(self, chain: Chain, rule: Rule) -> tuple[bool, Outcome]:
        """Return whether the packet may reach the next rule, and what else may become of it."""
        certain, found = True, Outcome()
        for statement in rule.statements:
            if isinstance(statement, Match):
                held = self._packet.may_match(statement)
                if held is False:
                    return True, found
                certain = certain and held is True
            elif isinstance(statement, Alteration):
                found = found.joined(Outcome(altered=True))
            else:
                pairs = (
                    ((True, statement),)
                    if isinstance(statement, Verdict)
                    else self._choices(statement)
                )
                for chosen, verdict in pairs:
                    on, here = self._judge(chain, rule, verdict)
                    found = found.joined(here)
                    if chosen and certain and not on:
                        return False, found
        return True, found

    def _choices(self, statement: VerdictMap) -> Iterator[tuple[bool, Verdict]]:
        """Yield the verdicts that a map may choose, and whether it certainly does."""
        for values, verdict in statement.entries:
            held = self._packet.may_match(Match(statement.key, values))
            if held is not False:
                yield held is True, verdict
            if held:
                return

    def _judge(self, chain: Chain, rule: Rule, verdict: Verdict) -> tuple[bool, Outcome]:
        """Return whether the packet may go on behind this rule, and what else may become of it."""
        if verdict.kind == "continue":
            return True, Outcome()
        if verdict.kind == "return":
            return False, _ON
        if verdict.kind == "accept":
            return False, Outcome(accepted=True)
        if verdict.kind in {"drop", "reject"}:
            return False, Outcome((Drop(chain, rule, verdict.kind == "reject"),))
        target = self._chains.get((chain.family, chain.table, verdict.target or ""))
        if target is None:
            return False, Outcome(altered=True)
        found = self.through_chain(target)
        if verdict.kind == "goto":
            return False, found
        return found.ends, Outcome(found.drops, found.accepted, False, found.altered)


@dataclass(frozen=True)
class Fate:
    """What certainly becomes of a packet; nothing is certain where it neither passes nor is lost.

    One that may be `altered`, or sent elsewhere, is another packet from there on.
    `base` is the base chain in which it is certainly dropped, `drops` are the places in that chain,
    and those that it jumps to, where that can happen, in the order in which they are met.
    """

    base: Chain | None = None
    drops: tuple[Drop, ...] = ()
    passes: bool = False
    altered: bool = False


def follow_packet(firewall: Firewall, hooks: Container[str], packet: Packet) -> Fate:
    """Return what becomes of a packet on its way through all base chains of these hooks.

    It passes if every chain accepts it; one chain that drops it is enough to lose it.
    """
    fields = packet.fields.items()
    early = Packet(packet.family, {k: v for k, v in fields if not k.startswith("ct ")})
    walks = {False: _Walk(firewall, packet), True: _Walk(firewall, early)}
    lost, passes = Fate(), True
    for chain in firewall.chains.values():
        # What comes in or goes out of one NIC alone is not followed.
        if chain.hook in {"ingress", "egress"} and chain.rules:
            passes = False
        if chain.hook not in hooks or chain.family not in {"inet", packet.family}:
            continue
        # Chains of address translation see the first packet of a connection alone.
        if chain.kind == "nat" and packet.fields.get("ct state") != frozenset({"new"}):
            continue
        found = walks[chain.priority < CONNTRACK].through_chain(chain)
        if found.altered:
            return Fate(altered=True)
        drops = found.drops
        if found.ends and chain.policy == "drop":
            drops = (*drops, Drop(chain))
        accepted = found.accepted or (found.ends and chain.policy != "drop")
        passes = passes and not drops
        if chain.active and drops and not accepted and lost.base is None:
            lost = Fate(chain, drops)
    return lost if lost.base is not None else Fate(passes=passes)
