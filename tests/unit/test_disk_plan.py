"""The plans of the commands for whole disks and filesystems, from made inventories."""

from dataclasses import replace
from typing import Any

import pytest

from iscsictl.cli.commands.disks import amount
from iscsictl.errors import InUseError, NotFoundError, RefusedError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.disk_content import Content
from iscsictl.model.inventory import DiskUsage, ReadFailed
from iscsictl.model.listing import Block, Path
from iscsictl.model.partition_table import Entry, Table
from iscsictl.model.plan import Hazard
from iscsictl.model.spec import Consent
from iscsictl.parse.fstab import claim_line
from iscsictl.planner.disks.format import MkfsSpec, plan_label, plan_mkfs
from iscsictl.planner.disks.partitions import AddPartitionSpec, plan_add
from iscsictl.planner.selection.disks import DiskSelection, choose
from tests.unit.disk_facts import (
    GIB,
    IQN,
    LINUX,
    NEW,
    UUID,
    WWID,
    a_disk,
    carries,
    disk_inventory,
    empty,
    gpt,
    note,
    our_line,
    part,
    session,
    unchanged,
    verbs,
)
from tests.worlds import OURS

# -- names --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["/dev/sda", WWID, UUID, "/srv", "/srv/", "/dev/sda1", IQN])
def test_a_disk_has_many_names(name: str) -> None:
    inventory = disk_inventory(a_disk(part(1, "ext4", UUID, ["/srv"])))
    chosen = choose(inventory, name)
    assert chosen.disk.wwid == WWID
    assert chosen.part == (None if name in {"/dev/sda", WWID, IQN} else 1)


def test_a_link_names_the_device_that_it_leads_to() -> None:
    disk = a_disk(part(1, "ext4", UUID))
    links = {"/dev/disk/by-id/x": "/dev/sda", "/dev/disk/by-id/x-part1": "/dev/sda1"}
    inventory = disk_inventory(disk, device_links=links)
    assert choose(inventory, "/dev/disk/by-id/x").block.device == "/dev/sda"
    assert choose(inventory, "/dev/disk/by-id/x-part1").block.device == "/dev/sda1"
    mapped = Block("/dev/mapper/mail", "mpath", GIB)
    inventory = disk_inventory(
        a_disk()._replace(block=mapped), device_links={"/dev/mapper/mail": "/dev/dm-3"}
    )
    assert choose(inventory, "/dev/dm-3").block is mapped


def test_a_directory_of_fstab_names_a_filesystem_that_is_not_mounted() -> None:
    foreign = f"UUID={UUID} /srv ext4 noauto 0 0\n".encode()
    for line in (our_line(), foreign):
        inventory = disk_inventory(a_disk(part(1, "ext4", UUID)), lines=[line])
        assert choose(inventory, "/srv").block.device == "/dev/sda1"


def test_a_target_with_two_luns_needs_the_number() -> None:
    other = a_disk()._replace(
        wwid="naa.2",
        paths=(Path(1, "2:0:0:1", "/dev/sdb"),),
        block=Block("/dev/sdb", "disk"),
    )
    inventory = replace(disk_inventory(), disks=(a_disk(), other), sessions=(session(luns=2),))
    with pytest.raises(NotFoundError, match="2 LUNs"):
        choose(inventory, IQN)
    chosen = choose(inventory, IQN, 1)
    assert (chosen.disk, chosen.lun) == (other, 1)


def test_a_part_of_a_name_will_do_only_where_it_is_asked_for() -> None:
    with pytest.raises(NotFoundError):
        choose(disk_inventory(), "mail")
    assert choose(disk_inventory(), "mail", loose=True).target == IQN


def test_a_name_that_nothing_has_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="no disk of a session"):
        choose(disk_inventory(), "/dev/sdz")


# -- label --------------------------------------------------------------------------------


