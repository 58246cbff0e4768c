"""Names from the standard: portals and iSCSI names (RFC 7143 section 4.2, RFC 3722)."""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

#: The port that IANA assigned to iSCSI targets.
DEFAULT_PORT = 3260
DEFAULT_IFACE = "default"
# Those that open-iscsi knows without a definition (iface.c), and their transports.
BUILT_IN_IFACES = {DEFAULT_IFACE: "tcp", "iser": "iser"}
# RFC 7143, 4.2.7: the bytes of an iSCSI name, all of the target's or the initiator's.
MAX_NAME_BYTES = 223
# RFC 1035, 2.3.4: the bytes of a host name without its last dot, and of one of its labels.
MAX_HOST, MAX_LABEL = 253, 63

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_IQN = re.compile(rf"iqn\.[0-9]{{4}}-(0[1-9]|1[0-2])\.{_LABEL}(?:\.{_LABEL})*(?::[^\s/]*)?")
_EUI = re.compile(r"eui\.[0-9A-Fa-f]{16}")
_NAA = re.compile(r"naa\.(?:6[0-9A-Fa-f]{31}|[0-57-9A-Fa-f][0-9A-Fa-f]{15})")
_MADE = re.compile(r"[a-z0-9.:-]+")
# ASCII characters that part nothing in a path, a record, a line of fstab or a list of options.
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-_+@=~")
_NUMERIC = re.compile(r"(?:[^:]*\.)?(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?", re.ASCII)


# A host has a handful of portals, each of which is compared again and again.
@lru_cache(maxsize=4096)
def canonical_address(text: str) -> str:
    """Return the one spelling of an address that all its spellings have in common.

    IPv6 is compressed and in lower case (RFC 5952), an IPv4-mapped address is the IPv4 address
    that it leads to (RFC 4291, 2.5.5.2), a host name is in lower case without the final dot.
    """
    bare = text.removeprefix("[").removesuffix("]").lower()
    if ":" not in bare:
        return bare.removesuffix(".") or bare
    try:
        address = IPv6Address(bare)
    except ValueError:
        return bare
    return str(address.ipv4_mapped or address)


# Of NAA names of type 5 and 6 the digits 2 to 7 are the vendor's IEEE company id (SPC-4 7.8.6.6):
# one that is zero was never assigned, and tgtd makes such names of target and LUN numbers. Its
# names of type 3 (locally assigned) and of T10 are no better: two arrays have the same.
_NAMELESS = re.compile(
    r"(?:naa|eui)\.0*|naa\.[0-9a-f]0+|naa\.[56]0{6}[0-9a-f]*|naa\.30{3}[0-9a-f]{4}0{4}[0-9a-f]{4}"
    r"|t10\.(?:IET\s+[0-9a-f]{8}\s*|\s*)",
    re.IGNORECASE,
)


def is_identifying(wwid: str) -> bool:
    """Tell whether a WWID (as sysfs spells it) can tell a disk from those of other arrays.

    False for the names that some targets make of a LUN number or leave at zero: two arrays have
    them.
    """
    return not _NAMELESS.fullmatch(wwid.strip("\0 "))


@dataclass(frozen=True, order=True)
class Portal:
    """Where a target listens. `tpgt` is the portal group tag, None where it is not known.

    Portals are equal if they name the same address, port and tag. `address` keeps the spelling
    that was met, since open-iscsi names directories by it and compares it byte for byte.
    """

    address: str
    port: int = DEFAULT_PORT
    tpgt: int | None = None

    def __str__(self) -> str:
        """Return the form iscsiadm takes after `-p`: IPv6 in brackets, no tag."""
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else (f"{self.address}:{self.port}")
        )

    def __eq__(self, other: object) -> bool:
        """Compare the addresses, not their spelling."""
        if not isinstance(other, Portal):
            return NotImplemented
        return self.tpgt == other.tpgt and self.same_place(other)

    def __hash__(self) -> int:
        """Return the same number for every spelling."""
        return hash((*self.place, self.tpgt))

    @property
    def place(self) -> tuple[str, int]:
        """The canonical address and the port: what a connection is made to.

        A host name is not resolved, so it differs from the address that it stands for.
        """
        return canonical_address(self.address), self.port

    def same_place(self, other: "Portal") -> bool:
        """Tell whether both name one address and port, whatever the tags say.

        Records without a tag, sessions and discoveries of one portal are matched by it.
        """
        return self.port == other.port and (
            self.address == other.address or self.place == other.place
        )

    def matches(self, other: "Portal") -> bool:
        """Tell whether both can be one portal: the tag counts where both know it.

        Unlike equality it is not transitive: without a tag one portal matches several.
        """
        return self.same_place(other) and (
            self.tpgt == other.tpgt or self.tpgt is None or other.tpgt is None
        )

    @property
    def unreachable(self) -> str | None:
        """Why no connection to this address can be made from any host; None if one can.

        Arrays announce such addresses for ports without a configuration. The kernel takes the
        unspecified address for the local host; open-iscsi has no zone for link-local IPv6.
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
    """Read ADDR[:PORT[,TPGT]] as an admin types it; an IPv6 address may stand bare.

    An address is returned in its canonical spelling. Raises ValueError with one line that says
    what is wrong.
    """
    place, comma, tag = text.strip().partition(",")
    if place.startswith("iqn."):
        raise ValueError(f"portal {text!r}: this is the name of a target, not an address")
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
            f"portal {text!r}: open-iscsi cannot take a link-local address with a zone; "
            "use a global or unique local address"
        )
    if ":" in address and not _is_address(IPv6Address, address):
        raise ValueError(f"portal {text!r}: {address!r} is no IPv6 address")
    # A name whose last label is a number is read as an address by inet_aton(3), in which 010 is
    # 8 and 10.1 is 10.0.0.1: nobody who typed that can know what it names.
    if _NUMERIC.fullmatch(address) and not _is_address(IPv4Address, address):
        raise ValueError(
            f"portal {text!r}: {address!r} is no IPv4 address: "
            "four numbers from 0 to 255 without leading zeros"
        )
    if ":" not in address and not _may_be_host(address):
        raise ValueError(f"portal {text!r}: no host can have the name {address!r}")
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
    """Tell whether a host may have this name by its lengths (RFC 1035 2.3.4, IDNA)."""
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
    """Tell why no array can know a host by this name, or None if one may.

    Lenient: for names that are met, which keep their bytes; some have capitals or underscores.
    """
    if len(name.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES:
        return f"is longer than {MAX_NAME_BYTES} bytes"
    if not name.startswith(("iqn.", "eui.", "naa.")):
        return "does not start with iqn., eui. or naa."
    return None


def unsafe_name_problem(name: str) -> str | None:
    """Return why a name must not become part of a path, a line or a command; None if it may.

    For names that come from the network: a target's, a portal's address, an interface's. Some
    arrays use capitals, underscores or letters beyond ASCII (RFC 3722 has them in lower case).
    """
    if len(name.encode("utf-8", "surrogateescape")) > MAX_HOST:
        return f"is longer than {MAX_HOST} bytes"
    if not name or name.startswith((".", "-")):
        return "is empty or begins with '.' or '-'"
    if not all(char in _SAFE if char.isascii() else char.isalnum() for char in name):
        return "has a character that no iSCSI name has"
    return None


def why_not_made(name: str) -> str | None:
    """Tell why this name may not be given to an initiator, or None if it may.

    Strict (RFC 7143, RFC 3722): for names that are made.
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
