"""The result of an action, and what a module of handlers offers for each type of action."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from iscsictl.model.plan import Action
from iscsictl.system.context import Context


@dataclass(frozen=True)
class StepResult:
    """Whether something changed, and what the inverse needs to know about the earlier state."""

    changed: bool = True
    before: Any = None


#: Does an action now. Raises IscsictlError.
Handler = Callable[[Any, Context], StepResult]
#: Makes the action that undoes one, from the action and `before` of its result.
Inverse = Callable[[Any, Any], Action | None]
