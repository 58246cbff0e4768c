"""What an attach makes of what is there: it is adopted, gone on with, or left alone."""

from dataclasses import replace
from typing import Any

import pytest

from iscsictl.errors import Exit
from iscsictl.model import actions
from iscsictl.model.spec import Consent
from iscsictl.parse.fstab import claim_line
from iscsictl.planner.safety.overwrite import ConsentRequiredError
from tests.machine_model.machine import MIB
from tests.unit.attach_facts import here, planned, refused, step, verbs
from tests.worlds import (
    CLAIMED,
    FOREIGN,
    RESERVED,
    TARGET,
    W,
    bare,
    blank,
    claim,
    claim_of,
    in_parts,
    line,
    parted,
    spec,
    stranger,
    unit,
    wwid_of,
)

VMFS = "AA31E02A-400F-11DB-9590-000C2911D1B8"
OURS = parted(W, None, CLAIMED, data_at=MIB)

# Adopting


def test_a_foreign_filesystem_is_mounted_only_with_consent() -> None:
    now = here(parted(W, "ext4", label="mail"))
    error = refused(planned(now))
    assert isinstance(error, ConsentRequiredError)
    assert error.exit is Exit.REFUSED
    assert error.grant == "adopt"
    assert "mail" in error.question
    plan = planned(now, spec(consent=Consent(adopt=True)))
    assert verbs(plan) == ["directory", "mount", "fstab"]
    action = step(plan, "fstab").action
    assert isinstance(action, actions.WriteFstab)
    assert action.uuid == FOREIGN


def test_for_an_adopted_filesystem_nosuid_and_nodev_are_proposed() -> None:
    consent = Consent(adopt=True)
    now = here(bare(W, "ext4"))
    (note,) = planned(now, spec(consent=consent, options=("noatime", "nodev"))).notes
    assert note.endswith("use --options noatime,nodev,nosuid")
    assert not planned(now, spec(consent=consent, options=("nodev", "nosuid"))).notes
    assert not planned(here(blank(W)), spec()).notes


@pytest.mark.parametrize(
    ("wanted", "note"),
    [
        ({"fs_label": "new"}, "its label is 'mail', not 'new'"),
        ({"fs_label": "mail"}, None),
        ({"table": "gpt"}, "its partition table is none, not gpt"),
        ({"table": "none"}, None),
        ({}, None),
    ],
)
def test_what_a_filesystem_that_is_kept_does_not_get_is_noted(
    wanted: dict[str, Any], note: str | None
) -> None:
    more = {"consent": Consent(adopt=True), "options": ("nosuid", "nodev"), **wanted}
    plan = planned(here(bare(W, "ext4", label="mail")), spec(**more))
    assert plan.refusal is None
    assert [one.partition(": ")[2] for one in plan.notes] == ([] if note is None else [note])


def test_a_filesystem_of_another_kind_is_not_adopted() -> None:
    error = refused(planned(here(bare(W, "xfs")), spec(consent=Consent(adopt=True))))
    assert error.exit is Exit.REFUSED
    assert "xfs" in error.text


def test_a_filesystem_beside_something_else_is_not_adopted() -> None:
    both = bare(W, "ext4").signatures + stranger(W, "LVM2_member").signatures
    mixed = replace(bare(W, "ext4"), signatures=both)
    assert planned(here(mixed), spec(consent=Consent(adopt=True))).refusal is not None
    assert planned(here(in_parts(W)), spec(consent=Consent(adopt=True))).refusal is not None


def test_a_vfat_shows_three_signatures_and_is_one_filesystem() -> None:
    vfat = bare(W, "vfat", "ABCD-1234")
    vfat = replace(vfat, signatures=vfat.signatures * 3)
    plan = planned(here(vfat), spec(fs="vfat", consent=Consent(adopt=True)))
    assert plan.refusal is None


