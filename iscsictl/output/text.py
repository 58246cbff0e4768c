"""Text that is safe to print: escaped control characters, and widths as in a terminal."""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from iscsictl.lazy_import import lazy_import

if TYPE_CHECKING:
    import unicodedata
else:
    # A megabyte of tables, which is needed only for text beyond ASCII.
    unicodedata = lazy_import("unicodedata")

_UNITS = "BKMGTPE"
# Colours take no columns (SGR, ECMA-48, 8.3.117).
_SGR = re.compile(r"\x1b\[[0-9;]*m")


def escape_controls(text: str) -> str:
    r"""Escape (as \x1b) what a terminal would obey or hide: controls, bidi marks, stray bytes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape_code_point(ord(char)) for char in text)


def label_value(text: str) -> str:
    """Escape text for the value of a label in Prometheus' text format; quotes are not added."""
    return escape_controls(text).replace("\\", "\\\\").replace('"', '\\"')


def _escape_code_point(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def cell_width(text: str) -> int:
    """Return how many columns the text occupies on a terminal, as wcwidth(3) counts them.

    Combining marks occupy none, wide East Asian characters two (UAX 11). Control characters must
    have been escaped before.
    """
    # Nearly all text is ASCII, and then the tables need not be loaded.
    if text.isascii():
        return len(text)
    category, east_asian_width = unicodedata.category, unicodedata.east_asian_width
    return sum(
        0 if category(char) in {"Mn", "Me"} or "\u1160" <= char <= "\u11ff"
        else 2 if east_asian_width(char) in "WF" else 1
        for char in text
    )  # fmt: skip


def human_size(size: int | None) -> str | None:
    """Format bytes as lsblk does: 512B, 1.5G, 3T (powers of 1024).

    A `size` of None, one that is not known, returns None.
    """
    if size is None:
        return None
    value = float(size)
    unit = 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value /= 1024
        unit += 1
    return f"{value:.1f}".removesuffix(".0") + _UNITS[unit]


def human_duration(seconds: float) -> str:
    """Format a duration in its two largest units: 45s, 59min, 2h 5min, 3d 4h.

    It is rounded to whole seconds. A negative duration, of something that has just ended, is 0.
    """
    left = max(0, round(seconds))
    for unit, name, lower, lower_name in (
        (86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"),
    ):  # fmt: skip
        if left >= unit:
            rest = left % unit // lower
            return f"{left // unit}{name}" + (f" {rest}{lower_name}" if rest else "")
    return f"{left}s"


def truncate(names: Iterable[str], width: int, dots: str = "…") -> dict[str, str] | None:
    """Cut names in the middle to `width` columns; None if two of them would then be equal.

    The beginning of an IQN names its authority, the end the target: so more of the end is kept. If
    the names are not distinct then, the cut is moved.
    """
    every = sorted(set(names))
    long = [name for name in every if cell_width(name) > width]
    if not long:
        return {name: name for name in every}
    keep = width - len(dots)
    if keep < 2:
        return None
    cut = set(long)
    short = {name: name for name in every if name not in cut}
    heads = sorted(range(1, keep), key=lambda head: abs(head - keep // 3))
    for head in heads:
        shortened = short | {name: _cut_in_middle(name, head, keep - head, dots) for name in long}
        if len(set(shortened.values())) == len(every):
            return shortened
    return None


def _cut_in_middle(name: str, head: int, tail: int, dots: str) -> str:
    start = fit_width(name, head)
    return start + dots + fit_width(name[::-1], tail)[::-1]


def fold(text: str, width: int | None, *, indent: int = 0) -> str:
    """Return text in lines of at most `width` columns, broken at blanks; None leaves it whole.

    The second and later lines begin with `indent` blanks. A word that is wider than a line stays
    whole, in a line of its own: a name can only be copied where the terminal alone breaks it.
    """
    if width is None:
        return text
    return "\n".join(_fill_lines(re.findall(r"\s*\S+", text), width, " " * indent))


def fold_command(words: Sequence[str], width: int | None) -> str:
    """Return a command in lines of at most `width` columns that can be pasted into a shell.

    The words are quoted already. A backslash before the end of a line continues it in the next
    (POSIX, Shell Command Language, 2.2.1). With None it is one line.
    """
    whole = " ".join(words)
    if width is None or cell_width(whole) <= width:
        return whole
    continued = " \\"
    pieces = [word if number == 0 else f" {word}" for number, word in enumerate(words)]
    return f"{continued}\n".join(_fill_lines(pieces, width - len(continued), "    "))


def _fill_lines(pieces: Iterable[str], width: int, indent: str) -> list[str]:
    """Put pieces, each with the blanks before it, into lines; all but the first are indented."""
    lines: list[str] = []
    columns = 0
    for piece in pieces:
        needed = cell_width(_SGR.sub("", piece))
        if lines and columns + needed <= width:
            lines[-1] += piece
            columns += needed
        else:
            line = indent + piece.lstrip() if lines else piece
            lines.append(line)
            columns = cell_width(_SGR.sub("", line))
    return lines


def fit_width(text: str, width: int) -> str:
    """Return as much of the beginning of a text as fits into `width` columns.

    A wide character of which only half fits is left out.
    """
    part = text[:width]
    while cell_width(part) > width:
        part = part[:-1]
    return part
