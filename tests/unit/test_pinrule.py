"""The udev rule is there as long as a line of fstab is pinned to a disk, and asks that line."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.fstab import Fstab
from iscsictl.parse.fstab import append_line, claim_line, mount_line
from iscsictl.system.mount.fstab_file import read_fstab, save_fstab
from iscsictl.system.mount.udev_rule import RULE, path_of

if TYPE_CHECKING:
    from pathlib import Path

UUID = "5b2a7ac0-7a9b-4f4c-9df0-0123456789ab"
SERIAL = "6001405c5a1f3b2d9e84c0aa11223344"
TARGET = "iqn.2003-01.org.example:t1"
LINE = mount_line(
    UUID, "/srv/a", "ext4", (), login_service="open-iscsi.service",
    wwid=f"naa.{SERIAL}", target=TARGET, lun=0,
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc/udev/rules.d").mkdir(parents=True)
    return tmp_path


@pytest.mark.fault("F53")
def test_the_rule_comes_with_the_first_pinned_line_and_goes_with_the_last(root: Path) -> None:
    claim = claim_line(
        FilesystemClaim(UUID, "ext4"), "/srv/a", wwid=f"naa.{SERIAL}", target=TARGET, lun=0
    )
    save_fstab(root, append_line(Fstab(), claim), Fstab(), verify=None)
    assert not path_of(root).exists()
    old = read_fstab(root)
    save_fstab(root, append_line(Fstab(), LINE), old, verify=None)
    assert path_of(root).read_text() == RULE
    assert path_of(root).stat().st_mode & 0o777 == 0o644
    save_fstab(root, Fstab(), read_fstab(root), verify=None)
    assert not path_of(root).exists()


def test_a_host_without_udev_gets_no_rule(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    assert save_fstab(tmp_path, append_line(Fstab(), LINE), Fstab(), verify=None)
    assert not path_of(tmp_path).exists()


def is_left_alone(root: Path, uuid: str, devpath: str) -> bool:
    """Run the programs of the rule as udev(7) does; True if it leaves the device as it is."""
    pinned, same_disk = re.findall(r"^PROGRAM==\"((?:[^\"\\]|\\.)*)\"", RULE, re.MULTILINE)

    def answers(program: str) -> bool:
        command = program.replace('\\"', '"').replace("$env{ID_FS_UUID_ENC}", uuid)
        command = command.replace("$devpath", devpath).replace("$$", "$").replace("%%", "%")
        command = command.replace("/etc/fstab", f"{root}/etc/fstab").replace("/sys", f"{root}/sys")
        return subprocess.run(shlex.split(command), check=False).returncode == 0

    return not answers(pinned) or answers(same_disk)


def add_wwid(root: Path, directory: str, wwid: str) -> None:
    """Have sysfs show the WWID of a SCSI disk, as scsi_vpd_lun_id() of the kernel spells it."""
    (root / directory / "device").mkdir(parents=True, exist_ok=True)
    (root / directory / "device/wwid").write_text(wwid + "\n")


@pytest.mark.fault("F53")
@pytest.mark.parametrize(
    ("uuid", "wwid", "kept"),
    [
        (UUID, f"naa.{SERIAL}", True),
        (UUID, f"naa.{SERIAL[:-1]}5", False),
        (UUID, f"naa.{SERIAL[:-1]}", False),
        (UUID.replace("5", "6", 1), f"naa.{SERIAL[:-1]}5", True),
    ],
)
def test_a_copy_with_another_wwid_loses_its_links_and_nothing_else_does(
    root: Path, uuid: str, wwid: str, kept: bool
) -> None:
    save_fstab(root, append_line(Fstab(), LINE), Fstab(), verify=None)
    add_wwid(root, "sys/block/sda", wwid)
    (root / "sys/block/sda/sda1").mkdir()
    assert is_left_alone(root, uuid, "/block/sda") == kept
    assert is_left_alone(root, uuid, "/block/sda/sda1") == kept


@pytest.mark.fault("F95")
@pytest.mark.parametrize(("last", "kept"), [("4", True), ("5", False)])
def test_the_rule_asks_the_paths_of_a_map_and_of_its_partitions(
    root: Path, last: str, kept: bool
) -> None:
    save_fstab(root, append_line(Fstab(), LINE), Fstab(), verify=None)
    for path in ("sda", "sdb"):
        add_wwid(root, f"sys/block/dm-0/slaves/{path}", f"naa.{SERIAL[:-1]}{last}")
        add_wwid(root, f"sys/block/dm-1/slaves/dm-0/slaves/{path}", f"naa.{SERIAL[:-1]}{last}")
    assert is_left_alone(root, UUID, "/block/dm-0") == kept
    assert is_left_alone(root, UUID, "/block/dm-1") == kept


@pytest.mark.fault("F95")
@pytest.mark.parametrize(
    ("pinned", "other"),
    [
        ("eui.00a0b80000112233", "eui.00a0b80000112234"),
        ("t10.ATA     DISK 5%,    (1)/x", "t10.ATA     DISK 5%,    (2)/x"),
    ],
)
def test_the_rule_knows_names_that_are_not_naa(root: Path, pinned: str, other: str) -> None:
    line = mount_line(
        UUID, "/srv/a", "ext4", (), login_service="open-iscsi.service",
        wwid=pinned, target=TARGET, lun=0,
    )  # fmt: skip
    save_fstab(root, append_line(Fstab(), line), Fstab(), verify=None)
    add_wwid(root, "sys/block/sda", pinned + "   ")
    add_wwid(root, "sys/block/sdb", other)
    assert is_left_alone(root, UUID, "/block/sda")
    assert not is_left_alone(root, UUID, "/block/sdb")


def test_the_rule_says_nothing_of_what_is_no_scsi_disk(root: Path) -> None:
    save_fstab(root, append_line(Fstab(), LINE), Fstab(), verify=None)
    (root / "sys/block/loop0").mkdir(parents=True)
    assert is_left_alone(root, UUID, "/block/loop0")
