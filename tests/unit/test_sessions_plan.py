"""What is planned for logins, logouts and holds, in small worlds."""

import pytest

from iscsictl.errors import (
    AuthError,
    Exit,
    InUseError,
    NotFoundError,
    PartialError,
    UnreachableError,
)
from iscsictl.model.hold import Hold
from iscsictl.model.inventory import (
    DiskUsage,
    Inventory,
)
from iscsictl.model.listing import Block, Disk, Mount
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.names import Portal
from iscsictl.model.plan import Status
from iscsictl.parse.fstab import parse_fstab
from iscsictl.planner.builder import summarize_steps
from iscsictl.planner.iscsi.sessions import is_held, plan_hold, plan_login, plan_logout, plan_unhold
from iscsictl.planner.selection.names import resolve_name
from iscsictl.planner.selection.records import RecordSelector
from iscsictl.planner.selection.session_index import SessionIndex
from tests.unit.sessions_facts import P1, P2, A, B, disk, mapped, record, session, statuses


def test_an_exact_name_wins_over_longer_ones() -> None:
    assert resolve_name(A, [A, A + "1"], interactive=False) == A


def test_a_part_does_on_a_terminal_only() -> None:
    assert resolve_name("example:b", [A, B], interactive=True) == B
    with pytest.raises(NotFoundError, match="no target is called ''"):
        resolve_name("", [A], interactive=True)
    with pytest.raises(NotFoundError, match="no target is called"):
        resolve_name("example:b", [A, B], interactive=False)


def test_a_part_that_fits_several_names_them() -> None:
    with pytest.raises(NotFoundError, match="matches 2 targets"):
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
    assert error.hint == "stop what uses it, or detach it: iscsictl detach /dev/sdc"


@pytest.mark.fault("F106")
def test_logout_says_how_what_stands_on_the_disk_is_released() -> None:
    one = session()
    used = DiskUsage(other_holders=("swap on /dev/sdc",), releases=("swapoff /dev/sdc",))
    world = Inventory((record(),), (one,), (disk(one),), usage={"/dev/sdc": used})
    (error,) = plan_logout(world, RecordSelector(A)).errors.values()
    assert error.hint == "release it, then run this again: swapoff /dev/sdc"


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


@pytest.mark.fault("F102")
@pytest.mark.parametrize(
    ("path", "command"), [("/", "boot check"), ("/srv", "boot show")],
    ids=["root filesystem on it", "only the firmware's boot table names it"],
)  # fmt: skip
def test_the_hint_for_a_target_that_is_booted_from_shows_why(path: str, command: str) -> None:
    """Without a table of the firmware `boot show` would be empty."""
    one = session()
    part = Block("/dev/sda1", fstype="ext4", mounts=(Mount(path),))
    disk = Disk("naa.1", (DiskPath(one.sid or 0, "1:0:0:0", "/dev/sda"),),
                Block("/dev/sda", "disk", children=(part,)))  # fmt: skip
    world = Inventory(sessions=(one,), disks=(disk,))
    (error,) = plan_logout(world, RecordSelector(A), boots_from=frozenset({A})).errors.values()
    assert error.hint == f"see: iscsictl {command}"


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


def test_a_hold_on_a_directory_that_reconnect_does_not_mount_says_so() -> None:
    ours = b"UUID=1 /srv/mail ext4 _netdev,nofail,x-iscsictl.wwid=naa.1 0 0\n"
    world = Inventory(fstab=parse_fstab(ours + b"UUID=2 /srv/other ext4 defaults 0 0\n"))

    def notes(directory: str) -> tuple[str, ...]:
        return plan_hold(world, directory, interactive=False, seconds=None, now=0).notes

    assert notes("/srv/mail/") == ()
    for directory in ("/srv/other", "/srv/mial", "/dev/sda"):
        (note,) = notes(directory)
        assert note.startswith(f"reconnect would not mount {directory} anyway: ")


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
