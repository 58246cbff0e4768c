"""What an attach takes for its own, and what it does about each thing that differs."""

from dataclasses import replace
from typing import Any

import pytest

from iscsictl.errors import Exit, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import OverwriteGround
from iscsictl.model.disk_content import Content, Signature
from iscsictl.model.fstab import Fstab
from iscsictl.model.inventory import DiskUsage, Known, MountPointState, ReadFailed
from iscsictl.model.plan import Plan, Status
from iscsictl.model.spec import Consent
from iscsictl.parse.fstab import claim_line, parse_fstab
from iscsictl.planner.safety.overwrite import ConsentRequiredError
from tests.unit.attach_facts import here, planned, refused, step, verbs
from tests.worlds import (
    CLAIMED,
    DIR,
    FOREIGN,
    TARGET,
    UUID,
    W1,
    W,
    World,
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
)

GIB = 1 << 30

# Which filesystem is its own


@pytest.mark.parametrize(
    ("content", "fs"),
    [(bare(W, "ext4", FOREIGN), "ext4"), (bare(W, "ext4", CLAIMED), "xfs"), (blank(W), "ext4")],
    ids=["another-uuid", "another-type", "gone"],
)
def test_a_filesystem_that_is_not_the_one_in_fstab_is_never_mounted_as_if_it_were(
    content: Content, fs: str
) -> None:
    for consent in (Consent(), Consent(adopt=True), Consent(wipe=W)):
        error = refused(planned(here(content).with_line(line(W)), spec(fs=fs, consent=consent)))
        assert error.exit is Exit.REFUSED
        assert f"line 1 says that {CLAIMED} is on this disk" in error.text


@pytest.mark.parametrize("fs", ["ext4", None])
def test_the_filesystem_that_fstab_has_for_the_disk_is_mounted_unasked(
    fs: str | None,
) -> None:
    now = here(bare(W, "ext4", CLAIMED)).with_line(line(W))
    assert verbs(planned(now, spec(fs=fs))) == ["directory", "mount"]


def test_a_claim_makes_no_other_filesystem_its_own() -> None:
    now = here(parted(W, "ext4", FOREIGN, used=True)).with_line(claim(W, begun=True))
    assert isinstance(refused(planned(now)), ConsentRequiredError)
    own = here(parted(W, "ext4", CLAIMED, used=True)).with_line(claim(W, begun=True))
    assert verbs(planned(own)) == ["directory", "mount", "fstab"]


def test_the_claim_of_another_command_on_a_partition_is_not_continued() -> None:
    """`disk mkfs` claims one partition of a table that it did not write."""
    of_mkfs = replace(claim_of(), owns_disk=False)
    for made, uuid in ((of_mkfs, UUID), (claim_of(), CLAIMED)):
        entry = claim_line(made, None, wwid=W, target=TARGET, lun=0)
        action = step(planned(here(blank(W)).with_line(entry)), "mkfs").action
        assert isinstance(action, actions.Mkfs)
        assert action.claim.uuid == uuid


def test_an_entry_of_the_disk_for_another_directory_does_not_adopt_its_filesystem() -> None:
    now = here(bare(W, "ext4", CLAIMED)).with_line(line(W, CLAIMED, "/elsewhere"))
    assert planned(now).refusal is not None
    assert verbs(planned(now, spec(mount="/elsewhere"))) == ["directory", "mount"]


TWICE = Signature("ext4", 4096, CLAIMED)


def with_more_inside(signature: Signature) -> Content:
    """A disk with one partition that has an ext4 and one more signature in it."""
    (part,) = parted(W, "ext4").partitions
    inside = (replace(part, signatures=(*part.signatures, signature)),)
    return replace(parted(W, "ext4"), partitions=inside)


