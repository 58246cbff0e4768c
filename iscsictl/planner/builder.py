"""A plan while it is being made."""

from dataclasses import field

from iscsictl.lazyclass import dataclass
from iscsictl.model.plan import Action, Status, Step


@dataclass
class Draft:
    """The steps so far. Once a frontier is pending (`beyond`), what follows is a forecast."""

    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    beyond: bool = False

    def add(self, action: Action, subject: str, why: str, *, done: bool = False) -> None:
        """Add a step after the last one; `done` if it is so already."""
        if done:
            status = Status.UNCHANGED
        else:
            status = Status.FORECAST if self.beyond else Status.PLANNED
            self.beyond = self.beyond or action.frontier
        after = frozenset({self.steps[-1].id} if self.steps else ())
        self.steps.append(Step(action, subject, why, status, after))
