"""What is planned for a rescan: what appeared, grew, shrank or became another disk."""

import pytest

from iscsictl.errors import (
    Exit,
)
from iscsictl.model import actions
from iscsictl.model.inventory import (
    DiskAnswers,
    DiskUsage,
)
from iscsictl.model.plan import Status
from iscsictl.planner.iscsi.rescan import Asked, plan_rescan
from iscsictl.planner.selection.records import RecordSelector
from tests.unit.sessions_facts import A, disk, session


@pytest.mark.fault("F22")
def test_a_lun_that_became_another_disk_is_removed_before_the_scan() -> None:
    one = session(luns=2)
    world = Asked(
        sessions=(one,),
        disks=(disk(one), disk(one, 1)),
        answers=DiskAnswers(
            {1: (0, 1)}, {"1:0:0:0": frozenset({"naa.99"}), "1:0:0:1": frozenset({"naa.11"})}
        ),
    )
    remove, rescan = plan_rescan(world, RecordSelector(), None).steps
    assert remove.id == f"remove:{A} LUN 0"
    assert rescan.action == actions.Rescan(1, ("1:0:0:1",))


def test_a_lun_that_is_gone_but_in_use_stays_and_is_reported() -> None:
    one = session()
    world = Asked(
        sessions=(one,),
        disks=(disk(one),),
        answers=DiskAnswers({1: ()}),
        usage={"/dev/sdc": DiskUsage(("/srv",))},
    )
    plan = plan_rescan(world, RecordSelector(), None)
    assert plan.steps[0].status is Status.REFUSED
    assert "no longer has it" in plan.notes[0]


@pytest.mark.fault("F108")
@pytest.mark.parametrize(
    ("usage", "taken"), [(DiskUsage(("/srv",)), False), (DiskUsage(), True)],
    ids=["mounted", "unused"],
)  # fmt: skip
def test_a_smaller_size_is_not_taken_under_a_mount(usage: DiskUsage, *, taken: bool) -> None:
    one = session(luns=2)
    world = Asked(
        sessions=(one,),
        disks=(disk(one), disk(one, 1)),
        answers=DiskAnswers(sizes={"1:0:0:0": 32 << 20, "1:0:0:1": 64 << 20}),
        usage={"/dev/sdc": usage},
    )
    plan = plan_rescan(world, RecordSelector(), None)
    rescans = [s for s in plan.steps if isinstance(s.action, actions.Rescan)]
    hctls = ("1:0:0:0", "1:0:0:1") if taken else ("1:0:0:1",)
    assert [s.action for s in rescans if s.status is Status.PLANNED] == [actions.Rescan(1, hctls)]
    refused = [plan.errors[s.id] for s in rescans if s.status is Status.REFUSED]
    assert [error.exit for error in refused] == ([] if taken else [Exit.IN_USE])
    for error in refused:
        assert "/srv" in error.text
        assert f"it now has {32 << 20} bytes, not {64 << 20}" in error.text


@pytest.mark.fault("F27")
def test_a_rescan_tells_what_appeared_and_grew() -> None:
    one, more = session(), session(luns=2)
    old = disk(one)
    grown = old._replace(block=old.block._replace(size=128 << 20))
    first = Asked(sessions=(one,), disks=(old,))
    now = Asked(sessions=(more,), disks=(grown, disk(more, 1)))
    notes = plan_rescan(now, RecordSelector(), first).notes
    assert any("LUN 0" in note and "grew from 67108864 to 134217728" in note for note in notes)
    assert any("LUN 1" in note and "appeared" in note for note in notes)
