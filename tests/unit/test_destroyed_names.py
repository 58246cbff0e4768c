"""Every name of what a confirmed wipe destroys counts, and no name of anything else."""

from dataclasses import replace
from typing import Any

import pytest

from iscsictl.errors import RefusedError
from iscsictl.model.actions import DiskId
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.crypttab import CrypttabEntry
from iscsictl.model.disk_content import Content, Filesystem, Partition, Signature
from iscsictl.model.inactive_volumes import InactiveNames
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Block, Disk, Lun, Path
from iscsictl.parse.fstab import claim_line, parse_fstab
from iscsictl.planner.safety.destroyed_entries import PartitionNames, require_not_in_fstab
from iscsictl.planner.safety.named_entries import DeviceNames, names_of_block
from tests.unit.disk_facts import (
    GIB,
    IQN,
    UUID,
    WWID,
    a_disk,
    carries,
    note,
    our_line,
    part,
    session,
)

BY_ID = f"/dev/disk/by-id/wwn-0x{WWID.partition('.')[2]}"
BY_PATH = f"/dev/disk/by-path/ip-192.0.2.6:3260-iscsi-{IQN}-lun-"
DISK = DiskId(IQN, 0, WWID, "/dev/sda")


def entry(spec: str, options: str = "_netdev,nofail", fs: str = "xfs", on: str = "/data") -> bytes:
    return f"{spec} {on} {fs} {options} 0 0\n".encode()


def is_kept(
    content: Content | None,
    *lines: bytes,
    disk: Disk | None = None,
    part: PartitionNames | None = None,
    **more: Any,
) -> bool:
    """Tell whether an entry keeps the disk, or the partition, from being wiped."""
    inventory = Inventory(
        sessions=(session(),), disks=(disk or a_disk(),), fstab=parse_fstab(b"".join(lines))
    )
    inventory = replace(inventory, **more)
    node = DISK.device if part is None else part.node
    try:
        require_not_in_fstab(inventory, DISK, content, part=part)
    except RefusedError as error:
        if not error.text.startswith(f"/etc/fstab line 1 mounts what is on {node} "):
            raise
        return True
    return False


# Which entries count


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (claim_line(FilesystemClaim(UUID, "xfs"), "/srv", wwid=WWID, target=IQN, lun=0).raw, False),
        (note(), False),
        # Only a note of iscsictl mounts nothing; what an admin mounts by hand is an entry.
        (entry(f"UUID={UUID}", "noauto", "swap", "none"), True),
        (our_line("/srv", "xfs", boot=False), True),
        (our_line("none", "swap"), True),
    ],
    ids=["claim", "note", "admin-noauto", "ours-noauto", "ours-swap"],
)
def test_only_what_mounts_nothing_by_itself_does_not_count(line: bytes, kept: bool) -> None:
    assert is_kept(carries("xfs"), line) is kept


# Names of what is destroyed

FS_ONLY = Content(WWID, GIB, 512, filesystem=Filesystem("/dev/sda1", "xfs", UUID, "mail"))
STALE = replace(
    carries("xfs", "another"), stale_partitions=(
        Partition(3, "/dev/sda3", 1 << 20, 1 << 28, "", (Signature("ext4", 0, UUID, "mail"),)),
    ),
)  # fmt: skip


@pytest.mark.parametrize("spec", [f"UUID={UUID}", "LABEL=mail"])
@pytest.mark.parametrize("content", [FS_ONLY, STALE], ids=["filesystem", "lost-table"])
def test_what_is_known_by_a_superblock_or_a_lost_table_alone_is_not_wiped(
    content: Content, spec: str
) -> None:
    assert is_kept(content, entry(spec))


def test_the_node_of_what_was_found_is_one_of_its_names() -> None:
    assert is_kept(FS_ONLY, entry("/dev/sda1"))
    assert is_kept(STALE, entry("/dev/sda3"))
    assert not is_kept(carries("xfs"), entry("/dev/sda3"))


