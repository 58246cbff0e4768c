"""Join lines that a terminal or a mail program has broken in two.

This is done only if the two parts prove that they are one line: a target's name that continues on
the next line must not be taken for the name of another target.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

_NAME_CHARACTER = r"[^\s\"'`<>&,;|\\()\[\]{}*]"
_NAME = rf"(?:iqn|eui|naa)\.{_NAME_CHARACTER}*"
# The end of a line that continues on the next: a name, a part of `(non-flash)`, a portal alone, the
# line of multipath's features before its last word, the first of two words of a state, or a disk
# without its state.
_OPEN_END = re.compile(
    rf"(?:{_NAME}(?: \([a-z-]*)?|,-?\d+|^\s*size=\S+ features=.*"
    r"|State: (?:NO|IN|LOGGED|TRANSPORT|LOGOUT|CLEANUP)|Attached scsi disk [\w!-]+)\s*$"
)
_STATE_BEGINNINGS = tuple(
    f"State: {word}" for word in ("NO", "IN", "LOGGED", "TRANSPORT", "LOGOUT", "CLEANUP")
)
_REST_OF_STATE = frozenset({"CHANGE", "IN", "LOGIN", "LOGOUT", "REQUESTED", "WAIT"})
_OPEN_NAME = re.compile(rf"{_NAME}(?: \([a-z-]*)?$")
_QUOTE = re.compile(r"(?:> ?)*")
_FLASH = re.compile(rf"{_NAME} \((?:non-)?flash\)$")
_REST_OF_NAME = re.compile(rf"{_NAME_CHARACTER}* ?\(?[a-z-]*\)?")
_PLAIN_REST = re.compile(rf"(?!(?:iqn|eui|naa)\.|[#$%]){_NAME_CHARACTER}+")
_FLAT_PORTAL = re.compile(r"(?:\w+: \[\d+\] )?(?:\[[^\]\s]+\]|[^\s\[\],]+):\d{1,5},-?\d+")
_FEATURES = re.compile(r"\s*size=\S+ features='[^']*' hwhandler='[^']*' wp=r[ow]")
_USUAL_WIDTH = 80  # columns of a terminal
_LEAST_WIDTH = 60  # a narrower one breaks lines into too many pieces


def join_wrapped_lines(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers; a broken line has the number of its beginning."""
    listed = list(lines)
    width = _wrap_width([line for _, line in listed])
    # Most lines of a long listing are none of these: they are passed on in slices.
    open_ends = [
        index
        for index, (_, line) in enumerate(listed)
        if _may_be_open(line) and _OPEN_END.search(line)
    ]
    first = 0
    for index in open_ends:
        if index < first:
            continue  # it was joined to an earlier line
        yield from listed[first:index]
        number, line = listed[index]
        first = index + 1
        while first < len(listed) and (joined := _join(line, listed[first][1], width)) is not None:
            line = joined
            first += 1
        yield number, line
    yield from listed[first:]


def _may_be_open(line: str) -> bool:
    """Tell quickly whether a line may continue on the next; in a long listing, most do not."""
    return (
        "iqn." in line or "," in line or "features=" in line or "eui." in line or "naa." in line
        or line.endswith(_STATE_BEGINNINGS) or ("scsi disk " in line and "State" not in line)
    )  # fmt: skip


def _wrap_width(lines: list[str]) -> int | None:
    """Return the width at which lines were cut within a name; None if they were not.

    The longest lines were cut if what follows each of them can be the rest of a name, and if there
    are at least two, or one as long as a terminal is wide whose rest is more than a word.
    """
    width = max(map(len, lines), default=0)
    if width < _LEAST_WIDTH:
        return None
    following = [
        after for line, after in pairwise(lines) if len(line) == width and _OPEN_NAME.search(line)
    ]
    if not following or not all(map(_PLAIN_REST.fullmatch, following)):
        return None
    is_usual = width == _USUAL_WIDTH and re.search(r"[-.:\d]", following[0])
    return width if len(following) > 1 or is_usual else None


def _join(line: str, following: str, width: int | None) -> str | None:
    """Return both lines as one, None if nothing proves that they are one."""
    quote = _QUOTE.match(line)
    start = quote.end() if quote is not None else 0
    rest = (following[start:] if following.startswith(line[:start]) else following).rstrip()
    whole = line.rstrip()
    content = whole[start:].strip()
    word = rest.strip("> \t")
    if content.endswith(_STATE_BEGINNINGS):
        return f"{whole} {word}" if word in _REST_OF_STATE else None
    if content.startswith("Attached scsi disk "):
        return f"{whole} {word}" if re.fullmatch(r"State: ?\w[\w-]*", word) else None
    if content.startswith("size="):
        glued = (line + rest, f"{whole} {rest}")
        return next((one for one in glued if _FEATURES.fullmatch(one[start:])), None)
    if _FLAT_PORTAL.fullmatch(content):
        return f"{whole} {rest}" if re.match(_NAME, rest) else None
    if not _OPEN_NAME.search(whole):
        return None
    if rest.lstrip() in ("(non-flash)", "(flash)"):
        return f"{whole} {rest.lstrip()}"
    if whole != line or not rest or not _REST_OF_NAME.fullmatch(rest):
        return None
    if _FLASH.search(line + rest):
        return line + rest
    is_cut = width is not None and len(line) % width == 0
    return line + rest if is_cut and _PLAIN_REST.fullmatch(rest) else None
