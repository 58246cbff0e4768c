"""Mount points are taken as the kernel will name them."""

from pathlib import Path

import pytest

from iscsictl.cli.selectors import directory, named
from iscsictl.errors import UsageError
from iscsictl.model.inventory import Inventory
from iscsictl.observers.reconnect import mounted
from iscsictl.parse.fstab import parse_fstab
from iscsictl.parse.toml import parse_toml
from iscsictl.planner.volumes.file import read_volumes
from iscsictl.system.context import Context
from iscsictl.system.io.safe_paths import resolve_path

VOLUME = """
[[volume]]
name = "{name}"
portals = ["192.0.2.1"]
target = "iqn.2001-04.com.example:{name}"
mount = "{mount}"
"""


@pytest.fixture
def link(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    made = tmp_path / "srv"
    made.symlink_to("data")
    return made


def test_a_link_on_the_way_is_followed_whether_its_end_is_there_or_not(link: Path) -> None:
    data = link.parent / "data"
    (data / "there").mkdir()
    for name in ("there", "not-there"):
        assert directory(f"{link}//{name}/") == named(f"{link}/{name}") == f"{data}/{name}"
    assert directory(str(link)) == str(data)


def test_what_is_no_directory_stays_as_it_was_typed() -> None:
    for name in ("/dev/disk/by-id/x", "iqn.2001-04.com.example:a", "sda"):
        assert named(name) == name
    with pytest.raises(UsageError, match="absolute path"):
        directory("srv")


def test_two_volumes_on_one_directory_by_two_names_are_refused(link: Path) -> None:
    text = VOLUME.format(name="a", mount=link / "x") + VOLUME.format(
        name="b", mount=link.parent / "data/x"
    )
    with pytest.raises(UsageError, match="that of volume 'a' too"):
        read_volumes(*parse_toml(text, "v"), "v", resolve_path)


def test_a_line_that_spells_its_mount_point_through_a_link_is_seen_mounted(link: Path) -> None:
    root = link.parent
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text(f"9 1 8:1 / {root}/data rw - ext4 /dev/sda1 rw\n")
    line = f"UUID=0-1 {link} ext4 _netdev,x-iscsictl.wwid=naa.1 0 0\n"
    inventory = Inventory(fstab=parse_fstab(line.encode()))
    assert str(link) in mounted(Context(root=root), inventory)


MAIL = "6F2B-1C1E"


@pytest.mark.parametrize(
    ("mount", "uuids", "other"),
    [
        ("8:1 / {} rw - ext4 /dev/sda1 rw", {"8:1": MAIL}, None),
        ("8:1 / {} rw - ext4 /dev/sda1 rw", {"8:1": MAIL.lower()}, None),
        ("8:17 / {} rw - ext4 /dev/sdb1 rw", {"8:1": MAIL, "8:17": "another"}, "/dev/sdb1"),
        ("8:17 / {} rw - ext4 /dev/sdb1 rw", {"8:1": MAIL}, None),
        ("0:40 / {} rw - tmpfs tmpfs rw", {}, "tmpfs (tmpfs)"),
        ("0:41 / {} rw - nfs4 server:/x rw", {}, "server:/x (nfs4)"),
        ("0:42 / {} rw - autofs systemd-1 rw", {}, None),
        ("0:43 / {} rw - btrfs /dev/sdb rw", {"8:16": MAIL}, None),
        ("0:43 / {} rw - btrfs /dev/sdb rw", {"8:16": "another"}, "/dev/sdb"),
    ],
)
def test_another_filesystem_on_a_mount_point_is_not_taken_for_that_of_fstab(
    tmp_path: Path, mount: str, uuids: dict[str, str], other: str | None
) -> None:
    for place in ("proc/self", "run/udev/data", "sys/class/block/sdb"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "sys/class/block/sdb/dev").write_text("8:16\n")
    (tmp_path / "proc/self/mountinfo").write_text(f"9 1 {mount.format('/srv/mail')}\n")
    for number, uuid in uuids.items():
        (tmp_path / f"run/udev/data/b{number}").write_text(f"E:ID_FS_UUID={uuid}\n")
    # A claim on the same directory is of no filesystem that could be mounted.
    lines = (
        f"UUID={MAIL} /srv/mail vfat _netdev,x-iscsictl.wwid=naa.1 0 0\n"
        "UUID=another /srv/mail ext4 noauto,x-iscsictl.making=naa.2 0 0\n"
    )
    found = mounted(Context(root=tmp_path), Inventory(fstab=parse_fstab(lines.encode())))
    assert found["/srv/mail"].other == other
