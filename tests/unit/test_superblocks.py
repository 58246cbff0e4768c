"""What superblocks tell of a filesystem: whether it was unmounted cleanly, and ever mounted."""

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from iscsictl.errors import IscsictlError
from iscsictl.model.disk_content import Filesystem
from iscsictl.system.block import probe
from iscsictl.system.io import process
from tests.unit.fake_root import put
from tests.unit.loops import looped, sparse

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")
MIB = 1 << 20
UUID = "b3c6a8de-6b0f-4d4c-9f7e-0d8f1a2b3c4d"
#: Fields of the superblock, which begins at byte 1024 (fs/ext4/ext4.h).
MOUNTED_AT, MOUNTS, MAGIC, STATE, COMPATIBLE, INCOMPATIBLE = 44, 52, 56, 58, 92, 96
#: That of a btrfs begins at 64 KiB, and has the place of its log tree here (linux/btrfs_tree.h).
LOG_ROOT = 64 * 1024 + 96


def make(fs: str, image: Path, size: int, *options: str) -> None:
    if not shutil.which(f"mkfs.{fs}", path=process.PATH):
        pytest.skip(f"mkfs.{fs} is not installed")
    command = [f"mkfs.{fs}", *options, str(sparse(image, size))]
    subprocess.run(command, check=True, capture_output=True)


def patch(image: Path, at: int, data: bytes) -> None:
    with image.open("r+b") as file:
        file.seek(at)
        file.write(data)


def told(image: Path) -> Filesystem:
    with looped(image) as device:
        found = probe.filesystem_on(device)
    assert found is not None
    return found


@pytest.mark.fault("F69")
@pytest.mark.parametrize(
    ("fs", "fields", "dirty"),
    [
        ("ext2", {}, False),
        # While an ext2 is mounted it is not marked as valid; the others need no such mark.
        ("ext2", {STATE: 0}, True),
        ("ext3", {STATE: 0}, False),
        ("ext4", {}, False),
        # The journal is in use (INCOMPAT_RECOVER).
        ("ext3", {INCOMPATIBLE: 0x4 | 0x2}, True),
        ("ext4", {INCOMPATIBLE: 0x4 | 0x2}, True),
    ],
)
def test_an_ext_filesystem_tells_whether_it_was_unmounted_cleanly(
    fs: str, fields: dict[int, int], dirty: bool, tmp_path: Path
) -> None:
    image = tmp_path / "image"
    make(fs, image, 32 * MIB, "-q", "-F", "-O", "^metadata_csum", "-L", "mail", "-U", UUID)
    for at, value in fields.items():
        patch(image, 1024 + at, value.to_bytes(2, "little"))
    found = told(image)
    assert (found.type, found.uuid, found.label) == (fs, UUID, "mail")
    assert (found.dirty, found.used) == (dirty, False)


@pytest.mark.parametrize("field", [MOUNTED_AT, MOUNTS])
def test_an_ext_filesystem_that_was_mounted_once_is_used(field: int, tmp_path: Path) -> None:
    image = tmp_path / "image"
    make("ext4", image, 32 * MIB, "-q", "-F", "-O", "^metadata_csum")
    patch(image, 1024 + field, b"\1")
    assert told(image).used


@pytest.mark.fault("F69")
def test_an_xfs_whose_log_cannot_be_read_was_not_unmounted_cleanly(tmp_path: Path) -> None:
    """Another host may be writing to the log at that moment."""
    image = tmp_path / "image"
    make("xfs", image, 400 * MIB, "-q")
    assert told(image).dirty is False
    with image.open("rb") as file:
        superblock = file.read(512)
    # The places of these fields are those of struct xfs_dsb (xfs_format.h).
    (block,) = struct.unpack_from(">I", superblock, 4)
    (start,) = struct.unpack_from(">Q", superblock, 48)
    (group_blocks,) = struct.unpack_from(">I", superblock, 84)
    (log_blocks,) = struct.unpack_from(">I", superblock, 96)
    group, inside = divmod(start, 1 << superblock[124])
    patch(image, (group * group_blocks + inside) * block, b"\xa5" * (log_blocks * block))
    assert told(image).dirty


@pytest.mark.fault("F69")
def test_a_fat_tells_whether_linux_has_it_mounted(tmp_path: Path) -> None:
    image = tmp_path / "image"
    make("vfat", image, 64 * MIB, "-F", "32", "-n", "MAIL")
    found = told(image)
    assert (found.type, found.label, found.dirty, found.used) == ("vfat", "MAIL", False, None)
    patch(image, 0x41, b"\1")
    assert told(image).dirty


@pytest.mark.fault("F69")
@pytest.mark.parametrize(
    ("log_root", "dirty"), [(b"\1", True), (b"\0\0\0\0\0\0\0\1", True), (b"", None)]
)
def test_a_btrfs_with_a_log_tree_was_not_unmounted_cleanly(
    log_root: bytes, dirty: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A superblock made by hand, which blkid would not accept."""
    monkeypatch.setattr(probe, "blkid", lambda _: {"TYPE": "btrfs", "USAGE": "filesystem"})
    image = sparse(tmp_path / "image", MIB)
    patch(image, LOG_ROOT - 8, b"\xff" * 8)
    patch(image, LOG_ROOT + 8, b"\xff" * 8)
    patch(image, LOG_ROOT, log_root)
    found = told(image)
    assert (found.dirty, found.used) == (dirty, None)


@pytest.mark.parametrize("fs", ["ext4", "ntfs"])
def test_of_a_superblock_that_is_not_known_nothing_is_told(
    fs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example one that was overwritten since blkid(8) read it."""
    monkeypatch.setattr(probe, "blkid", lambda _: {"TYPE": fs, "USAGE": "filesystem"})
    found = told(sparse(tmp_path / "image", MIB))
    assert (found.type, found.dirty, found.used) == (fs, None, None)


def test_what_is_no_filesystem_is_told_as_none(tmp_path: Path) -> None:
    image = sparse(tmp_path / "image", 32 * MIB)
    subprocess.run(["mkswap", image], check=True, capture_output=True)
    with looped(image) as device:
        assert probe.blkid(device)["TYPE"] == "swap"
        assert probe.filesystem_on(device) is None


def test_a_disk_with_two_formats_has_no_filesystem_to_be_mounted(tmp_path: Path) -> None:
    image = tmp_path / "image"
    make("ext4", image, 32 * MIB, "-q", "-F")
    other = tmp_path / "other"
    make("xfs", other, 400 * MIB, "-q")
    with other.open("rb") as file:  # it is in front of that of the ext4
        patch(image, 0, file.read(512))
    with looped(image) as device:
        assert probe.blkid(device) == {"TYPE": "ambivalent"}
        assert probe.filesystem_on(device) is None


def test_an_answer_of_blkid_that_contradicts_itself_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "bin/blkid", "#!/bin/sh\necho TYPE=ext4\nexit 2\n").chmod(0o755)
    monkeypatch.setattr(process, "PATH", f"{tmp_path}/bin")
    with pytest.raises(IscsictlError, match="finds nothing on /dev/null, but prints TYPE=ext4"):
        probe.blkid("/dev/null")
