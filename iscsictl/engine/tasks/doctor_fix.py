"""The task of `doctor --fix`."""

from collections.abc import Callable

from iscsictl.checks.examine import examine
from iscsictl.checks.repair import plan_repairs
from iscsictl.engine.task import Task
from iscsictl.model.finding import Finding
from iscsictl.model.inventory import Inventory
from iscsictl.observers.doctor import observe_machine
from iscsictl.system.context import Context


def repairs(chosen: Callable[[Finding], bool]) -> Task:
    """Return the task of `doctor --fix`: observe (without the network), then repair what is safe.

    `chosen` tells which findings the options select. Each round observes again: a repair is done
    when its finding is gone.
    """
    findings: list[Finding] = []

    def observe_again(context: Context, _: Inventory | None) -> Inventory:
        findings[:] = filter(chosen, examine(observe_machine(context, probe=False)))
        return Inventory()

    return Task(observe_again, lambda _: plan_repairs(findings))
