"""What fstab check finds, and what it leaves alone."""

from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import pytest

from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.listing import Block, Disk, Path, Session
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord
from iscsictl.parse.fstab import claim_line, mount_line, parse_fstab
from iscsictl.planner.safety.fstab_rules import Finding, check_fstab
from iscsictl.planner.safety.storage_graph import (
    Carrier,
    StorageFacts,
    disk_names,
    storage_facts,
)

UUID = "6f2b1c1e-4a0f-4d0e-9b8a-0d4c2f6b7a11"
LOCAL = "0a1b2c3d-0000-4000-8000-000000000001"
WWID = "naa.6001405aaaaaaaaaaaaaaaaaaaaaaaaa"
OTHER = "naa.6001405bbbbbbbbbbbbbbbbbbbbbbbbb"
IQN = "iqn.2001-04.com.example:mail"
SERVICE = "open-iscsi.service"


def record(startup: str) -> NodeRecord:
    return NodeRecord(
        FilePath("/etc/iscsi/nodes/x"),
        {"node.startup": startup},
        target=IQN,
        portal=Portal("192.0.2.5"),
    )


CARRIED = frozenset({Carrier(WWID)})


def machine(*, startup: str = "automatic") -> StorageFacts:
    names = (UUID, "/dev/sdb", "/dev/sdb1")
    return StorageFacts(
        frozenset({UUID, LOCAL}), dict.fromkeys(names, CARRIED), records=(record(startup),)
    )


def check(text: str | bytes, facts: StorageFacts | None = None) -> tuple[Finding, ...]:
    data = text if isinstance(text, bytes) else text.encode()
    return check_fstab(parse_fstab(data), facts or machine())


def ids(text: str | bytes, facts: StorageFacts | None = None) -> list[str]:
    return [finding.id for finding in check(text, facts)]


@pytest.mark.fault("F103")
@pytest.mark.parametrize(
    "spec",
    ["LABEL=data", "PARTUUID=0a", "/dev/disk/by-id/wwn-0x1-part1", "/dev/vg/lv", "/dev/mapper/c"],
)
def test_an_entry_that_names_the_disk_otherwise_is_judged_like_one_with_its_uuid(spec: str) -> None:
    disk = Disk(WWID, (Path(1, "2:0:0:0", "/dev/sdb"),), Block("/dev/sdb", children=(
        Block("/dev/sdb1", uuid=UUID, children=(Block("/dev/dm-0", "lvm"),)),)))  # fmt: skip
    device = "/dev/dm-0" if "/v" in spec or "/m" in spec else "/dev/sdb1"
    session = Session("sysfs", IQN, sid=1)
    seen = storage_facts([disk], [session], links={spec: device}, records=(record("manual"),))
    expected = ["no-netdev", "no-nofail", "fsck", "node-manual"]
    assert ids(f"{spec} /srv ext4 defaults 0 2\n", seen) == expected
    assert ids(f"UUID={UUID} /srv ext4 defaults 0 2\n", seen) == expected
    assert ids(f"{spec} /srv ext4 defaults 0 2\n", replace(seen, links={})) == []


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
    assert "_netdev" in found[0].fix
    assert "line 1" in found[0].fix


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
    assert found.fix == f"iscsictl startup {IQN} automatic"
    assert ids(ours(), replace(machine(), records=())) == ["no-record"]


def test_a_uuid_that_is_nowhere_is_said() -> None:
    text = "UUID=ffffffff-0000-4000-8000-000000000009 /srv ext4 {} 0 0\n"
    (hangs,) = check(text.format("defaults"))
    assert (hangs.id, hangs.severity) == ("uuid-nowhere", "fail")
    (waits,) = check(text.format("nofail"))
    assert (waits.id, waits.severity) == ("uuid-nowhere", "warn")
    assert check(text.format("noauto")) == ()