@pytest.mark.parametrize(
    "content",
    [
        replace(bare(W, "ext4"), signatures=(*bare(W, "ext4").signatures, TWICE)),
        replace(parted(W, "ext4"), signatures=(Signature("ddf_raid_member", GIB),)),
        replace(parted(W, "ext4"), partitions=parted(W, "ext4").partitions * 2),
        *(
            replace(
                parted(W, "ext4"), partitions=(replace(part, signatures=(*part.signatures, one)),)
            )
            for part in parted(W, "ext4").partitions
            for one in (TWICE, Signature("swap", 4086, FOREIGN))
        ),
    ],
    ids=["two-superblocks", "raid-beside", "two-partitions", "two-inside", "swap-inside"],
)
def test_a_filesystem_is_not_adopted_where_it_is_not_all_that_is_there(content: Content) -> None:
    for consent in (Consent(adopt=True), Consent(adopt=True, adopt_unverified=True)):
        for fs in ("ext4", None):
            error = refused(planned(here(content), spec(fs=fs, consent=consent)))
            assert error.exit is Exit.REFUSED
            assert not isinstance(error, ConsentRequiredError)


# Which steps a new filesystem takes


@pytest.mark.parametrize(
    "content",
    [
        bare(W, "xfs"),
        bare(W, "ext4"),
        parted(W, "xfs"),
        parted(W, None, FOREIGN),
        in_parts(W),
        stranger(W, "swap"),
    ],
)  # fmt: skip
def test_what_is_wiped_gets_a_table_of_its_own_whatever_table_it_had(content: Content) -> None:
    plan = planned(here(content), spec(consent=Consent(wipe=W)))
    making = [verb for verb in verbs(plan) if verb in {"claim", "wipe", "label", "mkfs"}]
    assert making == ["claim", "wipe", "label", "mkfs"]


def test_a_wipe_does_not_continue_what_an_interrupted_run_was_making() -> None:
    now = here(in_parts(W)).with_line(claim(W, begun=True))
    action = step(planned(now, spec(consent=Consent(wipe=W))), "mkfs").action
    assert isinstance(action, actions.Mkfs)
    assert (action.ground, action.claim.uuid) == (OverwriteGround.CONFIRMED, UUID)


def test_an_entry_by_path_does_not_keep_a_blank_lun_from_getting_its_filesystem() -> None:
    """Only a wipe destroys what it may be for."""
    by_path = f"/dev/disk/by-path/ip-192.0.2.5:3260-iscsi-{TARGET}-lun-0-part1"
    (entry,) = parse_fstab(f"{by_path} /elsewhere ext4 _netdev,noauto 0 0\n".encode()).lines
    assert planned(here(blank(W)).with_line(entry)).refusal is None
    wipe = spec(consent=Consent(wipe=W))
    assert "line 1 mounts" in refused(planned(here(in_parts(W)).with_line(entry), wipe)).text


def test_a_disk_that_could_not_be_read_is_refused_with_the_reason() -> None:
    error = UnreachableError("/dev/sda: a read failed")
    for consent in (Consent(), Consent(wipe=W)):
        now = here(blank(W)).inventory
        unread = World(replace(now, contents={W: ReadFailed(error)}))
        assert refused(planned(unread, spec(consent=consent))) is error


def test_the_table_of_an_interrupted_run_is_kept_and_one_that_is_not_there_is_written() -> None:
    for content, status in (
        (parted(W, None, CLAIMED), Status.UNCHANGED),
        (blank(W), Status.PLANNED),
    ):
        plan = planned(here(content).with_line(claim(W)))
        assert step(plan, "label").status is status
        assert step(plan, "mkfs").status is Status.PLANNED


@pytest.mark.parametrize("discard", [False, True])
def test_mkfs_discards_only_where_that_was_requested(discard: bool) -> None:
    action = step(planned(here(blank(W)), spec(discard=discard)), "mkfs").action
    assert isinstance(action, actions.Mkfs)
    assert action.discard is discard


# What is mounted already


