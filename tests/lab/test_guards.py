"""What stands between a command and data that is not its own, on real LUNs."""

from __future__ import annotations

import json
import os
import re
import signal
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4
from tests.lab.lio import CORE
from tests.lab.onhost import mounted, run_on
from tests.lab.onmap import wait_for
from tests.lab.stopper import Stopper
from tests.lab.test_disks import IQN, login, shell

if TYPE_CHECKING:
    from tests.lab.lio import Disk
    from tests.lab.pair import Lab

pytestmark = pytest.mark.every_suite

MIB = 1 << 20
ATTACH = f"iscsictl attach -p {A4} -T {IQN}"
CLAIMING = f"{ATTACH} --fs ext4 --mount /srv/x"
#: Where neither a table nor a filesystem of the usual places has anything.
ODD = 123_457 * 512


def sha256(lab: Lab, disk: Disk) -> str:
    """What the array has of a disk by now."""
    shell(lab, "sync")
    return lab.array.sha256(disk)


def commands_for(disk: Disk, more: str = "") -> list[str]:
    """Each command that would write a table or a filesystem to a disk, of LUN 0."""
    return [
        f"iscsictl disk label {disk.wwid} gpt --yes {more}",
        f"iscsictl disk mkfs {disk.wwid} --fs ext4 --yes {more}",
        f"{ATTACH} --lun 0 --fs ext4 --mount /srv/x {more}",
    ]


@pytest.mark.fault("F61")
def test_a_partition_that_only_the_kernel_still_has_is_content(lab: Lab) -> None:
    disk = lab.array.disk("old", "256M")
    (device,) = login(lab, disk)
    start = ODD // 512
    shell(lab, f"echo 'label: gpt\n{start},' | sfdisk -q {device} && udevadm settle")
    shell(lab, f"mkfs.ext4 -q {device}1 && sync")
    lab.array.write(disk, 0, bytes(34 * 512))
    lab.array.write(disk, disk.size - 33 * 512, bytes(33 * 512))
    before = sha256(lab, disk)
    for command in commands_for(disk):
        refused = run_on(lab.host, command, 9).err
        assert "it carries ext4 in partition 1, which is no longer in its table" in refused, refused
    assert shell(lab, f"cat /sys/class/block/{device[5:]}1/start").strip() == str(start)
    assert sha256(lab, disk) == before


@pytest.mark.fault("F62")
def test_label_and_mkfs_have_the_proof_of_attach_also_the_full_one(lab: Lab) -> None:
    disk = lab.array.disk("hidden", "256M")
    login(lab, disk)
    for command in commands_for(disk):
        steps = json.loads(run_on(lab.host, f"{command} -n -J", 10).out)["steps"]
        whys = {step["why"] for step in steps if "blank: " in step["why"]}
        (why,) = whys
        assert re.search(r"blank: \d+ places read, none farther apart than \d+ MiB", why), why
    # One sector in a cell of the grid of 32 MiB: found for certain only where all is read.
    lab.array.write(disk, ODD, os.urandom(512))
    before = sha256(lab, disk)
    for command in commands_for(disk, "--verify-blank full"):
        refused = run_on(lab.host, command, 9).err
        assert "not blank" in refused, refused
        assert f"(at byte {ODD // MIB * MIB})" in refused, refused
    assert sha256(lab, disk) == before


@pytest.mark.fault("F63")
def test_mkfs_discards_nothing_unless_it_is_told_to(lab: Lab) -> None:
    fs = {"ext4": "400M", "xfs": "400M", "btrfs": "400M"}
    disks = {kind: lab.array.disk(kind, size) for kind, size in fs.items()}
    for name in disks:
        lab.array.run(f"echo 1 > {CORE}/{name}/attrib/emulate_tpu", check=True)
    login(lab, *disks.values())
    data, at = os.urandom(64 * 1024), 333 * MIB
    for kind, disk in disks.items():
        make = f"iscsictl disk mkfs {disk.wwid} --fs {kind} --wipe --confirm {disk.wwid} --yes"
        lab.array.write(disk, at, data)
        run_on(lab.host, make)
        assert lab.array.read(disk, at, len(data)) == data, f"{kind} discarded the blocks"
        run_on(lab.host, f"{make} --discard")
        assert lab.array.read(disk, at, len(data)) == bytes(len(data)), f"{kind} kept the blocks"


def claimed(lab: Lab) -> tuple[Disk, str]:
    """A disk of which fstab has a claim, for `CLAIMING` was killed then; and its device."""
    disk = lab.array.disk("claimed", "256M")
    lab.array.target(IQN, [disk], portals=[A4])
    held = Stopper.start(lab, CLAIMING)
    held.until("after claim")
    assert held.signal(signal.SIGKILL)["code"] == -signal.SIGKILL
    assert "iscsictl" in lab.host.text("/etc/fstab")
    return disk, shell(lab, f"readlink -f /dev/disk/by-path/*{IQN}-lun-0").strip()


@pytest.mark.fault("F64")
def test_a_claim_is_no_right_over_what_another_host_wrote_since(lab: Lab) -> None:
    disk, device = claimed(lab)
    # That host has no reservations and knows nothing of the claim.
    shell(lab, f"echo ',,' | sfdisk -q --label gpt {device} && udevadm settle")
    shell(lab, f"mkfs.ext4 -q -L theirs {device}1 && sync")
    before = sha256(lab, disk)
    refused = run_on(lab.host, CLAIMING, 9)
    assert "theirs" in refused.err, refused.err
    assert sha256(lab, disk) == before
    assert mounted(lab.host) == set()


