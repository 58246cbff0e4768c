"""The plans of mount, umount and fstab, from made inventories."""

from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import pytest

from iscsictl.errors import InUseError, NotFoundError, RefusedError, UnreachableError, UsageError
from iscsictl.model import actions
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.disk_content import Filesystem
from iscsictl.model.hold import Hold
from iscsictl.model.inventory import DiskUsage, Known, MountedSource, MountPointState
from iscsictl.model.listing import Block, Disk, Mount, Path
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord
from iscsictl.parse.fstab import claim_line
from iscsictl.planner.disks.mounts import (
    MountSpec,
    plan_fstab_add,
    plan_fstab_rm,
    plan_mount,
    plan_umount,
)
from iscsictl.planner.safety.overwrite import ConsentRequiredError
from iscsictl.planner.selection.disks import DiskInventory, disk_id
from iscsictl.planner.selection.luns import find
from tests.unit.disk_facts import (
    IQN,
    NEW,
    UUID,
    WWID,
    a_disk,
    carries,
    disk_inventory,
    note,
    our_line,
    part,
    session,
    unchanged,
    verbs,
)

# -- mount and umount ---------------------------------------------------------------------


def mountable(**others: Any) -> DiskInventory:
    return disk_inventory(a_disk(fstype="ext4", uuid=UUID), content=carries("ext4"), **others)


def test_it_is_mounted_where_fstab_says_with_its_options() -> None:
    line = our_line().replace(b"_netdev", b"_netdev,noatime")
    plan = plan_mount(mountable(lines=[line]), MountSpec())
    assert verbs(plan) == ["directory", "mount"]
    action = plan.steps[-1].action
    assert isinstance(action, actions.Mount)
    assert (action.path, action.options) == ("/srv", ("noatime",))


def test_without_a_line_the_directory_must_be_said() -> None:
    assert isinstance(plan_mount(mountable(), MountSpec()).refusal, UsageError)
    assert verbs(plan_mount(mountable(), MountSpec("/mnt"))) == ["directory", "mount"]


def test_what_is_mounted_there_is_unchanged_and_its_hold_ends() -> None:
    disk = a_disk(fstype="ext4", uuid=UUID, mounts=["/srv"])
    held = (Hold(mount_point="/srv"),)
    assert unchanged(plan_mount(disk_inventory(disk), MountSpec("/srv")))
    assert verbs(plan_mount(disk_inventory(disk, holds=held), MountSpec("/srv"))) == ["unhold"]
    assert isinstance(plan_mount(disk_inventory(disk), MountSpec("/mnt")).refusal, InUseError)


@pytest.mark.fault("F75")
def test_a_mount_point_that_others_can_replace_is_named() -> None:
    place = MountPointState(exists=True, exposed=("/home/alice",))
    plans = (
        plan_mount(mountable(place=place), MountSpec("/home/alice/m")),
        plan_fstab_add(mountable(place=place), MountSpec("/home/alice/m")),
    )
    for plan in plans:
        assert plan.notes[0] == (
            "/home/alice/m is below /home/alice, where users other than root can replace it"
        )


def test_a_place_that_is_taken_or_not_empty_is_refused() -> None:
    spec = MountSpec("/mnt")
    taken = MountPointState(exists=True, mounted="8:1", source="/dev/vda1")
    refusal = plan_mount(mountable(place=taken), spec).refusal
    assert isinstance(refusal, InUseError)
    # `iscsictl umount` refuses what is on no disk of a session.
    assert (refusal.hint or "").endswith("unmount it first: umount /mnt")
    full = MountPointState(exists=True, empty=False)
    assert isinstance(plan_mount(mountable(place=full), spec).refusal, RefusedError)
    over = replace(spec, over_nonempty=True)
    assert verbs(plan_mount(mountable(place=full), over)) == ["mount"]
    other = b"UUID=other /mnt ext4 noauto 0 0\n"
    assert isinstance(plan_mount(mountable(lines=[other]), spec).refusal, RefusedError)


@pytest.mark.fault("F53")
def test_a_snapshot_is_not_mounted() -> None:
    copy = a_disk(fstype="ext4", uuid=UUID).block._replace(device="/dev/sdb")
    twin = Disk("naa.2", (Path(1, "2:0:0:1", "/dev/sdb"),), copy)
    inventory = mountable()
    inventory = replace(inventory, disks=(*inventory.disks, twin))
    assert isinstance(plan_mount(inventory, MountSpec("/mnt")).refusal, RefusedError)
    pinned = our_line().replace(WWID.encode(), b"naa.2")
    assert isinstance(plan_mount(mountable(lines=[pinned]), MountSpec()).refusal, RefusedError)


