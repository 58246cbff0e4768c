"""The udev rule is there as long as a line of fstab is pinned to a disk, and asks that line."""

from __future__ import annotations

import re
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


@pytest.mark.fault("F53")
@pytest.mark.parametrize(
    ("uuid", "serial", "found"),
    [
        (UUID, SERIAL, [True, True]),
        (UUID, SERIAL[:-1] + "5", [False, True]),
        (UUID, SERIAL[:-1], [False, True]),
        (UUID.replace("5", "6", 1), SERIAL, [False, False]),
    ],
)
def test_what_the_rule_asks_of_fstab(root: Path, uuid: str, serial: str, found: list[bool]) -> None:
    save_fstab(root, append_line(Fstab(), LINE), Fstab(), verify=None)
    questions = re.findall(r"^PROGRAM==\"/bin/grep -qs '(.*?)' /etc/fstab\"", RULE, re.MULTILINE)
    asked = [
        q.replace("$env{ID_FS_UUID_ENC}", uuid).replace("$env{ID_SERIAL_SHORT}", serial)
        for q in questions
    ]
    fstab = str(root / "etc/fstab")
    codes = [subprocess.run(["grep", "-qs", q, fstab], check=False).returncode for q in asked]
    assert [code == 0 for code in codes] == found
