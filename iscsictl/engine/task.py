"""What one command asks the loop to do: how to observe, how to plan, how to ask the user."""

from collections.abc import Callable
from dataclasses import dataclass

from iscsictl.errors import from_os
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Plan
from iscsictl.system.context import Context
from iscsictl.system.io import signals
from iscsictl.system.io.waits import waiting


@dataclass(frozen=True)
class Task:
    """One request: how to observe the machine for it, how to plan it, and how to ask the user.

    `grant` takes what a yes consents to and returns the task with that consent; `confirm` asks
    a question and returns whether the answer was yes.
    """

    observe: Callable[[Context, Inventory | None], Inventory]
    plan: Callable[[Inventory], Plan]
    grant: Callable[[str], "Task"] | None = None
    confirm: Callable[[str], bool] = lambda _: False


def observe_task(task: Task, context: Context, before: Inventory | None = None) -> Inventory:
    """Observe the machine for a task. Raises IscsictlError, even for errors of the kernel.

    `before` is the inventory of the round before, None in the first: what an array was asked then
    need not be asked again. After a signal it raises InterruptError, because an observer may have
    mistaken the end of a program that it stopped for the answer of an array.
    """
    try:
        with waiting("reading the state of this host"):
            inventory = task.observe(context, before)
    except OSError as error:
        raise from_os(error) from error
    signals.check()
    return inventory
