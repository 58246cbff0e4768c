"""The rules of the kernel's packet filter, nf_tables, as far as they can be judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Interval = tuple[int, int]
ChainKey = tuple[str, str, str]


@dataclass(frozen=True)
class Values:
    """What a rule compares with: words, and intervals of numbers or addresses.

    A word that ends in `*` stands for all words with that prefix, as in names of NICs. `complete`
    is False if some of the values could not be read.
    """

    words: frozenset[str] = frozenset()
    intervals: tuple[Interval, ...] = ()
    complete: bool = True


@dataclass(frozen=True)
class Verdict:
    """Where a packet goes; `target` is the chain of a `jump` or `goto`.

    `reject` drops a packet and notifies its sender.
    """

    kind: Literal["accept", "drop", "reject", "return", "jump", "goto", "continue"]
    target: str | None = None


@dataclass(frozen=True)
class Match:
    """The condition that `key`, such as `tcp dport`, has one of the values (or none: `negated`).

    Without a key it is a condition that was not understood, which may or may not hold.
    """

    key: str | None = None
    values: Values = Values()
    negated: bool = False


@dataclass(frozen=True)
class VerdictMap:
    """A statement that chooses a verdict by the value of a key."""

    key: str | None
    entries: tuple[tuple[Values, Verdict], ...] = ()


@dataclass(frozen=True)
class Alteration:
    """A statement that may redirect or change a packet, or that was not understood."""


Statement = Match | Verdict | VerdictMap | Alteration


@dataclass(frozen=True)
class Rule:
    """One rule. `handle` is the number by which nft(8) names it."""

    handle: int
    statements: tuple[Statement, ...] = ()
    comment: str | None = None


@dataclass(frozen=True)
class Chain:
    """A chain. Only a base chain has a kind (filter, nat, route), a hook, a priority and a policy.

    `active` is False for a chain of a table that is, or may be, dormant.
    """

    family: str
    table: str
    name: str
    rules: tuple[Rule, ...] = ()
    kind: str | None = None
    hook: str | None = None
    priority: int = 0
    policy: str = "accept"
    active: bool = True


@dataclass(frozen=True)
class Firewall:
    """All chains, by family, table and name; and the range of ephemeral local ports."""

    chains: Mapping[ChainKey, Chain] = field(default_factory=dict)
    local_ports: Interval = (32768, 60999)
