"""Parsers for the values of iscsi.conf as the old driver read them."""

import ipaddress
import re
from typing import Final

DEFAULT_PORT: Final = 3260
BLANKS: Final = " \t\n\v\f\r"


def parse_number(text: str) -> int | None:
    """Parse a number as C's strtol does with base 0, up to the first blank; None if invalid.

    0x10 is 16 and 010 is 8. A minus sign, and a number of more than 31 bits, are invalid.
    """
    token = read_token(text)
    if not re.fullmatch(r"\+?(?:0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})", token):
        return None
    digits = token.lstrip("+")
    try:
        if digits[:2] in {"0x", "0X"}:
            number = int(digits, 16)
        else:
            number = int(digits, 8 if digits.startswith("0") else 10)
    except ValueError:
        return None
    return number if number < 2**31 else None


def parse_time(text: str) -> int | None:
    """Parse a time, with an optional suffix s, m or h in lower case; None if invalid.

    The result is in seconds and must fit into 31 bits.
    """
    token = read_token(text)
    unit = {"s": 1, "m": 60, "h": 3600}.get(token[-1:])
    number = parse_number(token[:-1] if unit else token)
    seconds = None if number is None else number * (unit or 1)
    return seconds if seconds is not None and seconds < 2**31 else None


def parse_boolean(text: str) -> bool | None:
    """Parse yes, no or a number (0 is no); an empty value is no, anything else None.

    Only the beginning of the word is compared, ignoring case, so `nothing` is no.
    """
    token = read_token(text).lower()
    if token.startswith("yes"):
        return True
    if token.startswith("no") or not token:
        return False
    number = parse_number(token)
    return None if number is None else number != 0


def read_token(text: str) -> str:
    """Return the text before the first blank, "" if it begins with one."""
    return re.split(f"[{BLANKS}]", text, maxsplit=1)[0]


def read_quoted(text: str) -> str:
    """Return the text in quotes (which the end of the line closes too), or else the first word.

    There are no escapes inside quotes, and a `#` inside quotes or a word starts no comment.
    """
    return text[1:].partition('"')[0] if text.startswith('"') else read_token(text)


def read_address(token: str) -> tuple[str, int]:
    """Split address and port. IPv6 in brackets is accepted, which the old driver did not know.

    The port is 3260 if there is none, or one that is out of range.
    """
    if match := re.fullmatch(r"\[([^\]]*)\](?::([0-9]*).*)?", token):
        address, digits = match[1], match[2] or ""
    else:
        address, _, rest = token.partition(":")
        match_of_port = re.match(r"[0-9]*", rest)
        digits = match_of_port[0] if match_of_port else ""
    port = int(digits) if 0 < len(digits) <= 5 else 0
    return address, port if 0 < port < 65536 else DEFAULT_PORT


def read_network(value: str) -> str | None:
    """Parse address, address/bits or address&hexmask, and return the network in CIDR form.

    Without bits, or with more than 32, it is a single address. None if it is not an IPv4 address.
    """
    address, slash, bits = read_token(value).partition("/")
    prefix = 32
    if slash:
        prefix = int(bits) if re.fullmatch("[0-9]{1,2}", bits) and int(bits) <= 32 else 32
    elif "&" in address:
        address, _, mask = address.partition("&")
        if re.fullmatch(r"(?:0[xX])?[0-9a-fA-F]{1,8}", mask):
            # Count the leading ones. For a mask without a zero, find returns -1, and -1 % 33 is 32.
            prefix = f"{int(mask, 16):032b}".find("0") % 33
    try:
        return str(ipaddress.IPv4Network((address, prefix), strict=False))
    except ValueError:
        return None
