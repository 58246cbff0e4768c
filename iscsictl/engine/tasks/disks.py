"""The tasks of the disk, mount and fstab commands."""

from collections.abc import Callable
from dataclasses import replace

from iscsictl.engine.task import Task
from iscsictl.errors import IscsictlError
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Plan
from iscsictl.observers.disks import DiskQuery, base, observe
from iscsictl.observers.entries import observe_entries
from iscsictl.planner.selection.disks import (
    DiskFacts,
    DiskInventory,
)
from iscsictl.system.context import Context


def task(
    what: DiskQuery,
    make_plan: Callable[[DiskInventory], Plan],
    grant: Callable[[str], Task] | None = None,
    ask: Callable[[str], bool] = lambda _: False,
) -> Task:
    """Return the task that observes one disk with `what` and plans with `make_plan`.

    `grant` and `ask` are those of `Task`; without them nobody is asked for consent.
    """
    return Task(
        lambda context, before: observe(context, what, before),
        _plan_with_disk_facts(make_plan),
        grant,
        ask,
    )


def lines_task(name: str, make_plan: Callable[[DiskInventory], Plan]) -> Task:
    """Return a task that is about the lines of fstab that `name` means, whatever disks exist.

    No disk is chosen or read, so it works while the array is away.
    """

    def observe_base(context: Context, before: Inventory | None) -> Inventory:
        seen = observe_entries(base(context), name, context.root)
        return replace(seen, facts=DiskFacts(again=before is not None))

    return Task(observe_base, _plan_with_disk_facts(make_plan))


def _plan_with_disk_facts(
    make_plan: Callable[[DiskInventory], Plan],
) -> Callable[[Inventory], Plan]:
    def plan(inventory: Inventory) -> Plan:
        if not isinstance(inventory, DiskInventory):
            raise IscsictlError("no disk was examined")
        return make_plan(inventory)

    return plan
