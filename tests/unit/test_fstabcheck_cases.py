"""What fstab check leaves alone, and how grave the rest is: the cases at the edge of each rule."""

from dataclasses import replace

import pytest

from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.crypttab import CrypttabEntry
from iscsictl.parse.fstab import claim_line, mount_line, parse_fstab
from iscsictl.planner.safety.fstab_rules import iscsi_entries
from iscsictl.planner.safety.storage_graph import Carrier
from tests.unit.test_fstabcheck import (
    IQN,
    LOCAL,
    SERVICE,
    UUID,
    WWID,
    check,
    ids,
    machine,
    ours,
    record,
)

SAFE = f"UUID={UUID} /srv ext4 _netdev,nofail 0 0\n"
GONE = "ffffffff-0000-4000-8000-000000000009"


def test_what_the_initrd_mounts_needs_no_option() -> None:
    for line in ("/usr ext4 defaults", "/srv ext4 x-initrd.mount", "/ ext4 defaults"):
        assert ids(f"UUID={UUID} {line} 0 0\n") == []
    assert ids(f"UUID={UUID} /usr/share ext4 defaults 0 0\n") == ["no-netdev", "no-nofail"]


def test_what_the_initrd_opens_needs_no_option_either() -> None:
    for options, found in (((), ["no-netdev", "no-nofail"]), (("x-initrd.attach",), [])):
        volume = CrypttabEntry(3, "safe", f"UUID={UUID}", options)
        assert ids("", replace(machine(), crypttab=(volume,))) == found


def test_a_letter_is_no_name_for_the_device_of_a_volume_either() -> None:
    volume = CrypttabEntry(3, "safe", "/dev/sdb", ("_netdev", "nofail"))
    (found,) = check("", replace(machine(), crypttab=(volume,)))
    assert (found.id, found.severity, found.file) == ("device-name", "fail", "crypttab")
    by_uuid = replace(volume, device=f"UUID={UUID}")
    assert check("", replace(machine(), crypttab=(by_uuid,))) == ()


def test_a_volume_of_a_target_without_a_record_is_left_to_whoever_logs_in_to_it() -> None:
    carriers = {UUID: frozenset({Carrier(WWID, frozenset({IQN}))})}
    volume = CrypttabEntry(3, "safe", f"UUID={UUID}", ("_netdev", "nofail"))
    for records, found in (((record("manual"),), ["node-manual"]), ((), [])):
        seen = replace(machine(), crypttab=(volume,), carriers=carriers, records=records)
        assert ids("", seen) == found


@pytest.mark.parametrize(
    ("fs", "found"), [("ext4", ["fsck"]), ("vfat", ["fsck"]), ("xfs", []), ("btrfs", [])]
)
def test_only_a_filesystem_whose_fsck_does_something_is_checked_at_boot(
    fs: str, found: list[str]
) -> None:
    line = SAFE.replace("ext4", fs)
    assert ids(line.replace("0 0", "0 2")) == found
    assert ids(line) == []


def test_a_letter_does_no_harm_in_what_is_not_mounted_at_boot() -> None:
    assert check("/dev/sdz1 /mnt ext4 noauto 0 0\n") == ()


def test_a_finding_is_about_the_directory_or_else_about_the_device() -> None:
    swap, mount = check("/dev/sdz1 none swap sw 0 0\n/dev/sdz2 /srv ext4 defaults 0 0\n")
    assert (swap.subject, mount.subject) == ("/dev/sdz1", "/srv")


def test_findings_about_two_lines_stand_in_the_order_of_the_lines_too() -> None:
    text = "UUID={0} /srv ext4 nofail 0 0\nUUID={0} /srv ext4 nofail 0 0\n/dev/sdz1 /a ext4\n"
    found = check(text.format(LOCAL))
    assert [(one.line, one.id) for one in found] == [(2, "same-directory"), (3, "device-name")]


def test_the_entries_of_targets_are_told_from_the_local_ones() -> None:
    by_path = f"/dev/disk/by-path/ip-192.0.2.5:3260-iscsi-{IQN}-lun-7"
    text = f"UUID={LOCAL} / ext4\n{SAFE}proc /proc proc\n{by_path} /mnt xfs noauto\n"
    found = iscsi_entries(parse_fstab(text.encode()), machine())
    assert [line.number for line in found] == [2, 4]


# Who logs in


