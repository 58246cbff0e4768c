"""Grounds for any content whatever: nothing foreign is ever written without confirmation."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from iscsictl.errors import IscsictlError
from iscsictl.model.actions import OverwriteGround
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.disk_content import Content, Partition, Signature
from iscsictl.model.spec import Consent
from iscsictl.planner.safety import overwrite
from tests.machine_model.machine import MIB
from tests.worlds import (
    CLAIMED,
    FOREIGN,
    FREE,
    OURS,
    RESERVED,
    SIZE,
    WRONG,
    W,
    claim_of,
)

CLAIMS = st.builds(
    lambda table, begun: claim_of(table=table, begun=begun),
    st.sampled_from(["gpt", "dos", "none"]), st.booleans(),
)  # fmt: skip
IDS = [claim_of(table="gpt"), claim_of(table="dos")]
UUIDS = st.sampled_from([CLAIMED, CLAIMED, FOREIGN, None])
SIGNATURES = st.builds(Signature, st.sampled_from(["ext4", "xfs", "LVM2_member"]), uuid=UUIDS)
LISTS = st.lists(SIGNATURES, max_size=2).map(tuple)
DATA = st.sampled_from([None, None, 0, MIB])
PARTITIONS = st.builds(
    Partition, st.sampled_from([1, 1, 2]), st.just("/dev/sda1"), st.just(MIB),
    st.sampled_from([MIB, SIZE // 2, SIZE - 2 * MIB, SIZE - 2 * MIB]),
    st.sampled_from([ids.partition_type or "" for ids in IDS]), LISTS, DATA,
    st.sampled_from([*(ids.partition_id for ids in IDS), FOREIGN]),
)  # fmt: skip
CONTENTS = st.builds(
    Content, st.sampled_from([W, W, WRONG]), st.just(SIZE), st.just(512),
    read_only=st.booleans(), reservations=st.sampled_from([FREE, FREE, OURS, RESERVED]),
    table=st.sampled_from([None, "gpt", "dos"]),
    table_id=st.sampled_from([*(ids.table_id for ids in IDS), FOREIGN, None]),
    partitions=st.lists(PARTITIONS, max_size=2).map(tuple), signatures=LISTS, data_at=DATA,
    usage=st.sampled_from([(), (), ("swap",)]),
)  # fmt: skip
CONSENTS = st.builds(
    Consent, st.booleans(), st.sampled_from([None, None, W, WRONG]), st.booleans(),
    st.sampled_from([None, W]),
)  # fmt: skip


def found(content: Content) -> list[str | None]:
    """The names of all that stands there."""
    return [
        s.uuid
        for s in (*content.signatures, *(s for p in content.partitions for s in p.signatures))
    ]


def has_data(content: Content) -> bool:
    """Whether there is data that no signature explains."""
    return content.data_at is not None or any(p.data_at is not None for p in content.partitions)


@given(CONTENTS, CONSENTS, st.none() | CLAIMS)
def test_a_ground_has_its_reason(
    content: Content, consent: Consent, claim: FilesystemClaim | None
) -> None:
    try:
        ground = overwrite.overwrite_ground(content, "/dev/sda", consent, claim=claim)
    except IscsictlError:
        return
    assert (content.usage, content.reservations.other_keys, content.read_only) == ((), (), False)
    assert consent.wipe in {None, content.wwid}
    if ground is OverwriteGround.BLANK:
        assert found(content) == []
        assert content.table is None
        assert content.data_at is None
    elif ground is OverwriteGround.CLAIMED:
        assert claim is not None
        assert set(found(content)) <= {claim.uuid}
        assert (content.table, content.table and content.table_id) == (
            claim.table, claim.table_id,
        )  # fmt: skip
        assert claim.begun or not (found(content) or has_data(content))
    else:
        assert consent.wipe == content.wwid


@given(CONTENTS, CLAIMS, st.sampled_from(list(OverwriteGround)))
def test_just_before_a_write_nothing_foreign_that_has_a_name_is_there(
    content: Content, claim: FilesystemClaim, ground: OverwriteGround
) -> None:
    if overwrite.may_label(content, ground):
        assert found(content) == []
        assert content.table is None
        assert ground is OverwriteGround.CONFIRMED or not has_data(content)
    if overwrite.may_make_filesystem(content, ground, claim):
        assert set(found(content)) <= {CLAIMED}
        assert content.table in {None, claim.table}
        assert content.table is None or content.table_id == claim.table_id
        explained = ground is OverwriteGround.CONFIRMED or (
            ground is OverwriteGround.CLAIMED and claim.begun
        )
        assert explained or not (found(content) or has_data(content))


@given(CONTENTS, CLAIMS, st.sampled_from([FOREIGN, None]))
def test_one_more_foreign_thing_never_makes_a_disk_ours(
    content: Content, claim: FilesystemClaim, uuid: str | None
) -> None:
    more = replace(content, signatures=(*content.signatures, Signature("zfs_member", 0, uuid)))
    assert not overwrite.matches_claim(more, claim)
    assert not more.blank


@given(CONTENTS, CLAIMS)
def test_what_may_be_taken_up_may_also_be_written(content: Content, claim: FilesystemClaim) -> None:
    try:
        ground = overwrite.overwrite_ground(content, "/dev/sda", Consent(), claim=claim)
    except IscsictlError:
        return
    assert overwrite.may_make_filesystem(content, ground, claim)
