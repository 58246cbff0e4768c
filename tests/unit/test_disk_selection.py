"""Which disk and which device of it a name means where several could be meant."""

from dataclasses import replace

import pytest

from iscsictl.errors import InUseError, IscsictlError, NotFoundError
from iscsictl.model.inventory import DiskUsage
from iscsictl.model.listing import Block, Disk, Lun, Path, Session
from iscsictl.planner.selection.disks import (
    DiskInventory,
    choose,
    part_block,
    part_number,
    require_free,
)
from tests.unit.disk_facts import IQN, UUID, WWID, a_disk, disk_inventory, our_line, part

FOREIGN = f"UUID={UUID} /srv ext4 noauto 0 0\n".encode()


def formatted(*lines: bytes) -> DiskInventory:
    return disk_inventory(a_disk(part(1, "ext4", UUID)), lines=lines)


def test_a_volume_whose_name_ends_like_that_of_a_partition_is_none() -> None:
    """dm-crypt or LVM directly on a map may be called as kpartx(8) would call a partition."""
    volume = Block("/dev/mapper/mail1", "crypt", uuid="v")
    mapped = Block("/dev/mapper/mail", "mpath", children=(volume,))
    inventory = disk_inventory(a_disk()._replace(block=mapped))
    chosen = choose(inventory, "v")
    assert (chosen.block, chosen.part) == (volume, None)
    assert part_block(chosen.disk, 1) is None
    real = volume._replace(kind="part")
    assert part_block(chosen.disk._replace(block=mapped._replace(children=(real,))), 1) is real


@pytest.mark.parametrize("device", ["/dev/dm-0", "/dev/mapper/mail", "/dev/mapper/mail-x1"])
def test_what_is_not_named_after_the_disk_has_no_number(device: str) -> None:
    mapped = Block("/dev/mapper/mail", "mpath")
    assert part_number(a_disk()._replace(block=mapped), Block(device, "part")) is None


def test_an_entry_without_a_uuid_does_not_hide_the_one_that_has_it() -> None:
    for lines in ((b"/dev/sdz1 /srv ext4 noauto 0 0\n", FOREIGN), (FOREIGN, b"LABEL=x /srv xfs\n")):
        assert choose(formatted(*lines), "/srv").block.device == "/dev/sda1"


def test_a_directory_with_the_uuids_of_two_filesystems_names_neither() -> None:
    two = FOREIGN.replace(UUID.encode(), b"another")
    with pytest.raises(NotFoundError, match="no disk of a session is named /srv"):
        choose(formatted(FOREIGN, two), "/srv")


def test_the_case_of_a_uuid_in_fstab_does_not_hide_its_filesystem() -> None:
    chosen = choose(formatted(our_line(uuid=UUID.upper())), "/srv")
    assert (chosen.block.device, chosen.part) == ("/dev/sda1", 1)


def test_a_directory_of_fstab_names_an_array_over_two_luns_as_one_thing() -> None:
    devices = ("/dev/sda", "/dev/sdb")
    array = Block("/dev/md0", "md", uuid=UUID)
    disks = tuple(
        Disk(f"naa.{n}", (Path(1, f"2:0:0:{n}", device),), Block(device, children=(array,)))
        for n, device in enumerate(devices)
    )
    units = tuple(Lun(n, f"2:0:0:{n}", device) for n, device in enumerate(devices))
    session = Session("sysfs", IQN, sid=1, luns=units, status="up")
    inventory = replace(formatted(FOREIGN), disks=disks, sessions=(session,))
    chosen = choose(inventory, "/srv")
    assert (chosen.block, chosen.also_on) == (array, (f"{IQN} LUN 1",))


def test_a_disk_that_no_session_shows_is_found_by_the_wwid_of_its_entry() -> None:
    inventory = replace(formatted(our_line()), sessions=())
    assert choose(inventory, "/srv").disk.wwid == WWID
    other = a_disk()._replace(wwid="naa.6001405bbbb")
    with pytest.raises(NotFoundError, match="/srv has no disk on this host now") as caught:
        choose(replace(inventory, disks=(other,)), "/srv")
    assert f"iscsictl login -T {IQN}" in (caught.value.hint or "")


def test_an_entry_without_a_wwid_means_no_disk_that_reports_none() -> None:
    entry = our_line().replace(f",x-iscsictl.wwid={WWID}".encode(), b"")
    assert entry != our_line()
    inventory = replace(formatted(entry), sessions=(), disks=(a_disk()._replace(wwid=None),))
    with pytest.raises(NotFoundError, match="has no disk on this host now"):
        choose(inventory, IQN)


def test_a_part_of_a_name_is_used_only_where_nothing_has_the_whole_name() -> None:
    (own,) = disk_inventory().sessions
    other = own._replace(target="iqn.2001-04.com.example:web", sid=2, luns=())
    inventory = replace(disk_inventory(), sessions=(own, other))
    for name in ("mail", "MAIL", "/dev/sda", WWID):
        assert choose(inventory, name, loose=True).target == IQN
    upper = own._replace(target=IQN.upper())
    assert choose(replace(inventory, sessions=(upper,)), "mail", loose=True).target == IQN.upper()
    with pytest.raises(NotFoundError, match="no disk of a session is named nobody"):
        choose(inventory, "nobody", loose=True)
    with pytest.raises(NotFoundError, match=f"example matches several targets: {IQN}, .*:web"):
        choose(inventory, "example", loose=True)


def test_what_was_not_observed_is_an_error_and_not_empty() -> None:
    with pytest.raises(IscsictlError, match="no disk was examined"):
        _ = DiskInventory().one
    inventory = replace(formatted(), content=DiskInventory().content)
    with pytest.raises(IscsictlError, match="/dev/sda was not probed"):
        _ = inventory.found


@pytest.mark.parametrize(
    ("used", "hint"),
    [
        (DiskUsage(mounts=("/srv",)), "stop that use first: iscsictl umount /srv"),
        (DiskUsage(other_holders=("swap",)), "stop that use first, then run this again"),
        (
            DiskUsage(("/srv",), ("swap",), releases=("umount /srv", "swapoff /dev/sda1")),
            "release it, then run this again: umount /srv && swapoff /dev/sda1",
        ),
    ],
)
def test_the_hint_of_a_disk_in_use_ends_just_that_use(used: DiskUsage, hint: str) -> None:
    with pytest.raises(InUseError) as caught:
        require_free("/dev/sda", used)
    assert caught.value.hint == hint
    require_free("/dev/sda", DiskUsage(open_files=("process 1",)))
