"""An attach over several paths, with multipath-tools as their package leaves them."""

from dataclasses import replace
from typing import Any

import pytest

from iscsictl.engine.handlers.effect import StepResult
from iscsictl.engine.handlers.registry import inverse
from iscsictl.errors import Exit, RefusedError
from iscsictl.model import actions
from iscsictl.model.inventory import DiscoveredTarget, DiskUsage, HostFacts, Known
from iscsictl.model.listing import Block
from iscsictl.model.multipath import MapSettings, MultipathFacts
from iscsictl.model.plan import Plan, Status
from iscsictl.model.spec import AttachSpec, Consent, DetachRequest
from iscsictl.planner.attach.attach import record_values
from iscsictl.planner.attach.detach import plan_detach
from iscsictl.planner.selection.disks import DiskSelection, disk_id
from tests.machine_model.multipath import spelled
from tests.unit.attach_facts import attached, planned, refused, step, verbs
from tests.worlds import (
    CLAIMED,
    DIR,
    STRICT,
    TARGET,
    A,
    B,
    W,
    World,
    at,
    blank,
    line,
    parted,
    record,
    spec,
    unit,
    world,
    wwid_of,
)

BOTH = Known((DiscoveredTarget(TARGET, A), DiscoveredTarget(TARGET, B)))
STOPPED = replace(STRICT, running=False, enabled=False)
MAP = f"/dev/mapper/{spelled(W)}"


def on(facts: MultipathFacts, *units: Any) -> World:
    """A machine with these multipath-tools, to which the array offers two portals."""
    return world(*(units or (blank(W),))).having(offers=BOTH, host=HostFacts(multipath=facts))


def portals(plan: Plan) -> list[Any]:
    return [s.action.portal for s in plan.steps if isinstance(s.action, actions.Login)]


@pytest.mark.fault("F90")
@pytest.mark.parametrize("facts", [STRICT, STOPPED])
def test_a_blank_lun_over_two_portals_becomes_a_mounted_map(facts: MultipathFacts) -> None:
    now = on(facts)
    first = planned(now)
    wanted = {"start", "login", "map-settings", "allow-map", "map", "mkfs", "mount"}
    in_order = [v for v in verbs(first, Status.PLANNED, Status.FORECAST) if v in wanted]
    start = [] if facts.running else ["start"]
    assert in_order == [
        *start,
        "login",
        "map-settings",
        "allow-map",
        "map",
        "login",
        "mkfs",
        "mount",
    ]
    done = attached(now)
    (disk,) = done.inventory.disks
    assert (disk.block.device, len(disk.paths)) == (MAP, 2)
    assert {s.status for s in planned(done).steps} == {Status.UNCHANGED}
    settings = done.inventory.host.multipath.settings
    assert [(s.wwid, s.disk, s.no_path_retry) for s in settings] == [(spelled(W), W, 120)]


@pytest.mark.fault("F90")
def test_io_waits_as_long_whatever_the_interval_between_checks() -> None:
    now = on(replace(STRICT, polling_interval=20))
    (settings,) = attached(now).inventory.host.multipath.settings
    assert settings.no_path_retry == 30


@pytest.mark.fault("F90")
def test_the_wwid_is_never_spelled_by_us() -> None:
    now = on(STRICT).logged_in()
    facts = replace(now.inventory.host.multipath, spelled={})
    error = refused(planned(now.having(host=HostFacts(multipath=facts))))
    assert "/dev/sda is not accepted as a path of a map" in error.text


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (MultipathFacts(), "multipath-tools is not installed"),
        (replace(STOPPED, masked=True), "multipathd.service is masked"),
        (
            replace(STOPPED, unmet_condition="ConditionPathExists=/etc/multipath.conf"),
            "systemd does not start multipathd.service: ConditionPathExists=/etc/multipath.conf",
        ),
    ],
)
def test_where_no_map_can_be_had_one_portal_is_used_or_the_attach_is_refused(
    facts: MultipathFacts, why: str
) -> None:
    plan = planned(on(facts))
    assert portals(plan) == [A]
    assert any("one of 2 paths" in note and why in note for note in plan.notes)
    error = refused(planned(on(facts), spec(multipath="require")))
    assert isinstance(error, RefusedError)
    assert error.exit is Exit.REFUSED
    assert why in error.text