@pytest.mark.fault("F28")
def test_a_filesystem_on_a_write_protected_lun_is_mounted_read_only() -> None:
    now, consent = here(replace(bare(W, "ext4"), read_only=True)), Consent(adopt=True)
    plan = planned(now, spec(consent=consent, options=("noatime", "ro")))
    assert plan.refusal is None
    assert verbs(plan) == ["directory", "mount", "fstab"]
    error = refused(planned(now, spec(consent=consent)))
    assert error.text == "/dev/sda is read-only"
    assert "--options ro" in (error.hint or "")
    # Of ro and rw mount(8) takes the last.
    again = refused(planned(now, spec(consent=consent, options=("ro", "rw"))))
    assert again.text == "/dev/sda is read-only"


@pytest.mark.fault("F28")
@pytest.mark.parametrize("consent", [Consent(), Consent(adopt=True), Consent(wipe=W)])
def test_nothing_is_made_on_a_write_protected_lun_whatever_the_options(consent: Consent) -> None:
    for content in (blank(W, read_only=True), replace(stranger(W, "swap"), read_only=True)):
        error = refused(planned(here(content), spec(consent=consent, options=("ro",))))
        assert error.text == "/dev/sda is read-only"
        assert error.hint == "make the LUN writable on the array"


def test_another_host_s_reservation_counts_for_a_read_only_mount_too() -> None:
    now = here(replace(bare(W, "ext4"), reservations=RESERVED))
    error = refused(planned(now, spec(consent=Consent(adopt=True), options=("ro",))))
    assert "reservation" in error.text


def test_the_owner_of_a_read_only_mount_is_refused_before_it_is_mounted() -> None:
    wanted = spec(consent=Consent(adopt=True), options=("ro",), uid=1000)
    error = refused(planned(here(bare(W, "ext4")), wanted))
    assert "owner and mode cannot be set" in error.text


def test_a_journal_that_needs_recovery_is_refused() -> None:
    now = here(parted(W, "ext4", dirty=True))
    error = refused(planned(now, spec(consent=Consent(adopt=True))))
    assert error.exit is Exit.REFUSED
    assert "another host" in error.text


@pytest.mark.fault("F69")
def test_a_vfat_that_is_mounted_elsewhere_is_refused() -> None:
    vfat = bare(W, "vfat", "ABCD-1234", dirty=True)
    for consent in (Consent(adopt=True), Consent(adopt=True, adopt_unverified=True)):
        error = refused(planned(here(vfat), spec(fs="vfat", consent=consent)))
        assert error.exit is Exit.REFUSED
        assert "another host" in error.text
        assert "fsck.fat" in (error.hint or "")


@pytest.mark.fault("F69")
@pytest.mark.parametrize("consent", [Consent(), Consent(adopt=True)])
def test_a_btrfs_that_may_be_mounted_elsewhere_needs_a_consent_of_its_own(consent: Consent) -> None:
    now = here(bare(W, "btrfs", dirty=None))
    error = refused(planned(now, spec(fs="btrfs", consent=consent)))
    assert isinstance(error, ConsentRequiredError)
    assert error.grant == "adopt-unverified"
    assert "another host has it mounted" in error.question
    assert "is not blank" in error.text
    assert "--adopt-unverified" in (error.hint or "")
    assert f"--wipe --confirm {W}" in (error.hint or "")
    agreed = replace(consent, adopt_unverified=True)
    assert verbs(planned(now, spec(fs="btrfs", consent=agreed))) == ["directory", "mount", "fstab"]


def test_our_own_filesystem_may_need_recovery() -> None:
    now = here(parted(W, "ext4", CLAIMED, dirty=True)).with_line(line(W))
    assert planned(now).refusal is None


@pytest.mark.fault("F53")
def test_a_uuid_that_is_on_another_disk_too_is_refused() -> None:
    now = here(parted(W, "ext4"), unit(parted(wwid_of(1), "ext4"), lun=1))
    error = refused(planned(now, spec(lun=0, consent=Consent(adopt=True))))
    assert error.exit is Exit.REFUSED
    assert "snapshot" in error.text
    assert "/dev/sdb" in error.text


