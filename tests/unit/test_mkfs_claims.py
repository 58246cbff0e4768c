"""What `disk mkfs` takes for its own interrupted work, and what it never does."""

from dataclasses import replace

import pytest

from iscsictl.engine.handlers import disks as handlers
from iscsictl.errors import RefusedError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId, OverwriteGround
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.disk_content import Content, Signature
from iscsictl.model.listing import Block, Disk
from iscsictl.model.partition_table import Entry
from iscsictl.model.plan import Plan
from iscsictl.model.spec import Consent
from iscsictl.parse.fstab import claim_line
from iscsictl.planner.disks.format import MkfsSpec, plan_mkfs
from iscsictl.system.block import disk_writer
from iscsictl.system.context import Context
from tests.unit.disk_facts import (
    GIB,
    IQN,
    LINUX,
    NEW,
    WWID,
    a_disk,
    carries,
    disk_inventory,
    gpt,
    part,
)

OLD = "99999999-2222-4333-8444-555555555555"
ONE = FilesystemClaim(OLD, "ext4", 1, "gpt", "X", "P1", LINUX, owns_disk=False)
TWO = replace(ONE, part=2, partition_id="P2")
TABLE = gpt(Entry(1, 2048, 524288, LINUX, "P1"), Entry(2, 526336, 524288, LINUX, "P2"))
BLANK = Content(WWID, GIB, 512)
WIPE = Consent(wipe=WWID)


def made(
    claim: FilesystemClaim,
    *,
    content: Content = BLANK,
    disk: Disk | None = None,
    spec: MkfsSpec | None = None,
    name: str = "/dev/sda1",
) -> Plan:
    """Plan a filesystem in one of two partitions, with this claim in fstab."""
    entry = claim_line(claim, None, wwid=WWID, target=IQN, lun=0).raw
    inventory = disk_inventory(
        disk or a_disk(part(1), part(2)), content=content, table=TABLE, lines=[entry],
        name=name,
    )  # fmt: skip
    return plan_mkfs(inventory, spec or MkfsSpec("ext4", NEW))


def mkfs_of(plan: Plan) -> actions.Mkfs:
    assert plan.refusal is None, plan.refusal
    (action,) = [s.action for s in plan.pending if isinstance(s.action, actions.Mkfs)]
    return action


def refused(plan: Plan) -> str:
    assert isinstance(plan.refusal, RefusedError), plan.refusal
    assert not plan.pending
    return plan.refusal.text


def test_the_claim_on_this_very_partition_is_continued() -> None:
    assert mkfs_of(made(ONE)).claim == ONE
    begun = replace(ONE, begun=True)
    # What was being made is there, and udev may know its UUID already: it is made once more.
    left = carries("ext4", OLD, filesystem=None)
    for disk in (a_disk(part(1), part(2)), a_disk(part(1, "ext4", OLD), part(2))):
        action = mkfs_of(made(begun, content=left, disk=disk))
        assert (action.claim, action.ground) == (begun, OverwriteGround.CLAIMED)
    # On a partition that is blank again, nothing is left that the mark would explain.
    assert mkfs_of(made(begun)).claim == ONE


@pytest.mark.parametrize(
    "claim",
    [
        TWO,
        replace(TWO, fs="xfs"),
        replace(ONE, partition_id="P9"),
        replace(ONE, table_id="Y"),
        replace(ONE, table="dos"),
    ],
    ids=["another-partition", "another-command", "another-id", "another-table", "another-kind"],
)
def test_a_claim_on_another_place_is_no_ground_here(claim: FilesystemClaim) -> None:
    assert mkfs_of(made(claim)).claim.uuid == NEW
    left = carries("ext4", OLD, filesystem=None)
    assert "is not blank" in refused(made(replace(claim, begun=True), content=left))


def test_a_claim_whose_filesystem_is_complete_in_another_partition_is_none_on_this_one() -> None:
    """The partitions may have been numbered anew since."""
    disk = a_disk(part(1), part(2, "ext4", OLD))
    assert mkfs_of(made(ONE, disk=disk)).claim.uuid == NEW


