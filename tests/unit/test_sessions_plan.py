"""What is planned for logins, logouts, holds, records and rescans, in small worlds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.errors import (
    AuthError,
    Exit,
    InUseError,
    NotFoundError,
    PartialError,
    RefusedError,
    UnreachableError,
    UsageError,
)
from iscsictl.model import actions, listing
from iscsictl.model.hold import Hold
from iscsictl.model.inventory import (
    DiscoveredTarget,
    DiskAnswers,
    DiskUsage,
    Inventory,
    Known,
)
from iscsictl.model.listing import Block, Disk, Lun, Session
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.names import Portal
from iscsictl.model.plan import Plan, Status
from iscsictl.model.record import NodeRecord
from iscsictl.planner.attach.attach import plan_attach
from iscsictl.planner.builder import summarize_steps
from iscsictl.planner.iscsi.records import (
    plan_discovery_account,
    plan_forget,
    plan_save,
    plan_startup,
    plan_values,
)
from iscsictl.planner.iscsi.rescan import Asked, plan_rescan
from iscsictl.planner.iscsi.sessions import is_held, plan_hold, plan_login, plan_logout, plan_unhold
from iscsictl.planner.selection.names import resolve_name
from iscsictl.planner.selection.records import RecordSelector
from iscsictl.planner.selection.session_index import SessionIndex
from tests.worlds import spec

A, B = "iqn.2026-01.example:a", "iqn.2026-01.example:b"
P1, P2 = Portal("192.0.2.5", 3260, 1), Portal("198.51.100.5", 3260, 1)


def record(
    target: str = A, portal: Portal = P1, iface: str = "default", **values: str
) -> NodeRecord:
    path = Path(f"/db/{target}/{portal.address},{portal.port},{portal.tpgt}/{iface}")
    named = {f"node.{key}": value for key, value in values.items()}
    return NodeRecord(path=path, values=named, target=target, portal=portal, iface=iface)


def session(
    sid: int = 1,
    target: str = A,
    portal: Portal = P1,
    *,
    status: listing.Status = "up",
    luns: int = 1,
) -> Session:
    units = tuple(
        Lun(n, f"{sid}:0:0:{n}", f"/dev/sd{'abcdef'[sid * 2 + n]}", wwid=f"naa.{sid}{n}")
        for n in range(luns)
    )
    made = Session("sysfs", target, sid=sid, portal=portal, persistent_portal=portal, luns=units)
    return made._replace(iface="default", status=status)


def disk(
    one: Session, lun: int = 0, *, kind: listing.Kind = "disk", also: Session | None = None
) -> Disk:
    paths = []
    for each in (one, also):
        unit = None if each is None else (each.luns or ())[lun]
        if each is not None and unit is not None:
            paths.append(DiskPath(each.sid or 0, unit.hctl or "", unit.device or "", "running"))
    wwid = (one.luns or ())[lun].wwid
    block = Block(paths[0].device, kind, 64 << 20)
    return Disk(wwid, tuple(paths), block)


def statuses(plan: Plan) -> dict[str, Status]:
    return {step.id: step.status for step in plan.steps}


def test_an_exact_name_wins_over_longer_ones() -> None:
    assert resolve_name(A, [A, A + "1"], interactive=False) == A


def test_a_part_does_on_a_terminal_only() -> None:
    assert resolve_name("example:b", [A, B], interactive=True) == B
    with pytest.raises(NotFoundError, match="no target is called ''"):
        resolve_name("", [A], interactive=True)
    with pytest.raises(NotFoundError, match="no target is called"):
        resolve_name("example:b", [A, B], interactive=False)


def test_a_part_that_fits_several_names_them() -> None:
    with pytest.raises(NotFoundError, match="fits 2 targets"):
        resolve_name("example", [A, B], interactive=True)


def test_login_leaves_what_is_logged_in() -> None:
    world = Inventory(records=(record(), record(B)), sessions=(session(),))
    plan = plan_login(world, RecordSelector(A), {})
    assert statuses(plan) == {f"login:{A} 192.0.2.5:3260": Status.UNCHANGED}


def test_login_needs_a_record() -> None:
    assert isinstance(plan_login(Inventory(), RecordSelector(A), {}).refusal, NotFoundError)


@pytest.mark.fault("F11")
def test_a_dead_portal_is_named_and_the_other_is_logged_in() -> None:
    world = Inventory(records=(record(), record(portal=P2)), silent={P1: "no answer within 10 s"})
    plan = plan_login(world, RecordSelector(A), {})
    assert list(statuses(plan).values()) == [Status.FAILED, Status.PLANNED]
    (error,) = plan.errors.values()
    assert isinstance(error, UnreachableError)
    assert "192.0.2.5:3260" in error.text


def test_an_adapter_is_not_kept_from_a_portal_that_the_host_cannot_reach() -> None:
    one = record(iface="iser")
    plan = plan_login(
        Inventory(records=(one,), silent={P1: "connection refused"}), RecordSelector(A), {}
    )
    assert list(statuses(plan).values()) == [Status.PLANNED]


def test_login_all_takes_the_records_of_the_boot() -> None:
    world = Inventory(records=(record(startup="automatic"), record(B, startup="manual")))
    plan = plan_login(world, RecordSelector(), {}, everything=True)
    assert list(statuses(plan)) == [f"login:{A} 192.0.2.5:3260"]


def test_login_ends_a_hold_after_the_logins_it_covers() -> None:
    world = Inventory(records=(record(), record(portal=P2)), holds=(Hold(A, why="logout"), Hold(B)))
    plan = plan_login(world, RecordSelector(A), {})
    drop = plan.steps[-1]
    assert drop.id == f"unhold:{A}"
    assert drop.after == {step.id for step in plan.steps[:-1]}


def test_login_sets_digests_before_it() -> None:
    world = Inventory(records=(record(),))
    plan = plan_login(world, RecordSelector(A), {"node.conn[0].iscsi.HeaderDigest": "CRC32C"})
    settings, login = plan.steps
    assert settings.action.verb == "settings"
    assert login.after == {settings.id}


@pytest.mark.fault("F07")
def test_records_that_differ_in_the_tag_alone_are_told_apart() -> None:
    other = Portal("192.0.2.5", 3260, 2)
    records = (record(), record(portal=other))
    world = Inventory(records=records, sessions=(session(),))
    index = SessionIndex.of(world)
    assert index.session_of(records[0]) is not None
    assert index.session_of(records[1]) is None
    assert len(statuses(plan_login(world, RecordSelector(A), {}))) == 2
    assert len(plan_login(world, RecordSelector(A, other), {}).steps) == 1


@pytest.mark.fault("F29")
def test_logout_names_who_holds_the_disk_and_holds_nothing() -> None:
    one = session()
    world = Inventory(
        records=(record(),),
        sessions=(one,),
        disks=(disk(one),),
        usage={"/dev/sdc": DiskUsage(("/srv",), ("swap on /dev/sdc",))},
    )
    plan = plan_logout(world, RecordSelector(A))
    assert list(statuses(plan).values()) == [Status.REFUSED]
    (error,) = plan.errors.values()
    assert isinstance(error, InUseError)
    assert "/srv" in error.text
    assert "swap on /dev/sdc" in error.text
    assert error.hint == "end what uses it, or take it down: iscsictl detach /dev/sdc"


@pytest.mark.fault("F106")
def test_logout_says_how_what_stands_on_the_disk_is_released() -> None:
    one = session()
    used = DiskUsage(other_holders=("swap on /dev/sdc",), releases=("swapoff /dev/sdc",))
    world = Inventory((record(),), (one,), (disk(one),), usage={"/dev/sdc": used})
    (error,) = plan_logout(world, RecordSelector(A)).errors.values()
    assert error.hint == "release it, then run this again: swapoff /dev/sdc"


def mapped(kind: listing.Kind) -> Inventory:
    one, two = session(), session(2, portal=P2)
    both = disk(one, kind=kind, also=two)
    return Inventory(
        sessions=(one, two), disks=(both,), usage={both.block.device: DiskUsage(("/srv",))}
    )


def test_one_path_of_a_map_may_go_and_not_the_last() -> None:
    plan = plan_logout(mapped("mpath"), RecordSelector(A, P1))
    assert plan.steps[-1].status is Status.PLANNED
    every = plan_logout(mapped("mpath"), RecordSelector(A))
    assert {step.status for step in every.steps} == {Status.REFUSED}


def test_two_paths_without_a_map_carry_nothing() -> None:
    plan = plan_logout(mapped("disk"), RecordSelector(A, P1))
    assert plan.steps[-1].status is Status.REFUSED


def test_the_session_that_booted_the_machine_stays() -> None:
    world = Inventory(sessions=(session(),))
    plan = plan_logout(world, RecordSelector(A), boots_from=frozenset({A}))
    assert [type(error) for error in plan.errors.values()] == [InUseError]


def test_logout_names_who_has_a_tape_of_the_session_open() -> None:
    one = session()
    who = "process 7 (tar) that has /dev/nst0 open"
    world = Inventory((record(),), (one,), open_devices={one.sid or 0: (who,)})
    plan = plan_logout(world, RecordSelector(A))
    (error,) = plan.errors.values()
    assert isinstance(error, InUseError)
    assert who in error.text
    assert not plan.pending


def test_logout_of_what_is_not_logged_in_is_unchanged_if_there_is_a_record() -> None:
    plan = plan_logout(Inventory(records=(record(),)), RecordSelector(A))
    assert set(statuses(plan).values()) == {Status.UNCHANGED}
    assert isinstance(plan_logout(Inventory(), RecordSelector(A)).refusal, NotFoundError)


@pytest.mark.fault("F59")
def test_logout_holds_the_target_first() -> None:
    world = Inventory(records=(record(),), sessions=(session(),))
    hold, logout = plan_logout(world, RecordSelector(A)).steps
    assert hold.id == f"hold:{A}"
    assert logout.after == {hold.id}


def test_a_hold_is_the_same_within_a_minute() -> None:
    there = (Hold(A, until=1000.0),)
    assert is_held(Hold(A), there, 990, 0)
    assert not is_held(Hold(A), there, 2000, 0)
    assert not is_held(Hold(A), there, None, 0)
    assert is_held(Hold(A), (Hold(A),), None, 0)


def test_hold_and_unhold_take_directories_and_targets() -> None:
    world = Inventory(records=(record(),), holds=(Hold(A, P1), Hold(mount_point="/srv")))
    hold = plan_hold(world, "/srv/", interactive=False, seconds=None, now=0)
    assert statuses(hold) == {"hold:/srv": Status.UNCHANGED}
    assert len(plan_unhold(world, A, interactive=False).pending) == 1
    assert not plan_unhold(world, "/other", interactive=False).pending
    assert plan_unhold(world, "iqn.unknown", interactive=False).refusal is not None


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
    assert "does not have it" in plan.notes[0]


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
        assert f"it has {32 << 20} bytes now, it had {64 << 20}" in error.text


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


def test_one_failure_is_itself_and_one_of_several_is_partial() -> None:
    world = Inventory(records=(record(), record(portal=P2)))
    steps = plan_login(world, RecordSelector(A), {}).steps
    failed = {steps[0].id: AuthError("no"), steps[1].id: AuthError("no")}
    assert isinstance(summarize_steps({steps[0].id: AuthError("no")}, steps[:0]), AuthError)
    assert isinstance(summarize_steps({steps[0].id: AuthError("no")}, steps[1:]), PartialError)
    both = summarize_steps(failed, ())
    assert both is not None
    assert both.exit is Exit.AUTH
    assert both.text.startswith("all 2 failed")
    assert summarize_steps({}, steps) is None
