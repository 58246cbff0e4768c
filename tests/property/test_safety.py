"""Rights over any content whatever: nothing foreign is ever written without confirmation."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from iscsictl.errors import IscsictlError
from iscsictl.model.actions import OverwriteGround
from iscsictl.model.disk_content import Content, Partition, Signature
from iscsictl.model.spec import Consent
from iscsictl.planner.safety import overwrite
from tests.machine_model.machine import MIB
from tests.worlds import CLAIMED, FOREIGN, SIZE, WRONG, wwid_of

W = wwid_of(0)
UUIDS = st.sampled_from([CLAIMED, CLAIMED, FOREIGN, None])
TABLES = st.sampled_from(["gpt", "dos", "none"])
SIGNATURES = st.builds(Signature, st.sampled_from(["ext4", "xfs", "LVM2_member"]), uuid=UUIDS)
LISTS = st.lists(SIGNATURES, max_size=2).map(tuple)
DATA = st.sampled_from([None, None, 0, MIB])
PARTITIONS = st.builds(
    Partition, st.integers(1, 3), st.just("/dev/sda1"), st.just(MIB),
    st.sampled_from([MIB, SIZE // 2, SIZE - 2 * MIB]), st.just("linux"), LISTS, DATA,
)  # fmt: skip
CONTENTS = st.builds(
    Content, st.sampled_from([W, W, WRONG]), st.just(SIZE), st.just(512),
    read_only=st.booleans(), reserved=st.booleans(),
    table=st.sampled_from([None, "gpt", "dos"]),
    partitions=st.lists(PARTITIONS, max_size=2).map(tuple), signatures=LISTS, data_at=DATA,
    users=st.sampled_from([(), (), ("swap",)]),
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


@given(CONTENTS, CONSENTS, st.sampled_from([None, CLAIMED]), TABLES)
def test_a_right_has_its_reason(
    content: Content, consent: Consent, claim: str | None, table: str
) -> None:
    try:
        right = overwrite.overwrite_ground(content, "/dev/sda", consent, claim=claim, table=table)
    except IscsictlError:
        return
    assert (content.users, content.reserved, content.read_only) == ((), False, False)
    assert consent.wipe in {None, content.wwid}
    if right is OverwriteGround.BLANK:
        assert found(content) == []
        assert content.table is None
        assert content.data_at is None
    elif right is OverwriteGround.CLAIMED:
        assert claim is not None
        assert set(found(content)) <= {claim}
    else:
        assert consent.wipe == content.wwid


@given(CONTENTS, TABLES, st.sampled_from(list(OverwriteGround)))
def test_just_before_a_write_nothing_foreign_that_has_a_name_is_there(
    content: Content, table: str, right: OverwriteGround
) -> None:
    if overwrite.may_write(content, right, CLAIMED, table):
        assert set(found(content)) <= {CLAIMED}
        assert content.table in {None, table}
        if content.table is None and table != "none" and content.data_at is not None:
            assert right is OverwriteGround.CONFIRMED
        if right is OverwriteGround.BLANK:
            assert found(content) == []
            assert content.data_at is None
            assert all(part.data_at is None for part in content.partitions)


@given(CONTENTS, TABLES, st.sampled_from([FOREIGN, None]))
def test_one_more_foreign_thing_never_makes_a_disk_ours(
    content: Content, table: str, uuid: str | None
) -> None:
    more = replace(content, signatures=(*content.signatures, Signature("zfs_member", 0, uuid)))
    assert not overwrite.matches_claim(more, CLAIMED, table)
    assert not more.blank


@given(CONTENTS, TABLES)
def test_what_may_be_taken_up_may_also_be_written(content: Content, table: str) -> None:
    try:
        right = overwrite.overwrite_ground(
            content, "/dev/sda", Consent(), claim=CLAIMED, table=table
        )  # fmt: skip
    except IscsictlError:
        return
    assert overwrite.may_write(content, right, CLAIMED, table)
