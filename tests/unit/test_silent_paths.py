"""A path that stands outside of its map and does not answer: it is told, and left outside."""

from dataclasses import replace

import pytest

from iscsictl.model.inventory import DiskUsage
from iscsictl.model.listing import Mount
from iscsictl.model.listing import Status as SessionStatus
from iscsictl.model.plan import Status
from tests.unit.attach_facts import attached, planned, step, verbs
from tests.unit.test_attach_plan_multipath import MAP, on, with_a_path_outside
from tests.worlds import STRICT, W, World, spec

NOT_USED = DiskUsage()


def with_silent_path(
    apart: World, state: str, status: SessionStatus, size: int = 0, used: DiskUsage = NOT_USED
) -> World:
    """The machine with the path outside of the map in this state, and its session."""
    (alone,) = (disk for disk in apart.inventory.disks if disk.block.kind == "disk")
    (path,) = alone.paths
    silent = alone._replace(
        paths=(path._replace(state=state),),
        block=alone.block._replace(size=(alone.block.size or 0) + size),
    )
    disks = tuple(silent if disk is alone else disk for disk in apart.inventory.disks)
    sessions = tuple(
        s._replace(status=status, luns=tuple(unit._replace(state=state) for unit in s.luns or ()))
        if s.sid == path.sid
        else s
        for s in apart.inventory.sessions
    )
    usage = {silent.block.device: used}
    now = replace(apart.inventory, disks=disks, sessions=sessions, usage=usage)
    return World(now, apart.array)


@pytest.mark.fault("F90")
@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize(
    ("state", "status"),
    [("blocked", "recovering"), ("transport-offline", "recovering"), ("running", "recovering"),
     ("offline", "up")],
)  # fmt: skip
def test_a_path_outside_of_the_map_that_does_not_answer_is_told_and_left_outside(
    lost: int, state: str, status: SessionStatus
) -> None:
    mounted = with_silent_path(with_a_path_outside(attached(on(STRICT)), lost), state, status)
    plan = planned(mounted)
    assert plan.refusal is None, plan.refusal
    assert {s.status for s in plan.steps} == {Status.UNCHANGED}
    (note,) = (n for n in plan.notes if "outside" in n)
    assert note == (
        f"/dev/sd{'ab'[lost]} does not answer, so it cannot be verified that it leads to {W}: it "
        f"stays outside the map {MAP}, which works without it; attach it again when it answers"
    )


@pytest.mark.fault("F27")
def test_a_silent_path_of_another_size_is_not_passed_over() -> None:
    apart = with_a_path_outside(attached(on(STRICT)), 1)
    plan = planned(with_silent_path(apart, "blocked", "recovering", size=512))
    assert step(plan, "map").status is Status.PLANNED


@pytest.mark.fault("F90")
def test_a_blank_map_is_formatted_though_a_path_outside_of_it_does_not_answer() -> None:
    apart = with_a_path_outside(attached(on(STRICT), spec(fs=None, mount=None)), 1)
    assert step(planned(apart), "map").status is Status.PLANNED
    plan = planned(with_silent_path(apart, "blocked", "recovering"))
    assert plan.refusal is None
    pending = verbs(plan, Status.PLANNED, Status.FORECAST)
    assert "mkfs" in pending
    assert "map" not in pending


@pytest.mark.fault("F27")
@pytest.mark.parametrize(
    "used", [DiskUsage(mounts=("/srv/x",)), DiskUsage(other_holders=("process 7 (dd)",))]
)
def test_a_silent_path_that_somebody_uses_is_not_passed_over(used: DiskUsage) -> None:
    apart = with_a_path_outside(attached(on(STRICT), spec(fs=None, mount=None)), 1)
    plan = planned(with_silent_path(apart, "blocked", "recovering", used=used))
    assert step(plan, "map").status is Status.PLANNED


@pytest.mark.fault("F27")
def test_a_silent_path_that_is_mounted_as_far_as_the_kernel_lists_is_not_passed_over() -> None:
    apart = with_a_path_outside(attached(on(STRICT), spec(fs=None, mount=None)), 1)
    now = with_silent_path(apart, "blocked", "recovering")
    disks = tuple(
        disk._replace(block=disk.block._replace(mounts=(Mount("/srv/x"),)))
        if disk.block.kind == "disk"
        else disk
        for disk in now.inventory.disks
    )
    plan = planned(World(replace(now.inventory, disks=disks), now.array))
    assert step(plan, "map").status is Status.PLANNED