#: What another host may have written to a LUN of which fstab has a claim: partitions of no known
#: signature, as of plain dm-crypt, and of VMFS (type of sfdisk), and data without any table.
WRITTEN_SINCE = {
    "raw data in a partition": "echo ',,' | sfdisk -q --label gpt {d} && udevadm settle && "
    "dd if=/dev/urandom of={d}1 bs=1M count=8 oflag=direct status=none",
    "a partition of VMFS": "echo 'type=AA31E02A-400F-11DB-9590-000C2911D1B8' | "
    "sfdisk -q --label gpt {d} && udevadm settle",
    "raw data from byte 0": "dd if=/dev/urandom of={d} bs=1M count=8 oflag=direct status=none",
}


@pytest.mark.fault("F64")
@pytest.mark.parametrize("content", WRITTEN_SINCE)
def test_a_claim_is_no_right_over_what_has_no_signature(lab: Lab, content: str) -> None:
    disk, device = claimed(lab)
    shell(lab, f"{WRITTEN_SINCE[content].replace('{d}', device)} && sync")
    before = sha256(lab, disk)
    refused = run_on(lab.host, CLAIMING, 9)
    assert "is not blank" in refused.err, refused.err
    assert sha256(lab, disk) == before
    assert mounted(lab.host) == set()


@pytest.mark.fault("F67")
def test_a_lun_that_becomes_another_disk_while_it_is_read_is_not_written(lab: Lab) -> None:
    disk, other = lab.array.disk("first", "256M"), lab.array.disk("other", "256M")
    lab.array.target(IQN, [disk], portals=[A4])
    run_on(lab.host, f"{ATTACH} --print-device")
    device = shell(lab, f"readlink -f /dev/disk/by-path/*{IQN}-lun-0").strip()
    command = f"{ATTACH} --verify-blank full --fs ext4 --mount /srv/x"
    reading = lab.host.start(["sh", "-c", f"exec {command}"])
    sectors = f"awk '{{ print $3 }}' /sys/block/{device[5:]}/stat"
    begun = int(shell(lab, sectors))
    wait_for(lambda: int(shell(lab, sectors)) - begun > 32 * MIB // 512)
    shell(lab, f"kill -STOP {reading.pid}")
    wait_for(lambda: shell(lab, f"cat /sys/block/{device[5:]}/inflight").split() == ["0", "0"])
    lab.array.swap(IQN, 0, other)
    shell(lab, f"kill -CONT {reading.pid}")
    ended = reading.wait(300)
    assert ended.code == 9, ended
    assert other.wwid in ended.err, ended.err
    assert lab.array.extents(disk) == []
    assert lab.array.extents(other) == []


@pytest.mark.fault("F69")
def test_a_filesystem_that_may_be_in_use_elsewhere_is_not_adopted_like_a_clean_one(
    lab: Lab,
) -> None:
    fat, btrfs = lab.array.disk("fat", "64M"), lab.array.disk("btrfs", "128M")
    first, second = login(lab, fat, btrfs)
    shell(lab, f"mkfs.vfat -F 16 -I {first} >/dev/null && mkfs.btrfs -q {second} && sync")
    adopt = f"{ATTACH} --adopt --mount /srv/x"
    # The state of FAT16, in the boot sector (fs/fat/fat.h): bit 0 while it is mounted.
    state = lab.array.read(fat, 0x25, 1)[0]
    lab.array.write(fat, 0x25, bytes([state | 1]))
    before = [sha256(lab, fat), sha256(lab, btrfs)]
    refused = run_on(lab.host, f"{adopt} --lun 0", 9).err
    assert "was not unmounted cleanly: another host may have it mounted" in refused, refused
    refused = run_on(lab.host, f"{adopt} --lun 1", 9).err
    assert "--adopt-unverified" in refused, refused
    assert [sha256(lab, fat), sha256(lab, btrfs)] == before
    lab.array.write(fat, 0x25, bytes([state & ~1]))
    run_on(lab.host, f"{adopt} --lun 0")
    run_on(lab.host, f"{adopt.replace('/srv/x', '/srv/y')} --lun 1 --adopt-unverified")
    assert mounted(lab.host) == {"x", "y"}


@pytest.mark.fault("F70")
def test_options_of_mkfs_name_no_other_disk_and_force_nothing(lab: Lab) -> None:
    disk, other = lab.array.disk("one", "320M"), lab.array.disk("two", "64M")
    _, device = login(lab, disk, other)
    for kind, *options in (
        ("xfs", "-l", f"logdev={device},size=32m"),
        ("xfs", "-r", f"rtdev={device}"),
        ("xfs", "-fK"),
        ("xfs", "-f"),
        ("ext4", "-J", f"device={device}"),
        ("ext4", "-FF"),
        ("ext4", "-d", "/etc"),
        ("btrfs", "--forc"),
        ("btrfs", device),
    ):
        words = " ".join(f"--option={option}" for option in options)
        refused = run_on(
            lab.host, f"iscsictl disk mkfs {disk.wwid} --fs {kind} --yes {words}", 2
        ).err
        assert "hint:" in refused, refused
    assert lab.array.extents(disk) == []
    assert lab.array.extents(other) == []
