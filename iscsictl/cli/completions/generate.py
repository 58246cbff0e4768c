"""Write the completion files: `python -m iscsictl.cli.completions.generate [DIRECTORY]`."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import click

from iscsictl.cli.completions import bash, fish, zsh
from iscsictl.cli.completions.tree import Node, walk
from iscsictl.cli.main import cli

FILES: Final = {"bash": "iscsictl.bash", "zsh": "_iscsictl", "fish": "iscsictl.fish"}
_RENDER: Final[dict[str, Callable[[Iterable[Node]], str]]] = {
    "bash": bash.render,
    "zsh": zsh.render,
    "fish": fish.render,
}


def script(shell: str, group: click.Command) -> str:
    """Return the completion file of a shell (a key of FILES) for a command tree."""
    return _RENDER[shell](walk(group))


def main() -> None:
    """Write all files into a directory, by default completions/."""
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else "completions")
    for shell, name in FILES.items():
        (directory / name).write_text(script(shell, cli), encoding="utf-8")


if __name__ == "__main__":
    main()
