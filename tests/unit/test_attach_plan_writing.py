"""What an attach may write to, and what it wipes."""

from dataclasses import replace
from typing import Any

import pytest

from iscsictl.errors import Exit, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import OverwriteGround
from iscsictl.model.inventory import DiskUsage, HostFacts, NotObserved, ReadFailed
from iscsictl.model.plan import Status
from iscsictl.model.spec import AttachSpec, Consent
from tests.unit.attach_facts import here, planned, refused, step, verbs
from tests.worlds import (
    CLAIMED,
    FOREIGN,
    FREE,
    GREEDY,
    OURS,
    RESERVED,
    UUID,
    WRONG,
    A,
    B,
    W,
    at,
    bare,
    blank,
    claim,
    in_parts,
    line,
    parted,
    spec,
    stranger,
    unit,
    world,
)

# What may be written


@pytest.mark.fault("F21")
def test_a_blank_disk_is_claimed_before_it_is_written_and_mounted_before_fstab() -> None:
    plan = planned(here(blank(W)))
    assert verbs(plan) == [
        "claim", "reserve", "label", "mkfs", "directory", "mount", "release", "fstab",
    ]  # fmt: skip
    action = step(plan, "mkfs").action
    assert isinstance(action, actions.Mkfs)
    assert (action.ground, action.claim.uuid, action.claim.part) == (OverwriteGround.BLANK, UUID, 1)


def test_without_a_table_the_filesystem_takes_the_whole_disk() -> None:
    plan = planned(here(blank(W)), spec(table="none"))
    assert "label" not in verbs(plan)
    action = step(plan, "mkfs").action
    assert isinstance(action, actions.Mkfs)
    assert action.claim.part is None


@pytest.mark.fault("F25")
@pytest.mark.parametrize(
    ("content", "named"),
    [
        (bare(W, "ntfs"), "ntfs"),
        (bare(W, "xfs", label="mail"), "mail"),
        (stranger(W, "LVM2_member"), "LVM2_member"),
        (stranger(W, "linux_raid_member"), "linux_raid_member"),
        (stranger(W, "crypto_LUKS"), "crypto_LUKS"),
        (stranger(W, "zfs_member"), "zfs_member"),
        (in_parts(W), "gpt table with 2 partition(s) carrying ext4"),
        (parted(W, None), "gpt table with 1 partition(s)"),
        (parted(W, None, table="dos"), "dos table"),
        (replace(blank(W), data_at=0), "at byte 0"),
        (replace(blank(W), data_at=60 << 20), "data without a known signature"),
    ],
)
def test_a_disk_with_anything_on_it_is_refused_and_the_error_names_it(
    content: Any, named: str
) -> None:
    error = refused(planned(here(content)))
    assert error.exit is Exit.REFUSED
    assert named in error.text
    assert f"--wipe --confirm {W}" in (error.hint or "")


@pytest.mark.fault("F24")
@pytest.mark.parametrize(
    "content", [ReadFailed(UnreachableError("/dev/sda cannot be read at byte 0")), NotObserved()]
)
def test_a_disk_that_could_not_be_read_is_not_blank(content: Any) -> None:
    plan = planned(here(unit(content)))
    assert refused(plan).exit in {Exit.UNREACHABLE, Exit.ERROR}
    assert not {"label", "mkfs", "claim"} & set(verbs(plan))


@pytest.mark.fault("F24")
@pytest.mark.parametrize("consent", [Consent(wipe=W), Consent(adopt=True)])
def test_no_consent_makes_an_unreadable_disk_writable(consent: Consent) -> None:
    unreadable = ReadFailed(UnreachableError("/dev/sda cannot be read at byte 0"))
    assert planned(here(unit(unreadable)), spec(consent=consent)).refusal is not None


@pytest.mark.fault("F51")
@pytest.mark.parametrize("consent", [Consent(), Consent(wipe=W), Consent(adopt=True)])
def test_a_reserved_disk_is_refused_whatever_was_confirmed(consent: Consent) -> None:
    error = refused(planned(here(blank(W, reservations=RESERVED)), spec(consent=consent)))
    assert error.exit is Exit.REFUSED
    assert "reservation" in error.text


@pytest.mark.fault("F28")
def test_a_read_only_disk_is_refused() -> None:
    error = refused(planned(here(blank(W, read_only=True))))
    assert error.exit is Exit.REFUSED
    assert "read-only" in error.text


@pytest.mark.fault("F28")
def test_a_dos_table_is_refused_beyond_two_tebibytes_and_gpt_is_not() -> None:
    limit = 2**32 * 512
    fits, big = blank(W, size=limit), blank(W, size=limit + 512)
    assert planned(here(fits), spec(table="dos")).refusal is None
    assert "DOS" in refused(planned(here(big), spec(table="dos"))).text
    assert planned(here(big), spec(table="gpt")).refusal is None
    large_sectors = replace(big, sector=4096)
    assert planned(here(large_sectors), spec(table="dos")).refusal is None


@pytest.mark.fault("F29")
def test_a_disk_in_use_is_refused_and_the_holder_named() -> None:
    now = here(unit(blank(W), usage=DiskUsage(other_holders=("LVM volume /dev/dm-3",))))
    for consent in (Consent(), Consent(wipe=W)):
        error = refused(planned(now, spec(consent=consent)))
        assert error.exit is Exit.IN_USE
        assert "LVM volume /dev/dm-3" in error.text