def test_off_uses_one_portal_and_says_so() -> None:
    plan = planned(on(STRICT), spec(multipath="off"))
    assert portals(plan) == [A]
    assert "map" not in [s.action.verb for s in plan.steps]
    assert any("because of --multipath off" in note for note in plan.notes)


def test_require_makes_a_map_of_a_single_path() -> None:
    now = world(blank(W)).having(host=HostFacts(multipath=STRICT))
    assert "map" not in [s.action.verb for s in planned(now).steps]
    (disk,) = attached(now, spec(multipath="require")).inventory.disks
    assert disk.block.device == MAP


def test_a_volume_that_is_mounted_on_one_path_stays_there_and_the_plan_says_so() -> None:
    used = unit(parted(W, "ext4", CLAIMED, used=True), usage=DiskUsage((DIR,)))
    now = on(STRICT, used).logged_in().with_line(line(W))
    both = spec(portals=(at(A), at(B)))
    plan = planned(now, both)
    assert portals(plan) == [A]
    assert any("in use through one path" in note and "detached" in note for note in plan.notes)
    assert (
        "in use through one path" in refused(planned(now, replace(both, multipath="require"))).text
    )


def test_a_path_that_is_down_does_not_stop_what_works_over_the_other() -> None:
    now = attached(on(STRICT))
    sessions = tuple(
        s._replace(status="recovering") if s.portal is not None and s.portal.same_place(A) else s
        for s in now.inventory.sessions
    )
    plan = planned(now.having(sessions=sessions))
    assert plan.refusal is None
    assert {s.status for s in plan.steps} == {Status.UNCHANGED}
    assert any(str(A) in note and "recovering" in note for note in plan.notes)


def test_another_disk_than_the_named_one_gets_no_map() -> None:
    now = on(STRICT).logged_in()
    other = spec(wwid="naa.6001405ffffffffffffffffffffffff0")
    assert "naa.6001405fff" in refused(planned(now, other)).text


@pytest.mark.parametrize("retries", [5, "queue", "fail"])
def test_settings_that_an_admin_made_for_the_map_are_left_alone(retries: int | str) -> None:
    now = on(STRICT).logged_in()
    facts = replace(now.inventory.host.multipath, in_force={spelled(W): retries})
    plan = planned(now.having(host=HostFacts(multipath=facts)))
    assert step(plan, "map-settings").status is Status.UNCHANGED


@pytest.mark.fault("F90")
@pytest.mark.parametrize("in_force", [5, "queue", None])
def test_settings_in_another_file_win_over_ours_and_nothing_is_written_again(
    in_force: int | str | None,
) -> None:
    now = attached(on(STRICT))
    facts = now.inventory.host.multipath
    # The daemon tells of those of a map that is there.
    told = {} if in_force is None else {spelled(W): in_force}
    elsewhere = replace(facts, set_elsewhere=frozenset({spelled(W)}), in_force=told)
    plan = planned(now.having(host=HostFacts(multipath=elsewhere)))
    assert {s.status for s in plan.steps} == {Status.UNCHANGED}
    changed = replace(facts, in_force={spelled(W): 5})
    plan = planned(now.having(host=HostFacts(multipath=changed)))
    assert step(plan, "map-settings").status is Status.PLANNED


def test_settings_that_an_admin_made_before_there_was_a_map_are_left_alone() -> None:
    facts = replace(STRICT, set_elsewhere=frozenset({spelled(W)}))
    done = attached(on(facts))
    assert [disk.block.device for disk in done.inventory.disks] == [MAP]
    assert not any(s.no_path_retry for s in done.inventory.host.multipath.settings)


@pytest.mark.fault("F97")
def test_a_multipathd_that_does_not_answer_is_not_said_to_exclude_the_disk() -> None:
    now = on(STRICT).logged_in()
    silent = replace(now.inventory.host.multipath, spelled={}, answers=False)
    error = refused(planned(now.having(host=HostFacts(multipath=silent))))
    assert error.exit is Exit.UNREACHABLE
    assert "multipathd does not answer" in error.text
    assert "excluded" not in (error.hint or "")


