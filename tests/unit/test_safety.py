"""Who may be overwritten: each rule by itself."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from iscsictl.errors import InUseError, RefusedError
from iscsictl.model.actions import OverwriteGround
from iscsictl.model.disk_content import Content, Filesystem, Signature
from iscsictl.model.inventory import DiskUsage
from iscsictl.model.listing import Block, Disk, Path
from iscsictl.model.spec import Consent
from iscsictl.planner.safety import overwrite
from iscsictl.planner.safety.overwrite import ConsentRequiredError
from tests.machine_model.machine import MIB
from tests.worlds import (
    CLAIMED,
    FOREIGN,
    SIZE,
    WRONG,
    bare,
    blank,
    in_parts,
    parted,
    stranger,
    wwid_of,
)

W, W1 = wwid_of(0), wwid_of(1)
GIB = 1 << 30


def disk(wwid: str | None = W, *devices: str, kind: str = "disk", uuid: str | None = None) -> Disk:
    devices = devices or ("/dev/sda",)
    paths = tuple(Path(n, f"{n}:0:0:0", d) for n, d in enumerate(devices, 1))
    top = Block("/dev/mapper/mpatha", "mpath") if kind == "mpath" else Block(devices[0], "disk")
    inner = Block(f"{devices[0]}1", "part", uuid=uuid)
    return Disk(wwid, paths, replace(top, children=(inner,)))


def right(content: Content, consent: Consent | None = None, **more: str | None) -> OverwriteGround:
    given = {"claim": None, "table": "gpt", **more}
    return overwrite.overwrite_ground(
        content, "/dev/sda", consent or Consent(),
        claim=given["claim"], table=given["table"] or "gpt",
    )  # fmt: skip


# Which disk it is


def test_a_disk_alone_is_known_by_its_wwid() -> None:
    one = disk()
    assert overwrite.verify_identity(one, (one, disk(W1, "/dev/sdb")), None) == W
    assert overwrite.verify_identity(one, (one,), W) == W


def test_a_disk_without_a_name_is_refused_with_its_device() -> None:
    with pytest.raises(RefusedError, match=r"^/dev/sda tells no WWID"):
        overwrite.verify_identity(disk(None), (), None)


def test_another_disk_than_the_wished_one_is_refused_with_both_names() -> None:
    with pytest.raises(RefusedError, match=f"^/dev/sda is the disk {W}, not {WRONG}$") as caught:
        overwrite.verify_identity(disk(), (), WRONG)
    assert "iscsictl ls" in (caught.value.hint or "")


@pytest.mark.fault("F23")
def test_twins_are_refused_with_all_devices_sorted() -> None:
    one, two = disk(W, "/dev/sdc"), disk(W, "/dev/sdb")
    with pytest.raises(RefusedError, match=f"^/dev/sdb, /dev/sdc all say they are {W}") as caught:
        overwrite.verify_identity(one, (two, one), None)
    assert "multipathd" in (caught.value.hint or "")


@pytest.mark.fault("F23")
def test_a_map_may_stand_over_paths_and_a_plain_disk_may_not() -> None:
    mapped = disk(W, "/dev/sda", "/dev/sdb", kind="mpath")
    assert overwrite.verify_identity(mapped, (mapped,), None) == W
    plain = disk(W, "/dev/sda", "/dev/sdb")
    with pytest.raises(RefusedError, match="/dev/sda, /dev/sdb"):
        overwrite.verify_identity(plain, (plain,), None)
    with pytest.raises(RefusedError):
        overwrite.verify_identity(mapped, (mapped, disk(W, "/dev/sdc")), None)


# Whether it takes writes


def test_a_sound_disk_takes_writes() -> None:
    overwrite.require_writable(blank(W), "/dev/sda", W)


@pytest.mark.parametrize(
    ("content", "said", "hinted"),
    [
        (blank(WRONG), f"/dev/sda is not the disk {W} any more: it says it is {WRONG}", "rescan"),
        (blank(W, reserved=True), "/dev/sda is under a SCSI-3 persistent reservation", "/dev/sda"),
        (blank(W, read_only=True), "/dev/sda is read-only", "writable"),
    ],
)
def test_what_takes_no_writes_is_said(content: Content, said: str, hinted: str) -> None:
    with pytest.raises(RefusedError) as caught:
        overwrite.require_writable(content, "/dev/sda", W)
    assert caught.value.text.startswith(said)
    assert hinted in (caught.value.hint or "")


# The right to destroy


def test_blank_gives_the_right() -> None:
    assert right(blank(W)) is OverwriteGround.BLANK
    assert right(blank(W), Consent(wipe=W)) is OverwriteGround.BLANK
    assert right(blank(W), claim=CLAIMED) is OverwriteGround.BLANK


def test_a_claim_gives_the_right_over_its_own_work() -> None:
    assert right(parted(W, "ext4", CLAIMED), claim=CLAIMED) is OverwriteGround.CLAIMED
    assert (
        right(parted(W, "ext4", CLAIMED), Consent(wipe=W), claim=CLAIMED) is OverwriteGround.CLAIMED
    )


def test_confirmation_gives_the_right_over_any_content() -> None:
    for content in (bare(W, "xfs"), in_parts(W), stranger(W, "LVM2_member")):
        assert right(content, Consent(wipe=W)) is OverwriteGround.CONFIRMED
        assert right(content, Consent(wipe=W), claim=CLAIMED) is OverwriteGround.CONFIRMED


@pytest.mark.parametrize("content", [blank(W), parted(W, "ext4", CLAIMED), bare(W, "xfs")])
def test_confirmation_of_another_disk_takes_every_right_away(content: Content) -> None:
    with pytest.raises(RefusedError) as caught:
        right(content, Consent(wipe=WRONG), claim=CLAIMED)
    said = f"--confirm {WRONG} does not name this disk: /dev/sda is {W}"
    assert caught.value.text == said
    assert "compare" in (caught.value.hint or "")


def test_adoption_gives_no_right_to_destroy() -> None:
    with pytest.raises(RefusedError):
        right(bare(W, "ext4"), Consent(adopt=True, over_nonempty=True, lost=W))


def test_the_refusal_says_what_was_found_and_both_ways_on() -> None:
    with pytest.raises(RefusedError) as caught:
        right(bare(W, "xfs", label="mail"))
    assert caught.value.text == "/dev/sda is not blank: it carries xfs labelled 'mail'"
    assert "--adopt" in (caught.value.hint or "")
    assert f"--wipe --confirm {W}" in (caught.value.hint or "")


@pytest.mark.parametrize("consent", [Consent(), Consent(wipe=W)])
def test_use_reservation_and_read_only_stand_above_all_rights(consent: Consent) -> None:
    with pytest.raises(InUseError, match=r"^/dev/sda is in use: swap, md$") as caught:
        right(blank(W, users=("swap", "md")), consent, claim=CLAIMED)
    assert "detach /dev/sda --dry-run" in (caught.value.hint or "")
    with pytest.raises(RefusedError, match="reservation"):
        right(blank(W, reserved=True), consent, claim=CLAIMED)
    with pytest.raises(RefusedError, match="read-only"):
        right(blank(W, read_only=True), consent, claim=CLAIMED)


# What a run that was stopped can have left


@pytest.mark.parametrize(
    ("content", "table", "ours"),
    [
        (blank(W), "gpt", True),
        (blank(W), "none", True),
        (parted(W, None), "gpt", True),
        (parted(W, None, data_at=MIB), "gpt", True),
        (parted(W, "ext4", CLAIMED), "gpt", True),
        (parted(W, "ext4", CLAIMED, table="dos"), "dos", True),
        (replace(parted(W, None), partitions=()), "gpt", True),
        (bare(W, "ext4", CLAIMED), "none", True),
        (replace(blank(W), data_at=0), "none", True),
        (parted(W, None), "dos", False),
        (parted(W, None), "none", False),
        (parted(W, "ext4", FOREIGN), "gpt", False),
        (parted(W, "ext4", None), "gpt", False),
        (bare(W, "ext4", CLAIMED), "gpt", False),
        (bare(W, "ext4", FOREIGN), "none", False),
        (replace(blank(W), data_at=0), "gpt", False),
        (replace(blank(W), data_at=4096), "dos", False),
        (in_parts(W), "gpt", False),
    ],
)
def test_all_that_stands_there_must_be_the_claim_s(
    content: Content, table: str, ours: bool
) -> None:
    assert overwrite.matches_claim(content, CLAIMED, table) is ours


def test_one_foreign_signature_among_our_own_is_foreign() -> None:
    foreign = Signature("LVM2_member", 0, FOREIGN)
    nameless = Signature("dm_integrity", 0, None)
    for more in (foreign, nameless):
        whole = bare(W, "ext4", CLAIMED)
        assert not overwrite.matches_claim(
            replace(whole, signatures=(*whole.signatures, more)), CLAIMED, "none"
        )
        inner = parted(W, "ext4", CLAIMED)
        part = replace(inner.partitions[0], signatures=(*inner.partitions[0].signatures, more))
        assert not overwrite.matches_claim(replace(inner, partitions=(part,)), CLAIMED, "gpt")
        assert not overwrite.matches_claim(replace(inner, signatures=(more,)), CLAIMED, "gpt")


def test_two_partitions_are_not_ours_even_when_both_are_named_so() -> None:
    one = parted(W, "ext4", CLAIMED)
    two = replace(one, partitions=one.partitions * 2)
    assert not overwrite.matches_claim(two, CLAIMED, "gpt")


@pytest.mark.parametrize(
    ("size", "part", "ours"),
    [
        (SIZE, SIZE - 2 * MIB, True),
        (GIB, GIB - 16 * MIB, True),
        (GIB, GIB * 9 // 10 - 16 * MIB + 1, True),
        (GIB, GIB * 9 // 10 - 16 * MIB, False),
        (GIB, GIB // 2, False),
        (10 * (2**57 + 1), 9 * (2**57 + 1) - 16 * MIB, False),
        (10 * GIB, MIB, False),
    ],
)
def test_a_partition_of_ours_spans_the_disk(size: int, part: int, ours: bool) -> None:
    content = replace(parted(W, None), size=size)
    content = replace(content, partitions=(replace(content.partitions[0], size=part),))
    assert overwrite.matches_claim(content, CLAIMED, "gpt") is ours


# Just before a write


def test_a_blank_disk_may_be_written_also_once_it_has_our_table() -> None:
    for given in OverwriteGround:
        assert overwrite.may_write(blank(W), given, CLAIMED, "gpt")
        assert overwrite.may_write(parted(W, None), given, CLAIMED, "gpt")


def test_only_a_stopped_run_or_the_user_accounts_for_data_in_our_partition() -> None:
    for content in (parted(W, "ext4", CLAIMED), parted(W, None, data_at=MIB)):
        for given in (OverwriteGround.CLAIMED, OverwriteGround.CONFIRMED):
            assert overwrite.may_write(content, given, CLAIMED, "gpt")
        assert not overwrite.may_write(content, OverwriteGround.BLANK, CLAIMED, "gpt")


@pytest.mark.parametrize("uuid", [CLAIMED, ""])
def test_data_on_a_disk_without_a_table_is_not_blank_just_before_mkfs_either(uuid: str) -> None:
    for data_at in (0, MIB):
        found = replace(blank(W), data_at=data_at)
        assert not overwrite.may_write(found, OverwriteGround.BLANK, uuid, "none")
        assert overwrite.may_write(found, OverwriteGround.CONFIRMED, uuid, "none")


@pytest.mark.fault("F26")
def test_what_is_foreign_by_then_is_not_written_whatever_the_right() -> None:
    for given in OverwriteGround:
        for content in (bare(W, "xfs"), in_parts(W), parted(W, None, table="dos")):
            assert not overwrite.may_write(content, given, CLAIMED, "gpt")


def test_data_without_a_name_is_written_over_only_when_it_was_confirmed() -> None:
    wiped = replace(blank(W), data_at=4096)
    assert overwrite.may_write(wiped, OverwriteGround.CONFIRMED, CLAIMED, "gpt")
    assert not overwrite.may_write(wiped, OverwriteGround.BLANK, CLAIMED, "gpt")
    assert not overwrite.may_write(wiped, OverwriteGround.CLAIMED, CLAIMED, "gpt")


# Adopting


def filesystem(**more: Any) -> Filesystem:
    plain = Filesystem("/dev/sda1", 1, "ext4", FOREIGN)
    return replace(plain, **more)


def test_consent_adopts_a_clean_filesystem_that_is_alone_with_its_uuid() -> None:
    one = disk(uuid=FOREIGN)
    others = (one, disk(W1, "/dev/sdb", uuid=CLAIMED))
    overwrite.may_adopt(filesystem(), one, others, Consent(adopt=True))


def test_without_consent_the_question_names_filesystem_and_label() -> None:
    with pytest.raises(ConsentRequiredError) as caught:
        overwrite.may_adopt(filesystem(label="mail"), disk(), (), Consent())
    assert caught.value.question == (
        "Mount the ext4 filesystem on /dev/sda1 labelled 'mail' as it is?"
    )
    assert "ext4 filesystem on /dev/sda1 labelled 'mail'" in caught.value.text
    assert caught.value.grant == "adopt"
    assert "--adopt" in (caught.value.hint or "")
    with pytest.raises(ConsentRequiredError) as plain:
        overwrite.may_adopt(filesystem(), disk(), (), Consent())
    assert plain.value.question == "Mount the ext4 filesystem on /dev/sda1 as it is?"


@pytest.mark.parametrize("consent", [Consent(), Consent(adopt=True)])
@pytest.mark.parametrize(
    ("changed", "said", "hinted"),
    [
        ({"uuid": None}, "the ext4 filesystem on /dev/sda1 has no UUID", "give it one"),
        ({"dirty": True}, "was not unmounted cleanly: another host may", "e2fsck"),
    ],
)
def test_no_consent_adopts_what_is_nameless_or_dirty(
    consent: Consent, changed: dict[str, Any], said: str, hinted: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        overwrite.may_adopt(filesystem(**changed), disk(), (), consent)
    assert not isinstance(caught.value, ConsentRequiredError)
    assert said in caught.value.text
    assert hinted in (caught.value.hint or "")


@pytest.mark.fault("F53")
def test_no_consent_adopts_one_of_two_with_the_same_uuid() -> None:
    one, two = disk(uuid=FOREIGN), disk(W1, "/dev/sdb", uuid=FOREIGN)
    with pytest.raises(RefusedError, match=f"^the UUID {FOREIGN} is also on /dev/sdb: ") as caught:
        overwrite.may_adopt(filesystem(), one, (one, two), Consent(adopt=True))
    assert "tune2fs -U" in (caught.value.hint or "")


def test_partitions_that_no_table_explains_are_nobody_s() -> None:
    torn = replace(parted(W, None), table=None)
    for table in ("gpt", "none"):
        assert not overwrite.matches_claim(torn, CLAIMED, table)
        for given in OverwriteGround:
            assert not overwrite.may_write(torn, given, CLAIMED, table)


def test_what_is_mounted_over_ours_is_in_use_and_named() -> None:
    overwrite.require_not_overmounted(DiskUsage(mounts=("/srv",)))
    with pytest.raises(InUseError, match=r"^/dev/sdz is mounted over /srv$") as caught:
        overwrite.require_not_overmounted(
            DiskUsage(mounts=("/srv",), covered=(("/srv", "/dev/sdz"),))
        )
    assert caught.value.hint == "unmount that first: umount /srv"


def hint_of(call: Callable[[], object]) -> str | None:
    with pytest.raises(RefusedError) as caught:
        call()
    return caught.value.hint


def test_each_refusal_says_what_to_do() -> None:
    one, two, three = (disk(w, d, uuid=FOREIGN) for w, d in
                       ((W, "/dev/sda"), (W1, "/dev/sdb"), (wwid_of(2), "/dev/sdc")))  # fmt: skip
    yes = Consent(adopt=True)
    assert hint_of(lambda: overwrite.verify_identity(one, (), WRONG)) == (
        "compare with the array; iscsictl ls -o json shows the WWIDs"
    )
    assert hint_of(lambda: overwrite.verify_identity(one, (disk(W, "/dev/sdx"),), None)) == (
        "log out of all portals but one, or have multipathd running"
    )
    assert hint_of(lambda: overwrite.require_writable(blank(WRONG), "/dev/sda", W)) == (
        "the LUN was mapped to another disk; run: iscsictl rescan"
    )
    assert hint_of(lambda: overwrite.require_writable(blank(W, reserved=True), "/dev/sda", W)) == (
        "see who holds it: sg_persist --in --read-full-status /dev/sda"
    )
    assert hint_of(lambda: overwrite.require_writable(blank(W, read_only=True), "/dev/sda", W)) == (
        "make the LUN writable on the array"
    )
    assert hint_of(lambda: right(blank(W), Consent(wipe=WRONG))) == (
        "compare with the array before you wipe anything"
    )
    assert hint_of(lambda: right(bare(W, "xfs"))) == (
        "keep it with --adopt if it is the filesystem you want; "
        f"to destroy it: --wipe --confirm {W}"
    )
    assert hint_of(lambda: overwrite.may_adopt(filesystem(uuid=None), one, (), yes)) == (
        "give it one, then attach it"
    )
    assert hint_of(lambda: overwrite.may_adopt(filesystem(dirty=True), one, (), yes)) == (
        "unmount it there; if no host has it, recover it by hand: e2fsck, then --adopt"
    )
    assert hint_of(lambda: overwrite.may_adopt(filesystem(), one, (), Consent())) == (
        "to mount it as it is: --adopt"
    )
    with pytest.raises(RefusedError, match="on /dev/sdb, /dev/sdc: one") as caught:
        overwrite.may_adopt(filesystem(), one, (one, two, three), yes)
    assert caught.value.hint == (
        "detach the other, or give the copy its own UUID (tune2fs -U, xfs_admin -U)"
    )
