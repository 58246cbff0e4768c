"""Names from the standard: portals and iSCSI names (RFC 7143 section 4.2, RFC 3722)."""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

#: The port that IANA assigned to iSCSI targets.
DEFAULT_PORT = 3260
DEFAULT_IFACE = "default"
# The interfaces that open-iscsi defines itself (iface.c), and their transports.
BUILT_IN_IFACES = {DEFAULT_IFACE: "tcp", "iser": "iser"}
# RFC 7143, 4.2.7: the longest iSCSI name, in bytes.
MAX_NAME_BYTES = 223
# RFC 1035, 2.3.4: the longest host name without its final dot, and its longest label, in bytes.
MAX_HOST, MAX_LABEL = 253, 63

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_IQN = re.compile(rf"iqn\.[0-9]{{4}}-(0[1-9]|1[0-2])\.{_LABEL}(?:\.{_LABEL})*(?::[^\s/]*)?")
_EUI = re.compile(r"eui\.[0-9A-Fa-f]{16}")
_NAA = re.compile(r"naa\.(?:6[0-9A-Fa-f]{31}|[0-57-9A-Fa-f][0-9A-Fa-f]{15})")
_MADE = re.compile(r"[a-z0-9.:-]+")
# ASCII characters that separate nothing in a path, a record, a line of fstab or a list of options.
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-_+@=~")
_NUMERIC = re.compile(r"(?:[^:]*\.)?(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?", re.ASCII)


# Cached: a host has a handful of portals, each of which is compared many times.
@lru_cache(maxsize=4096)
def canonical_address(text: str) -> str:
    """Return the canonical spelling of an address, which is the same for all its spellings.

    IPv6 is compressed and in lower case (RFC 5952), an IPv4-mapped address becomes the IPv4 address
    (RFC 4291, 2.5.5.2), and a host name is in lower case without the final dot.
    """
    bare = text.removeprefix("[").removesuffix("]").lower()
    if ":" not in bare:
        return bare.removesuffix(".") or bare
    try:
        address = IPv6Address(bare)
    except ValueError:
        return bare
    return str(address.ipv4_mapped or address)


# In NAA names of type 5 and 6, the digits 2 to 7 are the vendor's IEEE company id (SPC-4 7.8.6.6).
# The id zero was never assigned; tgtd creates such names from target and LUN numbers. Its names of
# type 3 (locally assigned) and of T10 are no better: two arrays have the same ones.
_NAMELESS = re.compile(
    r"(?:naa|eui)\.0*|naa\.[0-9a-f]0+|naa\.[56]0{6}[0-9a-f]*|naa\.30{3}[0-9a-f]{4}0{4}[0-9a-f]{4}"
    r"|t10\.(?:IET\s+[0-9a-f]{8}\s*|\s*)",
    re.IGNORECASE,
)


def is_identifying(wwid: str) -> bool:
    """Return whether a WWID (as sysfs spells it) distinguishes a disk from those of other arrays.

    False for names that some targets derive from a LUN number or leave at zero: two arrays can have
    the same ones.
    """
    return not _NAMELESS.fullmatch(wwid.strip("\0 "))


@dataclass(frozen=True, order=True)
class Portal:
    """Where a target listens. `tpgt` is the portal group tag, None if it is not known.

    Portals are equal if they have the same address, port and tag. `address` keeps its original
    spelling, since open-iscsi names directories after it and compares it byte by byte.
    """

    address: str
    port: int = DEFAULT_PORT
    tpgt: int | None = None

    def __str__(self) -> str:
        """Return the form that iscsiadm accepts after `-p`: IPv6 in brackets, no tag."""
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else (f"{self.address}:{self.port}")
        )

    def __eq__(self, other: object) -> bool:
        """Compare the canonical addresses, not their spelling."""
        if not isinstance(other, Portal):
            return NotImplemented
        return self.tpgt == other.tpgt and self.same_place(other)

    def __hash__(self) -> int:
        """Return the same hash for every spelling of the address."""
        return hash((*self.place, self.tpgt))

    @property
    def place(self) -> tuple[str, int]:
        """The canonical address and the port, to which a connection is made.

        A host name is not resolved, so it differs from the address to which it resolves.
        """
        return canonical_address(self.address), self.port

    def same_place(self, other: "Portal") -> bool:
        """Return whether both have the same address and port, regardless of the tags.

        This matches records without a tag, sessions and discoveries of one portal.
        """
        return self.port == other.port and (
            self.address == other.address or self.place == other.place
        )

    def matches(self, other: "Portal") -> bool:
        """Return whether both can be the same portal; the tag counts if both have one.

        Unlike equality, this is not transitive: a portal without a tag matches several.
        """
        return self.same_place(other) and (
            self.tpgt == other.tpgt or self.tpgt is None or other.tpgt is None
        )

    @property
    def unreachable(self) -> str | None:
        """Why no host can connect to this address; None if one can.

        Arrays announce such addresses for ports that are not configured. The kernel treats the
        unspecified address as the local host; open-iscsi cannot store the zone of a link-local IPv6
        address.
        """
        try:
            text = canonical_address(self.address)
            address = IPv6Address(text) if ":" in text else IPv4Address(text)
        except ValueError:
            return None
        if address.is_unspecified:
            return "the unspecified address"
        return "a link-local address" if address.is_link_local else None


