"""What is planned for records: values, startup, forgetting and discovery."""

from dataclasses import replace

import pytest

from iscsictl.errors import (
    NotFoundError,
    RefusedError,
    UsageError,
)
from iscsictl.model import actions
from iscsictl.model.inventory import (
    DiscoveredTarget,
    Inventory,
    Known,
)
from iscsictl.model.names import Portal
from iscsictl.model.plan import Status
from iscsictl.parse.fstab import parse_fstab
from iscsictl.planner.attach.attach import plan_attach
from iscsictl.planner.iscsi.records import (
    plan_discovery_account,
    plan_forget,
    plan_save,
    plan_startup,
    plan_values,
)
from iscsictl.planner.selection.records import RecordSelector
from tests.unit.sessions_facts import P1, P2, A, B, record, session, statuses
from tests.worlds import spec


def test_values_are_set_in_all_records_or_in_none() -> None:
    corrupt = replace(record(portal=P2), problem="is empty (0 bytes)")
    changes = {"node.session.scan": "manual"}
    plan = plan_values(Inventory(records=(record(), corrupt)), RecordSelector(A), changes)
    assert isinstance(plan.refusal, RefusedError)
    assert not plan.steps


@pytest.mark.fault("F81")
def test_values_are_those_that_the_installed_open_iscsi_reads_in_every_record() -> None:
    records = (record(), record(iface="hba.ipv6.0"))
    ttl = plan_values(Inventory(records=records), RecordSelector(A), {"iface.ttl": "9"})
    assert isinstance(ttl.refusal, UsageError)
    assert not ttl.steps

    changes = {"node.session.conn_reopen_log_freq": "4"}
    for version, taken in (((2, 1, 8), False), ((2, 1, 11), True), (None, True)):
        now = Inventory(records=records, open_iscsi=version)
        plan = plan_values(now, RecordSelector(A), changes)
        assert isinstance(plan.refusal, UsageError) is not taken
        request = spec(target=A, portals=(P1,), values=changes)
        assert isinstance(plan_attach(now, request).refusal, UsageError) is not taken


@pytest.mark.parametrize(
    ("session_says", "connection_says", "startup"),
    [
        ("manual", "automatic", "automatic"),
        ("manual", "onboot", "onboot"),
        ("onboot", "automatic", "automatic"),
        ("automatic", "manual", "automatic"),
        ("manual", "manual", "manual"),
        ("Automatic", "manual", "manual"),  # no word of open-iscsi's, so it keeps its default
    ],
)
def test_a_record_logs_in_at_boot_if_its_connection_says_so(
    session_says: str, connection_says: str, startup: str
) -> None:
    # iscsiadm.c, match_startup_mode: "support conn or session startup params".
    said = {"node.startup": session_says, "node.conn[0].startup": connection_says}
    one = replace(record(), values=said)
    assert one.startup == startup
    for wanted in ("manual", "onboot", "automatic"):
        (write, *_) = plan_startup(Inventory(records=(one,)), RecordSelector(A), wanted).steps
        assert isinstance(write.action, actions.WriteRecord)
        changed = {**said, **{key: str(value) for key, value in write.action.changes.items()}}
        assert replace(one, values=changed).startup == wanted


def test_forget_refuses_a_record_in_use_and_removes_a_corrupt_one() -> None:
    corrupt = replace(record(portal=P2), problem="is empty (0 bytes)")
    world = Inventory(records=(record(), corrupt), sessions=(session(),))
    plan = plan_forget(world, RecordSelector(A))
    assert list(statuses(plan).values()) == [Status.REFUSED, Status.PLANNED]


@pytest.mark.parametrize("part", ["", "-part1"])
def test_forget_tells_of_an_admin_s_own_line_that_names_the_target(part: str) -> None:
    link = f"/dev/disk/by-path/ip-192.0.2.5:3260-iscsi-{A}-lun-0{part}"
    lines = (
        f"{link} /srv/a ext4 _netdev 0 0\n{link.replace(A, B)} /srv/b ext4 _netdev 0 0\n"
        f"{link} /srv/c ext4 noauto 0 0\n"
    )
    inventory = Inventory((record(),), fstab=parse_fstab(lines.encode()))
    assert plan_forget(inventory, RecordSelector(A)).notes == (
        f"/etc/fstab still mounts /srv/a from {A} at boot",
    )


def test_forget_of_a_target_that_was_forgotten_is_unchanged() -> None:
    plan = plan_forget(Inventory(in_journal=True), RecordSelector(A))
    assert not plan.pending
    assert plan.refusal is None


@pytest.mark.parametrize("in_journal", [False, None])
def test_forget_of_a_target_that_nobody_ever_knew_is_not_found(in_journal: bool | None) -> None:
    plan = plan_forget(Inventory(in_journal=in_journal), RecordSelector(A))
    assert isinstance(plan.refusal, NotFoundError)


@pytest.mark.fault("F06")
def test_discovery_leaves_records_that_exist() -> None:
    offers: Known[tuple[DiscoveredTarget, ...]] = Known(
        (DiscoveredTarget(A, P1), DiscoveredTarget(B, P1))
    )
    plan = plan_save(Inventory(records=(record(startup="automatic"),), offers=offers), "default")
    where = "192.0.2.5:3260"
    assert statuses(plan) == {
        f"record:{A} {where}": Status.UNCHANGED,
        f"record:{B} {where}": Status.PLANNED,
        f"settings:{B} {where}": Status.PLANNED,
    }


@pytest.mark.fault("F65")
def test_new_records_note_the_portal_that_named_their_target() -> None:
    inventory = Inventory(offers=Known((DiscoveredTarget(A, P2),)))

    def values_of(asked: Portal | None) -> dict[str, object]:
        writes = [s.action for s in plan_save(inventory, "default", asked).steps]
        (write,) = (one for one in writes if isinstance(one, actions.WriteRecord))
        return dict(write.changes)

    manual = {"node.startup": "manual", "node.conn[0].startup": "manual"}
    noted = {"node.discovery_address": "192.0.2.5", "node.discovery_port": "3260"}
    assert values_of(P1) == {**manual, **noted}
    # An iSNS server knows the targets of many arrays.
    assert values_of(None) == manual


def test_clearing_the_account_of_a_portal_that_nobody_knows_is_unchanged() -> None:
    plan = plan_discovery_account(P1, there=False, wrong=("x",), changes={"x": None})
    assert not plan.pending
