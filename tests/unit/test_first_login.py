"""How long a boot tries to log in over the only path of a disk: as long as over any, not 30 s."""

from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.model import actions
from iscsictl.model.inventory import HostFacts, Inventory
from iscsictl.model.names import Portal
from iscsictl.model.plan import Plan, Status
from iscsictl.model.record import NodeRecord
from iscsictl.observers.attach import observe_unsettled
from iscsictl.observers.host_facts import read_host_facts
from iscsictl.planner.attach.attach import values_for_record
from iscsictl.planner.iscsi.first_login import RETRIES
from iscsictl.planner.iscsi.records import plan_forget, plan_startup
from iscsictl.planner.selection.records import RecordSelector
from tests.unit.fake_root import put
from tests.unit.sessions_facts import P1, P2, A, B, record, session
from tests.worlds import spec

pytestmark = pytest.mark.fault("F94")

HOST = HostFacts(login_retries="6")


def path(portal: Portal = P1, *, startup: str = "automatic", retries: str = "2") -> NodeRecord:
    made = record(portal=portal)
    return replace(made, values={**made.values, "node.startup": startup, RETRIES: retries})


def host(*records: NodeRecord) -> Inventory:
    return Inventory(records, host=HOST)


def retries_for(*records: NodeRecord, multipath: bool | None, **values: str) -> object:
    wanted = spec(target=A, values=values)
    found = values_for_record(
        host(*records), wanted, records[0] if records else None, multipath=multipath
    )
    return found.get(RETRIES)


@pytest.mark.parametrize("multipath", [False, None])
def test_an_attach_gives_the_only_path_of_a_target_what_new_records_get(
    multipath: bool | None,
) -> None:
    assert retries_for(path(), multipath=multipath) == "6"
    others = path(P2, startup="manual"), replace(path(P2), problem="is empty (0 bytes)"), record(B)
    assert all(retries_for(path(), one, multipath=multipath) == "6" for one in others)


@pytest.mark.parametrize("multipath", [False, None])
def test_an_attach_leaves_what_is_not_of_several_paths_or_still_has_another(
    multipath: bool | None,
) -> None:
    assert retries_for(path(retries="8"), multipath=multipath) is None
    assert retries_for(multipath=multipath) is None
    assert retries_for(path(), path(P2), multipath=multipath) is None
    by_name = replace(spec(target=A), values={RETRIES: "2"})
    assert values_for_record(host(path()), by_name, path(), multipath=multipath)[RETRIES] == "2"


def test_one_of_several_paths_is_waited_for_30_s_whatever_it_had() -> None:
    assert retries_for(path(retries="8"), multipath=True) == "2"


def test_what_the_plan_writes_is_what_is_observed_to_differ(tmp_path: Path) -> None:
    file = put(tmp_path, "record", f"node.name = {A}\n{RETRIES} = 2\nnode.startup = automatic\n")
    now = host(replace(path(), path=file))
    found = observe_unsettled(now, spec(target=A, portals=(P1,)), A, multipath=None)
    assert found == {str(file): (RETRIES,)}


def writes(plan: Plan) -> list[tuple[object, object]]:
    assert plan.refusal is None
    return [
        (step.action.portal, step.action.changes[RETRIES])
        for step in plan.steps
        if isinstance(step.action, actions.WriteRecord)
        and RETRIES in step.action.changes
        and step.status is Status.PLANNED
    ]


def test_the_path_that_is_left_when_others_are_forgotten_is_waited_for_as_any() -> None:
    both = host(path(), path(P2))
    assert writes(plan_forget(both, RecordSelector(A, P2))) == [(P1, "6")]
    assert writes(plan_forget(both, RecordSelector(A))) == []
    up = replace(both, sessions=(session(portal=P2),))
    assert writes(plan_forget(up, RecordSelector(A, P2))) == []


def test_the_path_that_is_left_when_others_are_manual_is_waited_for_as_any() -> None:
    both = host(path(), path(P2))
    assert writes(plan_startup(both, RecordSelector(A, P2), "manual")) == [(P1, "6")]
    assert writes(plan_startup(both, RecordSelector(A), "manual")) == []
    two = host(path(retries="8"), path(P2))
    assert writes(plan_startup(two, RecordSelector(A, P2), "manual")) == []


def test_what_new_records_get_is_read_from_iscsid_conf(tmp_path: Path) -> None:
    assert read_host_facts(tmp_path).login_retries == "8"
    put(tmp_path, "etc/iscsi/iscsid.conf", f"#{RETRIES} = 4\n{RETRIES} = 12\n")
    assert read_host_facts(tmp_path).login_retries == "12"
