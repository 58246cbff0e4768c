"""Which disks carry copies of one filesystem, and which only parts of it."""

from typing import Any, Literal

import pytest

from iscsictl.errors import RefusedError
from iscsictl.model.listing import Block, Disk
from iscsictl.planner.safety import overwrite
from iscsictl.planner.safety.duplicates import copies
from tests.worlds import W1, W, wwid_of


def on(wwid: str, device: str, *children: Block, **more: Any) -> Disk:
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
