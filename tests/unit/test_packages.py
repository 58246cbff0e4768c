"""The command that installs a package is that of this host, and can be pasted as it is."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.checks.examine import examine
from iscsictl.errors import MissingError
from iscsictl.model.finding import Level
from iscsictl.model.host_facts import Program
from iscsictl.model.packages import (
    PackageManager,
    install_command,
    install_program_command,
    remove_command,
)
from iscsictl.model.services import Systemd
from iscsictl.planner.iscsi.initiator import ServiceFacts, plan_enable
from iscsictl.system.io import package_manager, process
from iscsictl.system.io.package_manager import find_package_manager
from tests.commands import call
from tests.unit.fake_root import put
from tests.unit.healthy_host import SOUND

MANAGERS: tuple[PackageManager, ...] = ("apt", "dnf", "zypper")
OPEN_ISCSI = {
    "apt": "apt install open-iscsi",
    "dnf": "dnf install iscsi-initiator-utils",
    "zypper": "zypper install open-iscsi",
    None: "install the package open-iscsi",
}


@pytest.mark.parametrize(
    ("text", "manager"),
    [
        ("ID=debian\n", "apt"),
        ('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n', "apt"),
        ('ID="linuxmint"\nID_LIKE="ubuntu debian"\n', "apt"),
        ("ID=fedora\n", "dnf"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf"),
        ('ID="ol"\nID_LIKE="fedora"\n', "dnf"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "zypper"),
        ('ID="sles"\nID_LIKE="suse"\n', "zypper"),
        ("ID=arch\n", None),
        ("ID='\n", None),
        ("", None),
    ],
)
def test_the_distribution_tells_its_package_manager(
    tmp_path: Path, text: str, manager: PackageManager | None
) -> None:
    assert find_package_manager(tmp_path) is None
    put(tmp_path, "usr/lib/os-release", text)
    assert find_package_manager(tmp_path) == manager
    put(tmp_path, "etc/os-release", "ID=fedora\n")
    assert find_package_manager(tmp_path) == "dnf"


@pytest.mark.parametrize("manager", [*MANAGERS, None])
def test_open_iscsi_has_the_name_of_the_distribution(manager: PackageManager | None) -> None:
    assert install_command("open-iscsi", manager) == OPEN_ISCSI[manager]
    assert install_program_command("iscsiadm", manager) == OPEN_ISCSI[manager]


def test_a_program_of_no_known_package_is_named_as_what_it_is() -> None:
    assert install_program_command("no-such-program", "apt") == "install no-such-program"


@pytest.mark.skipif(not Path("/usr/bin/dpkg-query").exists(), reason="no dpkg here")
def test_debians_packages_have_the_programs_that_they_are_named_for() -> None:
    """By what is installed here: a program that is not is passed over."""
    programs = {
        name: path
        for name in ("sfdisk", "blkid", "findmnt", "wipefs", "mount", "mkfs.ext4", "udevadm",
                     "systemctl", "ip", "dmsetup", "mkfs.xfs", "mkfs.btrfs", "mkfs.vfat", "nft")
        if (path := shutil.which(name, path=process.PATH)) is not None
    }  # fmt: skip
    assert "mount" in programs
    for name, path in programs.items():
        # Which of the two names the package lists depends on when /usr was merged.
        real = re.sub(r"^(/usr)?", "", path)
        asked = ["dpkg-query", "--search", f"*{real}"]
        owners = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
        package = install_program_command(name, "apt").removeprefix("apt install ")
        # An alternative, such as nft nowhere is, has no owner.
        assert package in {line.partition(":")[0] for line in owners.splitlines()}, name


def fixes(manager: PackageManager | None) -> list[str]:
    """All that doctor says of a host without the programs."""
    names = ("iscsiadm", "iscsid", "sfdisk", "findmnt", "udevadm", "mkfs.ext4")
    programs = {name: Program(name) for name in names}
    found = examine(replace(SOUND, programs=programs, package_manager=manager))
    return [one.fix or "" for one in found if one.level in {Level.WARN, Level.FAIL}]


@pytest.mark.fault("F110")
@pytest.mark.parametrize("manager", MANAGERS)
def test_doctor_names_the_command_of_this_host_alone(manager: PackageManager) -> None:
    text = "\n".join(fixes(manager))
    assert OPEN_ISCSI[manager] in text.splitlines()
    others = [f"{one} install" for one in MANAGERS if one != manager]
    assert not any(other in text for other in others)
    assert text.count(f"{manager} install") == 5


def test_errors_and_commands_name_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_enable(ServiceFacts(Systemd(running=True), package_manager="zypper"))
    assert plan.refusal is not None
    assert plan.refusal.hint == OPEN_ISCSI["zypper"]
    put(tmp_path, "etc/os-release", "ID=rhel\n")
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert f"hint: {OPEN_ISCSI['dnf']}" in call(["service", "status"], tmp_path).err
    monkeypatch.setattr(package_manager, "_distribution_names", lambda _: iter(["suse"]))
    with pytest.raises(MissingError) as caught:
        process.run(["no-such-program"])
    assert caught.value.hint == "install no-such-program"
    monkeypatch.setattr(process, "PATH", str(tmp_path))
    with pytest.raises(MissingError) as caught:
        process.run(["findmnt"])
    assert caught.value.hint == "zypper install util-linux-systemd"


def test_a_package_is_removed_with_the_command_of_this_host() -> None:
    words = [remove_command("iscsictl", one) for one in MANAGERS]
    assert words == ["apt purge iscsictl", "dnf remove iscsictl", "zypper remove iscsictl"]
