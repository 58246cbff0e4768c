"""Build a plan step by step, and summarize the errors of a run."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from iscsictl.errors import IscsictlError, PartialError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.inventory import HostFacts
from iscsictl.model.plan import Action, Plan, Status, Step
from iscsictl.model.word_lists import first_names


@dataclass
class PlanBuilder:
    """A plan under construction.

    In the usual, sequential plan each step depends on the one before it, and every step after a
    pending frontier is a forecast (`beyond_frontier`). The steps of an `independent` plan depend
    only on those that they name, so a step that fails stops only the steps that need it.
    """

    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: dict[str, IscsictlError] = field(default_factory=dict)
    beyond_frontier: bool = False
    independent: bool = False

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
        """Add a step and return its id.

        `done`: the machine is already in that state. `after`: the ids of the steps that it needs
        in an independent plan. `error`: why it cannot be done; the other steps still are.
        """
        status = Status.UNCHANGED
        if error is not None:
            failed = isinstance(error, UnreachableError)
            status = Status.FAILED if failed else Status.REFUSED
        elif not done:
            status = Status.FORECAST if self.beyond_frontier else Status.PLANNED
            if not self.independent:
                self.beyond_frontier = self.beyond_frontier or action.frontier
        needs = frozenset(after)
        if self.steps and not self.independent:
            needs |= {self.steps[-1].id}
        step = Step(action, subject, why, status, needs)
        self.steps.append(step)
        if error is not None:
            self.errors[step.id] = error
        return step.id

    def build(self, refusal: IscsictlError | None = None, result: str | None = None) -> Plan:
        """Return the plan. `refusal` forbids all of it; `result` is the device that it leads to."""
        return Plan(tuple(self.steps), refusal, tuple(self.notes), result, dict(self.errors))


def add_login_service(builder: PlanBuilder, host: HostFacts, *, boot: bool = True) -> None:
    """Add that the login service starts at boot; if there is no such unit, add a note instead.

    If nothing is to be logged in to at `boot`, the service stays as it is.
    """
    unit, done = host.login_service, host.service_enabled or not boot
    if host.service_defined or done:
        builder.add(actions.EnableService(unit), unit, "logs in at boot", done=done)
        return
    if host.by_script:
        name = unit.removesuffix(".service")
        builder.notes.append(
            f"nothing logs in at boot, because no runlevel starts /etc/init.d/{name}: update-rc.d "
            f"{name} defaults"
        )
        return
    builder.notes.append(
        f"nothing logs in at boot, because there is no {unit}: install open-iscsi with its units, "
        "or make this host's init system run: iscsiadm -m node --loginall=automatic"
    )


def build_plan(add_steps: Callable[[PlanBuilder], str | None]) -> Plan:
    """Return the sequential plan that `add_steps` builds; `add_steps` returns the plan's result.

    If it raises an IscsictlError, that becomes the refusal of the plan.
    """
    builder = PlanBuilder()
    try:
        result = add_steps(builder)
    except IscsictlError as error:
        return builder.build(refusal=error)
    return builder.build(result=result)


def summarize_errors(
    errors: Mapping[str, IscsictlError], total: int, noun: str | None = None
) -> IscsictlError | None:
    """Return the one error with which a run of `total` parts ends; None if no part failed.

    It has the exit code of the errors if all parts failed with the same one, otherwise it is a
    PartialError (exit 4). `errors` is by the name of the part; the text includes that name if
    `noun` says what the parts are.
    """
    if not errors:
        return None
    name, first = next(iter(errors.items()))
    alike = len(errors) == total and len({error.exit for error in errors.values()}) == 1
    if alike and total == 1 and noun is None:
        return first
    parts = f"all {total}" if len(errors) == total else f"{len(errors)} of {total}"
    what = "" if noun is None else f" {noun}"
    texts = {error.text for error in errors.values()}
    # What is the same in all of them, names the target and the portal that all have in common.
    causes = texts if len(texts) == 1 else {error_cause(error) for error in errors.values()}
    text = f"{parts}{what} failed"
    if len(errors) == 1:
        text += f": {first.text}" if noun is None else f": {name}: {first.text}"
    elif len(causes) == 1:
        text += f": {causes.pop()}"
    if total == 1:
        text = f"{name}: {first.text}"
    error = (IscsictlError if alike else PartialError)(
        text, hint=first.hint, tool_exit=first.tool_exit
    )
    if alike:
        error.exit = first.exit
    return error


def summarize_steps(
    errors: Mapping[str, IscsictlError], steps: Sequence[Step]
) -> IscsictlError | None:
    """Return the one error with which a run ends, given the steps as they ended.

    Only steps of the kinds that failed count as parts: if one of three logins failed, the run is
    partial, whatever other steps were done for them.
    """
    verbs = {step_id.partition(":")[0] for step_id in errors}
    good = {Status.DONE, Status.UNCHANGED, Status.PLANNED}
    worked = sum(step.action.verb in verbs and step.status in good for step in steps)
    return summarize_errors(errors, len(errors) + worked)


# The name of a target or a portal in a message, with the word before it.
_ADDRESS = r"(?:\[[0-9A-Fa-f:.%]+\]|\d+\.\d+\.\d+\.\d+):\d+(?:,\d+)?"
_NAMED = re.compile(
    rf"(?:\b(?:to|through|of|from|at|for) )?(?:(?:iqn|eui)\.\S+?|{_ADDRESS})(?=[:;,]?(?:\s|$))"
)
#: How many steps or volumes a line about several of them names.
SHOWN = 3


def error_cause(error: IscsictlError) -> str:
    """Return the text of an error without the target and the portal that it is about.

    The rest of the text is the same for everything that failed for the same reason.
    """
    text = " ".join(_NAMED.sub("", error.text).split())
    text = re.sub(r"(^|[(;]) ?[:;,]+ ", r"\1 ", text).replace("( ", "(")
    return re.sub(r" (?=[:;,])", "", text).strip(" :;,") or error.text


def error_lines(errors: Mapping[str, IscsictlError]) -> tuple[str, ...]:
    """Return a line for each cause if there are several; a single cause is in the summary.

    `errors` is by the id of the step, or the name of the volume.
    """
    groups: dict[str, list[str]] = {}
    for name, error in errors.items():
        groups.setdefault(error_cause(error), []).append(name)
    if len(groups) < 2:
        return ()
    lines = []
    for cause, names in groups.items():
        # A volume's name does not tell its portal, the id of a step does.
        texts = {errors[name].text for name in names}
        whole = len(texts) == 1 and _NAMED.search(_step_id_as_words(names[0])) is None
        words = first_names([_step_id_as_words(name) for name in names], SHOWN)
        lines.append(f"{words}: {texts.pop() if whole else cause}")
    return tuple(lines)


def _step_id_as_words(name: str) -> str:
    """Return the id of a step, which is its verb, a colon and its subject, as words."""
    return name.replace(":", " ", 1)
