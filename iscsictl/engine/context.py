"""What the engine needs to know of its surroundings while it looks and acts."""

import time
from collections.abc import Callable
from dataclasses import field
from functools import cached_property
from pathlib import Path

from iscsictl.lazyclass import dataclass
from iscsictl.system import nodedb
from iscsictl.system.udev import Waiter


def _silent(_: str) -> None:
    return


@dataclass
class Context:
    """`wait` is how many seconds each wait on others may last.

    `say` takes a line for the user, `watch` the progress that a tool prints.
    """

    wait: float = 60.0
    root: Path = Path("/")
    say: Callable[[str], None] = _silent
    watch: Callable[[str], None] = _silent
    waiter: Waiter = field(default_factory=Waiter)

    @cached_property
    def db(self) -> Path:
        """Where the node database is."""
        return nodedb.find_db(self.root)

    def deadline(self) -> float:
        """Return when a wait that begins now has to end (monotonic seconds)."""
        return time.monotonic() + self.wait
