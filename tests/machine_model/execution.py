"""Execute a plan on a model: each pending step has its effect, in the plan's order."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from iscsictl.model.plan import Action, Plan

Facts = TypeVar("Facts")
Effects = Mapping[type[Action], Callable[..., Any]]


def execute_pending(plan: Plan, effects: Effects, facts: Facts) -> Facts:
    """Return the facts after all pending steps of a plan; KeyError where one has no effect."""
    for step in plan.pending:
        facts = effects[type(step.action)](step.action, facts)
    return facts
