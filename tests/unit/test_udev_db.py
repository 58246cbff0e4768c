"""What udev knows about filesystems: the links in /dev/disk/by-uuid."""

from pathlib import Path

import pytest

from iscsictl.system.block.udev_db import is_known_uuid

EXT4 = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
VFAT = "1A2B-3C4D"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with the links of an ext4 and of a FAT whose disk has gone."""
    folder = tmp_path / "dev/disk/by-uuid"
    folder.mkdir(parents=True)
    for name in (EXT4, VFAT):
        (folder / name).symlink_to("../../sdz1")
    return tmp_path


def test_a_uuid_is_known_in_upper_and_lower_case(root: Path) -> None:
    assert all(is_known_uuid(root, one) for one in (EXT4, EXT4.upper(), VFAT, VFAT.lower()))


def test_another_uuid_is_not_known_nor_any_without_udev(root: Path, tmp_path: Path) -> None:
    assert not is_known_uuid(root, EXT4.replace("0f", "0e"))
    assert not is_known_uuid(tmp_path / "without-udev", EXT4)
