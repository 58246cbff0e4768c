"""Where the output goes: a terminal of some width, or a pipe, for which nothing is shortened."""

import os
from typing import TextIO

# Assumed columns of a terminal that does not report its width, such as a serial console.
DEFAULT_WIDTH = 80
# With fewer columns no table makes sense, and the terminal wraps the lines.
MIN_WIDTH = 20


class Screen:
    """An output stream. `width` is None off a terminal; `unicode`: it can show box drawing."""

    __slots__ = ("color", "stream", "unicode", "width")

    def __init__(
        self, stream: TextIO, *, width: int | None = None, color: bool = False, unicode: bool = True
    ) -> None:
        self.stream = stream
        self.width = width
        self.color = color
        self.unicode = unicode

    def write(self, text: str) -> None:
        """Write text, escaping characters that the locale cannot encode.

        Under LANG=C any name from an array or a file may have such characters.
        """
        encoding = self.stream.encoding or "utf-8"
        self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def screen_of(stream: TextIO, color: bool | None = None) -> Screen:
    """Return the properties of a stream as a `Screen`.

    With `color` False there is no colour; with True, if the terminal supports it; with None,
    NO_COLOR in the environment disables it too (no-color.org). COLUMNS takes precedence over the
    width that the terminal reports.
    """
    unicode = (stream.encoding or "").lower().replace("-", "") == "utf8"
    if not stream.isatty():
        return Screen(stream, unicode=unicode)
    if color is None:
        color = not os.environ.get("NO_COLOR")
    color = color and not is_dumb()
    return Screen(stream, width=_terminal_width(stream), color=color, unicode=unicode)


def is_dumb() -> bool:
    """Return whether the terminal can only print lines, as far as TERM says; see term(7)."""
    return os.environ.get("TERM", "dumb") in ("dumb", "unknown", "")


def _terminal_width(stream: TextIO) -> int:
    columns = os.environ.get("COLUMNS", "")
    # At most six digits: int() refuses thousands of them (sys.set_int_max_str_digits).
    if columns.isascii() and columns.isdigit() and int(columns[:6]) > 0:
        return max(MIN_WIDTH, int(columns[:6]))
    try:
        width = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        width = 0
    return max(MIN_WIDTH, width or DEFAULT_WIDTH)
