"""From an entry of fstab or crypttab down to its targets, by whatever stands in between."""

from dataclasses import replace
from pathlib import Path as FilePath

import pytest

from iscsictl.checks.examine import examine
from iscsictl.model.fstab import Fstab
from iscsictl.model.listing import Block, Disk, Kind, Listing, Mount, Path, Session
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord
from iscsictl.parse.crypttab import parse_crypttab
from iscsictl.parse.fstab import parse_fstab
from iscsictl.planner.safety.fstab_rules import Finding, check_fstab
from iscsictl.planner.safety.storage_graph import (
    Carrier,
    StorageFacts,
    StorageGraph,
    named_devices,
    storage_facts,
)
from tests.unit import healthy_host

UUID = "6f2b1c1e-4a0f-4d0e-9b8a-0d4c2f6b7a11"
MAIL, WEB = "iqn.2001-04.com.example:mail", "iqn.2001-04.com.example:web"
BASE = f"UUID={UUID} /srv ext4 _netdev,nofail 0 0\n"
BY_PATH = f"/dev/disk/by-path/ip-192.0.2.5:3260-iscsi-{MAIL}-lun-1-part1"


def record(target: str, startup: str) -> NodeRecord:
    path = FilePath(f"/etc/iscsi/nodes/{target}")
    return NodeRecord(path, {"node.startup": startup}, target=target, portal=Portal("192.0.2.5"))


def disk(
    number: int, *children: Block, mounts: tuple[str, ...] = (), uuid: str | None = None
) -> Disk:
    device = f"/dev/sd{'abc'[number]}"
    where = tuple(Mount(path) for path in mounts)
    block = Block(device, "disk", uuid=uuid, mounts=where, children=children)
    return Disk(f"naa.{number}", (Path(number, f"{number}:0:0:0", device),), block)


def facts(*disks: Disk, crypttab: str = "", startup: str = "automatic") -> StorageFacts:
    """The disk 0 is of the target MAIL, the disk 1 of WEB."""
    sessions = [Session("sysfs", target, sid=sid) for sid, target in enumerate((MAIL, WEB))]
    return storage_facts(
        disks or [disk(0, uuid=UUID)],
        sessions,
        crypttab=parse_crypttab(crypttab.encode()),
        records=(record(MAIL, startup), record(WEB, startup)),
    )


def findings(fstab: str, storage: StorageFacts) -> list[Finding]:
    return list(check_fstab(parse_fstab(fstab.encode()), storage))


def ids(fstab: str, storage: StorageFacts | None = None) -> list[tuple[int, str]]:
    return [(one.line, one.id) for one in findings(fstab, storage or facts())]


@pytest.mark.fault("F104")
@pytest.mark.parametrize(
    "entry",
    [
        "/srv/data /data none bind 0 0",
        "/srv/data /data none rbind 0 0",
        "/srv /data none bind 0 0",
        "/srv/./images//a.img /data ext4 loop 0 0",
        "/srv/a.iso /data iso9660 ro 0 0",
        "overlay /data overlay lowerdir=/usr/share:/srv/lower,upperdir=/up,workdir=/work 0 0",
        "overlay /data overlay lowerdir=/usr/share,upperdir=/srv/up,workdir=/srv/work 0 0",
        "/srv/swapfile none swap sw 0 0",
        "/dev/vda9 /data xfs logdev=/dev/sda 0 0",
        "overlay /data overlay lowerdir+=/usr/share,datadir+=/srv/blobs 0 0",
        r"overlay /data overlay lowerdir=/usr/a\:b::/srv/c\:d,volatile 0 0",
        "overlay /data fuse.fuse-overlayfs lowerdir=/srv/a,upperdir=/up,workdir=/work 0 0",
        "/var/a:/srv /data fuse.mergerfs defaults 0 0",
        "/var/a=RO:/srv/b=RW /data fuse.unionfs cow 0 0",
        "/dev/vda9:/dev/sda /data bcachefs defaults 0 0",
    ],
)
def test_what_lies_on_an_iscsi_filesystem_is_held_to_the_same_rules(entry: str) -> None:
    said = [one for one in ids(BASE + entry + "\n") if one[1] != "device-name"]
    assert said == [(2, "no-netdev"), (2, "no-nofail")]
    kept = entry.replace(" 0 0", ",_netdev,nofail 0 0")
    assert [one for one in ids(BASE + kept + "\n") if one[1] != "device-name"] == []
    manual = facts(startup="manual")
    assert (2, "node-manual") in ids(BASE + kept + "\n", manual)


