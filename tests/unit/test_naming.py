"""What a name means: target, LUN, device, UUID, WWID or mount point."""

from dataclasses import replace

import pytest

from iscsictl.errors import NotFoundError
from iscsictl.model import actions
from iscsictl.model.inventory import DiskUsage, Inventory
from iscsictl.model.listing import Block, Disk, Lun, Path, Session
from iscsictl.parse.fstab import parse_fstab
from iscsictl.planner.selection.luns import ResolvedLun, find
from tests.worlds import (
    CLAIMED,
    DIR,
    FOREIGN,
    GREEDY,
    OTHER,
    TARGET,
    W1,
    A,
    W,
    World,
    blank,
    line,
    parted,
    unit,
    world,
    wwid_of,
)


def two_luns() -> World:
    mounted = unit(parted(W, "ext4", CLAIMED), usage=DiskUsage(mounts=(DIR,)))
    return world(mounted, unit(blank(W1), lun=1)).logged_in()


def names(found: tuple[ResolvedLun, ...]) -> list[tuple[str, int | None, str | None]]:
    return [(m.target, m.lun, m.wwid) for m in found]


@pytest.mark.parametrize("name", ["/dev/sda", "/dev/sda1", CLAIMED, W, DIR])
def test_a_lun_is_named_by_its_device_partition_uuid_wwid_or_mount_point(name: str) -> None:
    (meant,) = find(two_luns().inventory, name, None)
    assert (meant.target, meant.lun, meant.wwid) == (TARGET, 0, W)
    assert meant.disk is not None


def test_a_target_means_all_its_luns_or_the_one_that_is_named() -> None:
    now = two_luns().inventory
    assert names(find(now, TARGET, None)) == [(TARGET, 0, W), (TARGET, 1, W1)]
    assert names(find(now, TARGET, 1)) == [(TARGET, 1, W1)]
    assert names(find(now, TARGET, 9)) == [(TARGET, 9, None)]


def test_nothing_is_meant_by_an_unknown_name_or_a_part_of_one() -> None:
    now = two_luns().inventory
    for name in ("", "mail", TARGET[:-1], TARGET.upper(), "sda", "/srv", W[:-1], "/dev/sdz", OTHER):
        assert find(now, name, None) == ()


def test_either_path_of_a_map_names_the_one_disk() -> None:
    from iscsictl.model.inventory import HostFacts
    from tests.worlds import B

    now = world(blank(W)).having(host=HostFacts(multipath=GREEDY)).logged_in().logged_in(portal=B)
    for name in ("/dev/sda", "/dev/sdb", "/dev/mapper/360014050000000000000000000000000", W):
        assert names(find(now.inventory, name, None)) == [(TARGET, 0, W)]
    assert names(find(now.inventory, TARGET, None)) == [(TARGET, 0, W)]


def test_a_record_alone_makes_a_target_known() -> None:
    now = world().do(actions.CreateRecord(TARGET, A, "default"))
    assert names(find(now.inventory, TARGET, None)) == [(TARGET, None, None)]


@pytest.mark.parametrize("name", [TARGET, DIR, CLAIMED, W])
@pytest.mark.fault("F31")
def test_a_line_of_ours_still_names_what_is_gone(name: str) -> None:
    now = world().with_line(line(W)).inventory
    assert names(find(now, name, None)) == [(TARGET, 0, W)]
    assert find(now, name, None)[0].disk is None


def test_a_line_leads_to_the_disk_where_it_is_now() -> None:
    moved = unit(replace(blank(W), wwid=W), target=OTHER)
    now = world(moved).logged_in(OTHER).with_line(line(W)).inventory
    for name in (DIR, CLAIMED, W):
        (meant,) = find(now, name, None)
        assert (meant.target, meant.lun) == (OTHER, 0)
        assert meant.disk is not None
    assert find(now, TARGET, None) == (ResolvedLun(TARGET, None),)


