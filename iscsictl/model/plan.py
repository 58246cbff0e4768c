"""Plans and their execution: actions with their hazard, steps, plans, outcomes and reports."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar

from iscsictl.errors import IscsictlError


class Hazard(StrEnum):
    """What an action can do to existing data (docs/architecture.md, "Hazards")."""

    SAFE = "safe"
    RESHAPES = "reshapes"
    DESTROYS = "destroys"

    @property
    def rank(self) -> int:
        """The position in the order from harmless (0) to destructive; see `Plan.exceeds`."""
        return list(Hazard).index(self)


class Status(StrEnum):
    """The status of a step, in the words of the JSON."""

    FORECAST = "forecast"
    PLANNED = "planned"
    DONE = "done"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    REFUSED = "refused"
    FAILED = "failed"
    UNDONE = "undone"


@dataclass(frozen=True)
class Action:
    """One thing that a handler can do.

    `frontier`: what follows can only be decided after it. `shares_files`: it changes files that all
    targets share, such as systemd units, so it is executed under a host-wide lock (fstab has its
    own). `undoable` False: what it removed or changed cannot be restored, and a rollback says so.
    `rolls_back` False: if it fails, the earlier steps stay done, and the same command continues
    there. `explained`: the reason is shown even if there is nothing to do.
    """

    verb: ClassVar[str] = ""
    hazard: ClassVar[Hazard] = Hazard.SAFE
    frontier: ClassVar[bool] = False
    shares_files: ClassVar[bool] = False
    undoable: ClassVar[bool] = True
    rolls_back: ClassVar[bool] = True
    explained: ClassVar[bool] = False


@dataclass(frozen=True)
class Step:
    """An action on a subject. Its id consists of both and is the same in every plan."""

    action: Action
    subject: str
    why: str
    status: Status = Status.PLANNED
    after: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """The name of the step, for output, JSON and the comparison with an earlier plan.

        `Plan.exceeds` compares plans by it, so a subject must have the same name throughout a run.
        """
        return f"{self.action.verb}:{self.subject}"

    @property
    def hazard(self) -> Hazard:
        """The hazard of its action, whatever the status of the step."""
        return self.action.hazard


@dataclass(frozen=True)
class Plan:
    """The steps, in an order in which they can be executed. A refusal forbids the whole plan.

    `errors` has, by step id, why a single step cannot be executed: the plan contains it as failed
    or refused, and the steps that do not depend on it are executed nevertheless.
    """

    steps: tuple[Step, ...] = ()
    refusal: IscsictlError | None = None
    notes: tuple[str, ...] = ()
    result: str | None = None
    errors: Mapping[str, IscsictlError] = field(default_factory=dict)

    @property
    def pending(self) -> tuple[Step, ...]:
        """The steps that would change something, whether decided now or forecast.

        A dry run shows these; those after a frontier may turn out differently.
        """
        return tuple(s for s in self.steps if s.status in {Status.PLANNED, Status.FORECAST})

    @property
    def ready(self) -> tuple[Step, ...]:
        """The steps that can be executed now: those up to and including the first frontier.

        What follows was planned without the facts that the frontier reveals, such as a disk after a
        login, and is planned again before it is executed.
        """
        ready = []
        for step in self.steps:
            if step.status is Status.PLANNED:
                ready.append(step)
                # The planned steps after it depend on facts that it will change.
                if step.action.frontier:
                    break
            elif step.status is Status.FORECAST:
                break
        return tuple(ready)

    def exceeds(self, shown: "Plan") -> Step | None:
        """Return a pending step that was not in the plan that was shown, or is stronger than there.

        None if there is no such step. The user agreed to what was shown, and to nothing beyond it.
        """
        known = {step.id: step.hazard.rank for step in shown.steps}
        for step in self.pending:
            # A step that was not shown exceeds the plan, however harmless it is.
            if step.hazard.rank > known.get(step.id, -1):
                return step
        return None


@dataclass(frozen=True)
class Outcome:
    """What became of a step, and how many seconds it took."""

    step: Step
    seconds: float = 0.0
    error: IscsictlError | None = None

    def with_status(self, status: Status) -> "Outcome":
        """Return the same outcome with another status of its step."""
        return replace(self, step=replace(self.step, status=status))


@dataclass(frozen=True)
class Report:
    """What a run did: the outcomes of its steps in order, the error that ended it, the leftovers.

    `leftovers` say in words what a rollback left. `pending`: a dry run found steps to execute.
    """

    outcomes: tuple[Outcome, ...] = ()
    error: IscsictlError | None = None
    leftovers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    result: str | None = None
    pending: bool = field(default=False)

    @property
    def changed(self) -> bool:
        """Whether anything was done, even if it was rolled back later.

        A rollback adds an outcome and leaves that of the step in the list.
        """
        return any(o.step.status is Status.DONE for o in self.outcomes)
