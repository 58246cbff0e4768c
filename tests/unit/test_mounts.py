"""Mounting for real, on loop devices: what is mounted already, and what mount(8) says."""

import os
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from iscsictl.errors import IscsictlError
from iscsictl.limits import LAZY_UNMOUNT_WAIT
from iscsictl.parse.mountinfo import MountLine
from iscsictl.system.mount import mounts
from tests.unit.loops import looped

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root")


@needs_root
def test_what_somebody_mounted_meanwhile_is_no_failure(tmp_path: Path) -> None:
    image, place, link = tmp_path / "image", tmp_path / "place", tmp_path / "link"
    place.mkdir()
    link.symlink_to(place)
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True, capture_output=True)
    with looped(image) as device:
        if subprocess.run(["mount", device, place], check=False, capture_output=True).returncode:
            pytest.skip("ext4 cannot be mounted here")
        try:
            assert not mounts.mount(device, str(place), "ext4", ())
            assert not mounts.mount(device, str(link), "ext4", ())
        finally:
            mounts.unmount(str(place))
        assert mounts.mount(device, str(place), "ext4", ())
        mounts.unmount(str(place))


def run_command(*words: str | Path) -> None:
    subprocess.run(words, check=True)


def make_ext4(image: Path, size: int) -> None:
    with image.open("wb") as file:
        file.truncate(size)
    run_command("mkfs.ext4", "-q", image)


@needs_root
@pytest.mark.fault("F71")
def test_a_lazy_unmount_does_not_wait_for_a_disk_that_takes_no_writes(tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "inner"
    for place in (outer, inner):
        place.mkdir()
    make_ext4(tmp_path / "image", 64 << 20)
    with ExitStack() as undo:
        device = undo.enter_context(looped(tmp_path / "image"))
        if subprocess.run(["mount", device, outer], check=False, capture_output=True).returncode:
            pytest.skip("ext4 cannot be mounted here")
        undo.callback(run_command, "umount", outer)
        make_ext4(outer / "image", 16 << 20)
        lost = undo.enter_context(looped(outer / "image"))
        run_command("mount", lost, inner)
        (inner / "file").write_text("not written to the disk yet")
        # A loop device on a frozen filesystem keeps each write, as a disk without a path does.
        run_command("fsfreeze", "-f", outer)
        undo.callback(wait_until_released, lost)
        undo.callback(run_command, "fsfreeze", "-u", outer)
        began = time.monotonic()
        mounts.unmount(str(inner), lazy=True)
        assert time.monotonic() - began < LAZY_UNMOUNT_WAIT
        assert not any(line.path == str(inner) for line in mounts.mounted())
        with pytest.raises(OSError, match="busy"):
            os.open(lost, os.O_RDONLY | os.O_EXCL)
        mounts.unmount(str(inner), lazy=True)


def wait_until_released(device: str) -> None:
    """Wait until no filesystem has a device any more."""
    deadline = time.monotonic() + 60
    while True:
        try:
            os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


@needs_root
def test_a_mount_that_fails_says_what_where_and_why(tmp_path: Path) -> None:
    image, place = tmp_path / "image", tmp_path / "place"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(8 << 20)
    with looped(image) as device, pytest.raises(IscsictlError) as raised:
        mounts.mount(device, str(place), "ext4", ())
    error = raised.value
    assert error.text.startswith(f"{device} cannot be mounted on {place}: wrong fs type")
    assert "dmesg" not in error.text
    # It is mounted on the descriptor of the directory, which is nobody's name for it.
    assert "/proc/" not in error.text
    assert f"fsck -n {device}" in (error.hint or "")
    assert error.tool_exit == 32


def test_an_automount_is_not_looked_into() -> None:
    line = MountLine("0:50", "/", "/nowhere", fstype="autofs", source="systemd-1", options=("rw",))
    assert mounts.find_mount_problem(line) is None


@pytest.mark.parametrize(
    ("states", "answers"),
    [
        ({}, True),
        ({"sda": "running"}, True),
        ({"sda": "blocked"}, False),
        ({"dm-0/slaves/sda": "blocked", "dm-0/slaves/sdb": "running"}, True),
        ({"dm-0/slaves/sda": "transport-offline", "dm-0/slaves/sdb": "blocked"}, False),
    ],
)
def test_nothing_is_written_to_see_how_it_goes_while_the_disk_is_away(
    tmp_path: Path, states: dict[str, str], answers: bool
) -> None:
    kname = next(iter(states), "sda").partition("/")[0]
    block = tmp_path / "sys/devices/block" / kname
    (block / f"{kname}1").mkdir(parents=True)
    for disk, state in states.items():
        device = tmp_path / "sys/devices/block" / disk / "device"
        device.mkdir(parents=True)
        (device / "state").write_text(f"{state}\n")
    names = tmp_path / "sys/class/block"
    names.mkdir(parents=True)
    for place in (block, block / f"{kname}1", *block.glob("slaves/*")):
        (names / place.name).symlink_to(place)
    numbers = tmp_path / "sys/dev/block"
    numbers.mkdir(parents=True)
    for number, target in (("8:0", block), ("8:1", block / f"{kname}1")):
        (numbers / number).symlink_to(target)
        line = MountLine(number, "/", "/srv", fstype="ext4", source="/dev/x", options=("rw",))
        if number == "8:0" or not kname.startswith("dm"):
            assert mounts._has_usable_disk(line, tmp_path) == answers


@needs_root
def test_a_filesystem_that_is_full_takes_writes(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with pytest.raises(OSError, match="No space left"):
            (place / "file").write_bytes(bytes(1 << 20))
        assert mounts.takes_writes(str(place)) is None
    finally:
        mounts.unmount(str(place))