def test_a_filesystem_that_is_mounted_elsewhere_is_in_use() -> None:
    now = here(unit(bare(W, "ext4"), usage=DiskUsage(mounts=("/mnt",))))
    error = refused(planned(now, spec(consent=Consent(adopt=True))))
    assert error.exit is Exit.IN_USE
    assert "/mnt" in error.text


# Keeping other hosts away


def test_a_lun_without_reservations_is_formatted_and_the_plan_says_so_once() -> None:
    plan = planned(here(blank(W, reservations=replace(FREE, supported=False))))
    assert verbs(plan) == ["claim", "label", "mkfs", "directory", "mount", "fstab"]
    said = step(plan, "reserve")
    assert said.status is Status.UNCHANGED
    assert said.why.startswith("not protected from other hosts")


@pytest.mark.parametrize("wanted", [spec(), spec(mount=None)])
def test_the_reservation_of_an_interrupted_run_is_released_by_the_next_one(
    wanted: AttachSpec,
) -> None:
    now = here(blank(W))
    steps = planned(now, wanted).pending
    assert [s.action.verb for s in steps[-2:]] == ["release", "fstab"]
    for ended in (len(steps), len(steps) - 1):
        killed = now.do(*(s.action for s in steps[:ended] if s.action.verb != "release"))
        left = planned(killed, wanted)
        assert "release" in verbs(left)
        assert not planned(killed.do(*(s.action for s in left.pending)), wanted).pending


def test_what_an_earlier_session_reserved_ends_before_the_filesystem_is_mounted() -> None:
    """To the LUN this host is another one after a boot: a mount would fail."""
    left = replace(parted(W, "ext4", CLAIMED, used=True), reservations=OURS)
    plan = planned(here(left).with_line(claim(W, begun=True)))
    assert verbs(plan) == ["release", "directory", "mount", "fstab"]


def test_a_registration_is_left_alone_by_an_attach_that_formats_nothing() -> None:
    now = here(replace(bare(W, "ext4"), reservations=OURS))
    consent = Consent(adopt=True)
    assert "release" not in verbs(planned(now, spec(fs=None, consent=consent)))


# Wiping


def test_wipe_needs_the_name_of_this_disk() -> None:
    error = refused(planned(here(bare(W, "xfs")), spec(consent=Consent(wipe=WRONG))))
    assert error.exit is Exit.REFUSED
    assert WRONG in error.text
    assert W in error.text


def test_a_confirmed_disk_is_wiped_after_the_claim() -> None:
    plan = planned(here(bare(W, "xfs")), spec(consent=Consent(wipe=W)))
    assert verbs(plan)[:5] == ["claim", "reserve", "wipe", "label", "mkfs"]


def test_even_a_blank_disk_is_not_written_when_another_one_was_confirmed() -> None:
    assert planned(here(blank(W)), spec(consent=Consent(wipe=WRONG))).refusal is not None


def test_a_forecast_says_on_which_ground_the_disk_would_be_formatted() -> None:
    unseen = world()
    interrupted = unseen.with_line(claim(W, begun=True))
    for inventory, consent, ground in (
        (unseen, Consent(), OverwriteGround.BLANK),
        (interrupted, Consent(), OverwriteGround.CLAIMED),
        (interrupted, Consent(wipe=W), OverwriteGround.CONFIRMED),
    ):
        forecast = step(planned(inventory, spec(consent=consent)), "mkfs")
        assert forecast.status is Status.FORECAST
        assert isinstance(forecast.action, actions.Mkfs)
        assert forecast.action.ground is ground


def test_a_wipe_is_in_the_forecast() -> None:
    for fs in ("ext4", None):
        plan = planned(world(blank(W)), spec(fs=fs, consent=Consent(wipe=W)))
        assert {"wipe", "label", "mkfs"} <= set(verbs(plan, Status.FORECAST))


def test_what_a_written_entry_knows_is_not_wiped() -> None:
    now = here(parted(W, "xfs", FOREIGN)).with_line(line(W))
    assert planned(now, spec(consent=Consent(wipe=W))).refusal is not None


# Two names


@pytest.mark.fault("F23")
def test_two_disks_with_one_wwid_are_refused_for_writing() -> None:
    now = here(blank(W), unit(blank(W), lun=1))
    error = refused(planned(now, spec(lun=0)))
    assert error.exit is Exit.REFUSED
    assert "/dev/sda" in error.text
    assert "/dev/sdb" in error.text


@pytest.mark.fault("F23")
def test_two_paths_without_a_map_are_refused_and_the_map_is_not() -> None:
    two = here(blank(W)).logged_in(portal=B)
    assert "multipath" in refused(planned(two)).text
    mapped = world(blank(W)).having(host=HostFacts(multipath=GREEDY)).logged_in()
    plan = planned(mapped.logged_in(portal=B), spec(portals=(at(A), at(B))))
    action = step(plan, "mkfs").action
    assert isinstance(action, actions.Mkfs)
    assert action.disk.device == "/dev/mapper/360014050000000000000000000000000"


@pytest.mark.fault("F26")
def test_a_disk_that_is_not_the_requested_one_is_refused() -> None:
    error = refused(planned(here(blank(W)), spec(wwid=WRONG)))
    assert error.exit is Exit.REFUSED
    assert WRONG in error.text


def test_a_disk_without_a_name_is_never_written() -> None:
    now = here(replace(unit(blank(W)), wwid=None, content=None))
    assert "no WWID" in refused(planned(now)).text
