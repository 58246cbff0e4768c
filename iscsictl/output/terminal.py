"""What the output goes to: a terminal of some width, or a pipe where nothing is shortened."""

import os
from typing import TextIO

# Columns of a terminal that does not tell, such as a serial console.
DEFAULT_WIDTH = 80
# Below this no table makes sense, and the terminal breaks the lines.
MIN_WIDTH = 20


class Screen:
    """`width` is None off a terminal; `unicode` tells whether lines and dots can be drawn."""

    __slots__ = ("color", "stream", "unicode", "width")

    def __init__(
        self, stream: TextIO, *, width: int | None = None, color: bool = False, unicode: bool = True
    ) -> None:
        self.stream = stream
        self.width = width
        self.color = color
        self.unicode = unicode

    def write(self, text: str) -> None:
        """Write text; what the locale cannot encode is written as an escape.

        Names come from arrays and files, so under LANG=C any of them may have such characters.
        """
        encoding = self.stream.encoding or "utf-8"
        self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def screen_of(stream: TextIO, color: bool | None = None) -> Screen:
    """Look at a stream. `color` False is final; None and True need a terminal that can.

    With None, NO_COLOR in the environment forbids colours (no-color.org). COLUMNS counts more than
    the width that the terminal reports.
    """
    unicode = (stream.encoding or "").lower().replace("-", "") == "utf8"
    if not stream.isatty():
        return Screen(stream, unicode=unicode)
    plain = os.environ.get("TERM", "dumb") in ("dumb", "unknown", "")
    if color is None:
        color = not os.environ.get("NO_COLOR")
    color = color and not plain
    return Screen(stream, width=_terminal_width(stream), color=color, unicode=unicode)


def _terminal_width(stream: TextIO) -> int:
    columns = os.environ.get("COLUMNS", "")
    # Of six digits at most: int() refuses thousands of them (sys.set_int_max_str_digits).
    if columns.isascii() and columns.isdigit() and int(columns[:6]) > 0:
        return max(MIN_WIDTH, int(columns[:6]))
    try:
        width = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        width = 0
    return max(MIN_WIDTH, width or DEFAULT_WIDTH)
