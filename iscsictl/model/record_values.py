"""The kinds of value that the settings of a record can have.

open-iscsi reads numbers with strtoul(3), so `10s` is 10 and `ten` is 0, and it fails on a word that
it does not know. The types here accept only what means the same to open-iscsi and to an admin.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol

from iscsictl.model.record_text import MAX_VALUE, unstorable_reason


class ValueKind(Protocol):
    """One kind of value."""

    @property
    def description(self) -> str:
        """What a value is: a noun phrase to follow "expected" or "is not"."""

    @property
    def words(self) -> tuple[str, ...]:
        """The values that are fixed words, in the order in which completion offers them."""

    def accepts(self, text: str) -> bool:
        """Return whether a value is of this kind.

        This is stricter than open-iscsi: values that it would truncate or misread are refused.
        """


@dataclass(frozen=True)
class Words:
    """One of a few words, case-sensitive.

    `strict`: libopeniscsiusr fails on any other word, and then `iscsiadm -m node` lists no record
    at all (idbm.c, _idbm_rec_update_param). Otherwise it just stores the word.
    """

    words: tuple[str, ...]
    strict: bool = True

    @property
    def description(self) -> str:
        """Return the words."""
        return f"one of {', '.join(self.words)}"

    def accepts(self, text: str) -> bool:
        """Return whether it is one of the words.

        libopeniscsiusr does not recognise `yes` for `Yes`, and then lists no record at all.
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
        """Empty: there are no fixed words."""
        return ()

    def accepts(self, text: str) -> bool:
        """Return whether it is such a number, in decimal digits and nothing else.

        A plus sign, a blank or a unit is refused, and more than ten digits, so that int() stays
        cheap.
        """
        # A leading zero looks like octal, and iscsiadm prints the number without it.
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
        """Return whether every part is one of the words, each at most once.

        Blanks beside a comma are refused.
        """
        parts = text.split(",")
        return set(parts) <= set(self.words) and len(set(parts)) == len(parts)


@dataclass(frozen=True)
class Address:
    """An IP address, of the IP version `version` if that is set, or one of a few words."""

    version: int | None = None
    words: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """Return the version, and the words."""
        kind = "an IP address" if self.version is None else f"an IPv{self.version} address"
        return " or ".join((kind, *self.words))

    def accepts(self, text: str) -> bool:
        """Return whether it is one of the words or an address that inet_pton(3) accepts.

        A host name is refused: the address of an interface is never resolved.
        """
        if text in self.words:
            return True
        try:
            address = ip_address(text)
        except ValueError:
            return False
        # open-iscsi cannot store the zone of a link-local address.
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
        """Return whether it is `default` or six pairs of hexadecimal digits separated by colons."""
        if text in self.words:
            return True
        return bool(re.fullmatch(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", text, re.ASCII))


@dataclass(frozen=True)
class Text:
    """Any text that fits into open-iscsi's buffer, where longer text is silently truncated."""

    max_bytes: int = MAX_VALUE

    @property
    def description(self) -> str:
        """Return the limit."""
        return f"a line of text of at most {self.max_bytes} bytes"

    @property
    def words(self) -> tuple[str, ...]:
        """Empty: there are no fixed words."""
        return ()

    def accepts(self, text: str) -> bool:
        """Return whether it fits and is a single line.

        The length is counted in bytes. Empty text is refused: open-iscsi stores no empty values.
        """
        size = len(text.encode("utf-8", "surrogateescape"))
        return 0 < size <= self.max_bytes and unstorable_reason(text) is None


@dataclass(frozen=True)
class SecretText(Text):
    """A CHAP secret: never accepted on a command line or in a file of volumes."""
