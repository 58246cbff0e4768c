"""The loop of observe, plan and execute, on the model in place of the machine."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from iscsictl.engine import executor
from iscsictl.engine.handlers.effect import StepResult
from iscsictl.engine.reconcile import OnFailure, dry_run, reconcile
from iscsictl.engine.task import Task
from iscsictl.errors import (
    AuthError,
    Exit,
    InterruptError,
    InUseError,
    IscsictlError,
    UnansweredError,
    UnexpectedContentError,
)
from iscsictl.model import actions
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Action, Outcome, Plan, Status, Step
from iscsictl.model.spec import AttachSpec, Consent
from iscsictl.planner.attach.attach import plan_attach
from iscsictl.planner.builder import PlanBuilder
from iscsictl.system.context import Context
from iscsictl.system.io import journal, signals
from tests.machine_model import apply_action
from tests.machine_model.records import record_text
from tests.worlds import (
    FOREIGN,
    TARGET,
    A,
    W,
    World,
    blank,
    facts_for_attach,
    parted,
    spec,
    world,
)


@dataclass
class Machine:
    """A world with hands. `fails` holds verbs and what they raise; `after` is called each time."""

    world: World
    fails: dict[str, Exception] = field(default_factory=dict)
    after: Callable[[str], None] = lambda _: None
    done: list[str] = field(default_factory=list)
    heard: list[tuple[str, Status]] = field(default_factory=list)

    def run_action(self, action: Action, _: Context) -> StepResult:
        if action.verb in self.fails:
            raise self.fails[action.verb]
        before = self.world.inventory
        now = apply_action(action, before, self.world.array)
        kept: object = before.fstab if isinstance(action, actions.Claim) else None
        if isinstance(action, actions.WriteRecord):
            record = next(r for r in before.records if r.portal.same_place(action.portal))
            after = next(r for r in now.records if r.path == record.path)
            kept = actions.RestoreRecord(record.path, record_text(record), record_text(after))
        self.world = replace(self.world, inventory=now)
        self.done.append(action.verb)
        self.after(action.verb)
        return StepResult(now != before, kept)

    def task(self, wanted: AttachSpec, *, yes: bool = False) -> Task:
        def grant(what: str) -> Task:
            assert what == "adopt"
            return self.task(replace(wanted, consent=Consent(adopt=True)), yes=yes)

        return Task(
            lambda _context, _before: facts_for_attach(self.world.inventory, wanted),
            lambda inventory: plan_attach(inventory, wanted),
            grant,
            lambda _question: yes,
        )

    def listen(self, outcome: Outcome) -> None:
        self.heard.append((outcome.step.action.verb, outcome.step.status))


Make = Callable[..., Machine]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setattr(signals, "_asked", [])
    monkeypatch.setattr(journal, "note", lambda *_: None)

    def make(now: World, fails: dict[str, Exception] | None = None) -> Machine:
        made = Machine(now, fails or {})
        monkeypatch.setattr(executor, "execute_action", made.run_action)
        return made

    return make


def context(tmp_path: Path) -> Context:
    return Context(root=tmp_path)


WHOLE = [
    "record", "settings", "login", "claim", "reserve", "label", "mkfs", "directory", "mount",
    "release", "fstab",
]  # fmt: skip


def test_it_looks_again_after_the_login_and_ends_when_nothing_is_pending(
    machine: Make, tmp_path: Path
) -> None:
    one = machine(world(blank(W)))
    report = reconcile(one.task(spec()), context(tmp_path), one.listen)
    assert report.error is None
    assert one.done == WHOLE
    assert [o.step.action.verb for o in report.outcomes if o.step.status is Status.DONE] == WHOLE
    assert report.changed
    assert not report.pending
    assert report.result == "/dev/sda1"


def test_each_step_is_heard_as_it_begins_and_as_it_ends(machine: Make, tmp_path: Path) -> None:
    one = machine(world(blank(W)))
    reconcile(one.task(spec()), context(tmp_path), one.listen)
    begun = [verb for verb, status in one.heard if status is Status.PLANNED]
    ended = [verb for verb, status in one.heard if status is Status.DONE]
    assert begun == ended == WHOLE
    assert one.heard.index(("login", Status.PLANNED)) < one.heard.index(("login", Status.DONE))


def test_twice_is_once_and_nothing_is_done_the_second_time(machine: Make, tmp_path: Path) -> None:
    one = machine(world(blank(W)))
    reconcile(one.task(spec()), context(tmp_path), one.listen)
    one.done.clear()
    report = reconcile(one.task(spec()), context(tmp_path), one.listen)
    assert one.done == []
    assert not report.changed
    assert {o.step.status for o in report.outcomes} == {Status.UNCHANGED}


def test_a_dry_run_shows_all_and_does_nothing(machine: Make, tmp_path: Path) -> None:
    one = machine(world(blank(W)))
    report = dry_run(one.task(spec()), context(tmp_path))
    assert one.done == []
    assert report.pending
    assert {o.step.status for o in report.outcomes} == {
        Status.PLANNED, Status.FORECAST, Status.UNCHANGED,
    }  # fmt: skip


def test_a_dry_run_of_what_is_refused_has_the_refusal_and_nothing_pending(
    machine: Make, tmp_path: Path
) -> None:
    one = machine(world(parted(W, "xfs")).logged_in())
    report = dry_run(one.task(spec()), context(tmp_path))
    assert report.error is not None
    assert report.error.exit is Exit.REFUSED
    assert not report.pending


@pytest.mark.fault("F16")
def test_what_was_done_is_rolled_back_in_reverse_when_a_step_fails(
    machine: Make, tmp_path: Path
) -> None:
    start = world(blank(W))
    one = machine(start, fails={"login": AuthError("wrong secret", tool_exit=24)})
    report = reconcile(one.task(spec()), context(tmp_path), one.listen)
    assert report.error is not None
    assert report.error.exit is Exit.AUTH
    assert report.error.tool_exit == 24
    assert one.done == ["record", "settings", "restore", "forget"]
    assert one.world.inventory == start.inventory, "no half record is left"
    assert report.leftovers == ()
    status = {o.step.action.verb: o.step.status for o in report.outcomes}
    assert status["login"] is Status.FAILED
    assert status["record"] is status["settings"] is Status.UNDONE


def test_a_step_that_only_finishes_rolls_nothing_back_when_it_fails(
    machine: Make, tmp_path: Path
) -> None:
    start = world(blank(W))
    one = machine(start, fails={"read-map-settings": IscsictlError("multipathd hangs")})

    def plan(_: Inventory) -> Plan:
        builder = PlanBuilder()
        record = actions.CreateRecord(TARGET, A, "default")
        builder.add(record, "record", "", done=one.done == ["record"])
        builder.add(actions.ReadMapSettings(), "multipathd", "")
        return builder.build()

    task = Task(lambda *_: one.world.inventory, plan)
    report = reconcile(task, context(tmp_path), one.listen)
    assert (report.error and report.error.text, report.leftovers) == ("multipathd hangs", ())
    assert one.done == ["record"]
    assert {o.step.status for o in report.outcomes} == {Status.DONE, Status.FAILED}


def test_a_later_refusal_rolls_back_what_the_run_did(machine: Make, tmp_path: Path) -> None:
    start = world(parted(W, "xfs", FOREIGN))
    one = machine(start)
    report = reconcile(one.task(spec()), context(tmp_path), one.listen)
    assert report.error is not None
    assert report.error.exit is Exit.REFUSED
    assert one.done[-3:] == ["logout", "restore", "forget"]
    assert one.world.inventory == start.inventory


def test_ctrl_c_at_a_question_rolls_back_what_the_run_did(machine: Make, tmp_path: Path) -> None:
    start = world(parted(W, "ext4", FOREIGN))
    one = machine(start)

    def stop(question: str) -> bool:
        assert "login" in one.done, question
        raise UnansweredError("stopped", signal=2)

    report = reconcile(replace(one.task(spec()), confirm=stop), context(tmp_path), one.listen)
    assert report.error is not None
    assert report.error.exit is Exit.INTERRUPTED
    assert one.done[-3:] == ["logout", "restore", "forget"]
    assert one.world.inventory == start.inventory


@pytest.mark.fault("F09")
def test_a_session_that_was_there_is_not_logged_out_by_an_undo(
    machine: Make, tmp_path: Path
) -> None:
    one = machine(world(blank(W)).logged_in(), fails={"claim": IscsictlError("disk full")})
    reconcile(one.task(spec()), context(tmp_path), one.listen)
    assert "logout" not in one.done
    assert "forget" not in one.done
    assert one.world.inventory.sessions


@pytest.mark.fault("F32")
def test_what_was_written_to_the_disk_stays_is_listed_and_the_claim_with_it(
    machine: Make, tmp_path: Path
) -> None:
    one = machine(world(blank(W)), fails={"mount": IscsictlError("mount failed")})
    report = reconcile(one.task(spec()), context(tmp_path), one.listen)
    assert one.done[-4:] == ["release", "logout", "restore", "forget"]
    left = " ".join(report.leftovers)
    assert "mkfs" in left
    assert "label" in left
    assert "claim" in left
    assert any(x.making == W for x in one.world.inventory.fstab.entries)


def half_way(error: IscsictlError) -> IscsictlError:
    """The same error, of a tool that may have written."""
    error.wrote = True
    return error


@pytest.mark.fault("F32")
@pytest.mark.parametrize("verb", ["label", "mkfs"])
def test_the_claim_stays_when_a_tool_fails_half_way(
    machine: Make, tmp_path: Path, verb: str
) -> None:
    one = machine(world(blank(W)), fails={verb: half_way(IscsictlError("it failed"))})
    report = reconcile(one.task(spec()), context(tmp_path), one.listen)
    assert [x.is_claim for x in one.world.inventory.fstab.ours] == [True]
    assert verb in {text.partition(":")[0] for text in report.leftovers}


@pytest.mark.fault("F26")
@pytest.mark.parametrize("verb", ["label", "mkfs"])
def test_the_claim_goes_when_something_foreign_turned_up(
    machine: Make, tmp_path: Path, verb: str
) -> None:
    one = machine(world(blank(W)), fails={verb: UnexpectedContentError("it carries data")})
    report = reconcile(one.task(spec()), context(tmp_path), one.listen)
    assert not one.world.inventory.fstab.ours
    assert len(report.leftovers) == (verb == "mkfs"), "the label, where it was written"


@pytest.mark.fault("F32")
def test_what_cannot_be_rolled_back_is_listed_and_the_rest_is(
    machine: Make, tmp_path: Path
) -> None:
    one = machine(
        world(blank(W)),
        fails={"claim": IscsictlError("no space"), "logout": InUseError("in use by a stranger")},
    )
    report = reconcile(one.task(spec()), context(tmp_path), one.listen)
    assert report.error is not None
    assert report.error.text == "no space"
    assert [x for x in report.leftovers if "login" in x and "in use by a stranger" in x]
    assert one.done[-2:] == ["restore", "forget"]


@pytest.mark.fault("F42")
@pytest.mark.parametrize(("signal", "code"), [(2, 130), (15, 143)])
@pytest.mark.parametrize("after", WHOLE[:-1])
def test_after_a_signal_the_step_ends_nothing_is_undone_and_a_rerun_finishes(
    machine: Make, tmp_path: Path, signal: int, code: int, after: str
) -> None:
    asked: list[int] = []

    def stop_after(verb: str) -> None:
        if verb == after:
            asked.append(signal)

    one = machine(world(blank(W)))
    one.after = stop_after
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signals, "_asked", asked)
        report = reconcile(one.task(spec()), context(tmp_path), one.listen)
    assert report.error is not None
    assert report.error.exit == code
    assert "again" in (report.error.hint or "")
    assert report.error.text.endswith("completed steps are kept")
    assert report.leftovers == ()
    assert one.done == WHOLE[: WHOLE.index(after) + 1]
    again = reconcile(
        one.task(spec(uuid="99999999-9999-4999-8999-999999999999")), context(tmp_path), one.listen
    )
    assert again.error is None
    lines = one.world.inventory.fstab.entries
    assert [x.is_claim for x in lines] == [False]
    unbroken = machine(world(blank(W)))
    reconcile(unbroken.task(spec()), context(tmp_path), unbroken.listen)
    if WHOLE.index(after) >= WHOLE.index("claim"):
        assert one.world.inventory == unbroken.world.inventory


@pytest.mark.parametrize("on_failure", OnFailure)
def test_a_login_that_was_interrupted_is_said_to_be_with_iscsid(
    machine: Make, tmp_path: Path, on_failure: OnFailure
) -> None:
    one = machine(world(blank(W)), fails={"login": InterruptError("stopped", signal=2, hint="x")})
    report = reconcile(one.task(spec()), context(tmp_path), one.listen, on_failure)
    assert report.error is not None
    assert (report.error.exit, report.error.hint) == (Exit.INTERRUPTED, "x")
    assert report.error.text == "stopped; completed steps are kept"
    assert one.done == ["record", "settings"]
    (left,) = report.leftovers
    assert "login to" in left
    assert "iscsid may still complete it" in left


def test_an_interrupt_before_the_first_change_says_that_there_was_none(
    machine: Make, tmp_path: Path
) -> None:
    one = machine(world(blank(W)))
    signals._asked.append(2)
    report = reconcile(one.task(spec()), context(tmp_path), one.listen)
    assert report.error is not None
    assert (report.error.exit, report.error.hint) == (Exit.INTERRUPTED, None)
    assert report.error.text == "stopped by SIGINT; nothing was changed"
    assert one.done == []


@pytest.mark.usefixtures("machine")
def test_a_signal_that_an_observer_took_for_an_answer_ends_the_run(tmp_path: Path) -> None:
    def observe(_context: Context, _before: Inventory | None) -> Inventory:
        signals._asked.append(2)
        return Inventory()

    nothing_to_do = Task(observe, lambda _: Plan())
    report = reconcile(nothing_to_do, context(tmp_path), lambda _: None)
    assert report.error is not None
    assert report.error.exit is Exit.INTERRUPTED


def test_a_yes_adopts_and_a_no_is_refused(machine: Make, tmp_path: Path) -> None:
    said_no = machine(world(parted(W, "ext4")).logged_in())
    report = reconcile(said_no.task(spec()), context(tmp_path), said_no.listen)
    assert report.error is not None
    assert report.error.exit is Exit.REFUSED
    said_yes = machine(world(parted(W, "ext4")).logged_in())
    report = reconcile(said_yes.task(spec(), yes=True), context(tmp_path), said_yes.listen)
    assert report.error is None
    assert said_yes.done[-3:] == ["directory", "mount", "fstab"]


def scripted(*plans: Plan) -> Task:
    """A task that makes these plans, one after the other."""
    left = list(plans)
    return Task(lambda _c, _b: Inventory(), lambda _: left.pop(0) if len(left) > 1 else left[0])


DIRECTORY = Step(actions.MakeDirectory("/srv/data"), "/srv/data", "the mount point")


@pytest.mark.fault("F26")
def test_what_is_stronger_than_what_was_shown_is_refused_and_undone(
    machine: Make, tmp_path: Path
) -> None:
    one = machine(world(blank(W)).logged_in())
    disk = actions.DiskId("iqn.x", 0, W, "/dev/sda")
    wipe = Step(actions.Wipe(disk), "iqn.x", "erases it")
    report = reconcile(scripted(Plan((DIRECTORY,)), Plan((wipe,))), context(tmp_path), one.listen)
    assert one.done == ["directory", "rmdir"]
    assert report.error is not None
    assert report.error.exit is Exit.REFUSED
    assert "wipe:iqn.x (destroys)" in report.error.text


def test_a_step_without_visible_effect_is_an_error(machine: Make, tmp_path: Path) -> None:
    one = machine(world(blank(W)))
    report = reconcile(scripted(Plan((DIRECTORY,))), context(tmp_path), one.listen)
    assert report.error is not None
    assert "had no visible effect" in report.error.text
    assert one.done == ["directory", "rmdir"]


def test_a_refusal_at_once_does_nothing_at_all(machine: Make, tmp_path: Path) -> None:
    one = machine(world(blank(W)))
    refusal = Plan((DIRECTORY,), InUseError("busy"))
    report = reconcile(scripted(refusal), context(tmp_path), one.listen)
    assert one.done == []
    assert report.error is not None
    assert report.error.exit is Exit.IN_USE


def test_what_the_kernel_refuses_while_looking_is_an_error_and_undone(
    machine: Make, tmp_path: Path
) -> None:
    start = world(blank(W))
    one = machine(start)
    whole = one.task(spec())

    def observe_once(context: Context, before: Inventory | None) -> Inventory:
        if before is not None:
            raise FileNotFoundError(2, "No such file or directory", "/sys/block/sda")
        return whole.observe(context, before)

    report = reconcile(replace(whole, observe=observe_once), context(tmp_path), one.listen)
    assert report.error is not None
    assert report.error.text == "/sys/block/sda: No such file or directory"
    assert one.world.inventory == start.inventory


@pytest.mark.fault("F32")
def test_what_was_removed_and_not_restored_is_told(tmp_path: Path) -> None:
    steps = [
        Step(actions.Unmount("/srv"), "/srv", "", Status.PLANNED),
        Step(actions.Unmount("/was-not"), "/was-not", "", Status.PLANNED),
    ]
    done = [
        executor.CompletedStep(steps[0], StepResult()),
        executor.CompletedStep(steps[1], StepResult(changed=False)),
    ]
    assert executor.roll_back(done, context(tmp_path)) == ([], ["umount:/srv is not undone"])