def mounted(**more: Any) -> World:
    """A machine on which the requested filesystem is mounted, with this mount point."""
    content = unit(parted(W, "ext4", CLAIMED, used=True), usage=DiskUsage(mounts=(DIR,)))
    now = here(content).with_line(line(W))
    return World(replace(now.inventory, **more), now.array)


def status(plan: Plan, verb: str) -> Status:
    assert plan.refusal is None, plan.refusal
    return step(plan, verb).status


def test_what_is_mounted_is_unchanged() -> None:
    plan = planned(mounted())
    assert verbs(plan) == []
    for verb in ("directory", "mount", "fstab"):
        assert status(plan, verb) is Status.UNCHANGED


def test_a_mounted_filesystem_without_a_uuid_has_no_entry() -> None:
    now = mounted()
    (disk,) = now.inventory.disks
    (part,) = disk.block.children
    nameless = disk._replace(block=disk.block._replace(children=(part._replace(uuid=None),)))
    error = refused(planned(mounted(disks=(nameless,))))
    assert "/dev/sda1 is mounted on /srv/data, but has no UUID" in error.text


def test_a_mounted_filesystem_of_a_kind_that_udev_does_not_know_is_no_other_kind() -> None:
    now = mounted()
    (disk,) = now.inventory.disks
    (part,) = disk.block.children
    for uuid in (part.uuid, None):
        asked = part._replace(fstype=None, uuid=uuid)
        unknown = disk._replace(block=disk.block._replace(children=(asked,)))
        plan = planned(mounted(disks=(unknown,)), spec(fs="ext4"))
        if uuid is None:
            assert "has no UUID" in refused(plan).text
        else:
            assert verbs(plan) == []


def test_an_entry_for_another_disk_on_the_same_directory_is_refused_though_ours_is_mounted() -> (
    None
):
    now = mounted().with_line(line(W1, FOREIGN, lun=1))
    assert refused(planned(now)).exit in {Exit.REFUSED, Exit.IN_USE}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Status.UNCHANGED),
        ({"options": ("defaults",)}, Status.UNCHANGED),
        ({"options": ("noatime",)}, Status.PLANNED),
        ({"options": ("noauto",)}, Status.PLANNED),
        ({"boot": False}, Status.PLANNED),
        ({"exclusive": True}, Status.PLANNED),
    ],
)
def test_the_entry_is_written_anew_where_it_lacks_something(
    changes: dict[str, Any], expected: Status
) -> None:
    assert status(planned(mounted(), spec(**changes)), "fstab") is expected


def test_the_entry_is_written_anew_where_it_names_another_filesystem() -> None:
    now = mounted()
    (entry,) = parse_fstab(line(W, FOREIGN).raw).lines
    other = World(replace(now.inventory, fstab=Fstab((entry,))))
    assert status(planned(other), "fstab") is Status.PLANNED


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"uid": 1000}, Status.UNCHANGED),
        ({"uid": 1000, "gid": 100, "mode": 0o750}, Status.UNCHANGED),
        ({"uid": 0}, Status.PLANNED),
        ({"uid": 1000, "mode": 0o755}, Status.PLANNED),
    ],
)
def test_owner_and_mode_are_set_where_one_of_them_differs(
    wanted: dict[str, Any], expected: Status
) -> None:
    now = mounted()
    state = now.inventory.mount_point_state
    place = Known(replace(state, exists=True, uid=1000, gid=100, mode=0o750))
    assert status(planned(mounted(place=place), spec(**wanted)), actions.Own.verb) is expected
    read_only = planned(mounted(place=place), spec(options=("ro",), **wanted))
    assert (read_only.refusal is None) is (expected is Status.UNCHANGED)
    # Before the mount, the owner that the directory has is that of what is below.
    fresh = here(blank(W)).inventory
    fresh = replace(fresh, place=Known(MountPointState(exists=True, uid=1000, gid=100, mode=0o750)))
    assert status(planned(World(fresh), spec(**wanted)), actions.Own.verb) is Status.PLANNED
