"""Values as iscsiadm prints them, parsed up to a remark that somebody wrote after them.

A value is kept as it was printed, or it is unknown. What follows it is never taken for a part of
it: no array has a name with a blank, a quote or a tag in it.
"""

import re
from functools import lru_cache

from iscsictl.model.names import Portal
from iscsictl.parse.portal import read_portal

# RFC 7143 4.2.7.2 allows no blank, quote, bracket or comma in a name. Names in use also contain
# capitals and underscores, and some have no `iqn.`: those count only if nothing follows.
_NAME_CHARACTERS = r"[^\s\"'`<>&,;|\\()\[\]{}*\u2018-\u201f\u2026\u00ab\u00bb]"
_TYPED = re.compile(rf"(?:iqn|eui|naa)\.{_NAME_CHARACTERS}+", re.IGNORECASE)
_WHOLE = re.compile(rf"({_NAME_CHARACTERS}+?)(\.{{3}})?\s*(\((?:non-)?flash\)?)?")
_CUT_OFF = re.compile(r"\.\.$|[:-]$|\u2026")
_EMPTY = re.compile(r"\\?<empty\\?>")
_PORTAL = re.compile(r"(\[[^\]\s]+\](?::\d+)?|[^\s,]+)(?:\s*,\s*(-?\d+))?")
_STATE = re.compile(r"[A-Z][A-Z_\\]*(?: [A-Z][A-Z_\\]*)?(?![a-z])|Unknown")
_NUMBER = re.compile(r"\s*(-?\d{1,10})(?![\w.])", re.ASCII)
_REMARK = re.compile(r"\s+(?:#|//|<-|<=|--|\u2190|\(|;).*")


def read_name(text: str) -> str | None:
    """Parse an iSCSI name at the start of a text; None if there is none, or only a part of one.

    A name followed by iscsiadm's own `(non-flash)` is kept to the last byte. So is one that nothing
    follows, unless it ends in a colon: then it was cut off. If other words follow, a single dot
    ends a sentence; a name that ends in several dots, or in a separator, was cut off.
    """
    text = text.strip()
    if whole := _WHOLE.fullmatch(text):
        is_cut_off = not whole[3] and (whole[1].endswith(":") or whole[2])
        return None if is_cut_off else whole[1] + (whole[2] or "")
    typed = _TYPED.match(text)
    if typed is None or _CUT_OFF.search(typed[0] + text[typed.end() :][:1]):
        return None
    return typed[0].removesuffix(".")


# The current portal of a session is usually also its persistent one.
@lru_cache(maxsize=1000)
def read_printed_portal(text: str) -> Portal | None:
    """Parse `ADDRESS:PORT,TPGT` at the start of a text; None if it has no address or no port.

    What follows the portal is ignored. There may be blanks around the comma.
    """
    found = _PORTAL.match(text.strip())
    if found is None:
        return None
    place, tag = found.groups()
    return read_portal(place if tag is None else f"{place},{tag}")


def read_state(text: str) -> str | None:
    r"""Parse the state of a session or connection (`LOGGED IN`, `FAILED`, ...) as it was printed.

    A backslash that Markdown requires (`LOGGED\_IN`) is dropped. None for lower-case text.
    """
    found = _STATE.match(text.strip())
    return None if found is None else known(found[0].replace("\\", ""))


def read_word(text: str) -> str | None:
    """Parse one word: a transport, an address, a value of a parameter.

    Quotes and commas after it are dropped: they belong to what the output was pasted into.
    """
    words = text.split(None, 1)
    return known(words[0].rstrip("\"',;")) if words else None


def read_text(text: str) -> str | None:
    """Parse a value that may contain blanks, without a remark after it.

    A remark begins with a blank and one of the usual marks (`#`, `//`, `<-`, `--`, `(`, `;`).
    """
    return known(_REMARK.sub("", text.strip()))


def read_number(text: str) -> int | None:
    """Parse a whole number at the start of a text, at most ten digits long, else None."""
    found = _NUMBER.match(text)
    return int(found[1]) if found else None


def known(value: str | None) -> str | None:
    """Return the value; None if it is empty or says that it is not set.

    iscsiadm prints `<empty>` for a value that it does not have.
    """
    return None if not value or _EMPTY.fullmatch(value) else value


def read_address(text: str) -> str | None:
    """Parse an address of this host, without the brackets around one that has no '.' in it.

    None for `default`, which iscsiadm prints if the kernel chooses the address.
    """
    value = read_word(text)
    if value is not None and value.startswith("[") and value.endswith("]"):
        value = value[1:-1]
    return None if value == "default" else known(value)
