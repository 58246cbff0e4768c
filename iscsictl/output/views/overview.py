"""What `iscsictl` without arguments prints: a few lines of state and the next action."""

from collections.abc import Iterable, Sequence

from iscsictl.output.terminal import Screen
from iscsictl.output.text import escape_controls


def print_overview(rows: Iterable[tuple[str, str]], screen: Screen) -> None:
    """Print labelled lines. Control characters in the texts are escaped."""
    lines: Sequence[str] = [f"{label:<10} {escape_controls(text)}" for label, text in rows]
    screen.write("\n".join(lines) + "\n")