def with_a_path_outside(now: World, lost: int) -> World:
    """The machine after one path came anew while multipathd did not run."""
    (disk,) = now.inventory.disks
    out = disk.paths[lost]
    kept = disk._replace(paths=tuple(path for path in disk.paths if path is not out))
    alone = disk._replace(paths=(out,), block=Block(out.device, "disk", disk.block.size))
    disks = (kept, alone) if lost else (alone, kept)
    return World(replace(now.inventory, disks=disks), now.array)


@pytest.mark.fault("F90")
@pytest.mark.parametrize("lost", [0, 1])
def test_a_path_outside_of_the_map_joins_it(lost: int) -> None:
    done = attached(on(STRICT))
    (whole,) = done.inventory.disks
    apart = with_a_path_outside(done, lost)
    plan = planned(apart)
    assert [s.action.verb for s in plan.steps if s.status is Status.PLANNED] == ["map"]
    make = step(plan, "map").action
    assert isinstance(make, actions.MakeMap)
    # What only joined a map is no reason to remove the map in an undo.
    assert inverse(make, StepResult()) is None
    (joined,) = attached(apart).inventory.disks
    assert (joined.block.device, set(joined.paths)) == (MAP, set(whole.paths))
    first = step(planned(on(STRICT).logged_in()), "map").action
    assert isinstance(inverse(first, StepResult()), actions.RemoveMap)


@pytest.mark.fault("F27")
@pytest.mark.parametrize("changes", [{"serial": "another"}, {"lun": 3}])
def test_another_disk_with_the_wwid_of_a_map_does_not_join_it(changes: dict[str, Any]) -> None:
    apart = with_a_path_outside(attached(on(STRICT)), 1)
    mapped, alone = apart.inventory.disks
    if "lun" in changes:
        (path,) = alone.paths
        alone = alone._replace(paths=(path._replace(hctl=f"{path.sid}:0:0:3"),))
        sessions = tuple(
            s._replace(luns=tuple(u._replace(lun=3, hctl=f"{s.sid}:0:0:3") for u in s.luns or ()))
            if s.sid == path.sid
            else s
            for s in apart.inventory.sessions
        )
        apart = World(replace(apart.inventory, sessions=sessions), apart.array)
    else:
        alone = alone._replace(**changes)
    plan = planned(World(replace(apart.inventory, disks=(mapped, alone)), apart.array))
    assert isinstance(refused(plan), RefusedError)
    assert "WWID" in refused(plan).text


def test_a_disk_command_names_a_path_outside_of_the_map() -> None:
    now = with_a_path_outside(attached(on(STRICT)), 1).inventory
    for disk in now.disks:
        with pytest.raises(RefusedError) as raised:
            disk_id(now, DiskSelection(TARGET, 0, disk, disk.block))
        assert f"/dev/sdb is a path of {W}, but not in its map {MAP}" in raised.value.text
        assert "attach it again" in (raised.value.hint or "")


@pytest.mark.fault("F90")
@pytest.mark.parametrize("left", ["the record", "the session"])
def test_a_second_lun_gets_a_map_though_one_portal_of_the_first_does_not_answer(left: str) -> None:
    now = attached(on(STRICT, unit(blank(W)), unit(blank(wwid_of(1)), lun=1)), spec(lun=0))
    now = now.having(silent={B: "timed out"})
    if left == "the record":
        now = now.do(actions.Logout(TARGET, B, "default"))
    else:
        now = now.having(records=now.inventory.records[:1])
    second = spec(lun=1, fs=None, mount=None)
    plan = planned(now, second)
    assert plan.refusal is None, plan.refusal
    assert step(plan, "map").status is Status.PLANNED
    assert any(f"portal {B} does not answer" in note for note in plan.notes)
    disks = attached(now, second).inventory.disks
    assert {disk.block.kind for disk in disks} == {"mpath"}


