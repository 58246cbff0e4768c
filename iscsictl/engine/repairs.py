"""The task of `doctor --fix`."""

from collections.abc import Callable

from iscsictl.core.checks import examine
from iscsictl.core.checks.repair import plan_repairs
from iscsictl.engine.context import Context
from iscsictl.engine.converge import Task
from iscsictl.engine.doctor import look
from iscsictl.model.health import Finding
from iscsictl.model.inventory import Inventory


def repairs(chosen: Callable[[Finding], bool]) -> Task:
    """Return the task of `doctor --fix`: look (not over the network), then the safe repairs."""
    findings: list[Finding] = []

    def look_again(context: Context, _: Inventory | None) -> Inventory:
        findings[:] = filter(chosen, examine(look(context, probe=False)))
        return Inventory()

    return Task(look_again, lambda _: plan_repairs(findings))
