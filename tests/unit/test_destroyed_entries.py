"""A confirmed wipe is refused while an entry of fstab is for what it would destroy."""

from dataclasses import replace
from typing import Any

import pytest

from iscsictl.errors import RefusedError
from iscsictl.model.crypttab import CrypttabEntry
from iscsictl.model.disk_content import Content, Partition, Signature
from iscsictl.model.fstab import tag_of_spec
from iscsictl.model.inventory import MountedSource
from iscsictl.model.partition_table import Entry, Table
from iscsictl.model.plan import Plan
from iscsictl.model.spec import Consent
from iscsictl.parse.fstab import parse_fstab
from iscsictl.planner.attach.attach import plan_attach
from iscsictl.planner.disks.format import MkfsSpec, plan_label, plan_mkfs
from iscsictl.planner.disks.partitions import plan_remove
from iscsictl.planner.safety.named_entries import DeviceNames
from iscsictl.planner.selection.disks import DiskInventory
from tests.unit.attach_facts import here, planned
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
    gpt,
    our_line,
    part,
    verbs,
)
from tests.worlds import FOREIGN, W, bare, facts_for_attach, parted, spec

WIPE = Consent(wipe=WWID)
BY_ID = f"/dev/disk/by-id/wwn-0x{WWID.partition('.')[2]}"
BY_PATH = f"/dev/disk/by-path/ip-192.0.2.6:3260-iscsi-{IQN}-lun-0"
PARTUUID = "0FC63DAF-1111-4772-8E79-3D69D8477DE4"

LABELLED = replace(
    carries("xfs"), signatures=(Signature("xfs", 0, UUID, "mail spool"),), filesystem=None
)
PARTITIONED = Content(
    WWID, GIB, 512, table="gpt",
    partitions=(
        Partition(1, "/dev/sda1", 1 << 20, 256 << 20, LINUX, (Signature("ext4", 0, UUID),),
                  id=PARTUUID),
    ),
)  # fmt: skip
OLD_DOS = Content(
    WWID, GIB, 512, table="dos", table_id="0x1a2b3c4d",
    partitions=(Partition(2, "/dev/sda2", 1 << 20, 256 << 20, "83"),),
)  # fmt: skip


def refused_line(plan: Plan) -> str:
    assert isinstance(plan.refusal, RefusedError), plan.refusal
    assert plan.refusal.exit == 9
    assert not plan.pending
    return plan.refusal.text


@pytest.mark.parametrize(
    ("spec_", "content"),
    [
        (f"UUID={UUID}", LABELLED),
        (f'UUID="{UUID.upper()}"', LABELLED),
        (f"/dev/disk/by-uuid/{UUID}", LABELLED),
        (r"LABEL=mail\040spool", LABELLED),
        (r"/dev/disk/by-label/mail\134x20spool", LABELLED),
        ("/dev/sda", LABELLED),
        (f"UUID={UUID}", PARTITIONED),
        (f"PARTUUID={PARTUUID.lower()}", PARTITIONED),
        (f"/dev/disk/by-partuuid/{PARTUUID.lower()}", PARTITIONED),
        ("/dev/sda1", PARTITIONED),
        ("PARTUUID=1a2b3c4d-02", OLD_DOS),
    ],
)
def test_what_an_admin_s_own_entry_mounts_is_not_wiped(spec_: str, content: Content) -> None:
    line = f"{spec_} /data xfs _netdev,nofail 0 0\n".encode()
    text = refused_line(plan_label(disk_inventory(content=content, lines=[line]), "gpt", WIPE))
    assert text == "/etc/fstab line 1 mounts what is on /dev/sda on /data"
    table = None if content.table is None else Table(content.table)
    inventory = disk_inventory(content=content, lines=[line], table=table)
    assert refused_line(plan_mkfs(inventory, MkfsSpec("ext4", NEW, consent=WIPE))) == text