def test_a_target_that_the_host_boots_from_does_not_log_in_to_another() -> None:
    manual = replace(machine(startup="manual"), boot_targets=frozenset({"iqn.2001-04.com.boot"}))
    assert ids(ours(), manual) == ["node-manual"]
    assert ids(ours(), replace(manual, boot_targets=frozenset({IQN}))) == []


def test_each_disk_of_an_entry_needs_one_of_its_targets() -> None:
    """The first disk by name has no target that is known; each of the second one is manual."""
    disks = frozenset({Carrier("a"), Carrier("b", frozenset({IQN, "iqn.2001-04.com.example:z"}))})
    manual = replace(machine(startup="manual"), carriers={UUID: disks})
    (found,) = check(SAFE, manual)
    assert (found.id, found.text) == ("node-manual", f"{IQN} is not logged in at boot")
    also = replace(record("automatic"), target="iqn.2001-04.com.example:z")
    assert check(SAFE, replace(manual, records=(*(manual.records or ()), also))) == ()


def test_that_nothing_logs_in_to_the_target_of_an_entry_of_ours_is_a_failure() -> None:
    (found,) = check(ours(), replace(machine(), records=()))
    assert (found.id, found.severity) == ("no-record", "fail")


def test_an_order_that_waits_too_long_is_no_failure() -> None:
    text = SAFE.replace("nofail", f"nofail,x-systemd.requires={SERVICE}")
    (found,) = check(text)
    assert (found.id, found.severity) == ("requires-login", "warn")


def test_an_order_that_is_missing_is_no_failure_either() -> None:
    (found,) = check(ours().replace(f"x-systemd.after={SERVICE},".encode(), b""))
    assert (found.id, found.severity) == ("no-order", "warn")


# What is not there


@pytest.mark.parametrize("boot", [True, False])
def test_an_entry_of_ours_whose_filesystem_is_nowhere_is_told_with_the_way_back(
    boot: bool,
) -> None:
    """Mounted at boot or not: what iscsictl wrote is expected to be there."""
    line = mount_line(
        GONE, "/srv", "ext4", (), login_service=SERVICE, wwid=WWID, target=IQN, lun=0, boot=boot
    )
    for raw in (line.raw, line.raw.replace(b"nofail,", b"") if not boot else line.raw):
        (found,) = check(raw)
        assert (found.id, found.severity) == ("uuid-nowhere", "warn")
        assert found.fix.startswith("iscsictl reconnect; ")
        assert found.fix.endswith(f"iscsictl fstab rm {GONE}")


def test_a_tag_that_mount_does_not_know_fails_no_boot_where_nothing_is_mounted_at_boot() -> None:
    for options, severity in (("nofail", "fail"), ("noauto", "warn")):
        (found,) = check(f"label=x /srv ext4 {options} 0 0\n")
        assert (found.id, found.severity) == ("name-case", severity)


# Two on one directory


@pytest.mark.parametrize(
    ("first", "second", "severity"),
    [
        ("nofail", "nofail", "fail"),
        ("nofail", "noauto", "warn"),
        ("noauto", "nofail", "warn"),
        ("noauto,x-systemd.automount", "nofail", "fail"),
        ("nofail", "noauto,x-systemd.automount", "fail"),
    ],
)
def test_two_on_one_directory_are_a_failure_where_both_come_at_boot(
    first: str, second: str, severity: str
) -> None:
    swap = "LABEL=swap none swap sw 0 0\n"
    text = swap + "".join(f"UUID={LOCAL} /srv ext4 {one} 0 0\n" for one in (first, second))
    (found,) = check(text)
    assert (found.id, found.line, found.severity) == ("same-directory", 3, severity)
    assert found.fix == "delete line 2 or 3 from /etc/fstab"


def test_of_two_on_one_directory_ours_is_removed_by_its_uuid() -> None:
    (found,) = check(f"UUID={LOCAL} /srv ext4 nofail 0 0\n".encode() + ours())
    assert found.id == "same-directory"
    assert found.fix.endswith(f"iscsictl fstab rm {UUID}")


def test_a_claim_shares_its_directory_with_what_it_will_become() -> None:
    claim = claim_line(FilesystemClaim(UUID, "ext4"), "/srv", wwid=WWID, target=IQN, lun=0).raw
    assert ids(claim + ours()) == ids(ours() + claim) == ["claim-left"]
