"""One scan of who uses disks serves them all: nothing is read again for each of them."""

from collections import Counter
from pathlib import Path

import pytest

from iscsictl.observers.sessions import observe_for_logout
from iscsictl.system.context import Context
from iscsictl.system.iscsi.sessions import read_listing
from iscsictl.system.mount import usage
from tests.bench.make_tree import Tree, make
from tests.unit.fake_root import put

DISKS = 12


def test_the_mounts_of_many_disks_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, DISKS)
    calls: Counter[str] = Counter()

    def counted(name: str) -> None:
        real = getattr(usage, name)

        def call(*args: object) -> object:
            calls[name] += 1
            return real(*args)

        monkeypatch.setattr(usage, name, call)

    for name in ("_find_openers", "_lio_backstores", "swap_areas", "loops"):
        counted(name)
    inventory = observe_for_logout(Context(root=tmp_path))
    assert len(inventory.usage) == DISKS
    assert {path for used in inventory.usage.values() for path in used.mounts} == {
        f"/srv/lun{index}" for index in range(DISKS)
    }
    # The character devices of sessions are a scan of their own.
    assert calls == {"_find_openers": 2, "_lio_backstores": 1, "swap_areas": 1, "loops": 1}


@pytest.mark.fault("F65")
def test_who_uses_a_disk_is_kept_apart_from_who_uses_another_that_tells_its_wwid(
    tmp_path: Path,
) -> None:
    make(tmp_path, 2)
    wwids = sorted(tmp_path.glob("sys/devices/**/wwid"))
    wwids[1].write_bytes(wwids[0].read_bytes())
    inventory = observe_for_logout(Context(root=tmp_path))
    assert len({disk.wwid for disk in inventory.disks}) == 1
    used = [inventory.usage_of(disk) for disk in inventory.disks]
    assert sorted(one.mounts for one in used if one is not None) == [("/srv/lun0",), ("/srv/lun1",)]


@pytest.mark.fault("F65")
def test_two_disks_under_one_map_have_the_use_of_both(tmp_path: Path) -> None:
    make(tmp_path, 2)
    tree = Tree(tmp_path)
    top = tree.virtual("dm-0", "253:0")
    put(top, "dm/uuid", "mpath-360014051\n")
    put(top, "dm/name", "m\n")
    for name in ("sda", "sdb"):
        tree.hold((tmp_path / "sys/class/block" / name).resolve(), top)
    inventory = observe_for_logout(Context(root=tmp_path))
    one, other = inventory.disks
    assert one.block.device == other.block.device == "/dev/mapper/m"
    used = inventory.usage_of(one)
    assert used is not None
    assert sorted(used.mounts) == ["/srv/lun0", "/srv/lun1"]


def test_one_scan_finds_the_same_users_as_one_for_each_disk(tmp_path: Path) -> None:
    make(tmp_path, DISKS)
    scan = usage.UsageScan(tmp_path)
    disks = read_listing(tmp_path).disks or ()
    assert len(disks) == DISKS
    for disk in disks:
        alone = usage.disk_usage(disk, tmp_path)
        assert usage.disk_usage(disk, tmp_path, scan=scan) == alone
        assert len(alone.mounts) == 1
    assert [m.path for m in scan.mounts_on(["8:1", "/dev/sda1"])] == ["/srv/lun0"]