@pytest.mark.parametrize("content", [bare(W, "xfs"), parted(W, "xfs")], ids=["whole", "partition"])
def test_an_attach_does_not_wipe_what_another_entry_mounts(content: Content) -> None:
    line = f"UUID={FOREIGN} /elsewhere xfs _netdev,nofail 0 0\n".encode()
    wanted = spec(consent=Consent(wipe=W))
    now = here(content)
    assert planned(now, wanted).refusal is None
    inventory = replace(facts_for_attach(now.inventory, wanted), fstab=parse_fstab(line))
    text = refused_line(plan_attach(inventory, wanted))
    assert text == "/etc/fstab line 1 mounts what is on /dev/sda on /elsewhere"


def test_an_entry_by_the_id_of_the_partition_counts_where_that_partition_is_wiped() -> None:
    line = f"PARTUUID={PARTUUID.lower()} /data xfs _netdev 0 0\n".encode()
    table = gpt(Entry(1, 2048, 524288, LINUX, PARTUUID), Entry(2, 526336, 524288, LINUX, "P2"))
    disk = a_disk(part(1), part(2))

    def wipe(name: str) -> Plan:
        inventory = disk_inventory(
            disk, content=carries("xfs"), table=table, lines=[line], name=name
        )
        return plan_mkfs(inventory, MkfsSpec("ext4", NEW, consent=WIPE))

    assert refused_line(wipe("/dev/sda1")) == (
        "/etc/fstab line 1 mounts what is on /dev/sda1 on /data"
    )
    assert "wipe" in verbs(wipe("/dev/sda2"))


@pytest.mark.parametrize(
    "name", ["LABEL=mail", f"PARTUUID={PARTUUID.lower()}", "/dev/disk/by-label/mail", "/dev/sda1"]
)
def test_a_partition_that_fstab_names_in_any_way_is_not_deleted(name: str) -> None:
    line = f"{name} /data xfs _netdev 0 0\n".encode()
    content = replace(carries("xfs"), signatures=(Signature("xfs", 0, UUID, "mail"),))
    inventory = disk_inventory(
        a_disk(part(1)), content=content, table=gpt(Entry(1, 2048, 524288, LINUX, PARTUUID)),
        lines=[line], name="/dev/sda1",
    )  # fmt: skip
    assert "line 1 mounts" in refused_line(plan_remove(inventory, 1, consent=True))
    elsewhere = replace(inventory, mounted={"/data": MountedSource("8:32", "/dev/sdc")})
    assert verbs(plan_remove(elsewhere, 1, consent=True)) == ["part-rm"]


def test_a_partition_of_a_dos_table_has_the_id_of_the_table_and_its_number() -> None:
    entries = (Entry(1, 2048, 2048, "83"), Entry(10, 8192, 2048, "83"))
    table = Table("dos", 512, "0x1A2B3C4D", entries=entries)
    assert table.partition_uuid(10) == "1a2b3c4d-0a"
    assert table.partition_uuid(2) is None
    assert gpt(Entry(1, 2048, 2048, LINUX, PARTUUID)).partition_uuid(1) == PARTUUID.lower()
    line = b"PARTUUID=1a2b3c4d-01 /data ext4 _netdev 0 0\n"
    inventory = disk_inventory(
        a_disk(part(1)), content=carries("ext4"), table=table, lines=[line], name="/dev/sda1"
    )
    plan = plan_mkfs(inventory, MkfsSpec("xfs", NEW, consent=WIPE))
    assert "line 1 mounts" in refused_line(plan)


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        (f"{BY_ID} /data xfs _netdev 0 0\n", 1),
        (f"{BY_ID}-part1 /data xfs _netdev 0 0\n", 1),
        # A portal without a session has no link now, and leads to the same LUN at the next boot.
        (f"{BY_PATH} /data xfs _netdev 0 0\n", 1),
        (f"{BY_PATH}-part2 /data xfs _netdev 0 0\n", 1),
        ("/dev/mapper/3" + WWID.partition(".")[2] + " /data xfs _netdev 0 0\n", 1),
        ("/dev/md/journal /data xfs _netdev,logdev=/dev/sda 0 0\n", 1),
    ],
)
def test_links_of_udev_and_journals_are_names_of_what_is_wiped(lines: str, number: int) -> None:
    inventory = disk_inventory(content=LABELLED, lines=[lines.encode()])
    text = f"/etc/fstab line {number} mounts what is on /dev/sda on /data"
    assert refused_line(plan_label(inventory, "gpt", WIPE)) == text
    assert refused_line(plan_mkfs(inventory, MkfsSpec("ext4", NEW, consent=WIPE))) == text


