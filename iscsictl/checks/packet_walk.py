"""What happens to a packet in the chains of nf_tables.

A condition that was not understood may or may not hold, so the answer is the set of everything that
can happen to the packet; it is certain only if there is just one possibility.
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
# Protocols other than TCP over IP: a rule for one of them never matches, not even a negated one.
_OTHER_PROTOCOLS = frozenset(
    {"udp", "udplite", "sctp", "dccp", "icmp", "icmpv6", "igmp", "esp", "ah", "comp", "arp"}
)
# NF_IP_PRI_CONNTRACK: chains before it see packets that are not yet assigned to a connection.
CONNTRACK = -200


@dataclass(frozen=True)
class Packet:
    """What is known about a TCP packet, by the keys of nft(8).

    `family` is `ip` or `ip6`. A field has all possible values: words, or an interval. A missing
    field is not known.
    """

    family: str
    fields: Mapping[str, Field]

    def may_match(self, match: Match) -> bool | None:
        """Return whether a condition holds; None if that is not certain."""
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
    """Where a packet is dropped: by a rule or, if that is None, by the policy of the chain."""

    chain: Chain
    rule: Rule | None = None
    rejects: bool = False


@dataclass(frozen=True)
class Outcome:
    """Everything that can happen to a packet. `ends`: it may reach the end of the chain.

    `altered`: it may have been changed, and nothing is known about it from there on.
    """

    drops: tuple[Drop, ...] = ()
    accepted: bool = False
    ends: bool = False
    altered: bool = False

    def joined(self, other: "Outcome") -> "Outcome":
        """Return what can happen if either of the two outcomes is possible."""
        return Outcome(
            (*self.drops, *other.drops),
            self.accepted or other.accepted,
            self.ends or other.ends,
            self.altered or other.altered,
        )


_ON = Outcome(ends=True)


class _Walk:
    """Follows one packet through chains; each chain is walked once, however often it is called."""

    def __init__(self, firewall: Firewall, packet: Packet) -> None:
        self._chains = firewall.chains
        self._packet = packet
        self._outcomes: dict[ChainKey, Outcome] = {}

    def through_chain(self, chain: Chain) -> Outcome:
        key = chain.family, chain.table, chain.name
        if key not in self._outcomes:
            # The kernel refuses loops. Should a listing contain one, nothing is certain about it.
            self._outcomes[key] = Outcome(altered=True)
            self._outcomes[key] = self._through_rules(chain)
        return self._outcomes[key]

    def _through_rules(self, chain: Chain) -> Outcome:
        outcome = Outcome()
        for rule in chain.rules:
            continues, possible = self._through_rule(chain, rule)
            outcome = outcome.joined(possible)
            if not continues:
                return outcome
        return outcome.joined(_ON)

    def _through_rule(self, chain: Chain, rule: Rule) -> tuple[bool, Outcome]:
        """Return whether the packet may reach the next rule, and what else may happen to it."""
        certain, outcome = True, Outcome()
        for statement in rule.statements:
            if isinstance(statement, Match):
                held = self._packet.may_match(statement)
                if held is False:
                    return True, outcome
                certain = certain and held is True
            elif isinstance(statement, Alteration):
                outcome = outcome.joined(Outcome(altered=True))
            else:
                pairs = (
                    ((True, statement),)
                    if isinstance(statement, Verdict)
                    else self._choices(statement)
                )
                for chosen, verdict in pairs:
                    continues, possible = self._judge(chain, rule, verdict)
                    outcome = outcome.joined(possible)
                    if chosen and certain and not continues:
                        return False, outcome
        return True, outcome

    def _choices(self, statement: VerdictMap) -> Iterator[tuple[bool, Verdict]]:
        """Yield the verdicts that a map may choose, and whether it certainly chooses each."""
        for values, verdict in statement.entries:
            held = self._packet.may_match(Match(statement.key, values))
            if held is not False:
                yield held is True, verdict
            if held:
                return

    def _judge(self, chain: Chain, rule: Rule, verdict: Verdict) -> tuple[bool, Outcome]:
        """Return whether the packet may reach the next rule, and what else may happen to it."""
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
        outcome = self.through_chain(target)
        if verdict.kind == "goto":
            return False, outcome
        return outcome.ends, Outcome(outcome.drops, outcome.accepted, False, outcome.altered)


@dataclass(frozen=True)
class Fate:
    """What certainly happens to a packet; nothing is certain if `base` is None and `passes` False.

    `altered`: it may be changed or redirected, so it is another packet from there on.
    `base` is the base chain in which it is certainly dropped; `drops` are the places in that chain,
    and in those to which it jumps, where that can happen, in the order in which it reaches them.
    """

    base: Chain | None = None
    drops: tuple[Drop, ...] = ()
    passes: bool = False
    altered: bool = False


def follow_packet(firewall: Firewall, hooks: Container[str], packet: Packet) -> Fate:
    """Return what happens to a packet in all base chains of these hooks.

    It passes if every chain accepts it; a single chain that drops it is enough to lose it.
    """
    fields = packet.fields.items()
    early = Packet(packet.family, {k: v for k, v in fields if not k.startswith("ct ")})
    walks = {False: _Walk(firewall, packet), True: _Walk(firewall, early)}
    lost, passes = Fate(), True
    for chain in firewall.chains.values():
        # The chains of single NICs are not followed.
        if chain.hook in {"ingress", "egress"} and chain.rules:
            passes = False
        if chain.hook not in hooks or chain.family not in {"inet", packet.family}:
            continue
        # Chains of address translation see only the first packet of a connection.
        if chain.kind == "nat" and packet.fields.get("ct state") != frozenset({"new"}):
            continue
        outcome = walks[chain.priority < CONNTRACK].through_chain(chain)
        if outcome.altered:
            return Fate(altered=True)
        drops = outcome.drops
        if outcome.ends and chain.policy == "drop":
            drops = (*drops, Drop(chain))
        accepted = outcome.accepted or (outcome.ends and chain.policy != "drop")
        passes = passes and not drops
        if chain.active and drops and not accepted and lost.base is None:
            lost = Fate(chain, drops)
    return lost if lost.base is not None else Fate(passes=passes)
