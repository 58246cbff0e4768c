"""What the output goes to: a terminal of some width, or a pipe where nothing is shortened."""

import os
from dataclasses import dataclass
from typing import TextIO

DEFAULT_WIDTH = 80
MIN_WIDTH = 20


@dataclass(frozen=True)
class Screen:
    """`width` is None off a terminal; `unicode` tells whether lines and dots can be drawn."""

    stream: TextIO
    width: int | None
    color: bool
    unicode: bool

    def write(self, text: str) -> None:
        """Write text; what the locale cannot encode is written as an escape."""
        encoding = self.stream.encoding or "utf-8"
        self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def screen_of(stream: TextIO, color: bool | None = None) -> Screen:
    """Look at a stream. `color` False is final; None and True need a terminal that can."""
    unicode = (stream.encoding or "").lower().replace("-", "") == "utf8"
    if not stream.isatty():
        return Screen(stream, None, False, unicode)
    plain = os.environ.get("TERM", "dumb") in ("dumb", "unknown", "")
    if color is None:
        color = not os.environ.get("NO_COLOR")
    return Screen(stream, _width(stream), color and not plain, unicode)


def _width(stream: TextIO) -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and int(columns[:6]) > 0:
        return max(MIN_WIDTH, int(columns[:6]))
    try:
        width = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        width = 0
    return max(MIN_WIDTH, width or DEFAULT_WIDTH)
