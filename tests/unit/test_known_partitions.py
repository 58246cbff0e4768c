"""Partitions that the kernel or udev still has, of a disk whose table is gone."""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.errors import IscsictlError
from iscsictl.system.block import known_partitions as module
from iscsictl.system.block import probe
from iscsictl.system.block.known_partitions import (
    forget_partitions,
    known_partitions,
    remember_partitions,
)
from iscsictl.system.io.process import Result
from tests.unit.fake_root import put
from tests.unit.loops import add_partition, give_name, looped, sparse

MIB = 1 << 20


def places(device: str, root: Path) -> list[tuple[int, str, int, int]]:
    return [(p.number, p.device, p.start, p.size) for p in known_partitions(device, root)]


def udev(root: Path, number: str, **entry: int | str) -> None:
    """Write what udev keeps of one device."""
    lines = [f"E:ID_PART_ENTRY_{key}={value}" for key, value in entry.items()]
    put(root, f"run/udev/data/b{number}", "\n".join(["I:12345", *lines, "G:systemd", ""]))


@pytest.mark.fault("F61")
def test_partitions_of_the_kernel_and_those_that_only_udev_has_are_found(tmp_path: Path) -> None:
    disk = "sys/class/block/sda"
    put(tmp_path, f"{disk}/dev", "8:0\n")
    put(tmp_path, f"{disk}/size", "2097152\n")
    for number, start, size in ((1, 2048, 4096), (2, 1048576, 8192)):
        for name, value in (("partition", number), ("start", start), ("size", size)):
            put(tmp_path, f"{disk}/sda{number}/{name}", f"{value}\n")
    udev(tmp_path, "8:1", DISK="8:0", NUMBER=1, OFFSET=2048, SIZE=4096)
    udev(tmp_path, "8:3", DISK="8:0", NUMBER=3, OFFSET=1572864, SIZE=2048)
    udev(tmp_path, "8:17", DISK="8:16", NUMBER=1, OFFSET=2048, SIZE=2048)
    udev(tmp_path, "8:18", DISK="8:0", NUMBER="x", OFFSET=2048, SIZE=2048)
    udev(tmp_path, "8:0")
    assert places("/dev/sda", tmp_path) == [
        (1, "/dev/sda1", MIB, 2 * MIB),
        (2, "/dev/sda2", 512 * MIB, 4 * MIB),
        (3, "", 768 * MIB, MIB),
    ]
    assert places("/dev/sda1", tmp_path) == []
    assert places("/dev/sdb", tmp_path) == []


def put_partition(root: Path, name: str, number: int, start: int, size: int) -> None:
    """Have the kernel know a partition of sda or sdb; start and size are sectors."""
    base = f"sys/class/block/{name[:3]}/{name}"
    for key, value in (("partition", number), ("start", start), ("size", size)):
        put(root, f"{base}/{key}", f"{value}\n")


@pytest.fixture
def mapped(tmp_path: Path) -> Path:
    """A map over sda and sdb, of which the kernel knows one partition by both."""
    block = "sys/class/block"
    put(tmp_path, f"{block}/dm-0/dm/name", "m\n")
    put(tmp_path, f"{block}/dm-0/dm/uuid", "mpath-3600\n")
    put(tmp_path, f"{block}/dm-0/dev", "253:0\n")
    for number, name in enumerate(("sda", "sdb")):
        put(tmp_path, f"{block}/dm-0/slaves/{name}")
        put(tmp_path, f"{block}/{name}/dev", f"8:{16 * number}\n")
        put_partition(tmp_path, f"{name}1", 1, 123457, 8192)
    return tmp_path


@pytest.mark.fault("F61")
def test_partitions_that_the_kernel_has_of_a_path_are_those_of_its_map(mapped: Path) -> None:
    udev(mapped, "8:18", DISK="8:16", NUMBER=2, OFFSET=262144, SIZE=2048)
    # They are read through the map: a path may be dead.
    assert places("/dev/mapper/m", mapped) == [
        (1, "", 123457 * 512, 4 * MIB),
        (2, "", 128 * MIB, MIB),
    ]
    assert places("/dev/sda", mapped) == [(1, "/dev/sda1", 123457 * 512, 4 * MIB)]


@pytest.mark.fault("F61")
def test_partitions_that_udev_has_the_kernel_forget_for_a_map_stay_known(mapped: Path) -> None:
    """As 68-del-part-nodes.rules of kpartx does when multipathd takes a path."""
    remember_partitions("/dev/sda", mapped)
    for name in ("sda", "sdb"):
        shutil.rmtree(mapped / f"sys/class/block/{name}/{name}1")
    assert places("/dev/mapper/m", mapped) == [(1, "", 123457 * 512, 4 * MIB)]
    assert places("/dev/sda", mapped) == []
    # Until the disk gets a new table.
    forget_partitions("/dev/sda", mapped)
    assert places("/dev/mapper/m", mapped) == []