def test_a_table_of_the_kind_is_kept_unless_a_wipe_of_its_partitions_is_confirmed() -> None:
    full, wipe = gpt(Entry(1, 2048, 2048, LINUX)), Consent(wipe=WWID)
    for table, consent in ((full, Consent()), (gpt(), Consent()), (gpt(), wipe)):
        plan = plan_label(disk_inventory(content=empty(), table=table), "gpt", consent)
        assert unchanged(plan)
        assert plan.notes == (
            ("the gpt table with 1 partition(s) is kept",) if table.entries else ()
        )
    assert verbs(plan_label(disk_inventory(content=empty(), table=full), "gpt", wipe)) == [
        "reserve", "wipe", "label", "release",
    ]  # fmt: skip


def test_a_blank_disk_that_an_entry_of_iscsictl_is_for_gets_no_table() -> None:
    plan = plan_label(disk_inventory(lines=[our_line()]), "gpt", Consent())
    assert isinstance(plan.refusal, RefusedError)
    assert "line 1 is for a filesystem on this disk" in plan.refusal.text
    by_path = f"/dev/disk/by-path/ip-192.0.2.6:3260-iscsi-{IQN}-lun-0-part1"
    entry = f"{by_path} /data ext4 _netdev,noauto 0 0\n".encode()
    assert "label" in verbs(plan_label(disk_inventory(lines=[entry]), "gpt", Consent()))


def test_a_blank_disk_gets_a_table() -> None:
    plan = plan_label(disk_inventory(), "gpt", Consent())
    assert verbs(plan) == ["reserve", "label", "release"]
    assert plan.steps[1].hazard is Hazard.DESTROYS


def test_a_table_of_the_kind_that_is_there_stays_with_its_partitions() -> None:
    inventory = disk_inventory(table=gpt(Entry(1, 2048, 2048, LINUX)))
    assert unchanged(plan_label(inventory, "gpt", Consent()))


@pytest.mark.fault("F25")
@pytest.mark.parametrize("kind", ["ext4", "xfs", "LVM2_member", "crypto_LUKS", "ntfs", "swap"])
def test_what_is_not_blank_gets_no_table_and_no_filesystem(kind: str) -> None:
    inventory = disk_inventory(content=carries(kind, "foreign"))
    for plan in (
        plan_label(inventory, "gpt", Consent()),
        plan_mkfs(inventory, MkfsSpec("ext4", NEW)),
        plan_mkfs(inventory, MkfsSpec("ext4", NEW, consent=Consent(wipe="naa.another"))),
    ):
        assert isinstance(plan.refusal, RefusedError)
        assert plan.refusal.exit == 9


@pytest.mark.fault("F24")
def test_what_cannot_be_read_is_not_blank() -> None:
    inventory = replace(
        disk_inventory(), content=ReadFailed(UnreachableError("cannot be read at byte 0"))
    )
    for plan in (
        plan_label(inventory, "gpt", Consent()),
        plan_mkfs(inventory, MkfsSpec("ext4", NEW)),
        plan_mkfs(inventory, MkfsSpec("ext4", NEW, consent=Consent(wipe=WWID))),
    ):
        assert isinstance(plan.refusal, UnreachableError)


def test_a_confirmed_disk_is_wiped_first() -> None:
    inventory = disk_inventory(content=carries("xfs"), table=None)
    assert verbs(plan_label(inventory, "gpt", Consent(wipe=WWID))) == [
        "reserve", "wipe", "label", "release",
    ]  # fmt: skip


def test_a_table_is_not_written_over_what_fstab_knows() -> None:
    inventory = disk_inventory(content=carries("xfs"), lines=[our_line(fs="xfs")])
    plan = plan_label(inventory, "gpt", Consent(wipe=WWID))
    assert isinstance(plan.refusal, RefusedError)
    assert "line 1" in plan.refusal.text