@pytest.mark.parametrize(
    ("fs", "path", "said", "hint"),
    [
        ("ext4", None, "it needs a directory", "iscsictl fstab add /dev/sda DIR"),
        ("swap", "/srv", "it has no directory", "iscsictl fstab add /dev/sda none"),
    ],
)
def test_a_line_with_the_wrong_kind_of_place_is_refused_with_the_right_one(
    fs: str, path: str | None, said: str, hint: str
) -> None:
    refusal = plan_fstab_add(disk_inventory(a_disk(fstype=fs, uuid=UUID)), MountSpec(path)).refusal
    assert isinstance(refusal, UsageError)
    assert said in refusal.text
    assert refusal.hint == hint


def over_two(name: str, *lines: bytes, mounts: tuple[str, ...] = ()) -> DiskInventory:
    """Two LUNs with an array over both, or with the two devices of one btrfs."""
    places = tuple(Mount(m) for m in mounts)
    array = Block("/dev/md0", "md", None, "ext4", None, UUID, places)
    disks = []
    for n, letter in enumerate("ab"):
        block = Block(f"/dev/sd{letter}", "disk", children=(array,))
        if "md" not in name:
            block = Block(f"/dev/sd{letter}", "disk", None, "btrfs", None, UUID, places,
                          member=str(n))  # fmt: skip
        disks.append(Disk(f"naa.{n}", (Path(1, f"2:0:0:{n}", block.device),), block))
    return disk_inventory(
        disks[0], name=name, lines=lines, sessions=(session(luns=2),), disks=tuple(disks),
        content=carries("ext4"),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["/dev/md0", "/dev/sda", "/dev/sdb", UUID])
def test_a_filesystem_over_two_luns_is_no_snapshot_of_itself(name: str) -> None:
    spec = MountSpec("/mnt")
    assert verbs(plan_mount(over_two(name), spec)) == ["directory", "mount"]
    assert plan_fstab_add(over_two(name), spec).refusal is None
    pinned = our_line("/mnt").replace(WWID.encode(), b"naa.1")
    assert plan_mount(over_two(name, pinned), spec).refusal is None


def test_a_mount_of_both_devices_of_a_btrfs_is_taken_down_by_its_directory() -> None:
    mounted = over_two("/srv", mounts=("/srv",))
    assert verbs(plan_umount(mounted, "/srv")) == ["umount", "hold"]


@pytest.mark.parametrize("name", ["/dev/md0", UUID])
def test_what_stands_on_two_luns_names_none_of_them_to_write_on(name: str) -> None:
    inventory = over_two(name)
    with pytest.raises(NotFoundError, match=rf"{IQN} LUN 0, {IQN} LUN 1") as caught:
        disk_id(inventory, inventory.one)
    assert caught.value.hint == "name the target and --lun"
    with pytest.raises(NotFoundError, match="matches several LUNs"):
        find(inventory, name, None)


def test_a_foreign_filesystem_that_was_not_unmounted_is_asked_about() -> None:
    dirty = carries("ext4", filesystem=Filesystem("/dev/sda", "ext4", UUID, dirty=True))
    inventory = disk_inventory(a_disk(fstype="ext4", uuid=UUID), content=dirty)
    assert isinstance(plan_mount(inventory, MountSpec("/mnt")).refusal, ConsentRequiredError)
    assert "mount" in verbs(plan_mount(inventory, MountSpec("/mnt", recover=True)))
    ours = disk_inventory(a_disk(fstype="ext4", uuid=UUID), content=dirty, lines=[our_line()])
    assert "mount" in verbs(plan_mount(ours, MountSpec()))


@pytest.mark.fault("F59")
def test_unmounting_sets_a_hold_and_twice_is_once() -> None:
    disk = a_disk(fstype="ext4", uuid=UUID, mounts=["/srv"])
    plan = plan_umount(disk_inventory(disk, name="/srv"), "/srv")
    assert verbs(plan) == ["umount", "hold"]
    down = disk_inventory(a_disk(fstype="ext4", uuid=UUID), lines=[our_line()], name="/srv")
    assert verbs(plan_umount(down, "/srv")) == ["hold"]
    held = replace(down, holds=(Hold(mount_point="/srv"),))
    assert unchanged(plan_umount(held, "/srv"))


