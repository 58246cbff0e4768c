"""Read the values of iscsi.conf as the old driver read them: numbers, times, places, quotes."""

import ipaddress
import re
from typing import Final

DEFAULT_PORT: Final = 3260
BLANKS: Final = " \t\n\v\f\r"


def parse_number(text: str) -> int | None:
    """Read a number as C's strtol does with base 0, up to the first blank; None if it is none.

    0x10 is 16 and 010 is 8. There is no minus sign, and what does not fit 31 bits is no number.
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
    """Read seconds, with s, m or h behind in lower case; None if it is no time.

    The result is seconds; 31 bits have to hold it.
    """
    token = read_token(text)
    unit = {"s": 1, "m": 60, "h": 3600}.get(token[-1:])
    number = parse_number(token[:-1] if unit else token)
    seconds = None if number is None else number * (unit or 1)
    return seconds if seconds is not None and seconds < 2**31 else None


def parse_boolean(text: str) -> bool | None:
    """Read yes, no or a number; nothing at all is no.

    Only the beginning of the word counts, in either case, so `nothing` is no. None for anything
    else.
    """
    token = read_token(text).lower()
    if token.startswith("yes"):
        return True
    if token.startswith("no") or not token:
        return False
    number = parse_number(token)
    return None if number is None else number != 0


def read_token(text: str) -> str:
    """Return what stands before the first blank; "" where the text begins with one."""
    return re.split(f"[{BLANKS}]", text, maxsplit=1)[0]


def read_quoted(text: str) -> str:
    """Return what stands in quotes (an open quote ends with the line), or the first word.

    There are no escapes inside the quotes, and a `#` in them or in a word is no comment.
    """
    return text[1:].partition('"')[0] if text.startswith('"') else read_token(text)


def read_address(token: str) -> tuple[str, int]:
    """Split address and port. Brackets (IPv6) are taken, which the old driver did not know.

    The port is 3260 where none is given, or one that no socket can have.
    """
    if match := re.fullmatch(r"\[([^\]]*)\](?::([0-9]*).*)?", token):
        address, digits = match[1], match[2] or ""
    else:
        address, _, rest = token.partition(":")
        found = re.match(r"[0-9]*", rest)
        digits = found[0] if found else ""
    port = int(digits) if 0 < len(digits) <= 5 else 0
    return address, port if 0 < port < 65536 else DEFAULT_PORT


def read_network(value: str) -> str | None:
    """Read address, address/bits or address&hexmask as a network in CIDR form.

    Without bits, or with more than 32, it is a single address. None if it is no IPv4 address.
    """
    address, slash, bits = read_token(value).partition("/")
    prefix = 32
    if slash:
        prefix = int(bits) if re.fullmatch("[0-9]{1,2}", bits) and int(bits) <= 32 else 32
    elif "&" in address:
        address, _, mask = address.partition("&")
        if re.fullmatch(r"(?:0[xX])?[0-9a-fA-F]{1,8}", mask):
            # The leading ones count. A mask without a zero gives -1, and -1 % 33 is 32.
            prefix = f"{int(mask, 16):032b}".find("0") % 33
    try:
        return str(ipaddress.IPv4Network((address, prefix), strict=False))
    except ValueError:
        return None