def test_a_disk_in_use_is_never_labelled() -> None:
    busy = replace(disk_inventory(content=carries("ext4")), used=DiskUsage(("/srv",)))
    assert isinstance(plan_label(busy, "gpt", Consent(wipe=WWID)).refusal, InUseError)
    assert isinstance(
        plan_mkfs(busy, MkfsSpec("ext4", NEW, consent=Consent(wipe=WWID))).refusal, InUseError
    )


@pytest.mark.parametrize("kind", ["5", "f", "85"])
def test_nothing_is_made_on_an_extended_partition_even_if_confirmed(kind: str) -> None:
    """The kernel shows the start of its chain alone: without that the logical ones are lost."""
    entries = (Entry(2, 2048, 1048576, kind), Entry(5, 4096, 524288, "83"))
    inventory = disk_inventory(
        a_disk(part(2), part(5, "ext4", UUID, ["/srv"])),
        content=Content(WWID, 1024, 512, table="dos"),
        table=Table("dos", entries=entries),
        name="/dev/sda2",
    )
    plan = plan_mkfs(inventory, MkfsSpec("ext4", NEW, consent=Consent(wipe=WWID)))
    assert isinstance(plan.refusal, RefusedError)
    assert "is an extended partition" in plan.refusal.text
    assert not plan.pending


@pytest.mark.fault("F28")
def test_three_tebibytes_are_too_many_for_a_dos_table() -> None:
    inventory = disk_inventory(a_disk(size=3 << 40))
    plan = plan_label(inventory, "dos", Consent())
    assert isinstance(plan.refusal, RefusedError)
    assert plan.refusal.exit == 9
    assert verbs(plan_label(inventory, "gpt", Consent())) == ["reserve", "label", "release"]


def test_more_than_65535_cylinders_are_too_many_for_a_sun_label() -> None:
    cylinder = 255 * 63 * 512
    at_most = disk_inventory(a_disk(size=65535 * cylinder))
    assert verbs(plan_label(at_most, "sun", Consent())) == ["reserve", "label", "release"]
    plan = plan_label(disk_inventory(a_disk(size=65536 * cylinder)), "sun", Consent())
    assert isinstance(plan.refusal, RefusedError)


@pytest.mark.fault("F28")
def test_a_read_only_disk_is_not_written() -> None:
    inventory = disk_inventory(a_disk(read_only=True), table=gpt())
    for plan in (
        plan_label(inventory, "dos", Consent()),
        plan_mkfs(inventory, MkfsSpec("ext4", NEW)),
        plan_add(inventory, AddPartitionSpec(None), {}),
    ):
        assert isinstance(plan.refusal, RefusedError)
        assert "read-only" in plan.refusal.text


def test_a_partition_takes_no_table() -> None:
    plan = plan_label(disk_inventory(a_disk(part()), name="/dev/sda1"), "gpt", Consent())
    assert isinstance(plan.refusal, RefusedError)


# -- mkfs ---------------------------------------------------------------------------------


def test_a_claim_stands_before_the_first_write_and_becomes_a_note() -> None:
    plan = plan_mkfs(disk_inventory(), MkfsSpec("ext4", NEW))
    assert verbs(plan) == ["claim", "reserve", "mkfs", "release", "fstab"]
    mkfs = plan.steps[2].action
    assert isinstance(mkfs, actions.Mkfs)
    assert mkfs.claim == FilesystemClaim(NEW, "ext4", owns_disk=False)


def test_what_an_earlier_run_made_is_enough() -> None:
    inventory = disk_inventory(content=carries("ext4"), lines=[note()])
    assert unchanged(plan_mkfs(inventory, MkfsSpec("ext4", NEW)))
    assert unchanged(plan_mkfs(inventory, MkfsSpec("ext4", UUID, given=True)))
    for spec in (MkfsSpec("xfs", NEW), MkfsSpec("ext4", NEW, given=True)):
        assert isinstance(plan_mkfs(inventory, spec).refusal, RefusedError)


