"""Any node database with faults: the repairs of `doctor --fix` end them, and lose nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hypothesis import event, given
from hypothesis import strategies as st

from iscsictl.checks.nodedb import check
from iscsictl.checks.repair import plan_repairs
from iscsictl.model.host_facts import Lock, Machine
from iscsictl.model.inventory import Known
from iscsictl.model.names import Portal
from iscsictl.model.record import DiscoveryRecord, NodeRecord, Record
from tests.machine_model.repairs import apply_repairs
from tests.unit.healthy_host import IQN, SOUND, db, record

PORTALS = tuple(Portal(f"192.0.2.{n}", 3260, 1) for n in range(5, 9))
PROBLEMS = st.sampled_from([None, None, "is empty", "has no target"])
MODES = st.sampled_from([0o600, 0o600, 0o644, 0o660, 0o400])


@st.composite
def records(draw: st.DrawFn) -> NodeRecord:
    portal = draw(st.sampled_from(PORTALS))
    path = Path(f"/etc/iscsi/nodes/{IQN}/{portal.address},3260,1/default")
    problem = draw(PROBLEMS)
    truncated = problem is None and draw(st.booleans())
    made = replace(record(), path=path, portal=portal, mode=draw(MODES))
    return replace(made, problem=problem, truncated=truncated)


@st.composite
def discoveries(draw: st.DrawFn) -> DiscoveryRecord:
    portal = draw(st.sampled_from(PORTALS))
    path = Path(f"/etc/iscsi/send_targets/{portal.address},3260/st_config")
    mode, problem = draw(MODES), draw(PROBLEMS)
    return DiscoveryRecord(path, {}, mode, problem, kind="sendtargets", portal=portal)


LOCKS = st.sampled_from(
    [None, Lock("/run/lock/iscsi/lock", 300), Lock("/run/lock/iscsi/lock", 3, ("iscsiadm (7)",))]
)


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    place = st.lists(records(), unique_by=lambda one: one.path)
    found = st.lists(discoveries(), unique_by=lambda one: one.path)
    database = db(*draw(place), discovery=tuple(draw(found)))
    return replace(SOUND, db=database, lock=draw(LOCKS))


def usable_values(machine: Machine) -> dict[Path, Mapping[str, str]]:
    """The values of all records that iscsiadm can use: no repair may change them."""
    assert isinstance(machine.db, Known)
    every: tuple[Record, ...] = (*machine.db.value.records, *machine.db.value.discovery)
    return {one.path: one.values for one in every if one.problem is None}


@given(machines())
def test_after_the_repairs_nothing_is_left_to_repair_and_no_usable_record_is_lost(
    machine: Machine,
) -> None:
    plan = plan_repairs(check(machine))
    event(f"{len(plan.pending)} repairs")
    after = apply_repairs(plan, machine)
    assert not plan_repairs(check(after)).pending
    assert usable_values(after) == usable_values(machine)
    assert isinstance(after.db, Known)
    for one in (*after.db.value.records, *after.db.value.discovery):
        assert not one.mode & 0o077
    # A lock that somebody holds is that process's to give back.
    assert after.lock == (machine.lock if machine.lock and machine.lock.owners else None)