@pytest.mark.parametrize(
    ("spec_", "node", "refused"),
    [
        ("/dev/disk/by-id/scsi-SLIO-ORG_mail", "/dev/sda", True),
        ("PARTLABEL=mail", "/dev/sda", True),
        # The link tells, where udev has it: another disk may have taken the name.
        (BY_PATH, "/dev/sdb", False),
        ("/dev/disk/by-id/scsi-SLIO-ORG_other", "/dev/sdb", False),
    ],
)
def test_a_link_tells_by_what_it_leads_to(spec_: str, node: str, refused: bool) -> None:
    line = f"{spec_} /data xfs _netdev 0 0\n".encode()
    inventory = disk_inventory(content=LABELLED, lines=[line], device_links={spec_: node})
    plan = plan_label(inventory, "gpt", WIPE)
    assert isinstance(plan.refusal, RefusedError) is refused
    if not refused:
        assert "wipe" in verbs(plan)


@pytest.mark.parametrize(
    ("lun", "written"),
    [(0, "0"), (255, "255"), (256, "0x0100000000000000"), (0x4001_4000, "0x4000400100000000")],
)
def test_a_lun_is_written_in_by_path_as_udev_writes_it(lun: int, written: str) -> None:
    names = DeviceNames(None, units=frozenset({("iqn.2001-04.x:y", lun)}))
    link = "/dev/disk/by-path/ip-[2001:db8::5]:3260-iscsi-iqn.2001-04.x:y-lun-"
    assert names.include(DiskInventory(), f"{link}{written}-part3")
    assert not names.include(DiskInventory(), f"{link}{written}2")
    assert not names.include(DiskInventory(), f"{link}7")


@pytest.mark.parametrize(
    "layers",
    [
        "/srv/images/a.img /data ext4 loop 0 0\n",
        "/srv/images/a /data none bind 0 0\n",
        "overlay /data overlay lowerdir=/usr,upperdir=/srv/images/u,workdir=/srv/images/w 0 0\n",
    ],
)
def test_what_is_stacked_on_an_entry_for_the_disk_mounts_what_is_on_it(layers: str) -> None:
    # The layer comes first in the file: it is told before the entry that it is on.
    below = our_line("/srv/images")
    inventory = disk_inventory(content=carries("ext4"), lines=[layers.encode(), below])
    assert refused_line(plan_mkfs(inventory, MkfsSpec("xfs", NEW, consent=WIPE))) == (
        "/etc/fstab line 1 mounts what is on /dev/sda on /data"
    )


def test_a_volume_of_crypttab_and_what_it_carries_are_not_wiped() -> None:
    luks = carries("crypto_LUKS", filesystem=None)
    volume = CrypttabEntry(3, "mail", f"UUID={UUID}", ("noauto",))
    closed = disk_inventory(content=luks, crypttab=(volume,))
    text = "/etc/crypttab line 3 opens what is on /dev/sda as mail"
    assert refused_line(plan_label(closed, "gpt", WIPE)) == text
    line = parse_fstab(b"/dev/mapper/mail /data ext4 _netdev 0 0\n")
    on_it = replace(closed, fstab=line)
    assert "fstab line 1 mounts" in refused_line(plan_label(on_it, "gpt", WIPE))
    # It is open, and the disk is free: what is open is the volume of another disk.
    origin = replace(on_it, names_in_use=frozenset({("", "/dev/mapper/mail")}))
    assert "wipe" in verbs(plan_label(origin, "gpt", WIPE))


