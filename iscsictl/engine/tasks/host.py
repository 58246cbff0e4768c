"""The task of a command that observes facts of its own kind."""

from collections.abc import Callable

from iscsictl.engine.task import Task
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Plan
from iscsictl.observers.host import T
from iscsictl.system.context import Context


def task(observe: Callable[[Context], T], make_plan: Callable[[T], Plan]) -> Task:
    """Return a task that depends on facts of its own kind.

    `observe` is called once in each round; its result is passed to `make_plan` without going
    through the inventory, which stays empty.
    """
    facts: list[T] = []

    def observe_once(context: Context, _: Inventory | None) -> Inventory:
        facts[:] = [observe(context)]
        return Inventory()

    return Task(observe_once, lambda _: make_plan(facts[0]))
