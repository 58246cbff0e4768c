"""The files that are installed with the package: templates of units, drop-ins and cron files."""

from pathlib import Path
from typing import Final

# importlib.resources imports tempfile, at the cost of each command that knows fstab.
# It could read a package in an archive, but this one is always installed as files.
_DIRECTORY: Final = Path(__file__).parents[2] / "data"


def read_template(name: str) -> str:
    """Return the text of a file of `iscsictl/data`. Raises OSError where it is not installed."""
    return (_DIRECTORY / name).read_text(encoding="utf-8")
