"""Who may be overwritten: each rule by itself."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from iscsictl.errors import InUseError, RefusedError
from iscsictl.model.actions import OverwriteGround
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.disk_content import Content, Filesystem
from iscsictl.model.inventory import DiskUsage
from iscsictl.model.listing import Block, Disk, Path
from iscsictl.model.spec import Consent
from iscsictl.planner.safety import overwrite
from iscsictl.planner.safety.overwrite import ConsentRequiredError
from tests.machine_model.machine import MIB
from tests.worlds import (
    CLAIMED,
    FOREIGN,
    FREE,
    OURS,
    RESERVED,
    W1,
    WRONG,
    W,
    bare,
    blank,
    claim_of,
    in_parts,
    parted,
    stranger,
    wwid_of,
)

GIB = 1 << 30


def disk(wwid: str | None = W, *devices: str, kind: str = "disk", uuid: str | None = None) -> Disk:
    devices = devices or ("/dev/sda",)
    paths = tuple(Path(n, f"{n}:0:0:0", d) for n, d in enumerate(devices, 1))
    top = Block("/dev/mapper/mpatha", "mpath") if kind == "mpath" else Block(devices[0], "disk")
    inner = Block(f"{devices[0]}1", "part", uuid=uuid)
    return Disk(wwid, paths, top._replace(children=(inner,)))


def ground(
    content: Content, consent: Consent | None = None, claim: FilesystemClaim | None = None
) -> OverwriteGround:
    return overwrite.overwrite_ground(content, "/dev/sda", consent or Consent(), claim=claim)


BEGUN = claim_of(begun=True)
OWN_TABLE = parted(W, None, CLAIMED)


# Which disk it is


def test_a_disk_alone_is_known_by_its_wwid() -> None:
    one = disk()
    assert overwrite.verify_identity(one, (one, disk(W1, "/dev/sdb")), None) == W
    assert overwrite.verify_identity(one, (one,), W) == W


def test_a_disk_without_a_name_is_refused_with_its_device() -> None:
    with pytest.raises(RefusedError, match=r"^/dev/sda reports no WWID") as caught:
        overwrite.verify_identity(disk(None), (disk(None), disk(None, "/dev/sdb")), None)
    assert "array" in (caught.value.hint or "")


def test_another_disk_than_the_requested_one_is_refused_with_both_names() -> None:
    with pytest.raises(RefusedError, match=f"^/dev/sda is the disk {W}, not {WRONG}$") as caught:
        overwrite.verify_identity(disk(), (), WRONG)
    assert "iscsictl ls" in (caught.value.hint or "")


def sized(one: Disk, *, serial: str | None = "S1", size: int = GIB) -> Disk:
    return one._replace(serial=serial, block=one.block._replace(size=size))


@pytest.mark.fault("F23")
@pytest.mark.fault("F65")
@pytest.mark.parametrize("kind", ["disk", "mpath"])
@pytest.mark.parametrize(
    "changes", [{"serial": "S2"}, {"size": GIB + 512}, {"serial": None}], ids=str
)
def test_disks_of_one_wwid_that_differ_in_serial_or_size_are_never_one(
    kind: str, changes: dict[str, Any]
) -> None:
    one = sized(disk(W, "/dev/sda", kind=kind))
    two = sized(disk(W, "/dev/sdb", kind=kind), **changes)
    for confirmed in (None, W):
        with pytest.raises(RefusedError, match="different disks") as caught:
            overwrite.verify_identity(one, (one, two), None, one_disk=confirmed)
        assert "/dev/sda" in caught.value.text
        assert "/dev/sdb" in caught.value.text
        assert "multipath-tools" not in (caught.value.hint or "")
        assert "multipathd" not in (caught.value.hint or "")


@pytest.mark.fault("F65")
def test_one_that_differs_among_several_of_one_wwid_outweighs_the_user_s_word() -> None:
    one, same = (sized(disk(W, device, kind="mpath")) for device in ("/dev/sda", "/dev/sdb"))
    differs = sized(disk(W, "/dev/sdc", kind="mpath"), serial="S2")
    with pytest.raises(RefusedError, match="different disks share"):
        overwrite.verify_identity(one, (one, same, differs), None, one_disk=W)


@pytest.mark.fault("F65")
def test_one_disk_behind_targets_that_no_portal_offers_together_needs_the_user_s_word() -> None:
    one, two = (sized(disk(W, device, kind="mpath")) for device in ("/dev/sda", "/dev/sdb"))
    with pytest.raises(RefusedError, match="no portal is known to offer all") as caught:
        overwrite.verify_identity(one, (one, two), None)
    assert f"attach --confirm {W}" in (caught.value.hint or "")
    with pytest.raises(RefusedError):
        overwrite.verify_identity(one, (one, two), None, one_disk=W1)
    assert overwrite.verify_identity(one, (one, two), None, one_disk=W) == W


@pytest.mark.fault("F65")
def test_the_user_s_word_makes_no_map() -> None:
    one, two = (sized(disk(W, device)) for device in ("/dev/sdc", "/dev/sdb"))
    with pytest.raises(RefusedError, match=r"^/dev/sdb, /dev/sdc are paths of one disk") as caught:
        overwrite.verify_identity(one, (two, one), None, one_disk=W)
    assert "multipath-tools" in (caught.value.hint or "")


@pytest.mark.fault("F66")
def test_a_map_over_another_disk_too_is_refused() -> None:
    one = sized(disk(W, "/dev/sda", kind="mpath"))
    other = sized(disk(W1, "/dev/sdb", kind="mpath"))
    for this in (one, other):
        with pytest.raises(RefusedError, match="multipath map") as caught:
            overwrite.verify_identity(this, (one, other), None, one_disk=this.wwid)
        assert "/dev/sda" in caught.value.text
        assert "/dev/sdb" in caught.value.text


@pytest.mark.fault("F23")
def test_a_map_may_stand_over_paths_and_a_plain_disk_may_not() -> None:
    mapped = disk(W, "/dev/sda", "/dev/sdb", kind="mpath")
    assert overwrite.verify_identity(mapped, (mapped,), None) == W
    plain = disk(W, "/dev/sda", "/dev/sdb")
    with pytest.raises(RefusedError, match="/dev/sda, /dev/sdb are paths of one disk"):
        overwrite.verify_identity(plain, (plain,), None)
    with pytest.raises(RefusedError):
        overwrite.verify_identity(mapped, (mapped, disk(W, "/dev/sdc")), None)


# Whether it takes writes

OTHER_HOST = (
    "/dev/sda is under another host's SCSI-3 persistent reservation: key 0x0000000000000abc"
)


def test_a_sound_disk_takes_writes() -> None:
    overwrite.require_writable(blank(W), "/dev/sda", W)


@pytest.mark.parametrize(
    ("content", "said", "hinted"),
    [
        (
            blank(WRONG),
            (f"/dev/sda is no longer the disk {W}: it reports the WWID {WRONG}"),
            "rescan",
        ),
        (blank(W, reservations=RESERVED), OTHER_HOST, "/dev/sda"),
        (blank(W, read_only=True), "/dev/sda is read-only", "writable"),
    ],
)
def test_what_takes_no_writes_is_said(content: Content, said: str, hinted: str) -> None:
    with pytest.raises(RefusedError) as caught:
        overwrite.require_writable(content, "/dev/sda", W)
    assert caught.value.text.startswith(said)
    assert hinted in (caught.value.hint or "")


# Why a disk may be overwritten


def test_blank_gives_the_ground() -> None:
    assert ground(blank(W)) is OverwriteGround.BLANK
    assert ground(blank(W), Consent(wipe=W)) is OverwriteGround.BLANK
    assert ground(blank(W), claim=BEGUN) is OverwriteGround.BLANK


def test_a_claim_is_ground_for_its_own_unfinished_work() -> None:
    assert ground(parted(W, "ext4", CLAIMED), claim=BEGUN) is OverwriteGround.CLAIMED
    assert (
        ground(parted(W, "ext4", CLAIMED), Consent(wipe=W), claim=BEGUN) is OverwriteGround.CLAIMED
    )


def test_confirmation_is_ground_for_any_content() -> None:
    for content in (bare(W, "xfs"), in_parts(W), stranger(W, "LVM2_member")):
        assert ground(content, Consent(wipe=W)) is OverwriteGround.CONFIRMED
        assert ground(content, Consent(wipe=W), claim=BEGUN) is OverwriteGround.CONFIRMED


@pytest.mark.parametrize("content", [blank(W), parted(W, "ext4", CLAIMED), bare(W, "xfs")])
def test_confirmation_of_another_disk_forbids_all(content: Content) -> None:
    with pytest.raises(RefusedError) as caught:
        ground(content, Consent(wipe=WRONG), claim=BEGUN)
    said = f"--confirm {WRONG} does not name this disk: /dev/sda is {W}"
    assert caught.value.text == said
    assert "compare" in (caught.value.hint or "")


def test_adoption_is_no_ground_to_destroy() -> None:
    with pytest.raises(RefusedError):
        ground(bare(W, "ext4"), Consent(adopt=True, over_nonempty=True, lost=W))


def test_the_refusal_says_what_was_found_and_both_ways_on() -> None:
    with pytest.raises(RefusedError) as caught:
        overwrite.overwrite_ground(
            bare(W, "xfs", label="mail"), "/dev/sda", Consent(), claim=None, keep="keep it; "
        )
    assert caught.value.text == "/dev/sda is not blank: it carries xfs labelled 'mail'"
    assert caught.value.hint == f"keep it; to destroy it: --wipe --confirm {W}"


@pytest.mark.parametrize("consent", [Consent(), Consent(wipe=W)])
def test_use_reservation_and_read_only_outweigh_every_ground(consent: Consent) -> None:
    with pytest.raises(InUseError, match=r"^/dev/sda is in use: swap, md$") as caught:
        ground(blank(W, usage=("swap", "md")), consent, claim=BEGUN)
    assert "detach /dev/sda --dry-run" in (caught.value.hint or "")
    with pytest.raises(RefusedError, match="reservation"):
        ground(blank(W, reservations=RESERVED), consent, claim=BEGUN)
    with pytest.raises(RefusedError, match="read-only"):
        ground(blank(W, read_only=True), consent, claim=BEGUN)


def test_the_reservation_that_an_interrupted_run_left_forbids_nothing() -> None:
    assert ground(blank(W, reservations=OURS)) is OverwriteGround.BLANK


def test_nothing_is_made_where_another_host_has_only_registered() -> None:
    registered = blank(W, reservations=replace(RESERVED, holder=None))
    overwrite.require_writable(registered, "/dev/sda", W)
    with pytest.raises(RefusedError, match=r"another host has registered .*0x0000000000000abc"):
        ground(registered)
    clone = replace(OURS, clones=("iqn.2001-04.com.example:copy",))
    with pytest.raises(RefusedError, match=r"reservation key of this host.*example:copy") as caught:
        overwrite.require_writable(blank(W, reservations=clone), "/dev/sda", W)
    assert "machine-id" in (caught.value.hint or "")


def test_a_lun_without_reservations_may_be_written() -> None:
    assert ground(blank(W, reservations=replace(FREE, supported=False))) is OverwriteGround.BLANK


# Just before a write


def may_mkfs(content: Content, given: OverwriteGround, *, table: str = "gpt") -> bool:
    claim = claim_of(table=table, begun=given is OverwriteGround.CLAIMED)
    return overwrite.may_make_filesystem(content, given, claim)


def test_a_blank_disk_may_be_written_also_once_it_has_the_claimed_table() -> None:
    for given in OverwriteGround:
        assert overwrite.may_label(blank(W), given)
        assert may_mkfs(blank(W), given)
        assert may_mkfs(OWN_TABLE, given)


def test_only_an_interrupted_mkfs_or_the_user_accounts_for_data_in_the_partition() -> None:
    for content in (parted(W, "ext4", CLAIMED), parted(W, None, CLAIMED, data_at=MIB)):
        for given in (OverwriteGround.CLAIMED, OverwriteGround.CONFIRMED):
            assert may_mkfs(content, given)
        assert not may_mkfs(content, OverwriteGround.BLANK)


@pytest.mark.fault("F64")
def test_a_claim_without_the_mark_accounts_for_no_data() -> None:
    for content in (parted(W, "ext4", CLAIMED), parted(W, None, CLAIMED, data_at=MIB)):
        claimed = OverwriteGround.CLAIMED
        assert not overwrite.may_make_filesystem(content, claimed, claim_of(begun=False))


def test_data_on_a_disk_without_a_table_is_not_blank_just_before_a_write_either() -> None:
    for data_at in (0, MIB):
        found = replace(blank(W), data_at=data_at)
        assert not may_mkfs(found, OverwriteGround.BLANK, table="none")
        assert may_mkfs(found, OverwriteGround.CONFIRMED, table="none")
        assert not overwrite.may_label(found, OverwriteGround.BLANK)
        assert not overwrite.may_label(found, OverwriteGround.CLAIMED)
        assert overwrite.may_label(found, OverwriteGround.CONFIRMED)


@pytest.mark.fault("F26")
def test_what_is_foreign_by_then_is_not_written_whatever_the_ground() -> None:
    for given in OverwriteGround:
        for content in (bare(W, "xfs"), in_parts(W), parted(W, None, table="dos")):
            assert not may_mkfs(content, given)
            assert not overwrite.may_label(content, given)


def test_a_table_is_not_written_over_data_that_a_claim_cannot_explain() -> None:
    wiped = replace(blank(W), data_at=4096)
    for given in OverwriteGround:
        assert not may_mkfs(wiped, given), "its table is not there yet"


# Adopting


def filesystem(**more: Any) -> Filesystem:
    plain = Filesystem("/dev/sda1", "ext4", FOREIGN)
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
    unexplained = replace(OWN_TABLE, table=None)
    for table in ("gpt", "none"):
        assert not overwrite.matches_claim(unexplained, claim_of(table=table, begun=True))
        for given in OverwriteGround:
            assert not may_mkfs(unexplained, given, table=table)


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
        "log out of the others, or, if you are certain that they are one disk: attach "
        f"--confirm {W}"
    )
    assert hint_of(lambda: overwrite.require_writable(blank(WRONG), "/dev/sda", W)) == (
        "the LUN was mapped to another disk; run: iscsictl rescan"
    )
    reserved = blank(W, reservations=RESERVED)
    assert hint_of(lambda: overwrite.require_writable(reserved, "/dev/sda", W)) == (
        "that host uses the LUN, or is formatting it: try again later; while logged in to the "
        "target, sg_persist --in --read-full-status /dev/sda shows who it is, and if that host is "
        "off for good, iscsictl take-over TARGET --lun N --confirm KEY frees the LUN"
    )
    assert hint_of(lambda: overwrite.require_writable(blank(W, read_only=True), "/dev/sda", W)) == (
        "make the LUN writable on the array"
    )
    assert hint_of(lambda: ground(blank(W), Consent(wipe=WRONG))) == (
        "compare it with the array before you wipe anything"
    )
    assert hint_of(lambda: ground(bare(W, "xfs"))) == (f"to destroy it: --wipe --confirm {W}")
    assert hint_of(lambda: overwrite.may_adopt(filesystem(uuid=None), one, (), yes)) == (
        "give it one, then attach it"
    )
    assert hint_of(lambda: overwrite.may_adopt(filesystem(dirty=True), one, (), yes)) == (
        "unmount it there; if no host has it mounted, recover it by hand: e2fsck, then --adopt"
    )
    assert hint_of(lambda: overwrite.may_adopt(filesystem(), one, (), Consent())) == (
        f"to mount it as it is: --adopt; to destroy it: --wipe --confirm {W}"
    )
    with pytest.raises(RefusedError, match="on /dev/sdb, /dev/sdc: one") as caught:
        overwrite.may_adopt(filesystem(), one, (one, two, three), yes)
    assert caught.value.hint == (
        "detach the other, or give the copy its own UUID (tune2fs -U, xfs_admin -U)"
    )