def parse_portal(text: str) -> Portal:
    """Parse ADDR[:PORT[,TPGT]] as typed by an admin; IPv6 without a port needs no brackets.

    An IPv6 address is returned in its canonical spelling. Raises ValueError with one line that says
    what is wrong.
    """
    place, comma, tag = text.strip().partition(",")
    if place.startswith("iqn."):
        raise ValueError(f"portal {text!r}: this is a target name, not an address")
    if place.startswith("["):
        address, bracket, rest = place[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"portal {text!r}: the bracket is not closed before the port")
        port = rest[1:]
        if rest == ":":
            raise ValueError(f"portal {text!r}: the port is missing after ':'")
    elif place.count(":") > 1:
        address, port = place, ""
    else:
        address, colon, port = place.partition(":")
        if colon and not port:
            raise ValueError(f"portal {text!r}: the port is missing after ':'")
    if not address or re.search(r"[\s/]", address):
        raise ValueError(f"portal {text!r}: expected ADDRESS[:PORT[,TPGT]]")
    if "%" in address:
        raise ValueError(
            f"portal {text!r}: open-iscsi does not support link-local addresses with a zone; use "
            "a global or unique local address"
        )
    if ":" in address and not _is_address(IPv6Address, address):
        raise ValueError(f"portal {text!r}: {address!r} is not an IPv6 address")
    # inet_aton(3) reads a name whose last label is a number as an address, in which 010 is 8 and
    # 10.1 is 10.0.0.1: hardly what the user meant.
    if _NUMERIC.fullmatch(address) and not _is_address(IPv4Address, address):
        raise ValueError(
            f"portal {text!r}: {address!r} is not an IPv4 address: four numbers from 0 to 255 "
            "without leading zeros"
        )
    if ":" not in address and not _may_be_host(address):
        raise ValueError(f"portal {text!r}: {address!r} is not a valid host name")
    if ":" in address:
        address = canonical_address(address)
    number = _parse_number(text, "port", port, 1) if port else DEFAULT_PORT
    group = _parse_number(text, "portal group tag", tag, 0) if comma else None
    return Portal(address, number, group)


def _is_address(kind: type[IPv4Address] | type[IPv6Address], address: str) -> bool:
    try:
        kind(address)
    except ValueError:
        return False
    return True


def _may_be_host(name: str) -> bool:
    """Return whether the lengths of a host name are valid (RFC 1035 2.3.4, IDNA)."""
    try:
        encoded = name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        return False
    labels = encoded.removesuffix(".").split(".")
    return len(".".join(labels)) <= MAX_HOST and all(0 < len(n) <= MAX_LABEL for n in labels)


def _parse_number(text: str, what: str, digits: str, lowest: int) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", digits) or not lowest <= int(digits) <= 65535:
        raise ValueError(
            f"portal {text!r}: {what} {digits!r} is not a number from {lowest} to 65535"
        )
    return int(digits)


def why_not_met(name: str) -> str | None:
    """Return why no array can know a host by this initiator name, or None if one may.

    This check is lenient: it is for existing names, some of which have capitals or underscores.
    """
    if len(name.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES:
        return f"is longer than {MAX_NAME_BYTES} bytes"
    if not name.startswith(("iqn.", "eui.", "naa.")):
        return "does not start with iqn., eui. or naa."
    return None


def unsafe_name_problem(name: str) -> str | None:
    """Return why a name must not become part of a path, a line or a command; None if it may.

    For names from the network: of a target, an interface, or the address of a portal. Some arrays
    use capitals, underscores or letters beyond ASCII (RFC 3722 prescribes lower case).
    """
    if len(name.encode("utf-8", "surrogateescape")) > MAX_HOST:
        return f"is longer than {MAX_HOST} bytes"
    if not name or name.startswith((".", "-")):
        return "is empty or begins with '.' or '-'"
    if not all(char in _SAFE if char.isascii() else char.isalnum() for char in name):
        return "has a character that is not allowed in iSCSI names"
    return None


def why_not_made(name: str) -> str | None:
    """Return why an initiator must not be given this name, or None if it may.

    This check is strict (RFC 7143, RFC 3722): it is for new names.
    """
    if why := why_not_met(name):
        return why
    kind = name[:4]
    if kind == "eui.":
        return None if _EUI.fullmatch(name) else "eui. is followed by 16 hexadecimal digits"
    if kind == "naa.":
        return (
            None
            if _NAA.fullmatch(name)
            else ("naa. is followed by 16 hexadecimal digits, or 32 if the first is 6")
        )
    if not _IQN.fullmatch(name.lower()):
        return "is not iqn.YYYY-MM.reversed.domain[:anything]"
    if not _MADE.fullmatch(name):
        return "has a character other than a-z, 0-9, '-', '.' and ':'"
    return None