def test_where_nobody_could_look_no_uuid_is_missed() -> None:
    assert check("UUID=ffff /srv ext4 defaults 0 0\n", StorageFacts()) == ()


def test_two_lines_on_one_directory_are_one_too_many() -> None:
    text = f"UUID={LOCAL} /srv ext4 defaults 0 0\nUUID={LOCAL} /srv/ ext4 defaults 0 0\n"
    (found,) = check(text)
    assert (found.id, found.severity, found.line) == ("same-directory", "fail", 2)
    (mild,) = check(text.replace("/srv/ ext4 defaults", "/srv/ ext4 noauto"))
    assert mild.severity == "warn"
    (again,) = check(text.replace("/srv/ ", "//srv/. "))
    assert (again.id, again.subject) == ("same-directory", "/srv")


def test_swap_has_no_directory_to_share() -> None:
    assert check("LABEL=a none swap sw 0 0\nLABEL=b none swap sw 0 0\n") == ()


def test_a_claim_that_was_left_over_is_said() -> None:
    line = claim_line(FilesystemClaim(UUID, "ext4"), "/srv", wwid=WWID, target=IQN, lun=0)
    (found,) = check(line.raw)
    assert (found.id, found.severity) == ("claim-left", "warn")
    assert f"iscsictl fstab rm {UUID}" in found.fix


def test_requiring_the_login_service_is_warned_about() -> None:
    text = f"UUID={UUID} /srv ext4 _netdev,nofail,x-systemd.requires={SERVICE} 0 0\n"
    (found,) = check(text)
    assert (found.id, found.severity) == ("requires-login", "warn")


def test_written_entry_without_its_order_is_said() -> None:
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
    seen = replace(machine(), copied=facts_of(one(WWID), one(OTHER, "/dev/sdc")).copied)
    (found,) = check(ours(), seen)
    assert (found.id, found.severity) == ("uuid-twice", "fail")
    assert f"on 2 disks ({WWID}, {OTHER})" in found.text


def one(wwid: str, device: str = "/dev/sdb", **more: Any) -> Disk:
    block = Block(device, "disk", uuid=UUID)._replace(**more)
    return Disk(wwid, (Path(int(wwid[-1], 16), "2:0:0:0", device),), block)


def facts_of(
    *disks: Disk, known: frozenset[str] = frozenset({UUID}), sessions: tuple[Session, ...] = ()
) -> StorageFacts:
    return storage_facts(disks, sessions, known=known, records=())


def test_a_filesystem_that_spans_two_disks_is_there_once() -> None:
    text = f"UUID={UUID} /srv ext4 _netdev,nofail 0 0\n"
    array = Block("/dev/md0", "md", uuid=UUID)
    legs = [one(w, d, uuid=None, children=(array,)) for w, d in ((WWID, "/dev/sdb"),
                                                                (OTHER, "/dev/sdc"))]  # fmt: skip
    assert ids(text, facts_of(*legs)) == []
    parts = [one(WWID, member="1"), one(OTHER, "/dev/sdc", member="2")]
    assert ids(text, facts_of(*parts)) == []
    assert ids(text, facts_of(*parts, one(OTHER[:-1] + "c", "/dev/sdd", member="2"))) == [
        "uuid-twice"
    ]
    assert disk_names(facts_of(*parts).carriers[UUID]) == {WWID, OTHER}
    assert ids(ours(wwid=OTHER), replace(facts_of(*parts), records=None)) == []


@pytest.mark.parametrize(
    ("written", "real"), [(UUID.upper(), UUID), ("abcd-1234", "ABCD-1234"), ("0a1b-C", "0A1B-C")]
)
def test_a_uuid_in_the_wrong_case_is_nobody_s_name(written: str, real: str) -> None:
    # udev names its link as the filesystem has it, and a name of a file has a case.
    seen = facts_of(known=frozenset({real}))
    for spec in (f"UUID={written}", f"/dev/disk/by-uuid/{written}", f"UUID='{written}'"):
        (found,) = check(f"{spec} /srv vfat nofail 0 0\n", seen)
        assert (found.id, found.severity) == ("name-case", "fail")
        assert found.fix == f"replace {written} with {real} in line 1 of /etc/fstab"
        (mild,) = check(f"{spec} /srv vfat noauto 0 0\n", seen)
        assert mild.severity == "warn"
        assert check(f"{spec.replace(written, real)} /srv vfat nofail 0 0\n", seen) == ()


