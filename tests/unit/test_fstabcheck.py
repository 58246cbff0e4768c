"""What fstab check finds, and what it leaves alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from iscsictl.core.fstabcheck import Finding, Machine, check_fstab, machine_of
from iscsictl.model.listing import Block, Disk
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord
from iscsictl.parse.fstab import claim_line, mount_line, parse_fstab

UUID = "6f2b1c1e-4a0f-4d0e-9b8a-0d4c2f6b7a11"
LOCAL = "0a1b2c3d-0000-4000-8000-000000000001"
WWID = "naa.6001405aaaaaaaaaaaaaaaaaaaaaaaaa"
OTHER = "naa.6001405bbbbbbbbbbbbbbbbbbbbbbbbb"
IQN = "iqn.2001-04.com.example:mail"
SERVICE = "open-iscsi.service"


def record(startup: str) -> NodeRecord:
    return NodeRecord(
        Path("/etc/iscsi/nodes/x"),
        {"node.startup": startup},
        target=IQN,
        portal=Portal("192.0.2.5"),
    )


def machine(
    *, iscsi: dict[str, frozenset[str]] | None = None, startup: str = "automatic"
) -> Machine:
    return Machine(
        frozenset({UUID, LOCAL}),
        {UUID: frozenset({WWID})} if iscsi is None else iscsi,
        frozenset({"/dev/sdb", "/dev/sdb1"}),
        (record(startup),),
        SERVICE,
    )


def check(text: str | bytes, seen: Machine | None = None) -> tuple[Finding, ...]:
    data = text if isinstance(text, bytes) else text.encode()
    return check_fstab(parse_fstab(data), seen or machine())


def ids(text: str | bytes, seen: Machine | None = None) -> list[str]:
    return [finding.id for finding in check(text, seen)]


def test_a_line_that_names_the_disk_by_its_label_is_judged_as_one_of_iscsi() -> None:
    text = "LABEL=data /srv ext4 defaults 0 2\n"
    disk = Disk(WWID, (), Block("/dev/sdb", children=(Block("/dev/sdb1", uuid=UUID),)))
    seen = machine_of([disk], frozenset({"LABEL=data"}), frozenset(), (), SERVICE)
    assert ids(text, seen) == ["no-netdev", "no-nofail", "fsck"]
    assert ids(text, replace(seen, devices=frozenset({"/dev/sdb", "/dev/sdb1"}))) == []
    assert seen.iscsi == {UUID: frozenset({WWID})}
    assert seen.known == frozenset({UUID})


def ours(directory: str = "/srv", wwid: str = WWID) -> bytes:
    return mount_line(
        UUID, directory, "ext4", (), login_service=SERVICE, wwid=wwid, target=IQN, lun=0
    ).raw


def test_the_line_that_attach_writes_is_safe() -> None:
    assert check(ours()) == ()


def test_lines_of_local_disks_are_left_alone() -> None:
    text = (
        f"# a comment\nUUID={LOCAL} / ext4 errors=remount-ro 0 1\n"
        "proc /proc proc defaults 0 0\n/dev/mapper/vg-home /home xfs defaults 0 2\n"
        "server:/export /mnt nfs _netdev 0 0\nLABEL=swap none swap sw 0 0\n"
    )
    assert check(text) == ()


def test_an_iscsi_disk_that_is_mounted_as_if_it_were_local_hangs_the_boot() -> None:
    found = check(f"UUID={UUID} /srv ext4 defaults 0 2\n")
    assert [(f.id, f.severity, f.line) for f in found] == [
        ("no-netdev", "fail", 1),
        ("no-nofail", "fail", 1),
        ("fsck", "warn", 1),
    ]
    assert "_netdev" in found[0].mend
    assert "line 1" in found[0].mend


def test_udev_s_link_of_a_uuid_is_that_uuid() -> None:
    found = check(f"/dev/disk/by-uuid/{UUID} /srv ext4 _netdev 0 0\n")
    assert [(f.id, f.severity, f.line) for f in found] == [("no-nofail", "fail", 1)]


def test_a_line_that_is_not_mounted_at_boot_hangs_none() -> None:
    assert ids(f"UUID={UUID} /srv ext4 noauto 0 0\n") == []


def test_a_letter_is_no_name_for_a_disk() -> None:
    (found,) = check("/dev/sdb1 /srv ext4 _netdev,nofail 0 0\n")
    assert (found.id, found.severity) == ("device-name", "fail")
    (local,) = check("/dev/sdz1 /srv ext4 defaults 0 0\n")
    assert (local.id, local.severity) == ("device-name", "warn")


def test_a_path_of_udev_that_goes_through_a_session_is_an_iscsi_disk() -> None:
    spec = f"/dev/disk/by-path/ip-192.0.2.5:3260-iscsi-{IQN}-lun-0-part1"
    assert ids(f"{spec} /srv ext4 defaults 0 0\n") == ["no-netdev", "no-nofail"]


def test_a_target_that_nothing_logs_in_to_mounts_nothing() -> None:
    (found,) = check(ours(), machine(startup="manual"))
    assert (found.id, found.severity) == ("node-manual", "fail")
    assert found.mend == f"iscsictl startup {IQN} automatic"
    nobody = Machine(
        frozenset({UUID}), {UUID: frozenset({WWID})}, login_service=SERVICE, records=()
    )
    assert ids(ours(), nobody) == ["no-record"]


def test_a_uuid_that_is_nowhere_is_said() -> None:
    text = "UUID=ffffffff-0000-4000-8000-000000000009 /srv ext4 {} 0 0\n"
    (hangs,) = check(text.format("defaults"))
    assert (hangs.id, hangs.severity) == ("uuid-nowhere", "fail")
    (waits,) = check(text.format("nofail"))
    assert (waits.id, waits.severity) == ("uuid-nowhere", "warn")
    assert check(text.format("noauto")) == ()


def test_where_nobody_could_look_no_uuid_is_missed() -> None:
    assert check("UUID=ffff /srv ext4 defaults 0 0\n", Machine()) == ()


def test_two_lines_on_one_directory_are_one_too_many() -> None:
    text = f"UUID={LOCAL} /srv ext4 defaults 0 0\nUUID={LOCAL} /srv/ ext4 defaults 0 0\n"
    (found,) = check(text)
    assert (found.id, found.severity, found.line) == ("same-directory", "fail", 2)
    (mild,) = check(text.replace("/srv/ ext4 defaults", "/srv/ ext4 noauto"))
    assert mild.severity == "warn"


def test_swap_has_no_directory_to_share() -> None:
    assert check("LABEL=a none swap sw 0 0\nLABEL=b none swap sw 0 0\n") == ()


def test_a_claim_that_was_left_over_is_said() -> None:
    line = claim_line(UUID, "/srv", "ext4", wwid=WWID, target=IQN, lun=0)
    (found,) = check(line.raw)
    assert (found.id, found.severity) == ("claim-left", "warn")
    assert f"iscsictl fstab rm {UUID}" in found.mend


def test_requiring_the_login_service_is_warned_about() -> None:
    text = f"UUID={UUID} /srv ext4 _netdev,nofail,x-systemd.requires={SERVICE} 0 0\n"
    (found,) = check(text)
    assert (found.id, found.severity) == ("requires-login", "warn")


def test_our_line_without_its_order_is_said() -> None:
    text = ours().replace(b",x-systemd.after=open-iscsi.service", b"")
    assert ids(text) == ["no-order"]


@pytest.mark.fault("F53")
def test_the_disk_that_the_line_is_pinned_to_must_be_the_one() -> None:
    (found,) = check(ours(wwid=OTHER))
    assert (found.id, found.severity) == ("wrong-disk", "fail")
    assert WWID in found.text
    assert OTHER in found.text


@pytest.mark.fault("F53")
def test_a_snapshot_with_the_same_uuid_is_a_failure() -> None:
    (found,) = check(ours(), machine(iscsi={UUID: frozenset({WWID, OTHER})}))
    assert (found.id, found.severity) == ("uuid-twice", "fail")


def test_a_line_that_cannot_be_read_is_a_failure_with_its_number() -> None:
    (found,) = check(f"# fine\nUUID={UUID}\n")
    assert (found.id, found.severity, found.line) == ("unreadable", "fail", 2)


def test_findings_come_in_the_order_of_the_lines() -> None:
    text = f"junk\n/dev/sdb1 /a ext4 nofail 0 0\nUUID={UUID} /b ext4 _netdev 0 0\n"
    lines = [finding.line for finding in check(text)]
    assert lines == sorted(lines) == [1, 2, 2, 3]
