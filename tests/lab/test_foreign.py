"""What somebody else put on a disk stays as it is: every kind refused, every byte unchanged."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from iscsictl.system.block.blank_extents import DiskShape, Extent, signature_extents
from tests.lab.array import A4
from tests.lab.lio import CORE
from tests.lab.test_disks import IQN, PATIENCE, call, login, shell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.lab.array import Array
    from tests.lab.lio import Disk
    from tests.lab.pair import Lab

MIB = 1 << 20
ATTACH = f"iscsictl attach -p {A4} -T {IQN}"
BARE = "dd if=/dev/zero of={d} bs=1M count=1 oflag=direct conv=notrunc status=none"
MD = (
    "mdadm -q --create /dev/md7 --level=1 --force --raid-devices=1 --run --metadata={v} {d}; "
    "mdadm -q --stop /dev/md7"
)
#: Made by the host with the tools themselves: size in MiB, script, what the refusal must say.
MADE: dict[str, tuple[int, str, str]] = {
    "ext2": (16, "mkfs.ext2 -q {d}", "ext2"),
    "ext3": (16, "mkfs.ext3 -q {d}", "ext3"),
    "ext4": (16, "mkfs.ext4 -q {d}", "ext4"),
    "xfs": (320, "mkfs.xfs -q {d}", "xfs"),
    "btrfs": (128, "mkfs.btrfs -q {d}", "btrfs"),
    "vfat": (16, "mkfs.vfat -I {d} >/dev/null", "vfat"),
    "ntfs": (16, "mkntfs -Q -F -q {d} >/dev/null 2>&1", "ntfs"),
    "swap": (16, "mkswap {d} >/dev/null", "swap"),
    "lvm": (16, "pvcreate -qq -y {d} >/dev/null", "LVM2_member"),
    "md": (16, MD.replace("{v}", "1.2"), "linux_raid_member"),
    "md-at-the-end": (16, MD.replace("{v}", "0.90"), "linux_raid_member"),
    "luks": (
        32,
        "echo -n key | cryptsetup -q luksFormat --pbkdf pbkdf2 --pbkdf-force-iterations 1000 {d} -",
        "crypto_LUKS",
    ),
    "gpt": (16, "echo 'label: gpt' | sfdisk -q {d}", "gpt"),
    "gpt-parted": (16, "printf 'label: gpt\\n,4M\\n,,\\n' | sfdisk -q {d}", "gpt"),
    "mbr": (16, "printf 'label: dos\\n,,\\n' | sfdisk -q {d}", "dos"),
    "ext4-without-its-first-mib": (64, "mkfs.ext4 -q {d}; " + BARE, "data"),
    "xfs-without-its-first-mib": (320, "mkfs.xfs -q {d}; " + BARE, "data"),
}


def zfs(array: Array, disk: Disk) -> None:
    """Four labels of 256 KiB: the upper half of each is a ring of uberblocks."""
    uberblock = (0x00BAB10C).to_bytes(8, "little") + (5000).to_bytes(8, "little")
    ring = uberblock.ljust(1024, b"\0") * 128
    for label in (0, 256 << 10, disk.size - (512 << 10), disk.size - (256 << 10)):
        array.write(disk, label + (128 << 10), ring)


#: The first page of a file that no tool knows.
PAGE = b"\x00\xa2\x00\x00\x01\x00\x00\x10".ljust(8192, b"\0")
#: Written behind the host's back: what the refusal must say.
WRITTEN: dict[str, tuple[Callable[[Array, Disk], None], str]] = {
    "zfs": (zfs, "carries"),  # as zfs_member or as data, by what blkid knows
    "database": (lambda a, d: a.write(d, 0, PAGE), "data"),
    "random": (lambda a, d: a.write(d, 0, os.urandom(16 * MIB)), "data"),
    "only-at-the-end": (lambda a, d: a.write(d, d.size - 512, b"tail".ljust(512, b"\0")), "data"),
}  # fmt: skip
ADOPTABLE = {"ext2", "ext3", "ext4", "xfs", "btrfs", "vfat"}


#: One of each way to be known, or not to be: what `make test` has time for.
TELLING = ("ext4", "luks", "mbr", "ext4-without-its-first-mib", "zfs", "only-at-the-end")
# Runs on the array: the SHA-256 of each file as `sha256sum` gives it, holes not read.
_SUMS = r"""
import hashlib, os, sys
zeroes = bytes(1 << 20)
for path in sys.argv[1:]:
    total, at = hashlib.sha256(), 0
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    size = os.lseek(file, 0, os.SEEK_END)
    while at < size:
        try:
            start = os.lseek(file, at, os.SEEK_DATA)
        except OSError:
            start = size
        while at < start:
            step = min(len(zeroes), start - at)
            total.update(zeroes[:step])
            at += step
        end = os.lseek(file, start, os.SEEK_HOLE) if start < size else size
        while at < end:
            piece = os.pread(file, min(len(zeroes), end - at), at)
            total.update(piece)
            at += len(piece)
    print(total.hexdigest())
