"""The completion file of each shell, rendered from the command tree."""

from collections.abc import Callable, Iterable
from typing import Final

import click

from iscsictl.cli.completions import bash, fish, zsh
from iscsictl.cli.completions.tree import Node, walk

FILES: Final = {"bash": "iscsictl.bash", "zsh": "_iscsictl", "fish": "iscsictl.fish"}
_RENDER: Final[dict[str, Callable[[Iterable[Node]], str]]] = {
    "bash": bash.render,
    "zsh": zsh.render,
    "fish": fish.render,
}


def script(shell: str, group: click.Command) -> str:
    """Return the completion file of a shell (a key of FILES) for a command tree."""
    return _RENDER[shell](walk(group))
