"""Write the completion files: `python -m tools.completions [DIRECTORY]`."""

import sys
from pathlib import Path

from iscsictl.cli.completions.generate import FILES, script
from iscsictl.cli.main import cli


def main() -> None:
    """Write the file of every shell into a directory, by default completions/."""
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else "completions")
    for shell, name in FILES.items():
        (directory / name).write_text(script(shell, cli), encoding="utf-8")


if __name__ == "__main__":
    main()