@pytest.mark.fault("F99")
def test_a_second_lun_through_another_interface_gets_a_map_over_all_sessions() -> None:
    both = spec(lun=0, ifaces=("one", "two"))
    now = on(STRICT, unit(blank(W)), unit(blank(wwid_of(1)), lun=1))
    now = attached(now.having(offers=Known((DiscoveredTarget(TARGET, A),))), both)
    disks = attached(now, spec(lun=1, fs=None, mount=None)).inventory.disks
    assert {(disk.block.kind, len(disk.paths)) for disk in disks} == {("mpath", 3)}


WAITS = "node.session.timeo.replacement_timeout"
RETRIES = "node.session.initial_login_retry_max"


@pytest.mark.fault("F92")
@pytest.mark.parametrize("wanted", [spec(), spec(multipath="off")], ids=["auto", "off"])
@pytest.mark.parametrize("find_multipaths", ["greedy", "no", "off"])
def test_a_map_that_multipathd_makes_of_one_path_waits_as_long_as_the_path_would(
    wanted: AttachSpec, find_multipaths: str
) -> None:
    now = world(blank(W)).having(
        host=HostFacts(multipath=replace(STRICT, find_multipaths=find_multipaths))
    )
    # The settings are in the first plan: no later one may do more.
    assert step(planned(now, wanted), "map-settings").status is Status.FORECAST
    done = attached(now, wanted)
    (disk,) = done.inventory.disks
    assert disk.block.device == MAP
    (settings,) = done.inventory.host.multipath.settings
    assert settings.no_path_retry == 120
    (recorded,) = done.inventory.records
    # At boot there is no other path that would serve the map.
    assert (recorded.values.get(WAITS), recorded.values.get(RETRIES)) == ("600", None)
    assert {s.status for s in planned(done, wanted).steps} == {Status.UNCHANGED}


def test_a_disk_that_a_greedy_multipathd_leaves_out_is_used_over_its_path() -> None:
    now = world(blank(W)).logged_in()
    facts = replace(STRICT, find_multipaths="greedy")
    plan = planned(now.having(host=HostFacts(multipath=facts)))
    assert plan.refusal is None, plan.refusal
    assert "map-settings" not in [s.action.verb for s in plan.steps]


def test_a_map_with_settings_of_an_admin_stays_as_it_is_while_a_path_is_out() -> None:
    theirs = replace(STRICT, set_elsewhere=frozenset({spelled(W)}))
    now = attached(on(theirs), spec(boot=False))
    now = now.do(actions.Logout(TARGET, B, "default")).having(silent={B: "timed out"})
    plan = planned(now, spec(boot=False))
    assert {s.status for s in plan.steps} == {Status.UNCHANGED}


@pytest.mark.fault("F94")
def test_a_path_that_is_out_at_boot_is_waited_for_30_s_where_others_serve_the_map() -> None:
    retries = "node.session.initial_login_retry_max"
    assert record_values(spec(), multipath=True)[retries] == "2"
    assert retries not in record_values(spec(), multipath=False)
    chosen = replace(spec(), values={retries: "8"})
    assert record_values(chosen, multipath=True)[retries] == "8"


@pytest.mark.fault("F96")
def test_a_detach_leaves_no_map_no_wwid_and_no_settings() -> None:
    now = attached(on(replace(STRICT, listed=frozenset({"3foreign"}))))
    plan = plan_detach(now.inventory, DetachRequest(TARGET))
    assert plan.refusal is None
    done = [s.action.verb for s in plan.steps if s.status is Status.PLANNED]
    assert done.index("disallow-map") < done.index("unmap") < done.index("logout")
    for one in plan.ready:
        now = now.do(one.action)
    facts = now.inventory.host.multipath
    assert facts.listed == frozenset({"3foreign"})
    assert (facts.settings, now.inventory.disks) == ((), ())


