"""The rules of the kernel's packet filter, nf_tables, as far as they can be judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Interval = tuple[int, int]
ChainKey = tuple[str, str, str]


@dataclass(frozen=True)
class Values:
    """What a rule compares with: words, and intervals of numbers or addresses.

    A word that ends in `*` stands for all that begin like it, as for NICs. `complete` is False
    where some of the values could not be read.
    """

    words: frozenset[str] = frozenset()
    intervals: tuple[Interval, ...] = ()
    complete: bool = True


@dataclass(frozen=True)
class Verdict:
    """Where a packet goes; `target` is the chain of a `jump` or `goto`.

    `reject` drops a packet and says so to its sender.
    """

    kind: Literal["accept", "drop", "reject", "return", "jump", "goto", "continue"]
    target: str | None = None


@dataclass(frozen=True)
class Match:
    """A condition: that `key`, such as `tcp dport`, is one of the values, or none of them.

    Without a key it is a condition that is not understood: it may hold or not.
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
    """A statement that may send a packet elsewhere, change it, or do what is not understood."""


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
    """All chains by family, table and name. The interval is that of local ports."""

    chains: Mapping[ChainKey, Chain] = field(default_factory=dict)
    local_ports: Interval = (32768, 60999)