@pytest.mark.fault("F104")
@pytest.mark.parametrize(
    "entry",
    [
        "/var/data /data none bind 0 0",
        "/srvdata /data none bind 0 0",
        "/srv/local/x /data none bind 0 0",
        "//nas/srv /data cifs _netdev 0 0",
        "tmpfs /srv/tmp tmpfs defaults 0 0",
        "overlay /data overlay lowerdir=/a:/b 0 0",
        r"overlay /data overlay lowerdir=/a\:/srv/b::srv 0 0",
        "nas:/srv /data nfs4 _netdev 0 0",
        "/swapfile none swap sw 0 0",
    ],
)
def test_what_lies_elsewhere_is_left_alone(entry: str) -> None:
    local = "UUID=0a1b / ext4 defaults 0 1\nUUID=0a1c /srv/local ext4 defaults 0 2\n"
    seen = replace(facts(), known=None)
    assert ids(f"{local}{BASE}{entry}\n", seen) == []


@pytest.mark.fault("F104")
def test_entries_that_lie_on_one_another_are_followed_to_the_end_and_never_in_a_circle() -> None:
    text = f"{BASE}/srv/a.img /a ext4 loop 0 0\n/a/b /b none bind 0 0\n/b/swap none swap sw 0 0\n"
    assert [line for line, name in ids(text) if name == "no-netdev"] == [2, 3, 4]
    assert ids("/b/x /a none bind 0 0\n/a/x /b none bind 0 0\n/c /c none bind 0 0\n") == []


@pytest.mark.fault("F104")
def test_a_mount_that_fstab_does_not_have_counts_too() -> None:
    seen = facts(disk(0, uuid=UUID, mounts=("/mnt",)))
    assert ids("/mnt/a /data none bind 0 0\n", seen) == [(1, "no-netdev"), (1, "no-nofail")]


@pytest.mark.fault("F105")
@pytest.mark.parametrize("device", [f"UUID={UUID}", "/dev/sda", BY_PATH, "/srv/crypt.img"])
def test_a_volume_of_crypttab_on_an_iscsi_disk_needs_netdev_and_nofail(device: str) -> None:
    seen = facts(crypttab=f"# name device key options\n\nsafe\t{device} none luks\n")
    found = [one for one in findings(BASE, seen) if one.id != "device-name"]
    assert [(one.file, one.line, one.id, one.severity) for one in found] == [
        ("crypttab", 3, "no-netdev", "fail"),
        ("crypttab", 3, "no-nofail", "fail"),
    ]
    assert found[0].fix == "add the option _netdev in line 3 of /etc/crypttab"
    sound = facts(crypttab=f"safe {device} none luks,_netdev,nofail\n")
    assert [one for one in ids(BASE, sound) if one[1] != "device-name"] == []
    assert ids(BASE, facts(crypttab=f"safe {device} none noauto\n")) == []


@pytest.mark.fault("F105")
def test_a_volume_of_a_target_that_nothing_logs_in_to_is_never_opened() -> None:
    seen = facts(crypttab=f"safe UUID={UUID} none _netdev,nofail\n", startup="manual")
    (found,) = findings("", seen)
    assert (found.id, found.fix) == ("node-manual", f"iscsictl startup {MAIL} automatic")


@pytest.mark.fault("F105")
def test_a_volume_on_a_local_disk_needs_neither() -> None:
    assert ids("", facts(crypttab="swap /dev/vda2 /dev/urandom swap\nhome UUID=0a1b none\n")) == []


@pytest.mark.fault("F105")
@pytest.mark.parametrize(
    "spec", ["/dev/mapper/safe", "/dev/disk/by-id/dm-name-safe", "ID=dm-name-safe"]
)
def test_a_filesystem_in_a_volume_that_is_not_open_is_followed_through_crypttab(spec: str) -> None:
    seen = facts(crypttab=f"safe UUID={UUID} none _netdev,nofail\n")
    assert ids(f"{spec} /x xfs defaults 0 0\n", seen) == [(1, "no-netdev"), (1, "no-nofail")]


