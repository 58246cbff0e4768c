"""A disk that multipathd takes is waited for until its map is there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from iscsictl.system.block import disk_writer, multipath
from tests.unit.fake_root import put

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with one disk, and multipathd."""
    (tmp_path / "sys/class/block/sda/holders").mkdir(parents=True)
    put(tmp_path, "run/multipathd.pid", "317")
    put(tmp_path, "proc/317/comm", "multipathd\n")
    return tmp_path


@pytest.mark.fault("F58")
def test_a_disk_is_awaited_until_multipathd_has_turned_it_down(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for paths in ([], ["sdb:[orphan]", "sda:mail"]):
        monkeypatch.setattr(multipath, "_list_known_paths", lambda paths=paths: paths)
        assert multipath.is_awaited("/dev/sda", root)
    monkeypatch.setattr(multipath, "_list_known_paths", lambda: ["sdb:mail", "sda:[orphan]"])
    assert not multipath.is_awaited("/dev/sda", root)


@pytest.mark.fault("F58")
def test_the_map_has_to_be_there_and_to_have_its_node(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipath, "_list_known_paths", lambda: ["sda:mail"])
    (root / "sys/class/block/sda/holders/no-such-node").touch()
    assert multipath.is_awaited("/dev/sda", root)
    (root / "sys/class/block/sda/holders/null").touch()
    assert not multipath.is_awaited("/dev/sda", root)


def test_without_multipathd_nothing_is_awaited(root: Path) -> None:
    (root / "run/multipathd.pid").unlink()
    assert not multipath.is_awaited("/dev/sda", root)


def test_a_multipathd_that_was_killed_does_not_run_though_its_pid_file_stays(root: Path) -> None:
    assert multipath.runs(root)
    put(root, "proc/317/comm", "sleep\n")
    assert not multipath.runs(root)
    (root / "proc/317/comm").unlink()
    assert not multipath.runs(root)


def add_map(root: Path, kname: str, name: str, uuid: str, *over: str) -> None:
    """Put a map of device-mapper's there that stands on others."""
    put(root, f"sys/class/block/{kname}/dm/name", f"{name}\n")
    put(root, f"sys/class/block/{kname}/dm/uuid", f"{uuid}\n")
    for lower in over:
        put(root, f"sys/class/block/{lower}/holders/{kname}")


@pytest.fixture
def parted(root: Path) -> Path:
    """A map with two part maps, the second with another inside."""
    add_map(root, "dm-0", "mail", "mpath-3600", "sda")
    add_map(root, "dm-1", "mail-part1", "part1-mpath-3600", "dm-0")
    add_map(root, "dm-2", "mail-part2", "part2-mpath-3600", "dm-0")
    add_map(root, "dm-3", "mail-part5", "part5-mpath-3600", "dm-2")
    return root


@pytest.mark.fault("F58")
def test_a_map_is_tested_at_its_parts_which_have_device_mapper_hold_it(parted: Path) -> None:
    ends = multipath.ends("/dev/mapper/mail", parted)
    assert ends == ("/dev/mapper/mail-part1", "/dev/mapper/mail-part5")
    assert multipath.ends("/dev/mapper/mail-part1", parted) == ("/dev/mapper/mail-part1",)
    assert multipath.ends("/dev/sda", parted) == ("/dev/sda",)
    assert multipath.ends("/dev/mapper/gone", parted) == ("/dev/mapper/gone",)


@pytest.mark.fault("F58")
def test_what_stands_on_a_part_or_beside_it_is_a_user(parted: Path) -> None:
    add_map(parted, "dm-4", "vg-root", "LVM-abc", "dm-1")
    assert "/dev/mapper/mail-part1" in multipath.ends("/dev/mapper/mail", parted)
    add_map(parted, "dm-5", "vg-home", "LVM-def", "dm-0")
    assert multipath.ends("/dev/mapper/mail", parted) == ("/dev/mapper/mail",)


@pytest.mark.fault("F58")
def test_part_maps_are_removed_from_the_innermost_on(
    parted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(multipath, "run", lambda argv: started.append(argv[-1]))
    assert multipath.drop_parts("/dev/mapper/mail", parted)
    assert started == ["mail-part1", "mail-part5", "mail-part2"]
    assert not multipath.drop_parts("/dev/sda", parted)
    assert len(started) == 3


def test_the_first_partition_of_a_map_is_shown_by_kpartx_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, started = tmp_path / "mail-part1", list[list[str]]()

    def run(command: list[str], **_: object) -> None:
        started.append(command)
        node.touch()

    monkeypatch.setattr(disk_writer, "partition_node", lambda *_: str(node))
    monkeypatch.setattr(disk_writer, "find", lambda name: f"/sbin/{name}")
    monkeypatch.setattr(disk_writer, "run", run)
    disk_writer.create_partition_node("/dev/mapper/mail", 1, time.monotonic())
    assert started == [["kpartx", "-u", "-p", "-part", "/dev/mapper/mail"]]