@pytest.mark.parametrize("tag", ["uuid", "Uuid", "label", "partuuid"])
def test_a_tag_in_small_letters_is_none(tag: str) -> None:
    (found,) = check(f"{tag}={LOCAL} /srv ext4 nofail 0 0\n")
    assert (found.id, found.severity) == ("name-case", "fail")
    assert found.fix == f"replace {tag}= with {tag.upper()}= in line 1 of /etc/fstab"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # What systemd-fstab-generator makes of them: remote-fs.target requires the .automount.
        ("_netdev,x-systemd.automount", []),
        ("x-systemd.automount", ["no-netdev"]),
        ("noauto,x-systemd.automount", ["no-netdev"]),
        ("noauto", []),
        ("noauto,auto,_netdev", ["no-nofail"]),
        ("auto,noauto", []),
        ("_netdev,nofail,fail", ["no-nofail"]),
        ("_netdev,fail,nofail", []),
    ],
)
def test_of_options_that_contradict_the_last_counts_as_for_systemd(
    options: str, expected: list[str]
) -> None:
    assert ids(f"UUID={UUID} /srv ext4 {options} 0 0\n") == expected


def test_what_is_mounted_on_first_use_may_have_no_letter_and_is_waited_for_by_no_boot() -> None:
    options = "_netdev,noauto,x-systemd.automount"
    assert ids(f"/dev/sdb1 /srv ext4 {options} 0 0\n") == ["device-name"]
    gone = "UUID=ffffffff-0000-4000-8000-000000000009"
    (found,) = check(f"{gone} /srv ext4 {options} 0 0\n")
    assert (found.id, found.severity) == ("uuid-nowhere", "warn")


@pytest.mark.parametrize(
    "spec",
    [
        f"UUID={UUID}",
        f"/dev/disk/by-uuid/{UUID}",
        f"/dev/disk/by-path/ip-192.0.2.5:3260-iscsi-{IQN}-lun-0-part1",
    ],
)
def test_a_line_without_notes_is_judged_by_the_target_of_its_disk(spec: str) -> None:
    text = f"{spec} /srv ext4 _netdev,nofail 0 0\n"
    disk = one(WWID)
    seen = facts_of(disk, sessions=(Session("sysfs", IQN, sid=disk.paths[0].sid),))
    for startup, expected in (("manual", ["node-manual"]), ("automatic", [])):
        assert ids(text, replace(seen, records=(record(startup),))) == expected
    assert ids(text, seen) == []


def test_a_line_that_cannot_be_read_is_a_failure_with_its_number() -> None:
    (found,) = check(f"# fine\nUUID={UUID}\n")
    assert (found.id, found.severity, found.line) == ("unreadable", "fail", 2)


def test_a_blank_in_the_options_is_told_for_it_makes_mount_ignore_the_line() -> None:
    (found,) = check(f"UUID={UUID} /srv ext4 nofail, _netdev 0 0\n")
    assert (found.id, found.severity) == ("unreadable", "fail")
    assert (
        "'_netdev' instead of a number as its fifth field: check for a space in the options"
    ) in found.text


def test_findings_come_in_the_order_of_the_lines() -> None:
    text = f"junk\n/dev/sdb1 /a ext4 nofail 0 0\nUUID={UUID} /b ext4 _netdev 0 0\n"
    lines = [finding.line for finding in check(text)]
    assert lines == sorted(lines) == [1, 2, 2, 3]
