"""What `iscsictl` without arguments prints: a few lines of state and the next action."""

from collections.abc import Sequence

from iscsictl.output.terminal import Screen
from iscsictl.output.text import escape_controls, fold

_TEXT_COLUMN = 11


def print_overview(rows: Sequence[tuple[str, str]], screen: Screen) -> None:
    """Print labelled lines, folded to the terminal. Control characters in the texts are escaped.

    The last one names a command, and stays whole so that it can be copied.
    """
    lines = [f"{label:<{_TEXT_COLUMN}}{escape_controls(text)}" for label, text in rows]
    lines[:-1] = [fold(line, screen.width, indent=_TEXT_COLUMN) for line in lines[:-1]]
    screen.write("\n".join(lines) + "\n")