@pytest.mark.parametrize(
    "claim", [replace(ONE, owns_disk=True), replace(TWO, owns_disk=True), replace(ONE, fs="xfs")]
)
def test_what_another_command_was_making_here_is_not_made_over_without_a_wipe(
    claim: FilesystemClaim,
) -> None:
    assert f"an interrupted run was making {claim.fs} on this disk" in refused(made(claim))
    if claim.owns_disk:
        # An attach claimed all of the disk, whatever the number of its partition.
        assert "an interrupted run" in refused(made(claim, name="/dev/sda2"))
    wipe = MkfsSpec("ext4", NEW, consent=WIPE)
    assert mkfs_of(made(claim, content=carries("xfs"), spec=wipe)).claim.uuid == NEW


def test_a_uuid_that_was_given_is_that_of_the_claim_or_refused() -> None:
    given = MkfsSpec("ext4", NEW, given=True)
    assert f"an interrupted run was making {OLD}, not {NEW}" in refused(made(ONE, spec=given))
    assert mkfs_of(made(ONE, spec=replace(given, uuid=OLD))).claim == ONE


def test_what_is_wiped_gets_a_filesystem_of_its_own() -> None:
    foreign = replace(carries("xfs"), signatures=(Signature("xfs", 0, "another"),))
    action = mkfs_of(made(ONE, content=foreign, spec=MkfsSpec("ext4", NEW, consent=WIPE)))
    assert (action.claim.uuid, action.ground) == (NEW, OverwriteGround.CONFIRMED)


def test_an_entry_by_path_keeps_a_partition_from_a_wipe_but_not_from_its_first_filesystem() -> None:
    by_path = f"/dev/disk/by-path/ip-192.0.2.6:3260-iscsi-{IQN}-lun-0-part1"
    entry = f"{by_path} /data ext4 _netdev,noauto 0 0\n".encode()

    def plan(content: Content) -> Plan:
        inventory = disk_inventory(
            a_disk(part(1)), content=content, table=TABLE, lines=[entry], name="/dev/sda1"
        )
        return plan_mkfs(inventory, MkfsSpec("ext4", NEW, consent=WIPE))

    assert mkfs_of(plan(BLANK)).ground is OverwriteGround.BLANK
    assert "line 1 mounts what is on /dev/sda1" in refused(plan(carries("xfs")))


def test_a_volume_on_the_disk_gets_no_filesystem() -> None:
    volume = Block("/dev/mapper/vg-a", "lvm")
    inventory = disk_inventory(a_disk(volume), name="/dev/mapper/vg-a")
    for consent in (Consent(), WIPE):
        plan = plan_mkfs(inventory, MkfsSpec("ext4", NEW, consent=consent))
        assert refused(plan) == "/dev/mapper/vg-a is neither a disk nor a partition of one"


def test_the_note_on_what_was_made_mounts_nothing_at_boot() -> None:
    plan = made(TWO)
    (note,) = [s.action for s in plan.pending if isinstance(s.action, actions.WriteFstab)]
    assert (note.uuid, note.path, note.boot) == (NEW, None, False)


@pytest.mark.fault("F42")
@pytest.mark.parametrize("ground", OverwriteGround)
def test_udev_looks_again_at_what_replaces_the_leftovers_of_an_interrupted_run(
    ground: OverwriteGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(disk_writer, "mkfs", lambda *_, **__: done.append("mkfs"))
    monkeypatch.setattr(handlers, "refresh_udev", done.append)
    disk = DiskId(IQN, 0, WWID, "/dev/mapper/mpatha")
    handlers.HANDLERS[actions.Mkfs](actions.Mkfs(disk, ONE, ground), Context())
    again = [] if ground is OverwriteGround.BLANK else ["/dev/mapper/mpatha-part1"]
    assert done == ["mkfs", *again]
