"""What changes while a command is under way, or fails under it, costs no data."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4, B4
from tests.lab.stopper import Stopper
from tests.lab.test_disks import IQN, PATIENCE, call, login, shell

if TYPE_CHECKING:
    from tests.lab.agent import Result
    from tests.lab.pair import Lab

ATTACH = f"iscsictl attach -p {A4} -T {IQN}"
MIB = 1 << 20


def lines(lab: Lab) -> str:
    """The lines of iscsictl in fstab."""
    return "".join(x for x in lab.host.text("/etc/fstab").splitlines(True) if "x-iscsictl" in x)


@pytest.mark.fault("F22")
@pytest.mark.fault("F26")
def test_another_disk_behind_the_same_lun_is_never_written(lab: Lab) -> None:
    blank, theirs = lab.array.disk("blank", "64M"), lab.array.disk("theirs", "64M")
    lab.array.write(theirs, 5 * MIB, os.urandom(MIB))
    before = lab.array.sha256(theirs)
    lab.array.target(IQN, [blank])

    held = Stopper.start(lab, f"{ATTACH} --fs ext4 --mount /srv/x")
    held.until("after claim")
    lab.array.swap(IQN, 0, theirs)
    held.go()
    told = held.end()
    assert told["code"] == 9, told
    assert theirs.wwid in told["err"]
    assert lines(lab) == ""

    # The kernel still believes in the disk that was there before.
    lab.array.swap(IQN, 0, blank)
    login(lab, blank)
    lab.array.swap(IQN, 0, theirs)
    again = lab.host.run(f"{ATTACH} --lun 0 --fs ext4 --mount /srv/x", timeout=PATIENCE)
    assert again.code == 9, str(again)
    assert theirs.wwid in again.err
    assert lab.array.sha256(theirs) == before
    assert lab.array.extents(blank) == []


def offline(lab: Lab, device: str) -> None:
    """Cut the way to the disk, and wait until the kernel fails what is sent there."""
    lab.cut("A")
    state = f"/sys/block/{device.removeprefix('/dev/')}/device/state"
    shell(lab, f"until grep -q offline {state}; do sleep 0.2; done")


def online(lab: Lab) -> None:
    """Restore the way to the disk, and wait until the session is up again."""
    lab.restore_cables()
    shell(lab, "until grep -q LOGGED_IN /sys/class/iscsi_session/*/state; do sleep 0.2; done")


QUICK = (
    "--set node.session.timeo.replacement_timeout=1 --set node.conn[0].timeo.noop_out_interval=1 "
    "--set node.conn[0].timeo.noop_out_timeout=1"
)


@pytest.mark.fault("F24")
def test_a_probe_over_a_path_that_flaps_never_leads_to_mkfs(lab: Lab) -> None:
    blank, theirs = lab.array.disk("blank", "64M"), lab.array.disk("theirs", "64M")
    lab.array.write(theirs, 5 * MIB, os.urandom(MIB))
    lab.array.target(IQN, [blank, theirs])
    before = [lab.array.sha256(disk) for disk in (blank, theirs)]
    shell(lab, f"{ATTACH} --lun 0 --no-boot {QUICK}")
    link = f"/dev/disk/by-path/ip-{A4}:3260-iscsi-{IQN}-lun-{{}}"
    wait = "until [ -e {0} ]; do sleep 0.1; done; realpath {0}"
    device = [shell(lab, wait.format(link.format(lun))).strip() for lun in (0, 1)]

    for lun in (0, 1):
        command = f"{ATTACH} --lun {lun} --fs ext4 --mount /srv/x --no-boot --timeout 20s {QUICK}"
        held = Stopper.start(lab, command, [("in wipefs", "wipefs", "--no-act", 0)])
        held.until("in wipefs")
        offline(lab, device[lun])
        held.go()
        told = held.end()
        assert told["code"] in {1, 6, 9}, told
        assert "done      mkfs" not in told["out"]
        assert lines(lab) == ""
        online(lab)
    # The path goes after all was proved, just before the first write.
    held = Stopper.start(lab, f"{ATTACH} --lun 0 --fs ext4 --mount /srv/x --no-boot {QUICK}")
    held.until("after claim")
    offline(lab, device[0])
    held.go()
    told = held.end()
    assert told["code"] in {1, 6}, told
    assert lines(lab) == ""
    online(lab)
    assert [lab.array.sha256(disk) for disk in (blank, theirs)] == before
    call(lab, *f"{ATTACH} --lun 1 --fs ext4 --mount /srv/x --no-boot {QUICK}".split()[1:], code=9)


@pytest.mark.fault("F44")
def test_a_full_or_read_only_etc_leaves_the_old_fstab_and_the_disk(lab: Lab) -> None:
    disk = lab.array.disk("data", "64M")
    (device,) = login(lab, disk)
    before, fstab = lab.array.digest(disk), lab.host.text("/etc/fstab")
    files = shell(lab, "ls -a /etc")
    make = (
        "mkdir -p /run/full && mount -t tmpfs -o size=32M tmpfs /run/full && cp -a /etc/. /run/full"
        " && (dd if=/dev/zero of=/run/full/iscsi/filler bs=4k 2>/dev/null; true)"
        " && mount --bind /run/full /etc"
    )
    read_only = "mount --bind /etc /etc && mount -o remount,bind,ro /etc"
    for break_it, word in ((make, "no space left"), (read_only, "read-only file system")):
        shell(lab, break_it)
        for command in (f"{ATTACH} --fs ext4 --mount /srv/x --no-boot",
                        f"iscsictl disk mkfs {disk.wwid} --fs ext4"):  # fmt: skip
            result = lab.host.run(command, timeout=PATIENCE)
            assert result.code == 1, str(result)
            assert "Traceback" not in result.err
        assert word in result.err.lower(), result.err
        assert lab.host.text("/etc/fstab") == fstab
        shell(lab, "rm -f /etc/iscsi/filler 2>/dev/null; umount -l /etc")
        assert lab.host.text("/etc/fstab") == fstab
        assert shell(lab, "ls -a /etc") == files
    assert lab.array.digest(disk) == before
    assert device


@pytest.mark.fault("F41")
def test_a_record_left_empty_or_truncated_by_a_power_cut_does_not_stop_an_attach(
    lab: Lab,
) -> None:
    lab.array.target(IQN, [lab.array.disk("data", "64M")])
    record = "$(find /etc/iscsi/nodes /var/lib/iscsi/nodes -type f -name default 2>/dev/null)"
    for size in (0, 100):
        shell(lab, f"iscsiadm -m node -T {IQN} -p {A4}:3260,1 -o new; truncate -s {size} {record}")
        call(lab, *f"{ATTACH} --fs ext4 --mount /srv/x --adopt".split()[1:])
        assert shell(lab, f"tail -n 1 {record}") == "# END RECORD\n"
        call(lab, "detach", "/srv/x", "--forget")


def refused(lab: Lab, name: str) -> Result:
    result = lab.host.run(f"iscsictl logout -T {IQN}.{name}", timeout=PATIENCE)
    assert result.code == 7, f"{name}: {result}"
    assert "in use" in result.err
    return result


EXPORT = (
    "modprobe -a target_core_mod target_core_iblock; mount | grep -q configfs || "
    "mount -t configfs none /sys/kernel/config; s=/sys/kernel/config/target/core/iblock_0/again; "
    "mkdir -p $s; echo udev_path={d},force=1 > $s/control; echo 1 > $s/enable"
)


@pytest.mark.fault("F55")
def test_logout_is_refused_while_a_disk_is_used_behind_the_back(lab: Lab) -> None:
    names = ("one", "two", "looped", "exported")
    for name in names:
        lab.array.target(f"{IQN}.{name}", [lab.array.disk(name, "256M")])
    shell(lab, f"iscsiadm -m discovery -t st -p {A4} && iscsiadm -m node --login")
    link = f"/dev/disk/by-path/ip-{A4}:3260-iscsi-{IQN}.{{}}-lun-0"
    wait = "until [ -e {0} ]; do sleep 0.1; done; realpath {0}"
    one, two, looped, exported = (
        shell(lab, wait.format(link.format(name))).strip() for name in names
    )
    shell(lab, f"mkfs.btrfs -q {one} {two}; udevadm settle; mkdir /mnt/x; mount {one} /mnt/x")
    shell(lab, f"modprobe loop; losetup /dev/loop0 {looped}")
    shell(lab, EXPORT.format(d=exported))
    try:
        for name in names:
            refused(lab, name)
        found = lab.host.run("cat /sys/class/iscsi_session/*/targetname").out.split()
        assert sorted(found) == sorted(f"{IQN}.{name}" for name in names)
        result = lab.host.run(f"iscsictl detach {IQN}.two", timeout=PATIENCE)
        assert result.code == 7, str(result)
    finally:
        shell(lab, "umount /mnt/x; losetup -d /dev/loop0; "
                   "rmdir /sys/kernel/config/target/core/iblock_0/again")  # fmt: skip
    for name in names:
        call(lab, "logout", "-T", f"{IQN}.{name}")


@pytest.mark.fault("F56")
def test_a_filesystem_on_an_array_out_of_space_does_not_pass_for_well(lab: Lab) -> None:
    lab.array.run(
        "mkdir -p /run/thin /var/lib/lab && mount -t tmpfs -o size=24M tmpfs /run/thin && "
        "ln -s /run/thin/thin.img /var/lib/lab/thin.img",
        check=True,
    )
    lab.array.target(IQN, [lab.array.disk("thin", "256M")])
    call(lab, *f"{ATTACH} --fs ext4 --mount /srv/x --no-boot".split()[1:])
    assert " up " in call(lab, "ls").out
    write = "dd if=/dev/urandom of=/srv/x/file{} bs=1M count=10 conv=fsync 2>&1"
    results = [lab.host.run(write.format(number), timeout=PATIENCE) for number in range(6)]
    assert any(result.code for result in results), [result.out for result in results]
    shell(
        lab, "for i in 1 2 3 4 5; do touch /srv/x/again$i 2>/dev/null; sync -f /srv/x; done; true"
    )
    found = lab.host.run("iscsictl doctor -J", timeout=PATIENCE)
    assert found.code == 1, str(found)
    levels = {one["id"]: one["level"] for one in json.loads(found.out)["findings"]}
    # The errors of the disk are told with the filesystem on it.
    assert levels["fs-failing"] == "fail"
    assert "disk-errors" not in levels


def start_multipathd(lab: Lab) -> None:
    """Have multipathd stand over every disk."""
    lab.host.put("/etc/multipath.conf", "defaults {\n  find_multipaths no\n}\n")
    shell(
        lab,
        "rm -f /etc/systemd/system/multipathd.service /etc/systemd/system/multipathd.socket; "
        "systemctl daemon-reload; modprobe dm-multipath; systemctl start multipathd; "
        "until multipathd show config >/dev/null 2>&1; do sleep 0.2; done",
    )


@pytest.mark.fault("F58")
def test_a_new_lun_that_multipathd_claims_is_used_through_its_map(lab: Lab) -> None:
    start_multipathd(lab)
    disk = lab.array.disk("data", "128M")
    lab.array.target(IQN, [disk])
    call(lab, *f"{ATTACH} --fs ext4 --mount /srv/x".split()[1:])
    source = shell(lab, "findmnt -no SOURCE /srv/x; multipath -ll")
    assert source.startswith("/dev/mapper/"), source
    call(lab, *f"{ATTACH} --fs ext4 --mount /srv/x".split()[1:])
    call(lab, "detach", "/srv/x")
    assert shell(lab, "multipath -ll; ls /sys/class/iscsi_session") == ""


@pytest.mark.torture
@pytest.mark.fault("F58")
def test_a_map_with_a_partition_is_wiped_and_logged_out_unless_it_is_used(lab: Lab) -> None:
    start_multipathd(lab)
    disk = lab.array.disk("data", "128M")
    lab.array.target(IQN, [disk], portals=(A4, B4))
    call(lab, *f"{ATTACH} --fs ext4 --mount /srv/x --no-boot".split()[1:])
    shell(
        lab,
        f"iscsiadm -m discovery -t st -p {B4}; iscsiadm -m node --login 2>&1; "
        "until multipath -ll | grep -c running | grep -qx 2; do sleep 0.2; done",
    )
    call(lab, "logout", "-T", IQN, code=7)
    sessions = "ls /sys/class/iscsi_session | wc -l"
    assert shell(lab, sessions).strip() == "2"
    call(lab, "umount", "/srv/x")
    shell(lab, "sed -i /x-iscsictl/d /etc/fstab; systemctl daemon-reload")

    part = shell(lab, "ls /dev/mapper/*-part1").strip()
    whole = part.removesuffix("-part1")
    wipe = f"iscsictl disk label {disk.wwid} gpt --wipe --confirm {disk.wwid}"
    shell(lab, f"exec 9<{part}; ({wipe}) 9<&-; [ $? = 7 ]")
    shell(lab, f"{wipe}; udevadm settle; [ ! -e {part} ]")
    shell(
        lab,
        f"echo size=8MiB | sfdisk -q --no-reread --no-tell-kernel {whole}; kpartx -u {whole}; "
        f"udevadm settle; mkfs.ext4 -qF {part}; udevadm settle",
    )
    again = f"{ATTACH} --fs ext4 --mount /srv/x --no-boot --wipe --confirm {disk.wwid} --yes"
    call(lab, *again.split()[1:])
    assert shell(lab, "findmnt -no SOURCE /srv/x").strip() == part
    call(lab, "umount", "/srv/x")
    assert shell(lab, f"ls {part}; {sessions}").split() == [part, "2"]
    call(lab, "logout", "-T", IQN)
    assert shell(lab, sessions).strip() == "0"


def test_reading_all_of_a_disk_tells_how_far_it_is_and_can_be_stopped(lab: Lab) -> None:
    huge = lab.array.disk("huge", "64G")
    login(lab, huge)
    command = f"{ATTACH} --fs ext4 --mount /srv/x --verify-blank full"
    console = lab.host.console
    for one in (f"{command} --dry-run", command):
        console.sendline(f"TERM=vt100 {one}; echo left=$?".encode())
        console.expect(rb"/dev/sd[a-z]: \d+% read", timeout=PATIENCE)
        console.send(b"\x03")
        console.expect(rb"left=(\d+)\r", timeout=PATIENCE)
        assert isinstance(console.match, re.Match)
        assert console.match[1] == b"130"
    assert lines(lab) == ""
    assert lab.array.extents(huge) == []


def test_what_the_kernel_knows_of_an_older_table_does_not_place_the_filesystem(lab: Lab) -> None:
    disk = lab.array.disk("rolled-back", "256M")
    (device,) = login(lab, disk)
    shell(lab, f"printf 'label: gpt\\nstart=32768, size=100000\\n' | sfdisk -q {device}")
    shell(lab, f"until [ -b {device}1 ]; do sleep 0.1; done; udevadm settle")
    for at in (0, 255 * MIB):
        lab.array.write(disk, at, bytes(MIB))
    shell(lab, f"[ $(cat /sys/class/block/{device.removeprefix('/dev/')}1/start) = 32768 ]")
    call(lab, "attach", "-p", A4, "-T", IQN, "--fs", "ext4", "--mount", "/srv/x")
    shell(lab, f"umount /srv/x; iscsiadm -m node -T {IQN} --logout")
    call(lab, "reconnect")
    shell(lab, "mountpoint -q /srv/x")