@pytest.mark.fault("F53")
def test_with_a_snapshot_beside_it_our_own_filesystem_is_mounted_from_its_own_disk() -> None:
    now = here(
        parted(W, "ext4", CLAIMED), unit(parted(wwid_of(1), "ext4", CLAIMED), lun=1)
    ).with_line(line(W))
    plan = planned(now, spec(lun=0))
    action = step(plan, "mount").action
    assert isinstance(action, actions.Mount)
    assert action.disk.wwid == W
    assert planned(now, spec(lun=1)).refusal is not None


def test_an_unnamed_filesystem_is_not_adopted() -> None:
    assert planned(
        here(bare(W, "ext4", None)), spec(consent=Consent(adopt=True))
    ).refusal is not None  # fmt: skip


# Going on with what was begun


@pytest.mark.fault("F41")
@pytest.mark.parametrize(
    ("content", "left"),
    [
        (blank(W), ["claim", "reserve", "label", "mkfs"]),
        (parted(W, None, CLAIMED), ["reserve", "mkfs"]),
        (parted(W, None, CLAIMED, data_at=MIB), ["reserve", "mkfs"]),
        (parted(W, "ext4", CLAIMED, used=False), ["reserve", "mkfs"]),
        (parted(W, "ext4", CLAIMED, used=True), []),
    ],
)
def test_a_claim_is_resumed_where_it_stopped(content: Any, left: list[str]) -> None:
    plan = planned(here(content).with_line(claim(W, begun=True)))
    assert verbs(plan) == [*left, "directory", "mount", *(["release"] if left else []), "fstab"]
    action = step(plan, "fstab").action
    assert isinstance(action, actions.WriteFstab)
    assert action.uuid == CLAIMED, "the claim's UUID wins over a new one"


@pytest.mark.parametrize(
    ("fs", "used", "kept"),
    [("btrfs", None, True), ("xfs", True, True), ("xfs", False, False), ("xfs", None, False)],
)
def test_a_claimed_filesystem_is_kept_when_it_tells_that_it_is_complete(
    fs: str, used: bool | None, kept: bool
) -> None:
    there = parted(W, fs, CLAIMED, used=used)
    plan = planned(here(there).with_line(claim(W, fs, begun=True)), spec(fs=fs))
    assert ("mkfs" not in verbs(plan)) is kept


def test_the_claim_of_a_disk_mkfs_is_no_ground_for_an_attach() -> None:
    ours = replace(claim_of(begun=True), owns_disk=False)
    other = claim_line(ours, None, wwid=W, target=TARGET, lun=0)
    error = refused(planned(here(parted(W, None, CLAIMED, data_at=MIB)).with_line(other)))
    assert error.exit is Exit.REFUSED


@pytest.mark.parametrize(
    "content",
    [
        stranger(W, "LVM2_member"),
        parted(W, "ext4", FOREIGN),
        in_parts(W),
        replace(blank(W), data_at=4096),
        parted(W, None, CLAIMED, table="dos"),
        replace(OURS, partitions=(replace(OURS.partitions[0], size=MIB),)),
    ],
)
def test_a_claim_is_no_ground_for_what_iscsictl_never_made(content: Any) -> None:
    for begun in (False, True):
        error = refused(planned(here(content).with_line(claim(W, begun=begun))))
        assert error.exit is Exit.REFUSED


@pytest.mark.fault("F64")
def test_until_mkfs_begins_a_claim_covers_a_blank_disk_and_its_own_empty_table_alone() -> None:
    for content, left in ((blank(W), ["label", "mkfs"]), (parted(W, None, CLAIMED), ["mkfs"])):
        plan = planned(here(content).with_line(claim(W)))
        assert verbs(plan) == ["reserve", *left, "directory", "mount", "release", "fstab"]
    for content in (
        parted(W, None, CLAIMED, data_at=MIB),
        parted(W, "ext4", CLAIMED, used=False),
        replace(blank(W), data_at=0),
    ):
        error = refused(planned(here(content).with_line(claim(W))))
        assert error.exit is Exit.REFUSED


