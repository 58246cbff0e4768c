"""The lines of a pasted log, rejoined if a terminal or a mail program broke them."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

_LEAST_WIDTH: Final = 60  # columns; a narrower window breaks lines into too many pieces
_MOST_WIDTH: Final = 200
# Lines: joining pairs is tried only in shorter texts. A long log comes from a file and is not
# broken.
_MOST_LINES: Final = 500
# The beginning of a line that does not continue another: a time, a bracket, a quote, a prompt or
# the name of a program.
_BEGINNING: Final = re.compile(
    r"\s*(?:[A-Z][a-z]{2} +\d|\d{4}-\d\d|\d\d:\d\d|[\[<>$#*|{-]|[\w./-]+(?:\[\d+\])?: |$)"
)


def whole_lines(text: str, is_known: Callable[[str], bool]) -> Iterator[str]:
    """Yield the lines of a text, joining lines that were broken.

    Lines that were cut at a fixed width are always joined; two that were broken at a blank only if
    `is_known` recognises neither of them, but both together.
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
    """Join lines that were cut at the width of the longest; a blank may have been lost there."""
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