def test_a_partition_without_a_node_is_not_deleted_while_fstab_names_it() -> None:
    table = gpt(Entry(1, 2048, 524288, LINUX, PARTUUID, "mail"))
    for spec_ in (
        f"PARTUUID={PARTUUID}", "PARTLABEL=mail", "/dev/sda1", f"{BY_ID}-part1", f"{BY_PATH}-part1"
    ):  # fmt: skip
        line = f"{spec_} /data xfs _netdev 0 0\n".encode()
        inventory = disk_inventory(a_disk(), table=table, lines=[line])
        assert "line 1 mounts" in refused_line(plan_remove(inventory, 1, consent=True))
    other = disk_inventory(a_disk(), table=table, lines=[f"{BY_ID}-part11 /d xfs 0 0\n".encode()])
    assert verbs(plan_remove(other, 1, consent=True)) == ["part-rm"]


def test_swap_on_another_disk_does_not_keep_its_clone_from_being_wiped() -> None:
    for spec_, name in ((f"UUID={UUID}", ("UUID", UUID)), ("LABEL=swap", ("LABEL", "swap"))):
        line = f"{spec_} none swap sw 0 0\n".encode()
        clone = replace(carries("swap"), signatures=(Signature("swap", 0, UUID, "swap"),))
        inventory = disk_inventory(content=clone, lines=[line])
        assert refused_line(plan_label(inventory, "gpt", WIPE)).endswith("as swap")
        used = replace(inventory, names_in_use=frozenset({name}))
        assert "wipe" in verbs(plan_label(used, "gpt", WIPE))


def test_swap_that_is_used_at_boot_is_not_wiped() -> None:
    line = f"UUID={UUID} none swap sw,_netdev 0 0\n".encode()
    text = refused_line(
        plan_label(disk_inventory(content=carries("swap"), lines=[line]), "gpt", WIPE)
    )
    assert text.endswith("as swap")


def snapshot(line: bytes, **more: Any) -> DiskInventory:
    return replace(disk_inventory(content=carries("xfs"), lines=[line]), **more)


def test_a_snapshot_is_wiped_though_fstab_mounts_its_origin() -> None:
    pinned = our_line("/data", "xfs").replace(WWID.encode(), b"naa.6001405bbbb")
    assert "wipe" in verbs(plan_label(snapshot(pinned), "gpt", WIPE))
    own = f"UUID={UUID} /data xfs _netdev 0 0\n".encode()
    mounted = {"/data": MountedSource("8:32", "/dev/sdc")}
    assert "wipe" in verbs(plan_label(snapshot(own, mounted=mounted), "gpt", WIPE))
    assert "line 1 mounts" in refused_line(plan_label(snapshot(own), "gpt", WIPE))


@pytest.mark.parametrize(
    ("line", "on_top"),
    [
        # systemd waits at the mount point (x-systemd.automount), and nothing was opened there yet.
        (f"UUID={UUID} /data xfs _netdev 0 0\n".encode(), MountedSource("0:42", "systemd-1")),
        (f"UUID={UUID} /data xfs _netdev 0 0\n".encode(), MountedSource("0:40", "tmpfs")),
        # Whatever has the mount point now, this entry names the disk that is wiped.
        (our_line("/data", "xfs"), MountedSource("8:32", "/dev/sdc")),
    ],
    ids=["automount", "tmpfs", "own-entry"],
)
def test_a_mount_point_that_is_taken_does_not_make_the_entry_one_for_a_copy(
    line: bytes, on_top: MountedSource
) -> None:
    now = snapshot(line, mounted={"/data": on_top})
    assert "line 1 mounts" in refused_line(plan_mkfs(now, MkfsSpec("ext4", NEW, consent=WIPE)))


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("LABEL=a b", ("LABEL", "a b")),
        ("LABEL='a b'", ("LABEL", "a b")),
        ("PARTUUID=ABCD-01", ("PARTUUID", "abcd-01")),
        (r"/dev/disk/by-label/\xc3\xa4\x20b", ("LABEL", "ä b")),
        ("/dev/mapper/mpatha-part1", ("", "/dev/mapper/mpatha-part1")),
        ("label=x", ("", "label=x")),
        ("server:/export", ("", "server:/export")),
    ],
)
def test_the_first_field_is_a_tag_or_a_path(text: str, tag: tuple[str, str]) -> None:
    assert tag_of_spec(text) == tag
