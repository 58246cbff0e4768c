"""What is to be done: actions with their hazard, steps, plans, outcomes and reports."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar

from iscsictl.errors import IscsictlError


class Hazard(StrEnum):
    """What an action can do to data that is there (docs/architecture.md, "Hazards")."""

    SAFE = "safe"
    RESHAPES = "reshapes"
    DESTROYS = "destroys"

    @property
    def rank(self) -> int:
        """Order by strength: 0 is safe.

        A plan that was shown must not become stronger by execution.
        """
        return list(Hazard).index(self)


class Status(StrEnum):
    """Where a step stands; the words of the JSON."""

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
    targets share, such as units of systemd, so it is executed under a lock of the host; fstab is
    locked by whoever edits it. `undoable` False: what it removed or changed cannot be brought back,
    and a roll-back says so. `rolls_back` False: if it fails, what was done before stays, for the
    same command continues. `explained`: why nothing has to be done is worth saying too.
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
    """An action on a subject. Its id is made of both and is the same in every plan."""

    action: Action
    subject: str
    why: str
    status: Status = Status.PLANNED
    after: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """The name of the step, for people, JSON and comparison with an earlier plan.

        `Plan.exceeds` compares plans by it: one subject must have one name throughout a run.
        """
        return f"{self.action.verb}:{self.subject}"

    @property
    def hazard(self) -> Hazard:
        """What the step can do to data; its action's, whatever the state of the step."""
        return self.action.hazard


@dataclass(frozen=True)
class Plan:
    """The steps in an order that works. A refusal forbids all of it.

    `errors` has, by step id, why a single step cannot be executed: it stands in the plan as failed
    or refused, and the steps that do not need it are executed all the same.
    """

    steps: tuple[Step, ...] = ()
    refusal: IscsictlError | None = None
    notes: tuple[str, ...] = ()
    result: str | None = None
    errors: Mapping[str, IscsictlError] = field(default_factory=dict)

    @property
    def pending(self) -> tuple[Step, ...]:
        """The steps that would change something, decided now or forecast.

        A dry run shows these; those after a frontier may turn out otherwise.
        """
        return tuple(s for s in self.steps if s.status in {Status.PLANNED, Status.FORECAST})

    @property
    def ready(self) -> tuple[Step, ...]:
        """The steps that can be done now: up to the first frontier, and that one too.

        What follows was planned without the facts that the frontier brings, such as a disk after a
        login: it is planned again before it is executed.
        """
        ready = []
        for step in self.steps:
            if step.status is Status.PLANNED:
                ready.append(step)
                # Planned steps behind it rest on facts that it will change.
                if step.action.frontier:
                    break
            elif step.status is Status.FORECAST:
                break
        return tuple(ready)

    def exceeds(self, shown: "Plan") -> Step | None:
        """Return a pending step that was not in the plan that was shown, or is stronger.

        None if there is none: the user agreed to what was shown and to nothing that does more.
        """
        known = {step.id: step.hazard.rank for step in shown.steps}
        for step in self.pending:
            # A step that nobody was shown exceeds what was shown, however harmless it is.
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
        """Return the same outcome with another status; time and error stay."""
        return replace(self, step=replace(self.step, status=status))


@dataclass(frozen=True)
class Report:
    """What a run did: every step's outcome in order, the error that ended it, what is left."""

    outcomes: tuple[Outcome, ...] = ()
    error: IscsictlError | None = None
    leftovers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    result: str | None = None
    pending: bool = field(default=False)

    @property
    def changed(self) -> bool:
        """Whether anything was done, even if it was rolled back later.

        The outcome of a step stays in the list when that of its roll-back is added.
        """
        return any(o.step.status is Status.DONE for o in self.outcomes)
