"""What is logged in at boot, and how many sessions a record asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from iscsictl.checks import sessions as session_checks
from iscsictl.errors import RefusedError
from iscsictl.model.host_facts import Machine, NodeDb
from iscsictl.model.inventory import HostFacts, Inventory, Known
from iscsictl.model.listing import Listing
from iscsictl.model.names import Portal
from iscsictl.model.plan import Status
from iscsictl.planner.attach.reconnect import missing_records, plan_reconnect
from iscsictl.planner.iscsi.records import plan_startup
from iscsictl.planner.iscsi.sessions import plan_login
from iscsictl.planner.selection.records import RecordSelector
from tests.unit.sessions_facts import P1, P2, A, record, session, statuses

NEVER = ["169.254.7.9", "fe80::1", "0.0.0.0", "::", "FE80:0::1"]


@pytest.mark.fault("F86")
@pytest.mark.parametrize("address", NEVER)
def test_a_portal_that_no_host_can_reach_is_left_out_of_the_boot(address: str) -> None:
    never = Portal(address, 3260, 1)
    records = (record(startup="manual"), record(portal=never, startup="automatic"))
    plan = plan_startup(Inventory(records=records), RecordSelector(A), "automatic")
    assert plan.refusal is None
    found = statuses(plan)
    assert found[f"settings:{A} {P1}"] is Status.PLANNED
    # It was to be logged in at boot, and is not any more.
    assert found[f"settings:{A} {never}"] is Status.PLANNED
    assert any(str(never) in note and "skipped" in note for note in plan.notes)


@pytest.mark.fault("F86")
def test_a_target_without_a_portal_that_can_be_reached_is_refused() -> None:
    now = Inventory(records=(record(portal=Portal("169.254.7.9", 3260, 1)),))
    plan = plan_startup(now, RecordSelector(A), "automatic")
    assert isinstance(plan.refusal, RefusedError)
    assert "169.254.7.9" in plan.refusal.text
    assert plan_startup(now, RecordSelector(A), "manual").refusal is None


@pytest.mark.fault("F86")
def test_a_portal_that_does_not_answer_is_named() -> None:
    now = Inventory(records=(record(), record(portal=P2)), silent={P2: "no answer within 10 s"})
    plan = plan_startup(now, RecordSelector(A), "automatic")
    assert f"portal {P2} does not answer: no answer within 10 s" in plan.notes


@pytest.mark.fault("F85")
def test_a_missing_session_of_several_is_seen_said_and_brought_back() -> None:
    plain = record(startup="automatic")
    wanted = replace(plain, values={**plain.values, "node.session.nr_sessions": "2"})
    now = Inventory(records=(wanted,), sessions=(session(),))
    (step,) = plan_login(now, RecordSelector(A), {}).steps
    assert (step.status, step.why) == (Status.PLANNED, "opens 1 of 2 sessions")
    assert missing_records(now, None) == (wanted,)
    (step,) = plan_reconnect(now, {}).pending
    assert step.why == "opens 1 of 2 sessions"
    machine = Machine(db=Known(NodeDb("/db", (wanted,))), listing=Listing(now.sessions))
    (finding,) = [f for f in session_checks.check(machine) if f.id == "session-missing"]
    assert finding.message.startswith("1 of the 2 sessions")

    both = replace(now, sessions=(session(), session(2)))
    assert not plan_login(both, RecordSelector(A), {}).pending
    assert missing_records(both, None) == ()
    assert not plan_reconnect(both, {}).pending


def test_startup_automatic_enables_the_login_service() -> None:
    facts = HostFacts("iscsi.service", service_enabled=False)
    plan = plan_startup(Inventory(records=(record(),), host=facts), RecordSelector(A), "automatic")
    assert plan.steps[-1].id == "enable:iscsi.service"
    assert len(plan_startup(Inventory(records=(record(),)), RecordSelector(A), "manual").steps) == 1
    without = Inventory(records=(record(),), host=replace(facts, service_defined=False))
    plan = plan_startup(without, RecordSelector(A), "automatic")
    assert [step.action.verb for step in plan.steps] == ["settings"]
    assert "there is no iscsi.service" in " ".join(plan.notes)
