"""Made machines on the way to an attach, and what is planned for them."""

from typing import Any

from iscsictl.errors import IscsictlError
from iscsictl.model import actions
from iscsictl.model.plan import Plan, Status, Step
from iscsictl.model.spec import AttachSpec
from iscsictl.planner.attach.attach import plan_attach, record_values
from tests.worlds import TARGET, A, World, facts_for_attach, spec, world


def planned(now: World, wanted: AttachSpec | None = None) -> Plan:
    wanted = wanted or spec()
    return plan_attach(facts_for_attach(now.inventory, wanted), wanted)


def here(*units: Any) -> World:
    """A machine that is logged in to an array with these LUNs."""
    now = world(*units).logged_in()
    values = record_values(spec(), multipath=False)
    return now.do(actions.WriteRecord(TARGET, A, "default", values))


def verbs(plan: Plan, *status: Status) -> list[str]:
    return [s.action.verb for s in plan.steps if s.status in (status or (Status.PLANNED,))]


def step(plan: Plan, verb: str) -> Step:
    return next(s for s in plan.steps if s.action.verb == verb)


def refused(plan: Plan) -> IscsictlError:
    assert plan.refusal is not None
    return plan.refusal


def attached(now: World, wanted: AttachSpec | None = None) -> World:
    """Run an attach to its end on the model; refusals fail the test."""
    for _ in range(20):
        plan = planned(now, wanted)
        assert plan.refusal is None, plan.refusal
        if not plan.ready:
            return now
        for one in plan.ready:
            now = now.do(one.action)
    raise AssertionError("no end")
