"""What an action did."""

from typing import Any

from iscsictl.lazyclass import dataclass


@dataclass(frozen=True)
class Effect:
    """Whether something changed, and what the inverse needs to know of how it was."""

    changed: bool = True
    before: Any = None
