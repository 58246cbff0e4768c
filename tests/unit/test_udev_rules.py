"""What udev's rules have systemd start when a disk of a session appears."""

from pathlib import Path

import pytest

from iscsictl.system.host.udev_rules import is_started_with_disk
from iscsictl.system.host.unit_files import read_systemd
from tests.unit.fake_root import put

NAME = "udev/rules.d/70-open-iscsi.rules"
# As open-iscsi 2.1.8-1+deb12u1 installs it.
DEBIAN = """\
# When iscsi disks are present, iscsid.service should be running. LP: #1802354
# ID_PATH looks like ip-<ipv4-dotted-quad>:<port>-iscsi-<target>-lun-<lun>
SUBSYSTEM=="block", ACTION=="add", ENV{ID_PATH}=="*-iscsi-*", ENV{SYSTEMD_WANTS}+="iscsid.service"
"""


@pytest.mark.parametrize("place", ["lib", "usr/lib"])
def test_the_rule_of_debian_starts_iscsid(tmp_path: Path, place: str) -> None:
    assert not read_systemd(tmp_path).iscsid_by_udev
    put(tmp_path, f"{place}/{NAME}", DEBIAN)
    assert read_systemd(tmp_path).iscsid_by_udev
    assert not is_started_with_disk("multipathd.service", tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SUBSYSTEM", "#SUBSYSTEM"),
        ('"add"', '"remove"'),
        ("SYSTEMD_WANTS", "SYSTEMD_USER_WANTS"),
        ("iscsid.service", "iscsid.socket"),
        ('ACTION=="add", ', 'ACTION=="add", KERNEL=="sdb", '),
        ('ENV{ID_PATH}=="*-iscsi-*", ', ""),
        ("==", "!="),
    ],
)
def test_any_other_rule_does_not(tmp_path: Path, old: str, new: str) -> None:
    assert old in DEBIAN
    put(tmp_path, f"lib/{NAME}", DEBIAN.replace(old, new))
    assert not is_started_with_disk("iscsid.service", tmp_path)


def test_a_rule_may_go_on_in_the_next_line(tmp_path: Path) -> None:
    put(tmp_path, f"lib/{NAME}", DEBIAN.replace('"add", ', '"add", \\\n  '))
    assert is_started_with_disk("iscsid.service", tmp_path)


@pytest.mark.parametrize("masked", [True, False])
def test_a_file_of_the_admin_hides_that_of_the_package(tmp_path: Path, masked: bool) -> None:
    put(tmp_path, f"lib/{NAME}", DEBIAN)
    own = put(tmp_path, f"etc/{NAME}", "# nothing\n")
    if masked:
        own.unlink()
        own.symlink_to("/dev/null")
    assert not is_started_with_disk("iscsid.service", tmp_path)
