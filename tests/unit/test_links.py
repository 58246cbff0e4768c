"""Which first fields of fstab name a disk now."""

import os
from pathlib import Path

import pytest

from iscsictl.model.listing import Block, Disk
from iscsictl.system.block.device_links import absent_specs, find_nodes, named_nodes

UUID = "0b1e7c1e-1f53-4f9e-9d5e-0123456789ab"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for link, to in {
        "disk/by-label/our\\x20data": "../../sdb1",
        "disk/by-label/häuser": "../../sdb1",
        "disk/by-label/other": "../../vda1",
        f"disk/by-uuid/{UUID}": "../../sdb1",
        "disk/by-partlabel/first": "../../sdb1",
        "disk/by-id/wwn-0x1-part1": "../../sdb1",
        "disk/by-id/dm-name-mpatha": "../../dm-0",
        "mapper/mpatha": "../dm-0",
        "vg/lv": "../dm-1",
        "mapper/vg-lv": "../dm-1",
        "loop": "loop",
    }.items():
        path = tmp_path / "dev" / link
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(to)
    return tmp_path


@pytest.mark.parametrize(
    "spec",
    [
        "LABEL=our data",
        'LABEL="our data"',
        "LABEL=häuser",
        f"UUID={UUID}",
        "PARTLABEL=first",
        "/dev/disk/by-id/wwn-0x1-part1",
        "ID=wwn-0x1-part1",
        "/dev/sdb1",
    ],
)
def test_a_disk_is_named_by_tag_link_or_node(root: Path, spec: str) -> None:
    device = "/dev/sdb1" if spec != "/dev/sdb" else spec
    assert named_nodes([spec, "LABEL=other"], ["/dev/sdb", "/dev/sdb1"], root) == {spec: device}


def test_a_map_is_named_by_each_of_its_links(root: Path) -> None:
    specs = ["/dev/mapper/mpatha", "/dev/disk/by-id/dm-name-mpatha", "/dev/vg/lv", "/dev/dm-0"]
    assert named_nodes(specs, ["/dev/mapper/mpatha"], root).keys() == set(specs) - {"/dev/vg/lv"}
    found = named_nodes(specs, ["/dev/mapper/vg-lv"], root)
    assert found == {"/dev/vg/lv": "/dev/mapper/vg-lv"}


def test_what_is_nowhere_names_nothing(root: Path) -> None:
    specs = ["LABEL=none", "LABEL=", "LABEL=../sdb1", "/dev/loop", "tmpfs", "nas:/x", "UUID",
             "label=our data"]  # fmt: skip
    assert named_nodes(specs, ["/dev/sdb1"], root) == {}
    specs += ["ID=wwn-0x2", "id=wwn-0x2"]
    missing = {"LABEL=none", "LABEL=../sdb1", "ID=wwn-0x2"}
    assert absent_specs([*specs, "LABEL=our data", "/dev/mapper/mpatha"], root) == missing
    assert absent_specs(specs, root / "dev") == frozenset(), "there is no udev"


def test_a_path_on_a_filesystem_that_may_hang_is_not_looked_at(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """lstat(2) waits for a server that is away, and has an automount mount."""
    asked: list[str] = []
    real = os.path.realpath

    def note(path: str | Path) -> str:
        asked.append(str(path).removeprefix(str(root)))
        return real(path)

    monkeypatch.setattr(os.path, "realpath", note)
    assert named_nodes(["/mnt/nas/image", "LABEL=our data"], ["/dev/sdb1"], root)
    assert any(path.startswith("/dev/disk/by-label/") for path in asked)
    assert "/mnt/nas/image" not in asked


def test_what_a_link_leads_to_is_looked_up_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "dev/mapper").mkdir(parents=True)
    (tmp_path / "dev/mapper/mail").symlink_to("../dm-3")
    disk = Disk("naa.1", (), Block("/dev/mapper/mail", "mpath", children=(Block("/dev/sda1"),)))
    (tmp_path / "srv").mkdir()
    (tmp_path / "srv/link").symlink_to("../dev/dm-3")
    # A directory may be a link too, and names no device.
    assert find_nodes("/srv/link", [], tmp_path) == {}
    assert find_nodes("UUID=1", [disk], tmp_path) == {"/dev/mapper/mail": "/dev/dm-3"}
    assert find_nodes("/dev/mapper/mail", [], tmp_path) == {"/dev/mapper/mail": "/dev/dm-3"}
