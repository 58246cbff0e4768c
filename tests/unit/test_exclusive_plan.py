"""What is planned for an exclusive volume: attach, mount, detach, export, and its unit."""

from dataclasses import replace
from typing import Any

import pytest

from iscsictl.engine.handlers.effect import StepResult
from iscsictl.engine.handlers.registry import inverse
from iscsictl.errors import Exit, IscsictlError, NotFoundError
from iscsictl.model import actions
from iscsictl.model.fstab import FstabLine
from iscsictl.model.inventory import DiscoveredTarget, DiskUsage, HostFacts, Inventory, Known
from iscsictl.model.plan import Plan, Status
from iscsictl.model.reservation import LunReservations, Reservation, ReservationType
from iscsictl.model.reserve_unit import requires_option
from iscsictl.model.spec import Consent, DetachRequest
from iscsictl.planner.attach.detach import plan_detach
from iscsictl.planner.disks.exclusive import plan_reserve
from tests.unit.attach_facts import attached, here, planned, refused, step, verbs
from tests.worlds import (
    CLAIMED,
    DIR,
    FREE,
    OTHER_KEY,
    OURS,
    OWN_KEY,
    RESERVED,
    STRICT,
    TARGET,
    UUID,
    A,
    B,
    W,
    World,
    blank,
    line,
    parted,
    spec,
    unit,
    world,
)

ALONE, SHARED = (
    ReservationType.WRITE_EXCLUSIVE, ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY,
)  # fmt: skip
EXCLUSIVE = spec(exclusive=True)
BOTH = Known((DiscoveredTarget(TARGET, A), DiscoveredTarget(TARGET, B)))
REGISTERED = replace(FREE, keys=(OTHER_KEY,))

pytestmark = pytest.mark.fault("F101")


def on_lun(reservations: LunReservations, *, mounted: bool = False, **more: Any) -> World:
    """A filesystem of ours on a LUN that says this of its reservations."""
    there = replace(parted(W, "ext4", CLAIMED, used=True), reservations=reservations)
    usage = DiskUsage(mounts=(DIR,) if mounted else ())
    return here(unit(there, usage=usage)).with_line(line(W, **more))


def made_exclusive(now: World) -> World:
    return attached(now, EXCLUSIVE)


def held(now: World) -> LunReservations:
    return now.inventory.reservations[W]


def entry(now: World) -> FstabLine:
    (found,) = now.inventory.fstab.by_wwid(W)
    return found


# attach


def test_a_blank_lun_is_reserved_before_it_is_written_and_stays_so() -> None:
    plan = planned(here(blank(W)), EXCLUSIVE)
    assert verbs(plan) == ["claim", "reserve", "label", "mkfs", "directory", "mount", "fstab"]
    done = made_exclusive(here(blank(W)))
    assert held(done).holder == Reservation(OWN_KEY, ALONE)
    assert entry(done).exclusive
    assert requires_option(UUID) in entry(done).options
    assert {s.status for s in planned(done, EXCLUSIVE).steps} == {Status.UNCHANGED}


def test_the_forecast_before_the_first_login_shows_that_it_is_reserved() -> None:
    plan = planned(world(blank(W)), EXCLUSIVE)
    assert "reserve" in verbs(plan, Status.FORECAST)
    assert "release" not in verbs(plan, Status.FORECAST)
    mount_only = planned(world(blank(W)), spec(fs=None, exclusive=True))
    assert "reserve" in verbs(mount_only, Status.FORECAST)


@pytest.mark.parametrize("found", [FREE, OURS])
def test_a_filesystem_that_is_there_is_reserved_before_it_is_mounted(
    found: LunReservations,
) -> None:
    """OURS may be what a session of an earlier boot left: before a mount it is reserved anew."""
    plan = planned(on_lun(found), EXCLUSIVE)
    assert verbs(plan) == ["reserve", "directory", "mount", "fstab"]
    adopted = here(replace(parted(W, "ext4"), reservations=found))
    plan = planned(adopted, spec(exclusive=True, consent=Consent(adopt=True)))
    assert verbs(plan) == ["reserve", "directory", "mount", "fstab"]


