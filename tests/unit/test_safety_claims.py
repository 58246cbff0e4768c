"""What an interrupted run can have left on a disk, and its claim explains."""

from dataclasses import replace
from typing import Any

import pytest

from iscsictl.model.actions import OverwriteGround
from iscsictl.model.disk_content import Content, Partition, Signature
from iscsictl.model.partition_table import Entry, Table
from iscsictl.planner.safety import overwrite
from tests.machine_model.machine import MIB
from tests.worlds import (
    CLAIMED,
    FOREIGN,
    SIZE,
    W,
    bare,
    blank,
    claim_of,
    in_parts,
    parted,
)

GIB = 1 << 30
BEGUN = claim_of(begun=True)


def emptied(content: Content, **changes: Any) -> Content:
    """The content with its only partition changed."""
    return replace(content, partitions=(replace(content.partitions[0], **changes),))


OWN_TABLE = parted(W, None, CLAIMED)
# A partition that the kernel has and the table has not: from a table that was lost.
LOST = Partition(2, "/dev/sda2", 9 * MIB, 50 * MIB, "linux", (Signature("xfs", 0, FOREIGN),))


@pytest.mark.fault("F64")
@pytest.mark.parametrize(
    ("content", "table", "before_mkfs", "after_mkfs_began"),
    [
        (blank(W), "gpt", True, True),
        (blank(W), "none", True, True),
        (OWN_TABLE, "gpt", True, True),
        (parted(W, None, CLAIMED, table="dos"), "dos", True, True),
        (parted(W, None, CLAIMED, data_at=MIB), "gpt", False, True),
        (parted(W, "ext4", CLAIMED), "gpt", False, True),
        (parted(W, "ext4", CLAIMED, table="dos"), "dos", False, True),
        (bare(W, "ext4", CLAIMED), "none", False, True),
        (replace(blank(W), data_at=0), "none", False, True),
        (replace(OWN_TABLE, stale_partitions=(LOST,)), "gpt", False, False),
        (replace(bare(W, "ext4", CLAIMED), stale_partitions=(LOST,)), "none", False, False),
        (replace(OWN_TABLE, stale_partitions=(replace(LOST, signatures=()),)), "gpt", True, True),
        (replace(OWN_TABLE, partitions=()), "gpt", False, False),
        (replace(OWN_TABLE, partitions=()), "none", False, False),
        (OWN_TABLE, "dos", False, False),
        (OWN_TABLE, "none", False, False),
        (replace(OWN_TABLE, table_id=None), "gpt", False, False),
        (replace(OWN_TABLE, table_id=FOREIGN), "gpt", False, False),
        (emptied(OWN_TABLE, id=FOREIGN), "gpt", False, False),
        (emptied(OWN_TABLE, id=None), "gpt", False, False),
        (emptied(OWN_TABLE, type="8E"), "gpt", False, False),
        (emptied(OWN_TABLE, number=2), "gpt", False, False),
        (parted(W, None), "gpt", False, False),
        (parted(W, "ext4", FOREIGN), "gpt", False, False),
        (parted(W, "ext4", None), "gpt", False, False),
        (bare(W, "ext4", CLAIMED), "gpt", False, False),
        (bare(W, "ext4", FOREIGN), "none", False, False),
        (replace(blank(W), data_at=0), "gpt", False, False),
        (replace(blank(W), data_at=4096), "dos", False, False),
        (in_parts(W), "gpt", False, False),
    ],
)
def test_all_that_is_there_must_be_explained_by_the_claim(
    content: Content, table: str, before_mkfs: bool, after_mkfs_began: bool
) -> None:
    assert overwrite.matches_claim(content, claim_of(table=table)) is before_mkfs
    assert overwrite.matches_claim(content, claim_of(table=table, begun=True)) is after_mkfs_began


