"""The task of a command that observes facts of its own kind."""

from collections.abc import Callable

from iscsictl.engine.task import Task
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Plan
from iscsictl.observers.host import T
from iscsictl.system.context import Context


def task(look: Callable[[Context], T], think: Callable[[T], Plan]) -> Task:
    """Return a task that rests on facts of its own kind."""
    seen: list[T] = []

    def looking(context: Context, _: Inventory | None) -> Inventory:
        seen[:] = [look(context)]
        return Inventory()

    return Task(looking, lambda _: think(seen[0]))
