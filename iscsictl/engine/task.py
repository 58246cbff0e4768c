"""What one command asks the loop to do: how to observe, how to plan, how to ask."""

from collections.abc import Callable
from dataclasses import dataclass

from iscsictl.errors import from_os
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Plan
from iscsictl.system.context import Context


@dataclass(frozen=True)
class Task:
    """One wish: how to look for it, how to plan it, and how to ask the user.

    `grant` takes what a yes gives and returns the task with that consent; `ask` puts a
    question and tells whether the answer was yes.
    """

    look: Callable[[Context, Inventory | None], Inventory]
    think: Callable[[Inventory], Plan]
    grant: Callable[[str], "Task"] | None = None
    ask: Callable[[str], bool] = lambda _: False


def look(task: Task, context: Context, before: Inventory | None = None) -> Inventory:
    """Look at the machine for a task. Raises IscsictlError, whatever the kernel refuses."""
    try:
        return task.look(context, before)
    except OSError as error:
        raise from_os(error) from error