def test_a_mount_that_somebody_works_in_stays() -> None:
    disk = a_disk(fstype="ext4", uuid=UUID, mounts=["/srv"])
    busy = replace(
        disk_inventory(disk), used=DiskUsage(("/srv",), (), ("process 7 (vi) works in /srv",))
    )
    plan = plan_umount(busy, "/srv")
    assert isinstance(plan.refusal, InUseError)
    assert "vi" in plan.refusal.text


def test_a_mount_on_a_dead_array_is_not_touched() -> None:
    disk = a_disk(fstype="ext4", uuid=UUID, mounts=["/srv"])
    dead = replace(disk_inventory(disk), sessions=(session("recovering"),))
    assert isinstance(plan_umount(dead, "/srv").refusal, UnreachableError)


def test_what_is_no_disk_of_a_session_is_left_to_umount() -> None:
    inventory = replace(
        disk_inventory(), chosen=None, place=Known(MountPointState(exists=True, mounted="8:1"))
    )
    assert isinstance(plan_umount(inventory, "/home").refusal, NotFoundError)


# -- fstab --------------------------------------------------------------------------------


@pytest.mark.fault("F89")
def test_a_line_is_added_once_and_the_login_service_enabled_before_it_is_started() -> None:
    fresh = mountable()
    fresh = replace(fresh, host=replace(fresh.host, service_enabled=False))
    plan = plan_fstab_add(fresh, MountSpec("/srv", ("noatime",)))
    # The step `fstab` starts the service, and enabling it later would have systemd forget that.
    assert verbs(plan) == ["enable", "directory", "fstab"]
    there = our_line().replace(b"nofail", b"nofail,noatime")
    same = mountable(lines=[there], place=MountPointState(exists=True))
    same = replace(same, host=replace(same.host, service_enabled=True))
    assert unchanged(plan_fstab_add(same, MountSpec("/srv", ("noatime",))))
    assert unchanged(plan_fstab_add(same, MountSpec("/srv")))
    assert verbs(plan_fstab_add(same, MountSpec("/srv", ("ro",)))) == ["fstab"]
    disabled = replace(same, host=replace(same.host, service_enabled=False))
    assert verbs(plan_fstab_add(disabled, MountSpec("/srv"))) == ["enable"]


@pytest.mark.parametrize(
    "line",
    [
        f"UUID={UUID} /srv ext4 defaults 0 0\n".encode(),
        b"UUID=other /srv ext4 defaults 0 0\n",
        our_line("/elsewhere"),
        claim_line(FilesystemClaim(NEW, "xfs"), None, wwid=WWID, target=IQN, lun=0).raw,
    ],
)
def test_a_line_that_would_clash_is_not_added(line: bytes) -> None:
    assert isinstance(
        plan_fstab_add(mountable(lines=[line]), MountSpec("/srv")).refusal, RefusedError
    )


BY_ID = f"/dev/disk/by-id/wwn-0x{WWID.partition('.')[2]}"


@pytest.mark.parametrize("name", ["LABEL=mail", BY_ID, "/dev/sda", f"UUID={UUID}"])
def test_a_filesystem_that_an_admin_s_own_line_names_in_any_way_gets_no_second_line(
    name: str,
) -> None:
    lines = [f"{name} /home/mail ext4 ro,nofail 0 0\n".encode()]
    disk = mountable().one.disk
    named = disk._replace(block=disk.block._replace(label="mail"))
    inventory = disk_inventory(named, lines=lines)
    plan = plan_fstab_add(inventory, MountSpec("/srv"))
    assert isinstance(plan.refusal, RefusedError)
    assert f"line 1 is already for {UUID}, and not written by iscsictl" in plan.refusal.text
    # It tells where the filesystem is mounted, and how.
    (mount,) = (
        s.action for s in plan_mount(inventory, MountSpec()).steps
        if isinstance(s.action, actions.Mount)
    )  # fmt: skip
    assert mount.path == "/home/mail"
    assert "ro" in mount.options
    # Another disk with that name has the mount point.
    taken = replace(inventory, mounted={"/home/mail": MountedSource("8:32", "/dev/sdc")})
    if name == "LABEL=mail":
        assert "fstab" in verbs(plan_fstab_add(taken, MountSpec("/srv")))