def test_what_is_there_goes_before_what_only_a_line_says() -> None:
    now = two_luns().with_line(line(W1, FOREIGN, DIR, lun=1)).inventory
    assert names(find(now, DIR, None)) == [(TARGET, 0, W)]


def test_the_disk_and_its_line_are_one() -> None:
    now = two_luns().with_line(line(W)).inventory
    assert names(find(now, TARGET, None)) == [(TARGET, 0, W), (TARGET, 1, W1)]


@pytest.mark.fault("F53")
def test_a_uuid_on_two_disks_names_neither() -> None:
    units = (unit(parted(W, "ext4")), unit(parted(W1, "ext4"), lun=1))
    now = world(*units).logged_in().inventory
    with pytest.raises(NotFoundError, match=r"LUN 0.*LUN 1") as caught:
        find(now, FOREIGN, None)
    assert "--lun" in (caught.value.hint or "")


def striped(*names: str) -> Inventory:
    """A volume `/dev/md0` over LUNs 1 and up of one target, each with the UUID that it is given."""
    disks, units = [], []
    for lun, name in enumerate(names, 1):
        array = Block("/dev/md0", "md", uuid=name)
        top = Block(f"/dev/sd{'abc'[lun - 1]}", "disk", children=(array,))
        disks.append(Disk(wwid_of(lun), (Path(1, f"2:0:0:{lun}", top.device),), top))
        units.append(Lun(lun, hctl=f"2:0:0:{lun}", device=top.device))
    session = Session("sysfs", TARGET, 1, portal=A, status="up", luns=tuple(units))
    return Inventory(sessions=(session,), disks=tuple(disks))


@pytest.mark.parametrize("name", ["/dev/md0", "u"])
def test_what_spans_several_luns_is_the_first_and_the_others_beside_it(name: str) -> None:
    now = striped("u", "u", "u")
    (meant,) = find(now, name, None, spanning=True)
    assert (meant.lun, meant.wwid) == (1, wwid_of(1))
    assert meant.also_on == (f"{TARGET} LUN 2", f"{TARGET} LUN 3")
    with pytest.raises(NotFoundError, match="matches several LUNs"):
        find(now, name, None)


def test_two_luns_are_enough_to_be_spanned() -> None:
    (meant,) = find(striped("u", "u"), "u", None, spanning=True)
    assert meant.also_on == (f"{TARGET} LUN 2",)


def test_one_disk_under_two_names_spans_nothing() -> None:
    top = Block("/dev/mapper/mpatha", "mpath", uuid="u")
    paths = tuple(Path(sid, f"{sid}:0:0:0", f"/dev/sd{sid}") for sid in (1, 2))
    sessions = tuple(
        Session("sysfs", name, sid, portal=A, status="up", luns=(Lun(0, hctl=f"{sid}:0:0:0"),))
        for sid, name in ((1, TARGET), (2, OTHER))
    )
    now = Inventory(sessions=sessions, disks=(Disk(W, paths, top),))
    with pytest.raises(NotFoundError, match="matches several LUNs"):
        find(now, "u", None, spanning=True)


def test_what_is_on_one_lun_has_none_beside_it() -> None:
    (meant,) = find(two_luns().inventory, DIR, None, spanning=True)
    assert (meant.lun, meant.also_on) == (0, ())
    assert find(two_luns().inventory, "mail", None, spanning=True) == ()


@pytest.mark.fault("F53")
def test_copies_of_one_filesystem_are_not_one_thing_that_spans() -> None:
    units = (unit(parted(W, "ext4")), unit(parted(W1, "ext4"), lun=1))
    now = world(*units).logged_in().inventory
    with pytest.raises(NotFoundError, match=r"LUN 0.*LUN 1"):
        find(now, FOREIGN, None, spanning=True)


