"""The lines of a pasted log; those that a terminal or a mail program broke are put together."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

_LEAST_WIDTH: Final = 60  # columns; a narrower window breaks each line in too many pieces
_MOST_WIDTH: Final = 200
# Lines of a text that are tried in pairs: a long log is not broken, it comes from a file.
_MOST_LINES: Final = 500
# How a line begins that is none's rest: with a time, a bracket, a quote, a prompt or a program.
_BEGINNING: Final = re.compile(
    r"\s*(?:[A-Z][a-z]{2} +\d|\d{4}-\d\d|\d\d:\d\d|[\[<>$#*|{-]|[\w./-]+(?:\[\d+\])?: |$)"
)


def whole_lines(text: str, is_known: Callable[[str], bool]) -> Iterator[str]:
    """Yield the lines of a text, and broken ones as one.

    Lines that were cut at one width are put together as they are; two that were broken at a blank
    only where `is_known` knows none of them, and both together.
    """
    lines = _join_cut_lines(text.splitlines(), is_known)
    is_tried = len(lines) <= _MOST_LINES
    place = 0
    while place < len(lines):
        line = lines[place]
        following = lines[place + 1] if place + 1 < len(lines) else ""
        place += 1
        if (
            is_tried
            and _LEAST_WIDTH // 2 <= len(line) <= _MOST_WIDTH
            and not _BEGINNING.match(following)
            and not is_known(line)
            and not is_known(following)
            and is_known(joined := f"{line.rstrip()} {following.lstrip()}")
        ):
            line = joined
            place += 1
        yield line


def _join_cut_lines(lines: list[str], is_known: Callable[[str], bool]) -> list[str]:
    """Join what was cut at the width of the longest line; a blank may have been lost there."""
    width = max(map(len, lines), default=0)
    if not _LEAST_WIDTH <= width <= _MOST_WIDTH:
        return lines
    joined = lines[:1]
    for line, following in pairwise(lines):
        if len(line) != width or _BEGINNING.match(following):
            joined.append(following)
            continue
        glued, spaced = joined[-1] + following, f"{joined[-1]} {following}"
        joined[-1] = spaced if is_known(spaced) and not is_known(glued) else glued
    return joined