def test_a_mounted_volume_becomes_exclusive_and_shared_again() -> None:
    now = made_exclusive(on_lun(FREE, mounted=True))
    assert held(now).holder == Reservation(OWN_KEY, ALONE)
    assert entry(now).exclusive
    for wanted in (spec(), spec(fs=None)):
        assert verbs(planned(now, wanted)) == ["release", "fstab"]
    after = attached(now, spec(fs=None))
    assert (held(after).keys, held(after).holder) == ((), None)
    assert not entry(after).exclusive


def test_the_forecast_of_a_volume_that_is_to_be_shared_again_shows_the_release() -> None:
    """A step that was not shown before the login would not be executed after it."""
    there = replace(parted(W, "ext4", CLAIMED, used=True), reservations=OURS)
    plan = planned(world(there).with_line(line(W, exclusive=True)), spec(fs=None))
    assert "release" in verbs(plan, Status.FORECAST)


def test_a_roll_back_reserves_a_volume_again_that_was_exclusive() -> None:
    release = next(
        step.action
        for step in planned(on_lun(OURS, mounted=True, exclusive=True), spec(fs=None)).steps
        if isinstance(step.action, actions.Release)
    )
    undone = inverse(release, StepResult())
    assert undone == actions.Reserve(release.disk, exclusive=True)
    assert inverse(actions.Release(release.disk), StepResult()) is None


def test_a_roll_back_reserves_again_also_where_the_volume_was_to_move_to_another_directory() -> (
    None
):
    there = replace(parted(W, "ext4", CLAIMED, used=True), reservations=OURS)
    now = here(there).with_line(line(W, directory="/srv/else", exclusive=True))
    plan = planned(now, spec(consent=Consent(adopt=True)))
    (release,) = (x.action for x in plan.steps if isinstance(x.action, actions.Release))
    assert inverse(release, StepResult()) == actions.Reserve(release.disk, exclusive=True)


def test_what_a_mounted_volume_lost_is_reserved_again() -> None:
    assert verbs(planned(on_lun(FREE, mounted=True, exclusive=True), EXCLUSIVE)) == ["reserve"]
    assert verbs(planned(on_lun(OURS, mounted=True, exclusive=True), EXCLUSIVE)) == []


@pytest.mark.parametrize("mounted", [False, True])
@pytest.mark.parametrize(
    ("found", "why"),
    [
        (RESERVED, "another host's .* key 0x0000000000000abc"),
        (REGISTERED, "another host has registered .* key 0x0000000000000abc"),
        (replace(FREE, supported=False), "does not support SCSI-3 persistent reservations"),
    ],
)
def test_a_lun_that_this_host_cannot_have_for_itself_is_refused(
    found: LunReservations, why: str, *, mounted: bool
) -> None:
    error = refused(planned(on_lun(found, mounted=mounted), EXCLUSIVE))
    assert error.exit is Exit.REFUSED
    with pytest.raises(IscsictlError, match=why):
        raise error
    with pytest.raises(IscsictlError, match=why):
        raise refused(planned(here(blank(W, reservations=found)), EXCLUSIVE))


# Several paths


def over_two_portals(*lines: FstabLine) -> World:
    host = HostFacts(multipath=STRICT, reservation_key=OWN_KEY)
    now = world(blank(W)).having(offers=BOTH, host=host)
    for one in lines:
        now = now.with_line(one)
    return now