@pytest.mark.fault("F64")
@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(parted(W, None, FOREIGN, data_at=MIB), id="another host's table, raw data"),
        pytest.param(parted(W, None, FOREIGN), id="another host's table, an empty partition"),
        pytest.param(replace(OURS, table_id=FOREIGN), id="another table id"),
        pytest.param(
            replace(OURS, partitions=(replace(OURS.partitions[0], type=VMFS),)), id="typed VMFS"
        ),
        pytest.param(
            replace(OURS, partitions=(replace(OURS.partitions[0], id=FOREIGN),)),
            id="another partition id",
        ),
        pytest.param(replace(blank(W), data_at=0), id="raw data from byte 0"),
    ],
)
def test_a_claim_does_not_cover_what_came_after_the_run_was_killed(
    content: Any, begun: bool
) -> None:
    plan = planned(here(content).with_line(claim(W, begun=begun)))
    assert refused(plan).exit is Exit.REFUSED
    assert not {"label", "mkfs", "wipe"} & set(verbs(plan))


@pytest.mark.fault("F64")
def test_a_claim_on_the_whole_disk_explains_data_only_once_mkfs_has_begun() -> None:
    raw = here(replace(blank(W), data_at=0))
    request = spec(table="none")
    killed_before = planned(raw.with_line(claim(W, table="none")), request)
    assert refused(killed_before).exit is Exit.REFUSED
    plan = planned(raw.with_line(claim(W, table="none", begun=True)), request)
    assert verbs(plan) == ["reserve", "mkfs", "directory", "mount", "release", "fstab"]


@pytest.mark.fault("F64")
def test_on_a_disk_that_is_blank_again_the_mark_is_taken_off_before_the_label() -> None:
    plan = planned(here(blank(W)).with_line(claim(W, begun=True)))
    action = step(plan, "claim").action
    assert isinstance(action, actions.Claim)
    assert action.claim == claim_of(begun=False)


def test_a_claim_for_another_kind_of_table_is_written_anew_on_a_blank_disk() -> None:
    plan = planned(here(blank(W)).with_line(claim(W, table="dos")))
    assert verbs(plan)[:4] == ["claim", "reserve", "label", "mkfs"]
    action = step(plan, "label").action
    assert isinstance(action, actions.Label)
    assert action.claim is not None
    assert (action.claim.uuid, action.claim.table) == (CLAIMED, "gpt")


def test_a_claim_on_another_disk_is_no_ground() -> None:
    now = here(parted(W, "ext4", CLAIMED, used=False)).with_line(
        claim(wwid_of(1), directory="/srv/other")
    )
    assert planned(now).refusal is not None


def test_a_claim_of_another_kind_of_filesystem_is_not_finished_as_this_one() -> None:
    for content in (blank(W), parted(W, "xfs", CLAIMED), parted(W, "ext4", CLAIMED, used=True)):
        kind = "xfs" if content.filesystem is None else content.filesystem.type
        other = "ext4" if kind == "xfs" else "xfs"
        now = here(content).with_line(claim(W, kind, begun=True))
        error = refused(planned(now, spec(fs=other)))
        assert f"--fs {kind}" in (error.hint or "") or kind in error.text


def test_without_a_requested_kind_nothing_is_made() -> None:
    begun = here(parted(W, "ext4", CLAIMED, used=False)).with_line(claim(W, begun=True))
    for now in (here(blank(W)), begun):
        plan = planned(now, spec(fs=None))
        assert "--fs ext4" in (refused(plan).hint or "")


def test_data_that_written_entry_misses_is_said_and_nothing_is_made() -> None:
    error = refused(planned(here(blank(W)).with_line(line(W))))
    assert error.exit is Exit.REFUSED
    assert CLAIMED in error.text
    assert "carries nothing" in error.text


def test_an_attach_without_a_directory_leaves_the_entry_that_mounts_the_filesystem() -> None:
    now = here(parted(W, "ext4", CLAIMED, used=True)).with_line(line(W, directory="/srv/else"))
    plan = planned(now, spec(mount=None))
    assert verbs(plan) == []
    assert step(plan, "fstab").why.endswith("mounts it on /srv/else")
    # One that is to be mounted elsewhere is moved, as before.
    moved = planned(now, spec(consent=Consent(adopt=True)))
    assert verbs(moved) == ["directory", "mount", "fstab"]