@pytest.mark.fault("F103")
@pytest.mark.parametrize("kind", ["part", "lvm", "crypt", "md", "loop"])
def test_what_stands_on_a_disk_comes_from_its_target(kind: Kind) -> None:
    seen = facts(disk(0, Block("/dev/sda1", children=(Block("/dev/x", kind, uuid=UUID),))))
    fstab = parse_fstab(f"UUID={UUID} /srv ext4 defaults 0 0\n".encode())
    carriers = StorageGraph(fstab, seen).behind_line(fstab.entries[0])
    assert carriers is not None
    assert carriers == {Carrier("naa.0", frozenset({MAIL}))}


@pytest.mark.fault("F103")
def test_a_volume_over_two_disks_needs_both_targets_at_boot() -> None:
    volume = Block("/dev/mapper/vg-lv", "lvm", uuid=UUID)
    seen = facts(disk(0, volume), disk(1, volume))
    for startups, expected in (
        (("automatic", "manual"), [(1, "node-manual")]),
        (("automatic", "automatic"), []),
    ):
        records = tuple(map(record, (MAIL, WEB), startups))
        assert ids(BASE, replace(seen, records=records)) == expected


@pytest.mark.fault("F103")
def test_a_name_that_nothing_has_is_said_like_a_uuid_that_nothing_has() -> None:
    seen = replace(facts(), absent=frozenset({"LABEL=mial"}))
    (found,) = findings("LABEL=mial /srv ext4 defaults 0 0\n", seen)
    assert (found.id, found.severity) == ("uuid-nowhere", "fail")
    assert found.text == "this host has no device LABEL=mial, and the boot waits for it"
    assert found.fix == "correct LABEL=mial, or delete the entry, in line 1 of /etc/fstab"
    assert ids("LABEL=mial /srv ext4 noauto 0 0\n", seen) == []


ROOT = f"UUID={UUID} / ext4 errors=remount-ro 0 1\n"


@pytest.mark.fault("F102")
@pytest.mark.parametrize("spec", [f"UUID={UUID}", BY_PATH, "LABEL=root"])
def test_the_root_filesystem_on_iscsi_needs_no_option_and_no_record(spec: str) -> None:
    part = Block("/dev/sda1", uuid=UUID, mounts=(Mount("/"),))
    seen = replace(facts(disk(0, part), startup="manual"), links={"LABEL=root": "/dev/sda1"})
    assert seen.boot_targets == {MAIL}
    assert ids(f"{spec} / ext4 errors=remount-ro 0 1\n", seen) == []
    assert ids(f"{spec} / ext4 errors=remount-ro 0 1\n", facts(disk(1), startup="manual")) == []


@pytest.mark.fault("F102")
def test_other_filesystems_of_the_disk_that_the_host_boots_from_need_none_either() -> None:
    parts = [
        Block("/dev/sda1", uuid="0b", mounts=(Mount("/boot"),)),
        Block("/dev/sda2", children=(Block("/dev/dm-0", "lvm", uuid=UUID, mounts=(Mount("/"),)),)),
    ]
    seen = facts(disk(0, *parts), crypttab="x UUID=0b none luks\n", startup="manual")
    text = f"{ROOT}UUID=0b /boot ext4 defaults 0 2\n/var/a /a none bind 0 0\n"
    assert ids(text, seen) == []


@pytest.mark.fault("F102")
def test_another_disk_of_the_target_that_the_host_boots_from_is_never_made_automatic() -> None:
    part = Block("/dev/sda1", uuid=UUID, mounts=(Mount("/"),))
    data = disk(1, uuid="0d")._replace(paths=(Path(0, "0:0:0:1", "/dev/sdb"),))
    seen = facts(disk(0, part), data, startup="manual")
    assert ids(f"{ROOT}UUID=0d /data ext4 _netdev,nofail 0 0\n", seen) == []
    assert ids(f"{ROOT}UUID=0d /data ext4 defaults 0 0\n", seen) == [
        (2, "no-netdev"),
        (2, "no-nofail"),
    ]


