"""Where an attach mounts, and what it has fstab say."""

from dataclasses import replace

import pytest

from iscsictl.errors import Exit
from iscsictl.model import actions
from iscsictl.model.hold import Hold
from iscsictl.model.inventory import DiskUsage, Known, MountPointState
from iscsictl.model.spec import Consent
from iscsictl.parse.fstab import parse_fstab
from tests.unit.attach_facts import here, planned, refused, step, verbs
from tests.worlds import CLAIMED, DIR, TARGET, W, blank, line, parted, spec, unit, world, wwid_of


@pytest.mark.parametrize(
    ("place", "code"),
    [
        (MountPointState(exists=True, directory=False), Exit.REFUSED),
        (MountPointState(exists=True, empty=False), Exit.REFUSED),
        (MountPointState(exists=True, mounted="0:40", source="tmpfs"), Exit.IN_USE),
    ],
)
def test_a_mount_point_that_is_not_free_is_refused_before_anything_is_done(
    place: MountPointState, code: Exit
) -> None:
    for now in (world(blank(W)), here(blank(W))):
        plan = planned(now.having(place=Known(place)))
        assert refused(plan).exit is code
        assert refused(plan).hint


@pytest.mark.fault("F75")
def test_a_mount_point_that_others_can_replace_is_named_until_it_is_mounted() -> None:
    place = MountPointState(exists=True, exposed=("/home/alice", "/home/alice/x"))
    for now in (world(blank(W)), here(blank(W))):
        (note,) = planned(now.having(place=Known(place))).notes
        assert note == (
            f"{DIR} is below /home/alice, /home/alice/x, where users other than root can replace it"
        )
        assert not planned(now.having(place=Known(replace(place, exposed=())))).notes


def test_over_a_directory_with_files_only_who_insists_mounts() -> None:
    now = here(blank(W)).having(place=Known(MountPointState(exists=True, empty=False)))
    assert planned(now, spec(consent=Consent(over_nonempty=True))).refusal is None


@pytest.mark.fault("F48")
def test_a_mount_point_of_another_line_is_refused_ours_or_not() -> None:
    foreign = parse_fstab(f"UUID=0-1 {DIR} ext4 defaults 0 2\n".encode())
    theirs = here(blank(W)).having(fstab=foreign)
    ours = here(blank(W)).with_line(line(wwid_of(1)))
    for now in (theirs, ours):
        error = refused(planned(now))
        assert "line 1" in error.text
        assert error.exit is Exit.REFUSED


def test_twice_is_once() -> None:
    now = here(
        unit(parted(W, "ext4", CLAIMED, used=True), usage=DiskUsage(mounts=(DIR,)))
    ).with_line(line(W))
    plan = planned(
        now.having(place=Known(MountPointState(exists=True, mounted="8:1", uid=0, gid=0)))
    )
    assert not plan.pending
    assert plan.refusal is None
    assert plan.result == "/dev/sda1"


def test_mounted_as_another_kind_is_refused() -> None:
    now = here(unit(parted(W, "xfs", CLAIMED), usage=DiskUsage(mounts=(DIR,)))).with_line(line(W))
    assert "xfs" in refused(planned(now)).text


@pytest.mark.parametrize("given", [("defaults",), ("auto",), ("noauto",), ("noatime", "defaults")])
def test_an_option_that_fstab_does_not_keep_is_not_missed_afterwards(
    given: tuple[str, ...],
) -> None:
    wanted = spec(options=given)
    now = here(blank(W))
    first = planned(now, wanted)
    after = now.do(*(s.action for s in first.pending))
    assert not planned(after, wanted).pending


def test_owner_and_mode_are_set_once() -> None:
    wanted = spec(uid=33, gid=None, mode=0o750)
    now = here(blank(W))
    first = planned(now, wanted)
    assert "owner" in verbs(first)
    assert not planned(now.do(*(s.action for s in first.pending)), wanted).pending


def test_a_unit_is_made_to_wait_for_the_mount_once() -> None:
    wanted = spec(required_by=("mail.service",))
    now = here(blank(W))
    first = planned(now, wanted)
    assert verbs(first)[-2:] == ["fstab", "require"]
    assert not planned(now.do(*(s.action for s in first.pending)), wanted).pending


@pytest.mark.fault("F50")
def test_without_boot_the_line_is_noauto_and_the_record_not_automatic() -> None:
    plan = planned(here(blank(W)), spec(boot=False))
    fstab, settings = step(plan, "fstab").action, step(plan, "settings").action
    assert isinstance(fstab, actions.WriteFstab)
    assert isinstance(settings, actions.WriteRecord)
    assert fstab.boot is False
    assert "node.startup" not in settings.changes


def test_what_was_on_hold_is_wanted_again_once_it_is_mounted() -> None:
    on_mount, elsewhere = Hold(mount_point=f"{DIR}/"), Hold(mount_point="/elsewhere")
    on_target = Hold(target=TARGET)
    plan = planned(here(blank(W)).having(holds=(on_mount, elsewhere, on_target)))
    assert verbs(plan)[-2:] == ["unhold", "unhold"]
    ended = [s.action.hold for s in plan.steps if isinstance(s.action, actions.DropHold)]
    assert ended == [on_mount, on_target]
    assert "unhold" not in verbs(planned(here(blank(W)).having(holds=(elsewhere,))))
