"""The one-line form of a session: `tcp: [1] 192.0.2.5:3260,1 iqn.2001-04.com.example:a`."""

import re
from collections.abc import Iterator

from iscsictl.model.listing import Note, Session
from iscsictl.parse.printed_values import known, read_name, read_printed_portal

# Somebody who posts a listing may have replaced a part of the address with [REDACTED].
_PORTAL = (
    r"(?P<portal>(?:\[[^\]\s]+\]|(?:[^\s\[\]\"',]|\[[A-Za-z_-]{1,32}\])+)"
    r"(?:,-?\d{1,10}|:\d{1,5}(?:,-?\d{1,10})?)?)"
)
# The line may be in a log, in JSON, in HTML or in a string of a program. It begins at a word
# followed by a colon and a number in brackets, and ends with the name.
_ANYWHERE = re.compile(
    r"(?<!\w)(?P<transport>[A-Za-z]\w{0,31}|\\?<empty\\?>):\s{0,3}\[(?P<sid>\d{1,10})\]\s*"
    rf"{_PORTAL}\s+(?=\S)"
)
# The first releases printed no transport: `[01:0a1b2c] PORTAL NAME`, later `[01] PORTAL NAME`.
_FIRST_RELEASES = re.compile(
    rf"\[(?P<sid>\d{{1,10}})(?::[0-9a-f]{{6}})?\]\s+{_PORTAL}\s+(?=(?:iqn|eui|naa)\.)"
)
_RECORD_OF_FIRST_RELEASES = re.compile(r"\[[0-9a-f]{6}\]\s")
_MAY_BE = re.compile(r":(?:\s|\\t){0,3}\[\d|^\[\d")  # most lines of a long log do not match
_NAME_TYPES = ("iqn.", "eui.", "naa.")  # RFC 7143, section 4.2.7.1
_SPELLED_BLANK = re.compile(r"(?<!\\)\\+[nrt]")
_AFTER_NAME = re.compile(r"\s*(?:$|[\"'`,;:()\]{}|<\\*.#\u2018-\u201f]|//|-->|\w+: \[)")


def find_flat_sessions(line: str, number: int, warnings: list[Note]) -> Iterator[Session]:
    """Yield the sessions that `iscsiadm -m session` printed, wherever they are in the line.

    Only their persistent portal is known. Damaged ones are reported in `warnings`. A line that may
    contain a secret is not searched.
    """
    if not _MAY_BE.search(line) or "password" in line.lower():
        return
    line = _SPELLED_BLANK.sub("  ", line)
    found = list(_ANYWHERE.finditer(line))
    if not found and not _RECORD_OF_FIRST_RELEASES.match(line):
        found = list(filter(None, [_FIRST_RELEASES.match(line)]))
    ends = [one.start() for one in found[1:]] + [len(line)]
    for one, end in zip(found, ends, strict=False):  # if none was found, there is still one end
        text = line[one.end() : end].rstrip().lstrip("*`\"'")  # the name may be emphasised
        name = read_name(text)
        if name is not None and one.start() > 0 and text == name:
            name = name.removesuffix(".")  # the end of a sentence
        if name is None:
            warnings.append(Note("a session is left out: its target's name is incomplete", number))
            continue
        transport = one.groupdict().get("transport")
        portal = read_printed_portal(one["portal"])
        if portal is None and "empty>" not in one["portal"]:
            if not name.lower().startswith(_NAME_TYPES):
                continue  # such as the kernel's "pcpu-alloc: [0] 0 1"
            warnings.append(Note("the portal is not ADDRESS:PORT,TPGT", number))
        if not _AFTER_NAME.match(text[len(name) :]):
            warnings.append(Note("the words after the target's name are ignored", number))
        yield Session(
            "iscsiadm",
            name,
            sid=int(one["sid"]),
            transport=None if transport == "NA" else known(transport),
            persistent_portal=portal,
        )
