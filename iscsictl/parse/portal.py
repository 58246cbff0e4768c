"""Portals as the tools print them, `ADDRESS:PORT,TPGT`, with or without brackets."""

import re

from iscsictl.model.names import Portal

_PORTAL = re.compile(r"(?:\[([^\]]*)\]|(\S*)):(\d{1,5})(?:,(-?\d{1,10}))?")


def read_portal(text: str) -> Portal | None:
    """Parse `<address>:<port>[,<tpgt>]`; None if it is not a portal or has no address.

    iscsiadm puts brackets around an address if and only if it has no '.', so a host name can have
    brackets and `::ffff:192.0.2.1` none: the last colon is the one before the port. A tpgt of -1,
    which means "unknown" and is also printed unsigned, is None.
    """
    found = _PORTAL.fullmatch(text)
    if not found:
        return None
    bracketed, bare, port, tag = found.groups()
    address = bracketed if bracketed is not None else bare
    if not address or address == "<empty>" or int(port) > 65535:
        return None
    return Portal(address, int(port), read_tag(tag))


def read_tag(text: str | None) -> int | None:
    """Parse a portal group tag (16 bits, RFC 7143 13.9); None for -1 and for anything else.

    open-iscsi prints an unknown tag as -1 or as 4294967295.
    """
    if not text or not text.isascii() or not text.isdigit() or len(text) > 5:
        return None
    return int(text) if int(text) <= 65535 else None