def test_confirmed_it_is_made_anew_once() -> None:
    spec = MkfsSpec("ext4", NEW, consent=Consent(wipe=WWID))
    inventory = disk_inventory(content=carries("ext4"), lines=[note()])
    assert verbs(plan_mkfs(inventory, spec)) == [
        "unfstab", "claim", "reserve", "wipe", "mkfs", "release", "fstab",
    ]  # fmt: skip
    after = disk_inventory(content=carries("ext4", NEW), lines=[note(NEW)])
    after = replace(after, facts=replace(after.facts, again=True))
    assert unchanged(plan_mkfs(after, spec))


def test_what_fstab_mounts_is_not_destroyed_even_if_confirmed() -> None:
    inventory = disk_inventory(content=carries("ext4"), lines=[our_line()])
    plan = plan_mkfs(inventory, MkfsSpec("xfs", NEW, consent=Consent(wipe=WWID)))
    assert isinstance(plan.refusal, RefusedError)
    assert "/srv" in plan.refusal.text


TABLE = gpt(Entry(1, 2048, 524288, LINUX, "P1"), Entry(2, 526336, 524288, LINUX, "P2"))


def claim(part: int | None = 0, fs: str = "ext4", *, begun: bool = False, **more: Any) -> bytes:
    """The claim of a disk mkfs on one partition (0: the whole disk), None: that of an attach."""
    made = FilesystemClaim(UUID, fs, part or None, owns_disk=part is None, begun=begun)
    if part:
        made = replace(
            made, table="gpt", table_id="X", partition_id=f"P{part}", partition_type=LINUX
        )
    made = replace(made, **more)
    return claim_line(made, None, wwid=WWID, target=IQN, lun=0).raw


def test_an_interrupted_run_is_finished_with_its_uuid() -> None:
    raw = Content(WWID, GIB, 512, data_at=4096)
    for content, begun, left in ((Content(WWID, GIB, 512), False, ["mkfs", "fstab"]),
                                 (Content(WWID, GIB, 512), True, ["claim", "mkfs", "fstab"]),
                                 (raw, True, ["mkfs", "fstab"])):  # fmt: skip
        plan = plan_mkfs(
            disk_inventory(content=content, lines=[claim(begun=begun)]), MkfsSpec("ext4", NEW)
        )
        assert [v for v in verbs(plan) if v not in {"reserve", "release"}] == left
        makes = [s.action for s in plan.pending if isinstance(s.action, actions.Mkfs)]
        assert [action.claim.uuid for action in makes] == [UUID]


@pytest.mark.fault("F64")
def test_before_mkfs_begins_a_claim_explains_no_data() -> None:
    raw = Content(WWID, GIB, 512, data_at=4096)
    plan = plan_mkfs(disk_inventory(content=raw, lines=[claim()]), MkfsSpec("ext4", NEW))
    assert isinstance(plan.refusal, RefusedError)


@pytest.mark.fault("F64")
def test_a_claim_on_a_partition_ends_when_another_table_has_taken_its_place() -> None:
    raw = Content(WWID, GIB, 512, data_at=4096)
    disk = a_disk(part(1), part(2))
    mine = claim(2, begun=True)
    their_guid = replace(TABLE, entries=(TABLE.entries[0], replace(TABLE.entries[1], uuid="P3")))
    their_type = replace(TABLE, entries=(TABLE.entries[0], replace(TABLE.entries[1], type="8E")))
    for table, refused in ((TABLE, False), (replace(TABLE, id="Y"), True), (their_guid, True),
                           (their_type, True)):  # fmt: skip
        inventory = disk_inventory(disk, content=raw, lines=[mine], name="/dev/sda2", table=table)
        plan = plan_mkfs(inventory, MkfsSpec("ext4", NEW))
        assert isinstance(plan.refusal, RefusedError) is refused


def test_a_partition_that_the_table_does_not_have_gets_no_filesystem() -> None:
    inventory = disk_inventory(a_disk(part(3)), name="/dev/sda3", table=TABLE)
    plan = plan_mkfs(inventory, MkfsSpec("ext4", NEW))
    assert isinstance(plan.refusal, RefusedError)
    assert "verify" in (plan.refusal.hint or "")


