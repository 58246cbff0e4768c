"""A made host with an attached filesystem, and what a detach plans for it."""

from typing import Any

from iscsictl.errors import IscsictlError
from iscsictl.model import actions
from iscsictl.model.inventory import DiskUsage
from iscsictl.model.plan import Plan, Status
from iscsictl.model.spec import DetachRequest
from iscsictl.planner.attach.detach import plan_detach
from tests.worlds import (
    CLAIMED,
    DIR,
    TARGET,
    W1,
    A,
    W,
    World,
    blank,
    line,
    parted,
    unit,
    world,
)

MOUNTED = DiskUsage(mounts=(DIR,))


SECOND = DiskUsage(mounts=("/srv/two",))


def attached(*, usage: DiskUsage = MOUNTED, second: DiskUsage | None = None) -> World:
    """A machine with a filesystem of ours on /srv/data; perhaps a second LUN, used so."""
    units = [unit(parted(W, "ext4", CLAIMED, used=True), usage=usage)]
    if second is not None:
        units.append(unit(blank(W1), lun=1, usage=second))
    now = world(*units).logged_in().with_line(line(W))
    return now.do(actions.WriteRecord(TARGET, A, "default", {"node.startup": "automatic"}))


def planned(now: World, name: str = DIR, lun: int | None = None, **more: Any) -> Plan:
    return plan_detach(now.inventory, DetachRequest(name, lun, **more))


def pending(plan: Plan) -> list[str]:
    assert plan.refusal is None, plan.refusal
    return [s.action.verb for s in plan.steps if s.status is Status.PLANNED]


def refused(plan: Plan) -> IscsictlError:
    assert plan.refusal is not None
    assert not plan.ready or plan.refusal
    return plan.refusal


ALL = ["umount", "settings", "logout", "unfstab"]