def put_part_map(root: Path) -> Path:
    """Have kpartx's map of the first partition stand on the map; return its entry in sysfs."""
    block = "sys/class/block"
    put(root, f"{block}/dm-0/holders/dm-1")
    put(root, f"{block}/dm-1/dm/name", "m-part1\n")
    put(root, f"{block}/dm-1/dm/uuid", "part1-mpath-3600\n")
    return root / block / "dm-0/holders/dm-1"


@pytest.mark.fault("F61")
@pytest.mark.parametrize(
    "printed", ["", "Device does not exist.\n", "0 8192 error\n", "0 8192 linear 253:0\n"]
)
def test_a_partition_of_a_map_whose_place_is_not_told_is_an_error(
    mapped: Path, monkeypatch: pytest.MonkeyPatch, printed: str
) -> None:
    """It is there: a proof that leaves it out would not be one."""
    put_part_map(mapped)
    told = Result(("dmsetup",), 1, printed, "")
    monkeypatch.setattr(module, "run", lambda *_, **__: told)
    with pytest.raises(IscsictlError, match="/dev/mapper/m-part1"):
        known_partitions("/dev/mapper/m", mapped)


@pytest.mark.fault("F61")
def test_a_logical_partition_of_a_map_is_where_the_disk_has_it(
    mapped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kpartx(8) counts its start from that of the extended partition, on whose map it stands."""
    put_part_map(mapped)
    block = "sys/class/block"
    put(mapped, f"{block}/dm-1/dev", "253:1\n")
    put(mapped, f"{block}/dm-1/holders/dm-2")
    put(mapped, f"{block}/dm-2/dev", "253:2\n")
    put(mapped, f"{block}/dm-2/dm/name", "m-part5\n")
    put(mapped, f"{block}/dm-2/dm/uuid", "part5-mpath-3600\n")
    tables = {
        "/dev/mapper/m-part1": "0 2 linear 253:0 131072\n",
        "/dev/mapper/m-part5": "0 8192 linear 253:1 2048\n",
    }
    monkeypatch.setattr(
        module, "run", lambda command, **_: Result(tuple(command), 0, tables[command[-1]], "")
    )
    assert {one[1]: one[2:] for one in places("/dev/mapper/m", mapped) if one[1]} == {
        "/dev/mapper/m-part1": (64 * MIB, 1024),
        "/dev/mapper/m-part5": (65 * MIB, 4 * MIB),
    }


def test_a_partition_of_a_map_that_went_meanwhile_is_left_out(
    mapped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = put_part_map(mapped)

    def run(*_: object, **__: object) -> Result:
        entry.unlink()
        return Result(("dmsetup",), 1, "", "Device m-part1 not found")

    monkeypatch.setattr(module, "run", run)
    assert [one[0] for one in places("/dev/mapper/m", mapped)] == [1]


@pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
class TestOnLoopDevices:
    """A disk of 300 MiB without a table."""

    @pytest.mark.fault("F61")
    @pytest.mark.parametrize("kind", ["swap", "ext4"])
    def test_what_is_in_a_partition_of_the_kernel_is_content(
        self, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wwid = give_name(monkeypatch)
        with looped(sparse(tmp_path / "image", 300 * MIB)) as device:
            node = add_partition(device, 2, 77 * MIB + 512 * 9, 100 * MIB)
            assert probe.probe(device, wwid).blank
            command = ["mkswap"] if kind == "swap" else ["mkfs.ext4", "-q"]
            subprocess.run([*command, node], check=True, capture_output=True)
            content = probe.probe(device, wwid)
            assert not content.blank
            (part,) = content.stale_partitions
            assert [s.type for s in part.signatures] == [kind]
            assert f"{kind} in partition 2, which is no longer in its table" in content.description

    @pytest.mark.fault("F61")
    def test_what_is_in_a_partition_that_only_udev_has_is_content(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wwid, start = give_name(monkeypatch), 77 * MIB + 512 * 9
        image = sparse(tmp_path / "image", 300 * MIB)
        with looped(image) as device:
            node = add_partition(device, 2, start, 100 * MIB)
            subprocess.run(["mkswap", node], check=True, capture_output=True)
            known = known_partitions(device)
            subprocess.run(["partx", "--delete", "--nr", "2", device], check=True)
            assert known_partitions(device) == ()
            only_udev = tuple(replace(part, device="") for part in known)
            monkeypatch.setattr(probe, "known_partitions", lambda _: only_udev)
            content = probe.probe(device, wwid)
            assert [s.type for s in content.stale_partitions[0].signatures] == ["swap"]
            assert not content.blank

    def test_a_partition_of_the_table_is_not_a_lost_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wwid = give_name(monkeypatch)
        image = sparse(tmp_path / "image", 300 * MIB)
        subprocess.run(["sfdisk", "-q", image], input=b"label: gpt\n,\n", check=True)
        with looped(image) as device:
            subprocess.run(["partx", "--add", device], check=True, capture_output=True)
            content = probe.probe(device, wwid)
        assert len(content.partitions) == 1
        assert content.stale_partitions == ()