@pytest.mark.fault("F96")
def test_a_detach_has_multipathd_read_its_files_last_and_a_rerun_does_what_is_left() -> None:
    now = attached(on(STRICT))
    plan = plan_detach(now.inventory, DetachRequest(DIR))
    *before, last = plan.steps
    assert isinstance(last.action, actions.ReadMapSettings)
    assert any(isinstance(one.action, actions.DropFstab) for one in before)
    # The daemon hangs: what was done before stays.
    assert not last.action.rolls_back
    for one in before:
        now = now.do(one.action)
    assert now.inventory.host.multipath.unread == (spelled(W),)
    for name in (DIR, TARGET):
        again = plan_detach(now.having(in_journal=True).inventory, DetachRequest(name))
        assert again.refusal is None
        assert [one.action for one in again.pending] == [actions.ReadMapSettings()]
    done = now.do(actions.ReadMapSettings()).having(in_journal=True)
    assert not plan_detach(done.inventory, DetachRequest(DIR)).pending


def test_what_multipathd_has_yet_to_forget_is_not_taken_for_settings_of_an_admin() -> None:
    stale = replace(STRICT, in_force={spelled(W): 120}, spelled={"/dev/sda": spelled(W)})
    for unread, status in (((spelled(W),), Status.PLANNED), ((), Status.UNCHANGED)):
        now = on(replace(stale, unread=unread)).logged_in()
        assert step(planned(now), "map-settings").status is status


@pytest.mark.fault("F96")
def test_a_detach_takes_off_the_list_what_attach_put_there_beside_an_admin_s_section() -> None:
    theirs = replace(STRICT, set_elsewhere=frozenset({spelled(W)}))
    for listed in (frozenset[str](), frozenset({spelled(W)})):
        now = attached(on(replace(theirs, listed=listed)))
        assert spelled(W) in now.inventory.host.multipath.listed
        assert {s.status for s in planned(now).steps} == {Status.UNCHANGED}
        for one in plan_detach(now.inventory, DetachRequest(TARGET)).ready:
            now = now.do(one.action)
        facts = now.inventory.host.multipath
        assert (facts.listed, facts.settings) == (listed, ())


@pytest.mark.fault("F71")
@pytest.mark.parametrize("lost", [False, True])
def test_only_the_map_of_a_lost_array_fails_what_waits(lost: bool) -> None:
    now = attached(on(STRICT))
    if lost:
        down = tuple(s._replace(status="recovering") for s in now.inventory.sessions)
        now = now.having(sessions=down)
    request = DetachRequest(TARGET, consent=Consent(lost=W if lost else None))
    plan = plan_detach(now.inventory, request)
    assert plan.refusal is None, plan.refusal
    (remove,) = (s.action for s in plan.steps if isinstance(s.action, actions.RemoveMap))
    assert remove.lost == lost


def test_the_records_of_paths_are_made_before_the_first_login() -> None:
    plan = planned(on(STRICT))
    order = [s.action.verb for s in plan.steps]
    assert order.count("record") == 2
    assert max(i for i, verb in enumerate(order) if verb == "settings") < order.index("login")
    settings = [s.action for s in plan.steps if isinstance(s.action, actions.WriteRecord)]
    assert all("node.session.timeo.replacement_timeout" not in one.changes for one in settings)


def test_a_path_that_was_recorded_before_is_a_path_of_the_map() -> None:
    now = on(STRICT).having(offers=Known((DiscoveredTarget(TARGET, A),)), records=(record(B),))
    assert portals(planned(now)) == [A, B]


@pytest.mark.parametrize(
    ("about", "forecast"), [(W, True), (wwid_of(9), False)], ids=["no entry", "another volume"]
)
def test_one_that_was_stopped_before_its_map_existed_is_forecast_with_a_map(
    about: str, *, forecast: bool
) -> None:
    """After a boot the disk is not there yet, and one portal has a record."""
    facts = replace(STRICT, settings=(MapSettings(spelled(about), about, 120),))
    now = world(blank(W)).having(host=HostFacts(multipath=facts))
    now = now.having(records=(record(A, values={"node.startup": "automatic"}),))
    if not forecast:
        now = now.with_line(line(about, uuid="22222222-2222-4222-8222-222222222229",
                                 directory="/srv/other", target=f"{TARGET}.other"))  # fmt: skip
    assert ("allow-map" in verbs(planned(now), Status.FORECAST)) is forecast