def test_a_claim_on_one_partition_judges_that_partition_by_itself() -> None:
    claim = replace(BEGUN, owns_disk=False)
    inside = bare(W, "ext4", CLAIMED)
    for content, ours in ((inside, True), (parted(W, None, CLAIMED), False), (blank(W), True)):
        assert overwrite.matches_claim(content, claim) is ours
    assert not overwrite.matches_claim(inside, replace(claim, begun=False))


@pytest.mark.fault("F64")
def test_the_place_of_a_claim_is_found_again_by_the_ids_of_the_table() -> None:
    claim = claim_of()
    kind, guid = claim.partition_type or "", claim.partition_id
    table = Table("gpt", id=claim.table_id, entries=(Entry(1, 2048, 4096, kind, guid),))
    assert overwrite.claim_fits_table(table, claim)
    assert overwrite.claim_fits_table(None, claim_of(table="none"))
    other = Entry(1, 2048, 4096, kind, FOREIGN)
    for found in (
        None,
        replace(table, id=FOREIGN),
        replace(table, label="dos"),
        replace(table, entries=()),
        replace(table, entries=(other,)),
        replace(table, entries=(replace(table.entries[0], type="8E"),)),
        replace(table, entries=(replace(table.entries[0], number=2),)),
    ):
        assert not overwrite.claim_fits_table(found, claim)
    assert not overwrite.claim_fits_table(table, claim_of(table="none"))


def test_one_foreign_signature_among_our_own_is_foreign() -> None:
    foreign = Signature("LVM2_member", 0, FOREIGN)
    nameless = Signature("dm_integrity", 0, None)
    for more in (foreign, nameless):
        whole = bare(W, "ext4", CLAIMED)
        mixed = replace(whole, signatures=(*whole.signatures, more))
        assert not overwrite.matches_claim(mixed, claim_of(table="none", begun=True))
        inner = parted(W, "ext4", CLAIMED)
        both = emptied(inner, signatures=(*inner.partitions[0].signatures, more))
        assert not overwrite.matches_claim(both, BEGUN)
        assert not overwrite.matches_claim(replace(inner, signatures=(more,)), BEGUN)


def test_two_partitions_are_not_ours_even_when_both_are_named_so() -> None:
    one = parted(W, "ext4", CLAIMED)
    two = replace(one, partitions=one.partitions * 2)
    assert not overwrite.matches_claim(two, BEGUN)


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
def test_the_claimed_partition_spans_the_disk(size: int, part: int, ours: bool) -> None:
    content = emptied(replace(OWN_TABLE, size=size), size=part)
    assert overwrite.matches_claim(content, claim_of()) is ours


def test_the_mark_of_an_interrupted_mkfs_explains_no_data_on_a_disk_that_was_blank() -> None:
    """The plan said blank: what is in the partition now came from elsewhere since."""
    blank_ground = OverwriteGround.BLANK
    assert overwrite.may_make_filesystem(OWN_TABLE, blank_ground, BEGUN)
    for content in (parted(W, None, CLAIMED, data_at=MIB), parted(W, "ext4", CLAIMED)):
        assert not overwrite.may_make_filesystem(content, blank_ground, BEGUN)


def test_confirmed_without_a_table_is_what_partitions_of_a_lost_table_have_in_them() -> None:
    """Only the user explains what is in them; a claim with a table needs that table first."""
    left = replace(blank(W), stale_partitions=(LOST,))
    for table, wiped in (("none", True), ("gpt", False)):
        claim = claim_of(table=table)
        given = OverwriteGround
        assert overwrite.may_make_filesystem(left, given.CONFIRMED, claim) is wiped
        assert not overwrite.may_make_filesystem(left, given.BLANK, claim)
        assert not overwrite.may_make_filesystem(left, given.CLAIMED, replace(claim, begun=True))


def test_a_table_that_is_still_there_was_not_wiped_even_if_it_is_empty() -> None:
    empty = replace(OWN_TABLE, partitions=())
    for given in OverwriteGround:
        assert not overwrite.may_label(empty, given)
        assert not overwrite.may_make_filesystem(empty, given, claim_of(table="none"))
