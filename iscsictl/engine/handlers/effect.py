"""What an action did."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StepResult:
    """Whether something changed, and what the inverse needs to know of how it was."""

    changed: bool = True
    before: Any = None
