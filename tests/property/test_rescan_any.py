"""Rescans in generated worlds: what is in use is never taken away."""

from hypothesis import event, given
from hypothesis import strategies as st

from iscsictl.errors import InUseError
from iscsictl.model import actions
from iscsictl.model.inventory import DiskAnswers, DiskUsage, Inventory
from iscsictl.model.plan import Hazard
from iscsictl.planner.iscsi.rescan import Asked, plan_rescan
from iscsictl.planner.selection.records import RecordSelector
from tests.machine_model import effect
from tests.property.test_planner import WORLDS
from tests.strategies import cases
from tests.worlds import World, wwid_of

ANY = RecordSelector()


def answered(now: Inventory, choices: st.DataObject) -> Asked:
    """Ask all disks: of each LUN the target says that it is there, gone, or another disk."""
    luns: dict[int, tuple[int, ...]] = {}
    names: dict[str, frozenset[str]] = {}
    for session in now.sessions:
        kept = []
        for unit in session.luns or ():
            said = choices.draw(st.sampled_from(["there", "gone", "another"]))
            if said != "gone":
                kept.append(unit.lun)
            if unit.wwid is not None and unit.hctl is not None:
                own = {"there": {unit.wwid}, "gone": set[str](), "another": {wwid_of(9)}}[said]
                names[unit.hctl] = frozenset(own)
        luns[session.sid or 0] = tuple(kept)
    return Asked(**vars(now), answers=DiskAnswers(luns=luns, names=names))


@WORLDS
@given(cases(), st.data())
def test_a_rescan_removes_no_disk_that_is_in_use(
    case: tuple[object, World], choices: st.DataObject
) -> None:
    _, world = case
    asked = answered(world.inventory, choices)
    plan = plan_rescan(asked, ANY, None)
    event(f"{sum(isinstance(e, InUseError) for e in plan.errors.values())} in use")
    for step in plan.steps:
        assert step.hazard is Hazard.SAFE
        assert isinstance(step.action, actions.RemoveDevice | actions.Rescan)
        if isinstance(step.action, actions.RemoveDevice) and step.id not in plan.errors:
            losing = [d for d in asked.disks for p in d.paths if p.hctl in step.action.hctls]
            for disk in losing:
                used = asked.usage_of(disk) or DiskUsage()
                assert not used.mounts
                assert not used.other_holders


@WORLDS
@given(cases(), st.data())
def test_after_a_rescan_each_session_shows_what_the_array_maps(
    case: tuple[object, World], choices: st.DataObject
) -> None:
    _, world = case
    plan = plan_rescan(answered(world.inventory, choices), ANY, None)
    now = world.inventory
    for step in plan.pending:
        now = effect(step, now, world.array)
    done = {s.action.sid for s in plan.pending if isinstance(s.action, actions.Rescan)}
    for session in now.sessions:
        if session.sid in done:
            mapped = {unit.lun for unit in world.array if unit.target == session.target}
            assert mapped <= {unit.lun for unit in session.luns or ()}


@WORLDS
@given(cases())
def test_where_the_targets_confirm_every_lun_nothing_is_removed(case: tuple[object, World]) -> None:
    now = case[1].inventory
    luns = {s.sid or 0: tuple(u.lun for u in s.luns or ()) for s in now.sessions}
    names = {
        u.hctl: frozenset({u.wwid})
        for s in now.sessions
        for u in s.luns or ()
        if u.hctl is not None and u.wwid is not None
    }
    plan = plan_rescan(Asked(**vars(now), answers=DiskAnswers(luns=luns, names=names)), ANY, None)
    assert not [step for step in plan.steps if isinstance(step.action, actions.RemoveDevice)]
