"""A disk that multipathd takes is waited for until its map is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from iscsictl.system import multipath

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with one disk, of which udev has said nothing, and multipathd."""
    disk = tmp_path / "sys/class/block/sda"
    (disk / "holders").mkdir(parents=True)
    (disk / "dev").write_text("8:0\n")
    (tmp_path / "run/udev/data").mkdir(parents=True)
    (tmp_path / "run/multipathd.pid").touch()
    return tmp_path


def udev_says(root: Path, text: str) -> None:
    (root / "run/udev/data/b8:0").write_text(f"I:1\nE:ID_SERIAL=x\n{text}")


@pytest.mark.fault("F58")
def test_what_udev_has_said_nothing_of_may_become_a_path(root: Path) -> None:
    assert multipath.is_awaited("/dev/sda", root)
    udev_says(root, "")
    assert not multipath.is_awaited("/dev/sda", root)
    udev_says(root, "E:DM_MULTIPATH_DEVICE_PATH=0\n")
    assert not multipath.is_awaited("/dev/sda", root)


@pytest.mark.fault("F58")
def test_the_map_has_to_be_there_and_to_have_its_node(root: Path) -> None:
    udev_says(root, "E:DM_MULTIPATH_DEVICE_PATH=1\n")
    assert multipath.is_awaited("/dev/sda", root)
    (root / "sys/class/block/sda/holders/no-such-node").touch()
    assert multipath.is_awaited("/dev/sda", root)
    (root / "sys/class/block/sda/holders/null").touch()
    assert not multipath.is_awaited("/dev/sda", root)


def test_without_multipathd_nothing_is_awaited(root: Path) -> None:
    (root / "run/multipathd.pid").unlink()
    assert not multipath.is_awaited("/dev/sda", root)
