"""A plan while it is being made."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from iscsictl.errors import (
    IscsictlError,
    PartialError,
    UnreachableError,
)
from iscsictl.model.plan import Action, Plan, Status, Step


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


@dataclass(frozen=True)
class Fork(Plan):
    """A plan whose steps wait only for those they come `after`.

    `errors` holds, by step id, why a step cannot be done; it stands in the plan as failed or
    refused, and the others are done.
    """

    errors: Mapping[str, IscsictlError] = field(default_factory=dict)


@dataclass
class Branches:
    """A Fork while it is being made."""

    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: dict[str, IscsictlError] = field(default_factory=dict)

    def add(
        self,
        action: Action,
        subject: str,
        why: str,
        *,
        done: bool = False,
        after: Iterable[str] = (),
        error: IscsictlError | None = None,
    ) -> str:
        """Add a step after those with these ids, and return its id."""
        status = Status.UNCHANGED if done else Status.PLANNED
        if error is not None:
            failed = isinstance(error, UnreachableError)
            status = Status.FAILED if failed else Status.REFUSED
        step = Step(action, subject, why, status, frozenset(after))
        self.steps.append(step)
        if error is not None:
            self.errors[step.id] = error
        return step.id

    def fork(self) -> Fork:
        """Return the plan."""
        return Fork(tuple(self.steps), notes=tuple(self.notes), errors=dict(self.errors))


def verdict(failed: Mapping[str, IscsictlError], steps: Sequence[Step]) -> IscsictlError | None:
    """Return the error that stands for all of a run's, None where there was none.

    `steps` is how everything ended. It is the error itself where nothing of the kind worked and
    all failed alike, otherwise a PartialError.
    """
    if not failed:
        return None
    errors = list(failed.values())
    verbs = {step_id.partition(":")[0] for step_id in failed}
    good = {Status.DONE, Status.UNCHANGED, Status.PLANNED}
    worked = [s for s in steps if s.action.verb in verbs and s.status in good]
    if not worked and len({error.exit for error in errors}) == 1:
        if len(errors) == 1:
            return errors[0]
        one = type(errors[0])(
            f"all {len(errors)} failed; the first: {errors[0].text}",
            hint=errors[0].hint,
            tool_exit=errors[0].tool_exit,
        )
        one.exit = errors[0].exit
        return one
    return PartialError(
        f"{len(errors)} of {len(errors) + len(worked)} failed; the first: {errors[0].text}",
        hint=errors[0].hint,
        tool_exit=errors[0].tool_exit,
    )


def reasons(failed: Mapping[str, IscsictlError]) -> tuple[str, ...]:
    """Return a line for each failure, where there are several."""
    if len(failed) < 2:
        return ()
    return tuple(f"{step_id}: {error.text}" for step_id, error in failed.items())


def planned(build: Callable[[Draft], str | None]) -> Plan:
    """Make a plan; what forbids it becomes its refusal. `build` returns the plan's result."""
    draft = Draft()
    result, refusal = None, None
    try:
        result = build(draft)
    except IscsictlError as error:
        refusal = error
    return Plan(tuple(draft.steps), refusal, notes=tuple(draft.notes), result=result)
