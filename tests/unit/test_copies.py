"""Which disks carry copies of one filesystem, and which are or look like the same disk."""

from typing import Any, Literal

import pytest

from iscsictl.errors import RefusedError
from iscsictl.model.host_index import HostIndex
from iscsictl.model.listing import Block, Disk, Path, Session
from iscsictl.planner.safety import overwrite
from iscsictl.planner.safety.duplicates import (
    are_confusable,
    confusable_disks,
    copies,
    outside_map,
)
from tests.worlds import OTHER, TARGET, W1, W, wwid_of


def on(wwid: str | None, device: str, *children: Block, **more: Any) -> Disk:
    return Disk(wwid, (), Block(device, "disk", children=children)._replace(**more))


@pytest.mark.fault("F53")
def test_a_copy_is_found_however_deep_it_stands_and_whether_udev_knows_ours() -> None:
    deep = Block("/dev/dm-1", "lvm", children=(Block("/dev/dm-2", "crypt", uuid="d"),))
    other = on(W1, "/dev/sdb", Block("/dev/sdb1", "part", children=(deep,)))
    mine = on(W, "/dev/sda", Block("/dev/sda1", "part", uuid="d"))
    assert copies("d", (mine, other)) == (mine, other)
    bare = on(W, "/dev/sda", Block("/dev/sda1", "part"))
    assert copies("d", (bare, other), bare) == (bare, other)
    assert copies("a", (mine, other)) == copies("d", (other,)) == ()
    assert copies("d", (other, mine), mine) == (mine, other), "each disk once"


def test_a_device_that_stands_on_several_disks_is_no_copy() -> None:
    array = Block("/dev/md0", "md", uuid="u")
    one, two = (on(w, d, array) for w, d in ((W, "/dev/sda"), (W1, "/dev/sdb")))
    assert copies("u", (one, two)) == copies("u", (one, two), one) == ()
    snapshot = on(wwid_of(2), "/dev/sdc", uuid="u")
    assert copies("u", (one, two, snapshot)) == (one, two, snapshot)


@pytest.mark.parametrize("kind", ["disk", "part"])
def test_disks_and_partitions_stand_on_one_disk_even_where_two_have_one_name(
    kind: Literal["disk", "part"],
) -> None:
    one, two = (on(w, "/dev/sdx", Block("/dev/sda1", kind, uuid="u")) for w in (W, W1))
    assert copies("u", (one, two)) == (one, two)


def test_the_devices_of_a_btrfs_are_no_copies_but_a_snapshot_of_one_is() -> None:
    one = on(W, "/dev/sda", uuid="u", member="1")
    two = on(W1, "/dev/sdb", uuid="u", member="2")
    assert copies("u", (one, two)) == ()
    again = on(wwid_of(2), "/dev/sdc", uuid="u", member="2")
    assert copies("u", (one, two, again)) == (two, again)
    unknown = on(wwid_of(3), "/dev/sdd", uuid="u")
    assert copies("u", (one, unknown)) == (one, unknown)
    overwrite.one_of_a_kind("u", one, (one, two))
    nameless = on(wwid_of(4), "/dev/sde")
    with pytest.raises(RefusedError, match="is also on /dev/sda: one is a snapshot"):
        overwrite.one_of_a_kind("u", nameless, (one, nameless))
    with pytest.raises(RefusedError, match="is also on /dev/sdb, /dev/sdc: one is a snapshot"):
        overwrite.one_of_a_kind("u", one, (one, two, again))


def test_only_the_blocks_of_the_filesystem_tell_whether_a_disk_has_a_member_or_a_copy() -> None:
    one = on(W, "/dev/sda", Block("/dev/sda1", "part", uuid="u", member="1"))
    two = on(W1, "/dev/sdb", Block("/dev/sdb1", "part", uuid="u", member="2"))
    assert copies("u", (one, two), one) == ()


# Which disks a write may confuse


def mapped(name: str, wwid: str | None, *paths: Path) -> Disk:
    return Disk(wwid, paths, Block(f"/dev/mapper/{name}", "mpath"))


def test_disks_are_confused_that_share_a_wwid_or_a_map_and_no_others() -> None:
    plain, again = on(W, "/dev/sda"), on(W, "/dev/sdb")
    nameless = [on(None, device) for device in ("/dev/sdc", "/dev/sdd")]
    # Of a disk that went away, a listing may still have the letter that another one has now.
    same_letter = on(wwid_of(3), "/dev/sda")
    one_map = [mapped("m", W1), mapped("m", wwid_of(2))]
    apart = mapped("n", wwid_of(4))
    everything = [plain, again, *nameless, same_letter, *one_map, apart]
    pairs = [(plain, again), (again, plain), (one_map[0], one_map[1]), (one_map[1], one_map[0])]
    assert [
        (one, other)
        for one in everything
        for other in everything
        if one is not other and are_confusable(one, other)
    ] == pairs
    assert confusable_disks(everything) == {id(one): (other,) for one, other in pairs}


def path(sid: int, lun: int = 0) -> Path:
    return Path(sid, f"{sid}:0:0:{lun}", f"/dev/sd{sid}")


@pytest.mark.fault("F90")
def test_a_path_is_outside_of_a_map_that_leads_to_the_same_lun_of_its_target() -> None:
    """The map may lead to more targets than the path does; a path of unknown sessions is none."""
    index = HostIndex((), (*(Session("sysfs", TARGET, sid=n) for n in (1, 2)),
                           *(Session("sysfs", OTHER, sid=n) for n in (3, 4))))  # fmt: skip
    whole = mapped("m", W, path(1), path(3))
    out = Disk(W, (path(2),), Block("/dev/sd2", "disk"))
    assert outside_map(whole, (out,), index) == (out,)
    assert outside_map(out, (whole,), index) == (whole,)
    one_target = mapped("m", W, path(1))
    for map_, other in (
        (one_target, out._replace(paths=(path(4),))),
        (whole, out._replace(paths=(path(2, lun=1),))),
        (whole, out._replace(paths=(path(9),))),
        (whole, out._replace(paths=())),
        (whole, out._replace(serial="another")),
        (whole._replace(wwid=None), out._replace(wwid=None)),
    ):
        assert outside_map(map_, (other,), index) == outside_map(other, (map_,), index) == ()