def test_a_copy_of_one_of_the_disks_that_something_spans_makes_its_name_ambiguous() -> None:
    now = striped("u", "u")
    path = Path(1, "2:0:0:3", "/dev/sdd")
    snapshot = Disk(wwid_of(3), (path,), Block("/dev/sdd", "disk", uuid="u"))
    (session,) = now.sessions
    units = (*(session.luns or ()), Lun(3, hctl=path.hctl, device=path.device))
    now = replace(now, disks=(*now.disks, snapshot), sessions=(session._replace(luns=units),))
    with pytest.raises(NotFoundError, match="matches several LUNs"):
        find(now, "u", None, spanning=True)


def test_two_copies_are_not_one_thing_because_something_else_spans_their_disks() -> None:
    now = striped("v", "v")
    disks = tuple(
        disk._replace(
            block=disk.block._replace(
                children=(Block(f"{disk.block.device}9", "part", uuid="u"), *disk.block.children)
            )
        )
        for disk in now.disks
    )
    with pytest.raises(NotFoundError, match="matches several LUNs"):
        find(replace(now, disks=disks), "u", None, spanning=True)


@pytest.mark.fault("F53")
def test_a_wwid_that_two_disks_have_names_neither_of_them() -> None:
    disks = tuple(disk._replace(wwid=W) for disk in striped("u", "v").disks)
    with pytest.raises(NotFoundError, match="matches several LUNs"):
        find(replace(striped("u", "v"), disks=disks), W, None, spanning=True)


def test_a_directory_of_two_entries_whose_disks_are_gone_names_neither() -> None:
    now = world().with_line(line(W)).with_line(line(W1, FOREIGN, lun=1)).inventory
    for spanning in (False, True):
        with pytest.raises(NotFoundError, match=r"LUN 0.*LUN 1"):
            find(now, DIR, None, spanning=spanning)
    assert names(find(now, TARGET, None)) == [(TARGET, 0, W), (TARGET, 1, W1)]
    assert names(find(now, TARGET, 1)) == [(TARGET, 1, W1)]


def test_of_two_disks_with_a_wwid_the_one_at_the_place_of_the_entry_is_meant() -> None:
    units = (unit(blank(W)), unit(replace(blank(W), wwid=W), target=OTHER),
             unit(replace(blank(W), wwid=W), target=OTHER, lun=1))  # fmt: skip
    now = world(*units).logged_in().logged_in(OTHER)
    for target, lun in ((TARGET, 0), (OTHER, 0), (OTHER, 1)):
        (meant,) = find(now.with_line(line(W, target=target, lun=lun)).inventory, DIR, None)
        assert (meant.target, meant.lun) == (target, lun)
        assert meant.disk is not None


def test_an_entry_that_somebody_took_a_note_from_means_no_disk_by_it() -> None:
    """Without the target it means nothing; without the WWID no disk that reports none either."""
    nameless = world(unit(blank(W), target=OTHER)).logged_in(OTHER).inventory
    nameless = replace(nameless, disks=tuple(d._replace(wwid=None) for d in nameless.disks))
    full = line(W).raw
    no_target = full.replace(f",x-iscsictl.target={TARGET}".encode(), b"")
    no_wwid = full.replace(f",x-iscsictl.wwid={W}".encode(), b"")
    assert full not in (no_target, no_wwid)
    assert find(replace(nameless, fstab=parse_fstab(no_target)), DIR, None) == ()
    found = find(replace(nameless, fstab=parse_fstab(no_wwid)), DIR, None)
    assert found == (ResolvedLun(TARGET, 0),)


def test_an_entry_for_what_was_behind_a_lun_before_is_no_second_lun() -> None:
    now = two_luns().with_line(line(wwid_of(7))).with_line(line(wwid_of(8), FOREIGN, "/b", lun=5))
    expected = [(TARGET, 0, W), (TARGET, 1, W1), (TARGET, 5, wwid_of(8))]
    assert names(find(now.inventory, TARGET, None)) == expected
    assert names(find(now.inventory, TARGET, 0)) == expected[:1]