def test_a_note_becomes_the_line_that_mounts() -> None:
    assert "fstab" in verbs(plan_fstab_add(mountable(lines=[note()]), MountSpec("/srv")))


def test_swap_has_no_directory_and_others_have_one() -> None:
    swap = disk_inventory(a_disk(fstype="swap", uuid=UUID))
    assert "fstab" in verbs(plan_fstab_add(swap, MountSpec(None)))
    assert isinstance(plan_fstab_add(swap, MountSpec("/srv")).refusal, UsageError)
    assert isinstance(plan_fstab_add(mountable(), MountSpec(None)).refusal, UsageError)


def test_only_entries_written_by_iscsictl_are_taken_out() -> None:
    foreign = f"UUID={UUID} /srv ext4 defaults 0 0\n".encode()
    plan = plan_fstab_rm(disk_inventory(lines=[foreign]), "/srv")
    assert isinstance(plan.refusal, RefusedError)
    for name in ("/srv", "/srv/", UUID.upper()):
        plan = plan_fstab_rm(disk_inventory(lines=[b"# first\n", our_line()]), name)
        assert verbs(plan) == ["unfstab"]
        action = plan.steps[0].action
        assert isinstance(action, actions.DropFstab)
        assert action.entry.raw == our_line()
    gone = plan_fstab_rm(disk_inventory(), "/srv")
    assert gone.refusal is None
    assert not gone.steps


@pytest.mark.parametrize(
    "name",
    [f"UUID={UUID}", f"/dev/disk/by-uuid/{UUID}", "/dev/sda1", "/dev/sda", BY_ID, "LABEL=mail"],
)
def test_the_entry_to_take_out_is_found_by_any_name_of_its_device(name: str) -> None:
    disk = a_disk(part(1, "ext4", UUID), part(2, "xfs", NEW))
    links = {BY_ID: "/dev/sda", "LABEL=mail": "/dev/sda1"}
    inventory = disk_inventory(disk, lines=[our_line()], device_links=links)
    assert verbs(plan_fstab_rm(inventory, name)) == ["unfstab"]
    for other in ("/dev/sda2", f"UUID={NEW}", "/dev/sdb"):
        left = plan_fstab_rm(inventory, other)
        assert left.refusal is None
        assert left.notes == (f"/etc/fstab has no line for {other}",)


def test_the_entry_of_a_disk_stays_when_a_snapshot_of_it_is_named() -> None:
    original = a_disk(part(1, "ext4", UUID))
    copy = Disk(
        "naa.copy", (), Block("/dev/sdb", "disk", children=(Block("/dev/sdb1", "part",
        fstype="ext4", uuid=UUID),)),
    )  # fmt: skip
    inventory = disk_inventory(original, disks=(original, copy), lines=[our_line()])
    for name in ("/dev/sdb", "/dev/sdb1"):
        left = plan_fstab_rm(inventory, name)
        assert left.refusal is None
        assert left.notes == (f"/etc/fstab has no line for {name}",)
    for name in ("/dev/sda1", UUID):
        assert verbs(plan_fstab_rm(inventory, name)) == ["unfstab"]


def test_an_admin_s_own_line_is_named_by_what_stands_in_it_too() -> None:
    foreign = b"LABEL=gone /srv ext4 defaults 0 0\n"
    refused = plan_fstab_rm(disk_inventory(lines=[foreign]), "LABEL=gone").refusal
    assert isinstance(refused, RefusedError)
    assert "line 1 for LABEL=gone was not written by iscsictl" in refused.text


@pytest.mark.parametrize(
    ("startups", "told"), [({"automatic"}, True), ({"automatic", "onboot"}, False)]
)
def test_a_line_for_what_the_login_service_does_not_log_in_to_is_told(
    startups: set[str], *, told: bool
) -> None:
    fresh = mountable()
    record = NodeRecord(
        FilePath("/db/a"), {"node.startup": "onboot"}, target=IQN, portal=Portal("192.0.2.5")
    )
    host = replace(fresh.host, login_startups=frozenset(startups))
    plan = plan_fstab_add(replace(fresh, host=host, records=(record,)), MountSpec("/srv"))
    assert any(f"{IQN} is not logged in at boot" in note for note in plan.notes) is told
