"""The kinds of value that the settings of a record have, as open-iscsi reads them.

Its reader takes what strtoul(3) makes of a number, so `10s` is 10 and `ten` is 0, and it fails on
a word that it does not know. Here only what means the same to open-iscsi and to an admin passes.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol

from iscsictl.model.record_text import MAX_VALUE, unstorable_reason


class ValueKind(Protocol):
    """One kind of value. `words` are values that can be offered for completion."""

    @property
    def description(self) -> str:
        """What a value is, to follow "expected" or "is not": a noun without a full stop."""

    @property
    def words(self) -> tuple[str, ...]:
        """The values that are words, in the order in which a completion offers them."""

    def accepts(self, text: str) -> bool:
        """Tell whether a value is of this kind.

        Stricter than open-iscsi: what it would cut, or read otherwise than it is written, is
        refused.
        """


@dataclass(frozen=True)
class Words:
    """One of some words, as they are written here.

    `strict`: libopeniscsiusr refuses any other word, and then `iscsiadm -m node` lists no record
    at all (idbm.c, _idbm_rec_update_param). Otherwise the word is only stored.
    """

    words: tuple[str, ...]
    strict: bool = True

    @property
    def description(self) -> str:
        """Return the words."""
        return f"one of {', '.join(self.words)}"

    def accepts(self, text: str) -> bool:
        """Tell whether it is one of the words; their case counts.

        `yes` for `Yes` is another word to libopeniscsiusr, which then lists no record at all.
        """
        return text in self.words


@dataclass(frozen=True)
class Number:
    """A whole number between two bounds; `unit` is what it counts."""

    low: int
    high: int
    unit: str = ""
    power_of_two: bool = False

    @property
    def description(self) -> str:
        """Return the bounds, and the unit if there is one."""
        what = f"a number of {self.unit}" if self.unit else "a number"
        power = ", a power of 2" if self.power_of_two else ""
        return f"{what} from {self.low} to {self.high}{power}"

    @property
    def words(self) -> tuple[str, ...]:
        """Return nothing: any number may be meant."""
        return ()

    def accepts(self, text: str) -> bool:
        """Tell whether it is such a number, in decimal digits and nothing else.

        No plus sign, no blank, no unit, and at most ten digits, so that int() stays cheap.
        """
        # A zero in front reads like octal, and iscsiadm prints the number without it.
        if not re.fullmatch(r"0|-?[1-9][0-9]{0,9}", text, re.ASCII):
            return False
        number = int(text)
        if self.power_of_two and number & (number - 1):
            return False
        return self.low <= number <= self.high


@dataclass(frozen=True)
class WordList:
    """Several words, separated by commas, each at most once, the preferred one first."""

    words: tuple[str, ...]

    @property
    def description(self) -> str:
        """Return the words."""
        return f"some of {', '.join(self.words)}, separated by commas"

    def accepts(self, text: str) -> bool:
        """Tell whether all parts are words of the list, each at most once.

        A blank beside a comma is part of a word, and no word has one.
        """
        parts = text.split(",")
        return set(parts) <= set(self.words) and len(set(parts)) == len(parts)


@dataclass(frozen=True)
class Address:
    """An IP address, of one version if `version` is set, or one of some words."""

    version: int | None = None
    words: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """Return the version, and the words."""
        kind = "an IP address" if self.version is None else f"an IPv{self.version} address"
        return " or ".join((kind, *self.words))

    def accepts(self, text: str) -> bool:
        """Tell whether inet_pton(3) would take it, or it is one of the words.

        A host name is refused: an interface's own address is never looked up.
        """
        if text in self.words:
            return True
        try:
            address = ip_address(text)
        except ValueError:
            return False
        # open-iscsi has no place for the zone of a link-local address.
        return "%" not in text and self.version in {None, address.version}


@dataclass(frozen=True)
class HardwareAddress:
    """The MAC address of a NIC, or `default` for any."""

    words: tuple[str, ...] = ("default",)

    @property
    def description(self) -> str:
        """Return an example."""
        return "a MAC address such as 52:54:00:12:34:56"

    def accepts(self, text: str) -> bool:
        """Tell whether it is one, in either case, with colons between six pairs of digits."""
        if text in self.words:
            return True
        return bool(re.fullmatch(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", text, re.ASCII))


@dataclass(frozen=True)
class Text:
    """Any text that fits into open-iscsi's buffer: longer text is cut there, without a word."""

    max_bytes: int = MAX_VALUE

    @property
    def description(self) -> str:
        """Return the limit."""
        return f"a line of text of at most {self.max_bytes} bytes"

    @property
    def words(self) -> tuple[str, ...]:
        """Return nothing: any text may be meant."""
        return ()

    def accepts(self, text: str) -> bool:
        """Tell whether it fits and is a single line.

        Bytes count, not characters; empty text is refused, since open-iscsi stores no empty value.
        """
        size = len(text.encode("utf-8", "surrogateescape"))
        return 0 < size <= self.max_bytes and unstorable_reason(text) is None


@dataclass(frozen=True)
class SecretText(Text):
    """A CHAP secret: never taken from a command line or a file of volumes."""