def test_a_uuid_in_capitals_is_one_of_the_names() -> None:
    """FAT and NTFS have such (blkid(8))."""
    assert is_kept(carries("vfat", "ABCD-1234"), entry("UUID=ABCD-1234"))
    listed = a_disk(fstype="vfat", uuid="ABCD-1234")
    assert is_kept(carries("xfs", "another"), entry("UUID=ABCD-1234"), disk=listed)


def test_a_partition_of_a_table_without_ids_has_no_partuuid() -> None:
    """A Sun label has neither an id of its own nor of its partitions."""
    inside = Partition(1, "/dev/sda1", 1 << 20, 1 << 28, "83", (Signature("xfs", 0, UUID),))
    sun = Content(WWID, GIB, 512, table="sun", partitions=(inside,))
    assert is_kept(sun, entry(f"UUID={UUID}"))
    assert not is_kept(sun, entry("PARTUUID=1-01"))


VOLUME = Block("/dev/mapper/vg-mail", "lvm", uuid="v")
OF_VOLUME = ("UUID=v", "/dev/mapper/vg-mail")


@pytest.mark.parametrize("spec", OF_VOLUME)
def test_what_the_listing_shows_on_the_disk_is_not_wiped_though_the_probe_sees_it_not(
    spec: str,
) -> None:
    member = carries("LVM2_member", "pv", filesystem=None)
    assert is_kept(member, entry(spec), disk=a_disk(VOLUME))
    elsewhere = Disk("naa.2", (Path(1, "2:0:0:1", "/dev/sdb"),),
                     Block("/dev/sdb", "disk", children=(VOLUME,)))  # fmt: skip
    for disks in ((elsewhere, a_disk()), (a_disk(), elsewhere)):
        assert not is_kept(member, entry(spec), disks=disks)


@pytest.mark.parametrize("spec", OF_VOLUME)
def test_what_is_on_one_partition_does_not_keep_another_from_being_wiped(spec: str) -> None:
    disk = a_disk(part(1)._replace(children=(VOLUME,)), part(2))
    member = carries("LVM2_member", "pv", filesystem=None)
    for number, kept in ((1, True), (2, False)):
        chosen = PartitionNames(number, f"/dev/sda{number}")
        assert is_kept(member, entry(spec), disk=disk, part=chosen) is kept


def test_a_volume_that_is_not_active_on_one_partition_is_not_wiped_with_it() -> None:
    """udev has none of its names, but LVM and mdadm told them when they were asked."""
    asleep = InactiveNames(
        frozenset({"/dev/vg/mail"}), frozenset({("UUID", "ABCD-EF"), ("LABEL", "Mail")})
    )
    names, table = {"/dev/sda1": asleep}, a_disk(part(1), part(2))
    for spec in ("/dev/vg/mail", "UUID=ABCD-EF", "UUID=abcd-ef", "LABEL=Mail"):
        for number, kept in ((1, True), (2, False)):
            chosen = PartitionNames(number, f"/dev/sda{number}")
            assert is_kept(None, entry(spec), disk=table, part=chosen, inactive=names) is kept
    assert not is_kept(None, entry("LABEL=mail"), disk=table, inactive=names)


def test_a_disk_behind_two_targets_is_named_by_the_lun_of_each() -> None:
    other = session()._replace(
        sid=2, target=f"{IQN}.b", luns=(Lun(5, "3:0:0:5", "/dev/sdc", "running"),)
    )
    both = a_disk()._replace(paths=(*a_disk().paths, Path(2, "3:0:0:5", "/dev/sdc")))
    sessions = (session(), other)
    by_path = BY_PATH.replace(IQN, f"{IQN}.b")
    assert is_kept(None, entry(f"{by_path}5"), disk=both, sessions=sessions)
    assert is_kept(None, entry(f"{BY_PATH}0"), disk=both, sessions=sessions)
    assert not is_kept(None, entry(f"{by_path}0"), disk=both, sessions=sessions)


