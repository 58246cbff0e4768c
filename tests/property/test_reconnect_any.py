"""Reconnect in generated worlds: it restores what is missing, and takes nothing away."""

from collections.abc import Mapping

from hypothesis import event, given, settings

from iscsictl.model import actions
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Action, Hazard, Plan, Step
from iscsictl.planner.attach.reconnect import Mounted, plan_reconnect
from tests.machine_model import effect
from tests.property.test_planner import SOME, WORLDS
from tests.strategies import worlds_after_a_boot
from tests.worlds import World


def mounted(now: Inventory) -> Mapping[str, Mounted]:
    """Everything that is mounted on the machine, and works."""
    return {path: Mounted(("rw",)) for used in now.usage.values() for path in used.mounts}


def planned(now: Inventory) -> Plan:
    return plan_reconnect(now, mounted(now))


def execute(plan: Plan, world: World) -> tuple[Inventory, set[str]]:
    """Do what the engine does with independent steps; return the ids of those that failed too."""
    now, lost = world.inventory, set(plan.errors)
    for step in plan.pending:
        if step.id in lost or step.after & lost or not may_begin(step.action, now):
            lost.add(step.id)
        else:
            now = effect(step, now, world.array)
    return now, lost


def may_begin(action: Action, now: Inventory) -> bool:
    """Whether the disk came, and gives this host the reservation: that shows only when asked."""
    if not isinstance(action, actions.Mount | actions.Reserve):
        return True
    if action.disk.wwid not in now.contents:
        return False
    found = now.reservations.get(action.disk.wwid)
    if isinstance(action, actions.Mount):
        return True
    return found is not None and found.exclusive_refusal(action.disk.device) is None


def is_held(step: Step, now: Inventory) -> bool:
    """Whether a hold forbids the step, told without the planner's code."""
    action = step.action
    for hold in now.holds:
        if isinstance(action, actions.Mount):
            if hold.mount_point == action.path or hold.target == action.disk.target:
                return True
        elif isinstance(action, actions.Login | actions.Scan) and hold.target == action.target:
            return True
    return False


@WORLDS
@given(worlds_after_a_boot())
def test_reconnect_only_logs_in_scans_and_mounts_what_is_not_held(world: World) -> None:
    plan = planned(world.inventory)
    event(f"{len(plan.pending)} steps, {len(plan.errors)} errors")
    assert plan.refusal is None
    for step in plan.steps:
        assert step.hazard is Hazard.SAFE
        assert isinstance(
            step.action, actions.Login | actions.Scan | actions.Reserve | actions.Mount
        )
        if isinstance(step.action, actions.Reserve):
            line = next(x for x in world.inventory.fstab.ours if x.uuid == step.action.uuid)
            assert line.exclusive
        assert not is_held(step, world.inventory)


@WORLDS
@given(worlds_after_a_boot())
def test_a_reconnect_takes_away_no_session_no_mount_and_no_entry(world: World) -> None:
    before = world.inventory
    after, _ = execute(planned(before), world)
    assert {s.sid for s in before.sessions} <= {s.sid for s in after.sessions}
    assert mounted(before).keys() <= mounted(after).keys()
    assert (after.fstab, after.holds) == (before.fstab, before.holds)
    assert [r.path for r in after.records] == [r.path for r in before.records]


@SOME
@given(worlds_after_a_boot())
def test_after_the_second_reconnect_nothing_is_pending_but_what_failed(world: World) -> None:
    # A LUN that does not come with the login is looked for by the next reconnect.
    now, _ = execute(planned(world.inventory), world)
    now, lost = execute(planned(now), World(now, world.array))
    again = planned(now)
    assert {step.id for step in again.pending if not step.after & lost} <= lost


@SOME
@given(worlds_after_a_boot())
def test_names_are_told_apart_and_steps_come_after_what_they_need(world: World) -> None:
    ids = [step.id for step in planned(world.inventory).steps]
    assert len(ids) == len(set(ids))
    for number, step in enumerate(planned(world.inventory).steps):
        assert step.after <= set(ids[:number])


def test_a_fifth_of_the_worlds_and_more_needs_a_reconnect() -> None:
    counts = {"all": 0, "pending": 0}

    @settings(max_examples=250, database=None, derandomize=True, deadline=None)
    @given(worlds_after_a_boot())
    def count(world: World) -> None:
        counts["all"] += 1
        counts["pending"] += bool(planned(world.inventory).pending)

    count()
    assert counts["pending"] >= 0.2 * counts["all"], counts
