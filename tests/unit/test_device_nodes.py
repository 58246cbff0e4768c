"""A device whose node udev has not made yet is waited for in the one place that opens disks."""

import os
from pathlib import Path

import pytest

from iscsictl.errors import UnreachableError
from iscsictl.system.block import device_nodes, probe
from iscsictl.system.io import process
from tests.unit.fake_root import put

pytestmark = pytest.mark.fault("F58")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with a disk, a partition and a map, of which no node is there yet."""
    for name in ("sda", "sda1", "dm-0"):
        put(tmp_path, f"sys/class/block/{name}/dev", "1:1\n")
    put(tmp_path, "sys/class/block/dm-0/dm/name", "mail\n")
    return tmp_path


def test_the_kernel_is_asked_for_the_name_of_a_disk_and_of_a_map(root: Path) -> None:
    for device in ("/dev/sda", "/dev/sda1", "/dev/mapper/mail"):
        assert device_nodes.kernel_has(device, root)
    for device in ("/dev/sdb", "/dev/mapper/dm-0", "/dev/mapper/mai"):
        assert not device_nodes.kernel_has(device, root)


def with_udevadm(root: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Put a udevadm into PATH that notes its arguments in `calls`; return that file."""
    calls = root / "calls"
    tool = put(root, "bin/udevadm", f"#!/bin/sh\necho \"$@\" >>'{calls}'\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setattr(process, "PATH", f"{root}/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    monkeypatch.setattr(probe, "kernel_has", lambda device: device_nodes.kernel_has(device, root))
    return calls


def test_a_node_that_udev_is_about_to_make_is_waited_for_and_opened(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = root / "sda"
    calls = with_udevadm(root, monkeypatch, f"echo disk >'{node}'")
    with probe.opened(str(node), exclusive=False):
        assert node.exists()
    with probe.opened(str(node), exclusive=False):
        pass
    assert calls.read_text() == f"settle --exit-if-exists={node} --timeout=30\n"


def test_a_node_that_udev_does_not_make_is_an_error(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = with_udevadm(root, monkeypatch, "exit 1")
    with (
        pytest.raises(UnreachableError, match="cannot be opened"),
        probe.opened(str(root / "sda"), exclusive=False),
    ):
        pass
    assert calls.exists()


def test_a_device_that_the_kernel_has_not_is_not_waited_for(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = with_udevadm(root, monkeypatch, "exit 0")
    with (
        pytest.raises(UnreachableError, match="cannot be opened"),
        probe.opened(str(root / "sdb"), exclusive=False),
    ):
        pass
    assert not calls.exists()


def test_a_disk_is_opened_where_no_program_can_open_it_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "PATH", str(tmp_path))
    disk = put(tmp_path, "disk", "content")
    with probe.opened(str(disk), exclusive=False) as fd:
        assert os.fstat(fd).st_ino == disk.stat().st_ino