def names_in(lines: bytes, part: PartitionNames | None = None) -> str | None:
    """Judge a disk that is missing in the listing, and that could not be probed."""
    try:
        require_not_in_fstab(Inventory(fstab=parse_fstab(lines)), DISK, None, part=part)
    except RefusedError as error:
        return error.text
    return None


def test_a_disk_that_the_listing_does_not_have_keeps_its_names() -> None:
    for spec in ("/dev/sda", BY_ID, f"{BY_ID}-part1", f"{BY_PATH}0", f"{BY_PATH}0-part1"):
        assert names_in(entry(spec)) == "/etc/fstab line 1 mounts what is on /dev/sda on /data"
    for spec in ("/dev/sdb", BY_ID.replace("aa", "bb"), f"{BY_PATH}1", "LABEL=mail"):
        assert names_in(entry(spec)) is None
    first = PartitionNames(1, "/dev/sda1", frozenset({("PARTUUID", "p1")}))
    for spec in ("/dev/sda1", f"{BY_ID}-part1", f"{BY_PATH}0-part1", "PARTUUID=p1"):
        said = names_in(entry(spec), first)
        assert said == "/etc/fstab line 1 mounts what is on /dev/sda1 on /data"
    for spec in ("/dev/sda", "/dev/sda2", BY_ID, f"{BY_ID}-part2", f"{BY_PATH}0", "PARTUUID=p2"):
        assert names_in(entry(spec), first) is None


# Names of something else


def test_a_label_that_looks_like_a_path_is_no_path() -> None:
    """Installers labelled filesystems by their mount points."""
    labelled = replace(carries("xfs"), signatures=(Signature("xfs", 0, UUID, "/home"),))
    assert not is_kept(labelled, entry("/home", "bind", "none"))
    assert is_kept(labelled, entry("LABEL=/home"))


def test_another_lun_of_the_same_session_is_another_disk() -> None:
    two = (session(luns=2),)
    assert not is_kept(carries("xfs"), entry(f"{BY_PATH}1"), sessions=two)
    assert is_kept(carries("xfs"), entry(f"{BY_PATH}0"), sessions=two)


def test_a_volume_of_crypttab_on_another_disk_does_not_matter() -> None:
    volume = CrypttabEntry(3, "other", "UUID=another", ())
    assert not is_kept(carries("xfs"), crypttab=(volume,))


def test_a_device_has_each_name_that_leads_to_its_node_and_only_these() -> None:
    links = {"/dev/mapper/mail": "/dev/dm-3", "/dev/disk/by-id/dm-name-mail": "/dev/dm-3"}
    inventory = Inventory(device_links=links)
    names = DeviceNames(None, frozenset({"/dev/mapper/mail"}), units=frozenset({(IQN, 0)}))
    for spec in ("/dev/mapper/mail", "/dev/dm-3", "/dev/disk/by-id/dm-name-mail", f"{BY_PATH}0"):
        assert names.include(inventory, spec)
    # Without a WWID no link in by-id tells anything.
    for spec in ("/dev/dm-4", "/dev/disk/by-id/wwn-0x6001405", "/dev/mapper/other", "LABEL=mail"):
        assert not names.include(inventory, spec)
    whole, first = DeviceNames(WWID), DeviceNames(WWID, part=1)
    assert whole.include(inventory, BY_ID)
    assert whole.include(inventory, f"{BY_ID}-part1")
    assert whole.include(inventory, f"ID={BY_ID.rpartition('/')[2]}")
    assert not first.include(inventory, BY_ID)
    assert first.include(inventory, f"{BY_ID}-part1")
    assert not DeviceNames(None).include(inventory, "/dev/sda")


def test_a_volume_has_the_names_of_what_is_in_it() -> None:
    names = names_of_block(Inventory(), VOLUME._replace(uuid="AB-CD", label="mail"))
    for spec in ("/dev/mapper/vg-mail", "UUID=AB-CD", "LABEL=mail"):
        assert names.include(Inventory(), spec)
    for spec in ("/dev/sda", "/dev/mapper/vg-web", "UUID=v", "LABEL=Mail"):
        assert not names.include(Inventory(), spec)
