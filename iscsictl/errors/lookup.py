"""Find what an error means: by code, by name, or in text pasted from a terminal or a log."""

import re
from typing import Final

from iscsictl.errors import NotFoundError
from iscsictl.errors.codes import Cause, Kind, every, login_status_in, table

# How each source writes its code. The group is the number.
_PATTERNS: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (
    ("iscsiadm", re.compile(r"reported error \((\d{1,3}) - ")),
    ("iscsiadm", re.compile(r"\biscsiadm\b[^\n]{0,200}?\b(?:exit(?:ed)?|return(?:ed)?)"
                            r"(?:\s+(?:with|status|code|value|exit))*[\s:=]+(\d{1,3})\b",
                            re.IGNORECASE)),
    ("iscsiadm", re.compile(r"\biscsi[^\n]{0,200}?\bstatus=(\d{1,3})/", re.IGNORECASE)),
    ("iscsiadm", re.compile(r"\(iscsiadm (\d{1,3})\)|, iscsiadm (\d{1,3})\)")),
    ("kernel", re.compile(r"\berror \(?(10[0-2]\d)\b", re.IGNORECASE)),
)  # fmt: skip
# Messages without a number, as regular expressions over lower case.
_TEXTS: Final[tuple[tuple[Kind, int, str], ...]] = (
    ("iscsiadm", 4, r"connection to discovery address \S+ (?:closed|failed)"),
    ("iscsiadm", 4, r"cannot make (?:a )?connection to|login i/o error, failed to \w+ a pdu"),
    ("iscsiadm", 4, r"connect to \S+ failed \("),
    ("iscsiadm", 6, r"maybe a stale lock|could not lock"),
    ("iscsiadm", 7, r"invalid initiatorname\b"),
    ("iscsiadm", 8, r"connect to \S+ timed out|connection login retries \(reopen_max\)"),
    ("iscsiadm", 12, r"iscsi driver \S+ is not loaded|iscsi driver not found"),
    ("iscsiadm", 12, r"could not (?:load|insert) (?:transport )?module|failed to load module"),
    ("iscsiadm", 18, r"daemon died\?"),
    ("iscsiadm", 19, r"login authentication failed with target"),
    ("iscsiadm", 20, r"can not connect to iscsi daemon|iscsid is not running"),
    ("iscsiadm", 20, r"discovery\. initiatorname required"),
    ("iscsiadm", 21, r"no active sessions|no records found|no (?:session|portal)s? found"),
    ("iscsiadm", 23, r"cannot resolve (?:host name )?\S+"),
    ("iscsiadm", 24, r"local password same as remote"),
    ("kernel", 1013, r"session recovery timed out after \d+ secs"),
    ("kernel", 1022, r"ping timeout of \d+ secs expired"),
)  # fmt: skip
# The meanings in iscsiadm's table are open-iscsi's own words (usr/iscsi_err.c): ": WORDS" at the
# end of a line that says what failed. Other tools end lines so too ("Connection timed out"), so
# these count only where the line tells nothing else.
_SAYINGS: Final = {cause.meaning.lower(): cause for cause in table("iscsiadm").values()}
_SAID: Final = re.compile(rf"(?:^|: )({'|'.join(map(re.escape, _SAYINGS))})\b")
_NAMES: Final = re.compile(r"\bISCSI_(?:ERR|OK|SUCCESS)[A-Z0-9_]*\b")


def by_code(word: str) -> Cause | None:
    """Look up 24, 1020, 0x0201, 0203, 02/03 or ISCSI_ERR_BUSY; None if it is no known code."""
    word = word.strip()
    for cause in every():
        if word.upper() == cause.name.upper():
            return cause
    if re.fullmatch(r"0[xX][0-9a-fA-F]{3,4}|0[0-9a-fA-F]{3}", word):
        status = table("login").get(int(word, 16))
        if status or not word.isdecimal():
            return status
    if match := re.fullmatch(r"(0?[0-3])/([0-9a-fA-F]{1,2})", word):
        return table("login").get(int(match[1], 16) << 8 | int(match[2], 16))
    if re.fullmatch(r"[0-9]{1,5}", word):
        return table("iscsiadm").get(int(word)) or table("kernel").get(int(word))
    return None


def in_text(text: str) -> tuple[Cause, ...]:
    """Find the causes that a text names, each once, the most telling kind first.

    A login status tells more than the kernel's error, and that more than iscsiadm's code.
    """
    found: list[Cause] = []
    for line in text.splitlines():
        found += _in_line(line)
    order: dict[Kind, int] = {"login": 0, "kernel": 1, "iscsiadm": 2}
    unique = dict.fromkeys(cause for cause in found if int(cause.exit) or cause.code == 15)
    return tuple(sorted(unique, key=lambda cause: order[cause.kind]))


def _in_line(line: str) -> list[Cause]:
    found: list[Cause] = []
    if status := login_status_in(line):
        found.append(status)
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(line):
            number = next(group for group in match.groups() if group)
            found.extend(filter(None, [table(kind).get(int(number))]))
    lowered = line.lower()
    found += [table(k)[code] for k, code, words in _TEXTS if re.search(words, lowered)]
    found += filter(None, (by_code(name) for name in _NAMES.findall(line)))
    if not found and (said := _SAID.search(lowered)):
        found.append(_SAYINGS[said[1]])
    return found


def _codes(words: str) -> tuple[Cause, ...]:
    """Look up words that are all codes; nothing where one is none."""
    found: list[Cause] = []
    for word in words.split():
        cause = by_code(word)
        if cause is None:
            return ()
        found.append(cause)
    return tuple(dict.fromkeys(found))


def explain(words: str) -> tuple[Cause, ...]:
    """Return what codes mean, in their order, or what a text does, most telling first.

    Raises NotFoundError where nothing in it is known.
    """
    if causes := _codes(words) or in_text(words):
        return causes
    shown = " ".join(words.split())
    shown = shown if len(shown) <= 60 else shown[:60] + "..."
    raise NotFoundError(
        f"no error is known by {shown!r}",
        hint="give a code (24, 1020, 0x0203) or the whole line; `iscsictl explain` lists all",
    )