"""


def foreign(lab: Lab, kinds: Iterable[str]) -> dict[str, Disk]:
    """A LUN of each kind, and the host logged in; nothing puts arrays together by itself."""
    lab.host.put("/etc/udev/rules.d/64-md-raid-assembly.rules", "")
    sizes = {kind: MADE[kind][0] * MIB if kind in MADE else 16 * MIB for kind in kinds}
    disks = {kind: lab.array.disk(kind, size) for kind, size in sizes.items()}
    for kind in WRITTEN.keys() & disks.keys():
        WRITTEN[kind][0](lab.array, disks[kind])
    devices = dict(zip(disks, login(lab, *disks.values()), strict=True))
    lines = [
        f"( {MADE[kind][1].format(d=device)} ) || exit 1"
        for kind, device in devices.items()
        if kind in MADE
    ]
    flush = f"for d in {' '.join(devices.values())}; do blockdev --flushbufs $d; done"
    shell(lab, "\n".join([*lines, "sync", flush, "udevadm settle"]))
    assert [kind for kind, disk in disks.items() if not lab.array.extents(disk)] == []
    return disks


def sums(lab: Lab, disks: dict[str, Disk]) -> dict[str, str]:
    """The SHA-256 of each disk, on the array."""
    paths = [disk.path for disk in disks.values()]
    found = lab.array.run(["python3", "-c", _SUMS, *paths], check=True, timeout=PATIENCE)
    return dict(zip(disks, found.out.split(), strict=True))


def refusals(lab: Lab, commands: dict[str, str]) -> dict[str, tuple[int, str]]:
    """Exit code and errors of each command, run one after the other."""
    script = "\n".join(
        f"{command} >/dev/null 2>/tmp/{name}.err; echo {name} $?"
        for name, command in commands.items()
    )
    codes = dict(line.split() for line in shell(lab, script).splitlines())
    return {name: (int(codes[name]), lab.host.text(f"/tmp/{name}.err")) for name in commands}


def refused_by_attach(lab: Lab, disks: dict[str, Disk]) -> None:
    """Have attach refuse each disk, in words that say what is on it, and touch nothing."""
    before, fstab = sums(lab, disks), lab.host.text("/etc/fstab")
    words = {kind: row[2] for kind, row in MADE.items()}
    words |= {kind: row[1] for kind, row in WRITTEN.items()}
    commands = {
        kind: f"{ATTACH} --lun {number} --fs {kind if kind in ADOPTABLE else 'ext4'} --mount /srv/x"
        for number, kind in enumerate(disks)
    }
    for kind, (code, said) in refusals(lab, commands).items():
        assert code == 9, f"{kind}: {code} {said}"
        assert "not blank" in said
        assert words[kind] in said, f"{kind}: {said}"
        assert ("--adopt" in said) or kind not in ADOPTABLE
    assert sums(lab, disks) == before
    assert lab.host.text("/etc/fstab") == fstab
    assert not lab.host.exists("/srv/x")


@pytest.mark.fault("F25")
def test_a_disk_with_anything_on_it_is_refused_and_stays(lab: Lab) -> None:
    disks = foreign(lab, TELLING)
    assert sums(lab, disks)["only-at-the-end"] == lab.array.sha256(disks["only-at-the-end"])
    refused_by_attach(lab, disks)


@pytest.mark.torture
@pytest.mark.fault("F25")
def test_every_kind_of_content_is_refused_and_stays(lab: Lab) -> None:
    refused_by_attach(lab, foreign(lab, [*MADE, *WRITTEN]))


@pytest.mark.torture
@pytest.mark.fault("F25")
def test_no_disk_command_writes_over_content_either(lab: Lab) -> None:
    disks = foreign(lab, [*MADE, *WRITTEN])
    before = sums(lab, disks)
    label = refusals(lab, {k: f"iscsictl disk label {d.wwid} gpt" for k, d in disks.items()})
    same = {"gpt", "gpt-parted"}  # what is there already is left as it is
    assert {kind: code for kind, (code, _) in label.items() if kind not in same} == dict.fromkeys(
        (kind for kind in disks if kind not in same), 9
    )
    mkfs = refusals(lab, {k: f"iscsictl disk mkfs {d.wwid} --fs xfs" for k, d in disks.items()})
    assert {kind: code for kind, (code, _) in mkfs.items() if code != 9} in ({}, {"xfs": 0})
    assert sums(lab, disks) == before


@pytest.mark.fault("F23")
def test_two_disks_with_one_wwid_are_not_written_and_one_serial_with_two_is_a_warning(
    lab: Lab,
) -> None:
    serial = "5eed5eed-0000-4000-8000-0123456789ab"
    disks = [lab.array.disk(name, "64M", serial=serial) for name in ("one", "two")]
    devices = login(lab, *disks)
    before = [lab.array.digest(disk) for disk in disks]
    for lun in (0, 1):
        result = lab.host.run(f"{ATTACH} --lun {lun} --fs ext4 --mount /srv/x", timeout=PATIENCE)
        assert result.code == 9, str(result)
        assert all(device in result.err for device in devices), result.err
    assert "matches several" in call(lab, "disk", "mkfs", devices[0], "--fs", "ext4", code=3).err
    assert [lab.array.digest(disk) for disk in disks] == before

    # Another company id in front of the same serial number makes another WWID.
    third = lab.array.disk("three", "64M", serial="5eed5eed-0000-4000-8000-000000000003")
    fourth = lab.array.disk("four", "64M", serial="5eed5eed-0000-4000-8000-000000000003")
    lab.array.run(
        f"for d in {third.name} {fourth.name}; do "
        f"echo 0 > {CORE}/$d/attrib/emulate_model_alias || exit 1; done; "
        f"echo 0x00a098 > {CORE}/{fourth.name}/wwn/company_id",
        check=True,
    )
    for name, disk in (("c", third), ("d", fourth)):
        lab.array.target(f"{IQN}.{name}", [disk])
    shell(lab, f"iscsiadm -m discovery -t st -p {A4} && iscsiadm -m node --login; "
               "until [ $(ls -d /sys/block/sd* | wc -l) = 4 ]; do sleep 0.2; done; "
               "udevadm settle")  # fmt: skip
    warned = call(lab, "ls")
    assert "the same serial number" in warned.err, warned
    assert "different WWIDs" in warned.err


def extents(size: int) -> tuple[Extent, ...]:
    """Return where a LUN of LIO, or its partition, is read whatever the grid is."""
    return signature_extents(DiskShape(size, 512, 8 * MIB))


@pytest.mark.fault("F25")
def test_data_that_only_the_proof_of_the_partition_meets_is_kept_now_and_later(lab: Lab) -> None:
    disk, model = lab.array.disk("data", "1G"), lab.array.disk("model", "1G")
    devices = login(lab, disk, model)
    table = json.loads(shell(lab, f"echo 'label: gpt\n,,' | sfdisk -q {devices[1]}; "
                                  f"sfdisk -J {devices[1]}"))["partitiontable"]  # fmt: skip
    (part,) = table["partitions"]
    start, size = (part[key] * table["sectorsize"] for key in ("start", "size"))
    # Near a third of the partition, which is not a third of the disk.
    met = [range(at, sum((at, length))) for at, length in extents(disk.size)]
    place = next(start + at for at, _ in extents(size) if not any(start + at in r for r in met))
    data = b"precious".ljust(4096, b"\1")
    lab.array.write(disk, place, data)
    fstab = lab.host.text("/etc/fstab")
    command = f"{ATTACH} --lun 0 --fs ext4 --mount /srv/x"
    for text in ("has changed", "is not blank"):
        result = lab.host.run(command, timeout=PATIENCE)
        assert result.code == 9, str(result)
        assert text in result.err
        assert lab.array.read(disk, place, len(data)) == data
        assert lab.host.text("/etc/fstab") == fstab
    shell(lab, f"{command} --wipe --confirm {disk.wwid} && touch /srv/x/file")


def reserve(lab: Lab, luns: int = 1) -> None:
    """Have another host, which is the array itself, reserve LUNs for those who registered."""
    lab.array.run(
        "mkdir -p $(cat /sys/kernel/config/target/dbroot)/pr; "
        f"modprobe iscsi_tcp; iscsid; sleep 1; iscsiadm -m discovery -t st -p {A4} && "
        f"iscsiadm -m node -T {IQN} -p {A4} --login && "
        f"for lun in $(seq 0 {luns - 1}); do "
        "until d=$(ls -d /dev/disk/by-path/*lun-$lun); do sleep 0.2; done; "
        "sg_persist -n --out --register --param-sark=0xabc $d && "
        "sg_persist -n --out --reserve --param-rk=0xabc --prout-type=5 $d || exit 1; done; "
        "iscsiadm -m node -T " + IQN + " --logout",
        check=True,
        timeout=PATIENCE,
    )  # fmt: skip


@pytest.mark.fault("F51")
def test_a_lun_that_another_host_reserved_is_not_written(lab: Lab) -> None:
    disk = lab.array.disk("data", "64M")
    before = lab.array.digest(disk)
    lab.array.target(IQN, [disk])
    reserve(lab)
    fstab = lab.host.text("/etc/fstab")
    for more in ("", f"--wipe --confirm {disk.wwid}"):
        command = f"{ATTACH} --fs ext4 --mount /srv/x {more}"
        result = lab.host.run(command, timeout=PATIENCE)
        assert result.code == 9, str(result)
        assert "persistent reservation" in result.err
    volume = f'name = "x"\nportals = ["{A4}"]\ntarget = "{IQN}"\nfs = "ext4"\nmount = "/srv/x"\n'
    lab.host.put("/root/volumes.toml", f"[[volume]]\n{volume}")
    result = lab.host.run("iscsictl apply /root/volumes.toml --yes", timeout=PATIENCE)
    assert result.code == 9, str(result)
    assert "persistent reservation" in result.err
    assert lab.array.digest(disk) == before
    assert lab.host.text("/etc/fstab") == fstab
    assert "No active sessions" in lab.host.run("iscsiadm -m session").err


@pytest.mark.every_suite
@pytest.mark.fault("F51")
@pytest.mark.fault("F73")
def test_no_disk_command_writes_to_a_lun_that_another_host_reserved(lab: Lab) -> None:
    disk = lab.array.disk("data", "64M")
    (device,) = login(lab, disk)
    shell(lab, f"printf 'label: gpt\\n,16M\\n,16M\\n' | sfdisk -q {device}; udevadm settle")
    reserve(lab)
    lab.array.grow(disk, "128M")
    before = lab.array.digest(disk)
    fstab = lab.host.text("/etc/fstab")
    for words in (
        f"label {disk.wwid} dos --wipe --confirm {disk.wwid}",
        f"mkfs {device}1 --fs ext4",
        f"part add {disk.wwid} --rest",
        f"part rm {disk.wwid} 2",
        f"part type {disk.wwid} 1 lvm",
        f"part bootable {disk.wwid} 1",
        f"grow {disk.wwid}",
    ):
        result = lab.host.run(f"iscsictl disk {words} --yes", timeout=PATIENCE)
        assert result.code == 9, f"{words}: {result}"
        assert "persistent reservation" in result.err
    assert lab.array.digest(disk) == before
    assert lab.host.text("/etc/fstab") == fstab


def attached_with_a_snapshot(lab: Lab) -> list[Disk]:
    """A mounted LUN 0 with a file, and as LUN 1 a copy of it that the array made."""
    origin, copy = lab.array.disk("origin", "64M"), lab.array.disk("copy", "64M")
    lab.array.target(IQN, [origin])
    shell(lab, f"{ATTACH} --fs ext4 --mount /srv/x && echo kept > /srv/x/file && sync")
    lab.array.run(f"cp --sparse=always {origin.path} {copy.path}; sync", check=True)
    lab.array.map(IQN, 1, copy)
    return [origin, copy]


def mounted_after_power_cut(lab: Lab) -> str:
    """The WWID of the disk that is mounted on /srv/x once the host has booted again."""
    shell(lab, "sync")
    lab.host.power_cut()
    lab.host.boot()
    source = shell(lab, "until findmnt -no SOURCE /srv/x; do sleep 0.5; done").strip()
    disk = source.rstrip("0123456789").rpartition("/")[2]
    return shell(lab, f"cat /sys/block/{disk}/device/wwid").strip()


@pytest.mark.fault("F53")
def test_a_snapshot_with_the_uuid_of_its_origin_is_not_attached(lab: Lab) -> None:
    _, copy = attached_with_a_snapshot(lab)
    before = lab.array.sha256(copy)
    for more in ("", "--adopt", "--fs xfs"):
        result = lab.host.run(f"{ATTACH} --lun 1 --mount /srv/y {more}", timeout=PATIENCE)
        assert result.code == 9, str(result)
    assert "not blank" in result.err
    assert lab.array.sha256(copy) == before
    assert shell(lab, "cat /srv/x/file") == "kept\n"


@pytest.mark.torture
@pytest.mark.fault("F53")
def test_after_a_boot_the_pinned_disk_is_mounted_and_without_the_rule_its_snapshot(
    lab: Lab,
) -> None:
    origin, copy = attached_with_a_snapshot(lab)
    before = lab.array.sha256(copy)
    # The host sees the snapshot first in each boot, as chance has it elsewhere.
    slow = f'SUBSYSTEM=="block", ATTRS{{wwid}}=="{origin.wwid}", PROGRAM="/bin/sleep 8"\n'
    lab.host.put("/etc/udev/rules.d/00-origin-is-slow.rules", slow)
    assert mounted_after_power_cut(lab) == origin.wwid
    assert shell(lab, "cat /srv/x/file") == "kept\n"
    assert lab.array.sha256(copy) == before

    shell(lab, "rm /etc/udev/rules.d/62-iscsictl.rules")
    assert mounted_after_power_cut(lab) == copy.wwid