@pytest.mark.fault("F102")
def test_doctor_finds_nothing_wrong_with_a_root_filesystem_on_iscsi() -> None:
    root = healthy_host.disk()._replace(block=Block("/dev/sda", uuid="0a-1", mounts=(Mount("/"),)))
    machine = replace(
        healthy_host.with_fstab(b"UUID=0a-1 / ext4 errors=remount-ro 0 1\n"),
        listing=Listing((healthy_host.session(),), (root,)),
        db=healthy_host.db(healthy_host.record(**{"node.startup": "onboot"})),
        mounts=(),
        boot_targets=frozenset({healthy_host.IQN}),
    )
    assert healthy_host.bad(machine) == {}
    manual = healthy_host.db(healthy_host.record(**{"node.startup": "manual"}))
    fixes = [finding.fix or "" for finding in examine(replace(machine, db=manual))]
    assert not [fix for fix in fixes if "automatic" in fix or "nofail" in fix]


@pytest.mark.fault("F104")
def test_a_dataset_is_on_each_disk_of_its_pool() -> None:
    """udev's link of the pool's name leads to one member only."""
    members = [Block(f"/dev/sd{x}1", fstype="zfs_member", label="tank", uuid="9") for x in "ab"]
    seen = facts(*map(disk, range(2), members))
    seen = replace(seen, links={"LABEL=tank": "/dev/sda1"}, absent=frozenset({"LABEL=tank"}))
    for spec, fs in (("tank", "zfs"), ("tank/data/a", "zfs")):
        (line,) = parse_fstab(f"{spec} /data {fs} defaults 0 0\n".encode()).entries
        assert {one.disk for one in StorageGraph(Fstab((line,)), seen).behind_line(line) or ()} == {
            "naa.0", "naa.1",
        }  # fmt: skip
        assert ids(f"{spec} /data {fs} defaults 0 0\n", seen) == [
            (1, "no-netdev"),
            (1, "no-nofail"),
        ]
    for other in ("tanks/data /data zfs", "tank/data /data 9p", "rpool/tank /data zfs"):
        assert ids(f"{other} defaults 0 0\n", seen) == []
    assert "LABEL=tank" in named_devices(parse_fstab(b"tank/a /a zfs\n"), ())


@pytest.mark.parametrize("tag", ["LABEL", "PARTUUID", "PARTLABEL"])
def test_a_tag_that_a_snapshot_has_too_is_left_to_chance_like_its_uuid(tag: str) -> None:
    copies = [disk(n, Block(f"/dev/sd{x}1", uuid=UUID, label="m")) for n, x in enumerate("ab")]
    entry = f"{tag}=m /srv ext4 _netdev,nofail 0 0\n"
    for disks, expected in ((copies, [(1, "uuid-twice")]), (copies[:1], [])):
        seen = replace(facts(*disks), links={f"{tag}=m": "/dev/sda1"})
        assert ids(entry, seen) == expected
    seen = replace(facts(*copies), links={f"{tag}=m": "/dev/sda1"})
    (found,) = findings(entry, seen)
    assert (found.severity, "naa.0, naa.1" in found.text) == ("fail", True)
    assert found.fix.endswith(f"replace {tag}=m with UUID=... (lsblk -f) in line 1 of /etc/fstab")
    by_id = entry.replace(f"{tag}=m", "/dev/disk/by-id/wwn-0x0-part1")
    links = {"/dev/disk/by-id/wwn-0x0-part1": "/dev/sda1"}
    assert ids(by_id, replace(seen, links=links)) == []


def test_a_label_of_two_filesystems_is_left_to_chance() -> None:
    def labelled(fstype: str, *uuids: str, label: str = "m") -> StorageFacts:
        parts = (
            Block(f"/dev/sda{n}", fstype=fstype, uuid=uuid, label=label)
            for n, uuid in enumerate(uuids)
        )
        return replace(facts(disk(0, *parts)), links={"LABEL=m": "/dev/sda0"})

    entry = "LABEL=m /srv ext4 _netdev,nofail 0 0\n"
    assert ids(entry, labelled("ext4", "1", "2")) == [(1, "uuid-twice")]
    assert ids(entry, labelled("ext4", "1")) == []
    assert ids(entry, labelled("ext4", "1", "2", label="n")) == []
    assert ids(entry, labelled("linux_raid_member", "1", "2")) == []
    assert ids(entry, labelled("zfs_member", "1", "2")) == []


def test_a_number_of_device_mapper_is_no_name_for_a_disk() -> None:
    assert ids("/dev/dm-3 /srv ext4 _netdev,nofail 0 0\n") == [(1, "device-name")]
    assert ids("/dev/mapper/dm-3 /srv ext4 _netdev,nofail 0 0\n") == []