def test_a_claim_does_not_cover_what_is_foreign() -> None:
    foreign = carries("ext4", "foreign")
    plan = plan_mkfs(disk_inventory(content=foreign, lines=[claim()]), MkfsSpec("ext4", NEW))
    assert isinstance(plan.refusal, RefusedError)


def test_the_claim_of_an_attach_is_for_that_attach() -> None:
    plan = plan_mkfs(disk_inventory(lines=[claim(None)]), MkfsSpec("ext4", NEW))
    assert isinstance(plan.refusal, RefusedError)


def test_a_disk_with_a_table_is_not_formatted_whole() -> None:
    content = replace(empty(), partitions=())
    plan = plan_mkfs(disk_inventory(content=content, table=gpt()), MkfsSpec("ext4", NEW))
    assert isinstance(plan.refusal, RefusedError)
    assert "part add" in (plan.refusal.hint or "")


def test_a_partition_is_made_without_touching_the_note_of_its_neighbour() -> None:
    disk = a_disk(part(1, "ext4", UUID), part(2))
    inventory = disk_inventory(disk, lines=[note()], name="/dev/sda2", table=TABLE)
    plan = plan_mkfs(inventory, MkfsSpec("xfs", NEW))
    assert verbs(plan) == ["claim", "reserve", "mkfs", "release", "fstab"]
    assert plan.steps[1].subject == f"{IQN} LUN 0 part 2"


@pytest.mark.fault("F101")
def test_the_disk_of_an_exclusive_volume_stays_reserved_when_another_partition_is_made() -> None:
    disk = a_disk(part(1, "ext4", UUID), part(2))
    inventory = replace(
        disk_inventory(disk, lines=[our_line(exclusive=True)], name="/dev/sda2", table=TABLE),
        reservations={WWID: OURS},
    )
    plan = plan_mkfs(inventory, MkfsSpec("xfs", NEW))
    assert verbs(plan) == ["claim", "reserve", "mkfs", "fstab"]
    reserve = plan.steps[1].action
    assert isinstance(reserve, actions.Reserve)
    assert reserve.exclusive
    same = plan_label(replace(inventory, chosen=choose(inventory, IQN)), "gpt", Consent())
    assert "release" not in verbs(same)


@pytest.mark.fault("F41")
def test_a_claim_on_one_partition_is_no_ground_for_another() -> None:
    raw = Content(WWID, GIB, 512, data_at=4096)
    disk = a_disk(part(1), part(2))
    for number, refused in ((1, True), (2, False), (0, True)):
        lines = [claim(number, begun=True)]
        inventory = disk_inventory(disk, content=raw, lines=lines, name="/dev/sda2", table=TABLE)
        plan = plan_mkfs(inventory, MkfsSpec("ext4", NEW))
        assert isinstance(plan.refusal, RefusedError) is refused
    inventory = disk_inventory(disk, lines=[claim(1)], name="/dev/sda2", table=TABLE)
    plan = plan_mkfs(inventory, MkfsSpec("ext4", NEW))
    claims = [s.action.claim for s in plan.pending if isinstance(s.action, actions.Claim)]
    assert [(one.uuid, one.part, one.partition_id) for one in claims] == [(NEW, 2, "P2")]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("10G", (10 << 30, False)), ("500MiB", (500 << 20, False)), ("2048s", (2048, True)),
     ("1T", (1 << 40, False))],
)  # fmt: skip
def test_a_size_has_a_unit(text: str, wanted: tuple[int, bool]) -> None:
    assert amount(text) == wanted


def test_chosen_counts_only_partitions() -> None:
    volume = Block("/dev/mapper/vg-x", "lvm", GIB)
    disk = a_disk(part(1)._replace(children=(volume,)))
    assert DiskSelection(IQN, 0, disk, volume).part is None