def test_every_path_of_a_map_is_registered_and_multipathd_gets_the_key() -> None:
    done = made_exclusive(over_two_portals())
    assert held(done).holder == Reservation(OWN_KEY, SHARED)
    assert held(done).keys == (OWN_KEY, OWN_KEY)
    (settings,) = done.inventory.host.multipath.settings
    assert settings.reservation_key == OWN_KEY
    assert {s.status for s in planned(done, EXCLUSIVE).steps} == {Status.UNCHANGED}
    shared = attached(done, spec())
    (settings,) = shared.inventory.host.multipath.settings
    assert settings.reservation_key is None
    assert held(shared).keys == ()


def test_a_path_without_registration_is_registered() -> None:
    done = made_exclusive(over_two_portals())
    content = done.inventory.contents[W]
    assert isinstance(content, Known)
    left = replace(content.value, reservations=replace(held(done), keys=(OWN_KEY,)))
    plan = planned(done.having(contents={W: Known(left)}), EXCLUSIVE)
    assert verbs(plan) == ["reserve"]


def test_where_an_admin_wrote_the_section_of_the_map_the_key_is_named() -> None:
    done = attached(over_two_portals(), spec())
    facts = replace(done.inventory.host.multipath, settings=())
    plan = planned(done.having(host=replace(done.inventory.host, multipath=facts)), EXCLUSIVE)
    assert "map-settings" not in verbs(plan)
    assert any("reservation_key 0x5c1a5c1a5c1a5c1a" in note for note in plan.notes)


# detach


def detached(now: World) -> Plan:
    return plan_detach(now.inventory, DetachRequest(DIR))


def test_detach_ends_the_reservation_after_the_unmount() -> None:
    now = made_exclusive(here(blank(W)))
    done = verbs(detached(now))
    assert done.index("umount") < done.index("release") < done.index("logout")


def test_detach_fails_rather_than_leave_a_registration_that_it_could_not_see() -> None:
    now = replace(on_lun(OURS, mounted=True, exclusive=True).inventory, reservations={})
    assert "release" in verbs(plan_detach(now, DetachRequest(DIR)))
    shared = replace(on_lun(OURS, mounted=True).inventory, reservations={})
    assert "release" not in verbs(plan_detach(shared, DetachRequest(DIR)))


def test_what_stays_on_an_array_that_is_gone_is_told() -> None:
    now = on_lun(OURS, exclusive=True)
    down = tuple(one._replace(status="recovering") for one in now.inventory.sessions)
    host = HostFacts(reservation_key=OWN_KEY)
    unasked = replace(now.having(sessions=down, host=host).inventory, reservations={})
    plan = plan_detach(unasked, DetachRequest(DIR))
    assert "release" not in verbs(plan)
    assert any("still reserved for this host, 0x5c1a5c1a5c1a5c1a," in n for n in plan.notes)


# The unit


def test_the_unit_reserves_what_its_entry_names_whatever_the_lun_said_before() -> None:
    now = on_lun(OURS, exclusive=True).inventory
    plan = plan_reserve(Inventory(fstab=now.fstab), CLAIMED)
    action = step(plan, "reserve").action
    assert isinstance(action, actions.Reserve)
    assert (action.exclusive, action.uuid, action.disk.wwid) == (True, CLAIMED, W)
    assert verbs(plan) == ["reserve"]
    assert verbs(plan_reserve(now, CLAIMED)) == []


def test_the_unit_of_an_entry_that_is_not_exclusive_any_more_fails() -> None:
    error = refused(plan_reserve(on_lun(FREE).inventory, CLAIMED))
    assert isinstance(error, NotFoundError)
    assert error.hint is not None
    assert "daemon-reload" in error.hint


@pytest.mark.parametrize("kind", ["ext4", None])
def test_an_attach_without_a_directory_leaves_the_entry_and_its_reservation_as_they_are(
    kind: str | None,
) -> None:
    now = on_lun(OURS, exclusive=True)
    plan = planned(now, spec(mount=None, fs=kind))
    assert not {"release", "fstab"} & set(verbs(plan))
    after = attached(now, spec(mount=None, fs=kind))
    assert entry(after) == entry(now)
    assert held(after).holder == Reservation(OWN_KEY, ALONE)
