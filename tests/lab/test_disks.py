"""The disk, mount and fstab commands on real disks of a real session.

A command costs seconds under emulation: what is only the setting is made with the tools
themselves, and the plans are proved in tests/unit/test_disk_plan*.py.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.array import A4

if TYPE_CHECKING:
    from tests.lab.agent import Result
    from tests.lab.lio import Disk
    from tests.lab.pair import Lab

IQN = "iqn.2001-04.com.example:disks"
MIB = 1 << 20
PATIENCE = 300


def login(lab: Lab, *disks: Disk, read_only: tuple[int, ...] = ()) -> list[str]:
    """Log in with open-iscsi's own tool; return the device of each disk."""
    lab.array.target(IQN, list(disks), read_only=read_only)
    script = f"iscsiadm -m discovery -t st -p {A4} && iscsiadm -m node -T {IQN} --login"
    lab.host.run(script, check=True, timeout=PATIENCE)
    names = [f"/dev/disk/by-path/ip-{A4}:3260-iscsi-{IQN}-lun-{n}" for n in range(len(disks))]
    wait = "for f in {}; do until [ -e $f ]; do sleep 0.1; done; realpath $f; done; udevadm settle"
    found = lab.host.run(wait.format(" ".join(names)), check=True, timeout=PATIENCE)
    return found.out.split()


def shell(lab: Lab, script: str) -> str:
    return lab.host.run(script, check=True, timeout=PATIENCE).out


def call(lab: Lab, *words: str, code: int = 0) -> Result:
    result = lab.host.run(["iscsictl", *words], timeout=PATIENCE)
    assert result.code == code, f"{words}: {result.code}\n{result.out}\n{result.err}"
    return result


def again(lab: Lab, *words: str) -> None:
    """Prove that doing it once more changes nothing."""
    steps = json.loads(call(lab, *words, "-J").out)["steps"]
    assert {step["status"] for step in steps} <= {"unchanged"}, steps


def shown(lab: Lab, name: str) -> dict[str, Any]:
    (found,) = json.loads(call(lab, "disk", "show", name, "-J").out)["disks"]
    assert isinstance(found, dict)
    return found


def test_a_blank_disk_becomes_a_mounted_partition_beside_which_others_come_and_go(
    lab: Lab,
) -> None:
    disk = lab.array.disk("data", "256M")
    (device,) = login(lab, disk)
    call(lab, "disk", "label", disk.wwid, "gpt")
    call(lab, "disk", "part", "add", disk.wwid, "--size", "64M", "--bootable")
    again(lab, "disk", "part", "add", disk.wwid, "--size", "64M", "--bootable")
    call(lab, "disk", "mkfs", f"{device}1", "--fs", "ext4", "--option=-m", "--option=0")
    again(lab, "disk", "mkfs", f"{device}1", "--fs", "ext4")
    assert "making" not in lab.host.text("/etc/fstab")
    call(lab, "fstab", "add", f"{device}1", "/srv/data", "--options", "noatime")
    call(lab, "mount", "/srv/data")
    assert "noatime" in shell(lab, "echo kept > /srv/data/file; findmnt -no OPTIONS /srv/data")

    call(lab, "disk", "part", "add", disk.wwid, "--rest", "--type", "lvm")
    shell(lab, f"blockdev --getsize64 {device}2")
    call(lab, "disk", "part", "rm", disk.wwid, "1", code=7)
    call(lab, "disk", "part", "rm", disk.wwid, "2")
    assert not lab.host.exists(f"{device}2")

    found = shown(lab, disk.wwid)
    (first,) = found["partitions"]
    assert (first["size"], first["type_name"], first["bootable"]) == (
        64 * MIB, "Linux filesystem", True,
    )  # fmt: skip
    assert first["start"] * 512 % found["topology"]["optimal_io"] == 0

    call(lab, "umount", "/srv/data")
    assert "/srv/data" in shell(lab, "cat /run/iscsictl/holds/*")
    call(lab, "mount", "/srv/data")
    assert shell(lab, "cat /srv/data/file; ls /run/iscsictl/holds") == "kept\n"


@pytest.mark.torture
def test_each_filesystem_is_made_with_its_uuid_and_label(lab: Lab) -> None:
    kinds = ["xfs", "btrfs", "vfat", "swap"]
    disks = [lab.array.disk(kind, "400M") for kind in kinds]
    for disk, device in zip(disks, login(lab, *disks), strict=True):
        fs = disk.name
        uuid = "1A2B-3C4D" if fs == "vfat" else f"6f2b1c1e-4a0f-4d0e-9b8a-00000000000{len(fs)}"
        call(lab, "disk", "mkfs", disk.wwid, "--fs", fs, "--uuid", uuid, "--label", "MAIL")
        told = shell(lab, f"blkid -p -o export {device}").splitlines()
        assert {f"UUID={uuid}", "LABEL=MAIL", f"TYPE={fs}"} <= set(told)


@pytest.mark.torture
def test_each_letter_of_fdisk_has_its_command_on_a_dos_table(lab: Lab) -> None:
    disk = lab.array.disk("dos", "256M")
    (device,) = login(lab, disk)
    call(lab, "disk", "label", disk.wwid, "dos")
    add = ("disk", "part", "add", disk.wwid)
    call(lab, *add, "--size", "65536s", "--type", "83", "--bootable")
    call(lab, *add, "--size", "32M", "--start", "64M", "--type", "swap")
    call(lab, *add, "--rest", "--number", "4")
    call(lab, "disk", "part", "type", disk.wwid, "4", "lvm")
    call(lab, "disk", "part", "type", disk.wwid, "2", "fd")
    again(lab, "disk", "part", "type", disk.wwid, "2", "fd")
    call(lab, "disk", "part", "bootable", disk.wwid, "1", "--off")
    call(lab, "disk", "part", "bootable", disk.wwid, "2")
    again(lab, "disk", "part", "bootable", disk.wwid, "2")
    rows = {
        p["number"]: (p["start"] * 512, p["size"], p["type"], p["bootable"])
        for p in shown(lab, disk.wwid)["partitions"]
    }
    assert rows == {
        1: (8 * MIB, 32 * MIB, "83", False),
        2: (64 * MIB, 32 * MIB, "fd", True),
        4: (96 * MIB, 160 * MIB, "8e", False),
    }
    call(lab, "disk", "part", "verify", disk.wwid)
    said = call(lab, "disk", "show", disk.wwid).out
    assert re.search(r" 65536 +32M ", said), said
    call(lab, "disk", "part", "rm", disk.wwid, "2")
    assert "type=fd" not in shell(lab, f"sfdisk -d {device}")

    uuid = "6f2b1c1e-4a0f-4d0e-9b8a-000000000083"
    call(lab, "disk", "mkfs", f"{device}1", "--fs", "ext2", "--label", "OLD", "--uuid", uuid,
         "--option=-m", "--option=0", "--option=-b", "--option=1024")  # fmt: skip
    made = shell(lab, f"dumpe2fs -h {device}1 2>/dev/null")
    for line in ("volume name:   OLD", uuid, "Reserved block count:     0", "Block size: "):
        assert line in made
    assert "has_journal" not in made
    call(lab, "disk", "mkfs", f"{device}4", "--fs", "ext3", "--option=-E", "--option=nodiscard")
    assert "TYPE=ext3" in shell(lab, f"blkid -p -o export {device}4")

    # The fourth entry's start (at byte 8 of its 16) is put where the first partition is.
    shell(lab, f"printf '\\000\\100\\000\\000' | dd of={device} bs=1 seek=502 conv=notrunc,fsync")
    broken = call(lab, "disk", "part", "verify", disk.wwid, "-J", code=1)
    assert "overlap" in broken.out


@pytest.mark.fault("F27")
def test_a_grown_lun_is_taken_in_while_it_is_mounted(lab: Lab) -> None:
    disks = [lab.array.disk(name, "400M") for name in ("parted", "whole")]
    one, two = login(lab, *disks)
    shell(
        lab,
        f"printf 'label: gpt\\n,,\\n' | sfdisk -q {one}; udevadm settle; mkfs.ext4 -q {one}1; "
        f"mkfs.xfs -q {two}; mkdir /srv/a /srv/b; mount {one}1 /srv/a; mount {two} /srv/b; "
        "echo kept | tee /srv/a/file /srv/b/file; sync",
    )
    for disk in disks:
        lab.array.grow(disk, "800M")
    for path in ("/srv/a", "/srv/b"):
        call(lab, "disk", "grow", path)
        assert int(shell(lab, f"df --output=size -BM {path} | tail -1").strip(" M\n")) > 700
        assert lab.host.text(f"{path}/file") == "kept\n"
    again(lab, "disk", "grow", "/srv/a")
    shell(lab, f"umount /srv/a /srv/b; e2fsck -fn {one}1; xfs_repair -n {two}")
    assert "No errors detected" in shell(lab, f"sfdisk --verify {one} 2>&1")


@pytest.mark.torture
@pytest.mark.fault("F28")
def test_disks_that_are_huge_tiny_or_of_large_sectors(lab: Lab) -> None:
    huge = lab.array.disk("huge", "3T")
    tiny = lab.array.disk("tiny", "10M")
    large = lab.array.disk("large", "256M", block_size=4096)
    devices = login(lab, huge, tiny, large)
    assert "gpt" in call(lab, "disk", "label", huge.wwid, "dos", code=9).err
    for disk, device in zip((huge, tiny, large), devices, strict=True):
        shell(lab, f"echo label: gpt | sfdisk -q {device}")
        call(lab, "disk", "part", "add", disk.wwid, "--rest")
        size = int(shell(lab, f"blockdev --getsize64 {device}1"))
        assert size > disk.size * 0.75
        assert "No errors detected" in shell(lab, f"sfdisk --verify {device} 2>&1")


FORKING = """\
import os, sys, threading, time
from iscsictl.system.block import scsi_commands as scsi

fd = os.open(sys.argv[1], os.O_RDONLY)
name, stop, asked = scsi.wwids(fd), time.monotonic() + 15, 0

def forks():
    while time.monotonic() < stop:
        child = os.fork()
        if not child:
            time.sleep(0.02)
            os._exit(0)
        # Objects of the size of an answer: they change the page that it may stand on.
        near = [bytes(219) for _ in range(300)]
        os.waitpid(child, 0)

thread = threading.Thread(target=forks)
thread.start()
while time.monotonic() < stop:
    assert (found := scsi.wwids(fd)) == name, (asked, found)
    asked += 1
thread.join()
print(asked)
"""


def test_a_disk_tells_its_name_also_while_programs_are_started(lab: Lab) -> None:
    """What the kernel writes into our memory is not lost to a child that was just forked."""
    (device,) = login(lab, lab.array.disk("named", "64M"))
    lab.host.put("/root/forking.py", FORKING)
    assert int(shell(lab, f"python3 /root/forking.py {device}")) > 500


@pytest.mark.fault("F28")
def test_a_read_only_lun_is_not_written(lab: Lab) -> None:
    disk = lab.array.disk("ro", "64M")
    before = lab.array.digest(disk)
    login(lab, disk, read_only=(0,))
    assert "read-only" in call(lab, "disk", "mkfs", disk.wwid, "--fs", "ext4", code=9).err
    assert lab.array.digest(disk) == before


@pytest.mark.fault("F25")
def test_other_kinds_of_tables_are_made_but_not_over_content(lab: Lab) -> None:
    bsd, sun = lab.array.disk("bsd", "64M"), lab.array.disk("sun", "64M")
    login(lab, bsd, sun)
    for disk in (bsd, sun):
        call(lab, "disk", "label", disk.wwid, disk.name)
        again(lab, "disk", "label", disk.wwid, disk.name)
        before = lab.array.digest(disk)
        call(lab, "disk", "label", disk.wwid, "gpt", code=9)
        assert lab.array.digest(disk) == before
    call(lab, "disk", "label", bsd.wwid, "gpt", "--wipe", "--confirm", bsd.wwid)


@pytest.mark.fault("F26")
def test_a_table_that_changed_since_it_was_planned_is_left_alone(lab: Lab) -> None:
    disk = lab.array.disk("data", "256M")
    (device,) = login(lab, disk)
    shell(lab, f"echo label: gpt | sfdisk -q {device}")
    # The command plans while another holds the disk, who changes the table before he lets go.
    other = f"until [ -e /run/go ]; do sleep 0.1; done; echo ,64M | sfdisk -q --append {device}"
    holder = lab.host.start(f"flock {device} sh -c '{other}'")
    waiting = lab.host.start(
        ["iscsictl", "disk", "part", "add", disk.wwid, "--rest", "--timeout", "5min"]
    )
    shell(lab, "until [ -s /run/iscsictl/lock ]; do sleep 0.1; done; "
               f"until fuser -s {device}; do sleep 0.1; done; sleep 20; touch /run/go")  # fmt: skip
    assert holder.wait(PATIENCE).code == 0
    result = waiting.wait(PATIENCE)
    assert result.code == 9, result.err
    assert "has changed" in result.err
    assert shell(lab, f"sfdisk -l {device} | grep -c ^{device}") == "1\n"


def test_fstab_check_names_what_would_hang_a_boot(lab: Lab) -> None:
    (device,) = login(lab, lab.array.disk("data", "64M"))
    shell(
        lab,
        f"mkfs.ext4 -q {device}; udevadm settle; uuid=$(blkid -p -s UUID -o value {device}); "
        "echo UUID=$uuid /srv ext4 defaults 0 0 >> /etc/fstab; "
        f"echo {device} /srv ext4 _netdev,nofail 0 0 >> /etc/fstab; "
        "echo UUID=aaaaaaaa-0000-4000-8000-00000000000b /b ext4 defaults 0 0 >> /etc/fstab",
    )
    document = json.loads(call(lab, "fstab", "check", "-J", code=1).out)
    assert document["schema"] == "iscsictl.fstab/1"
    assert {finding["id"] for finding in document["findings"]} >= {
        "no-netdev", "no-nofail", "device-name", "uuid-nowhere", "same-directory",
    }  # fmt: skip
    before = lab.host.text("/etc/fstab")
    call(lab, "fstab", "rm", "/srv", code=9)
    assert lab.host.text("/etc/fstab") == before


#: How a LUN is taken into use, and the commands that are to release it, in this order.
STACKS = {
    "lvm": (
        (
            "vgcreate -qq -y vg-a {d}; lvcreate -qq -y -n lv -l 4 vg-a; "
            "mkfs.ext4 -q -F /dev/vg-a/lv; mkdir -p /s/lvm; mount /dev/vg-a/lv /s/lvm"
        ),
        ["umount /s/lvm", "vgchange -an vg-a"],
    ),
    "crypt": (
        (
            "echo -n key | "
            "cryptsetup -q luksFormat --pbkdf pbkdf2 --pbkdf-force-iterations 1000 {d} -; "
            "echo -n key | cryptsetup open --key-file - {d} safe"
        ),
        ["cryptsetup close safe"],
    ),
    "md": (
        "mdadm -q --create /dev/md7 --level=1 --force --raid-devices=1 --run {d}",
        ["mdadm --stop /dev/md7"],
    ),
    "swap": (
        (
            "mkfs.ext4 -q -F {d}; mkdir -p /s/swap; mount {d} /s/swap; "
            "dd if=/dev/zero of=/s/swap/file bs=1M count=8 status=none; chmod 600 /s/swap/file; "
            "mkswap /s/swap/file >/dev/null; swapon /s/swap/file"
        ),
        ["swapoff /s/swap/file"],
    ),
}


@pytest.mark.fault("F106")
def test_what_stands_on_a_lun_is_named_with_the_commands_that_release_it(lab: Lab) -> None:
    devices = login(lab, *(lab.array.disk(name, "64M") for name in STACKS))
    for device, (take, _) in zip(devices, STACKS.values(), strict=True):
        shell(lab, f"set -e; {take.format(d=device)}; udevadm settle")
    state = "findmnt -rno TARGET,SOURCE; cat /proc/swaps; dmsetup ls; cat /proc/mdstat"
    for device, (_, commands) in zip(devices, STACKS.values(), strict=True):
        before = shell(lab, state)
        refused = call(lab, "detach", device, "-y", code=7)
        assert shell(lab, state) == before
        hint = re.search(r"hint: release it, then run this again: (.*)", refused.err)
        assert hint is not None, refused.err
        assert hint[1].split(" && ") == commands
        shell(lab, hint[1])
    shell(lab, "umount /s/swap")
    call(lab, "detach", IQN, "-y")
    assert "No active sessions" in lab.host.run("iscsiadm -m session").err


ROOT_UUID = "6f2b1c1e-4a0f-4d0e-9b8a-000000000102"
#: A copy of the host's root directory, but for /etc all of it the host's own, on a disk of iSCSI.
MAKE_ROOT = """set -e
mkfs.ext4 -q -F -U {uuid} {device}; mkdir /r; mount {device} /r; udevadm settle
for entry in $(ls /); do
    if [ -L /$entry ]; then cp -a /$entry /r/
    elif [ -d /$entry ] && [ $entry != r ] && [ $entry != etc ] && [ $entry != lost+found ]; then
        mkdir -p /r/$entry; mount --rbind --make-rslave /$entry /r/$entry
    fi
done
cp -a /etc /r/; echo "UUID={uuid} / ext4 errors=remount-ro 0 1" > /r/etc/fstab
"""


@pytest.mark.fault("F89")
def test_an_added_entry_has_the_login_service_run_now_and_at_boot(lab: Lab) -> None:
    # As after a boot without a record: the service's condition kept it from starting.
    shell(lab, "systemctl disable -q --now open-iscsi.service")
    (device,) = login(lab, lab.array.disk("mail", "64M"))
    shell(lab, f"mkfs.ext4 -q -F {device}; udevadm trigger --settle {device}")
    add = ["fstab", "add", device, "/srv/mail"]
    call(lab, *add)
    shell(lab, "until systemctl is-active -q open-iscsi.service; do sleep 0.2; done")
    assert shell(lab, "systemctl is-enabled open-iscsi.service") == "enabled\n"
    before = lab.host.text("/etc/fstab")
    assert before.count("/srv/mail") == 1
    again(lab, *add)
    assert lab.host.text("/etc/fstab") == before
    # systemd knows the mount already: no reload is left to the admin.
    shell(lab, "systemctl start srv-mail.mount && findmnt /srv/mail")

    # One that somebody started by hand runs after it is enabled, too: stopping it logs out.
    shell(lab, "systemctl disable -q open-iscsi.service; systemctl daemon-reload")
    call(lab, "service", "enable")
    shell(lab, "until systemctl is-active -q open-iscsi.service; do sleep 0.2; done")


@pytest.mark.fault("F102")
def test_a_root_filesystem_on_iscsi_is_known_by_its_disk_and_nothing_is_wrong_with_it(
    lab: Lab,
) -> None:
    (device,) = login(lab, lab.array.disk("root", "128M"))
    shell(lab, MAKE_ROOT.format(uuid=ROOT_UUID, device=device))
    checked = lab.host.run("chroot /r iscsictl fstab check", timeout=PATIENCE)
    assert (checked.code, checked.out) == (0, "no problems found in /etc/fstab\n")
    asked = lab.host.run("chroot /r iscsictl doctor -J", timeout=PATIENCE)
    findings = json.loads(asked.out)["findings"]
    assert [f["level"] for f in findings if f["id"] == "boot-firmware"] == ["ok"]
    assert [f for f in findings if f["id"].startswith("fstab") and f["level"] != "ok"] == []
    fixes = [f["fix"] or "" for f in findings if f["level"] != "ok"]
    assert [fix for fix in fixes if "automatic" in fix or "nofail" in fix] == []
    kept = lab.host.run(["chroot", "/r", "iscsictl", "logout", IQN], timeout=PATIENCE)
    assert (kept.code, "booted from" in kept.err) == (7, True), str(kept)


@pytest.mark.fault("F103")
def test_entries_with_other_names_than_a_uuid_are_followed_to_their_target(lab: Lab) -> None:
    first, second = login(lab, lab.array.disk("parts", "64M"), lab.array.disk("volume", "64M"))
    shell(
        lab,
        f"set -e; echo ', , L' | sfdisk -q -X gpt {first}; udevadm settle; "
        f"mkfs.ext4 -q -F -L mail {first}1; vgcreate -qq -y vg-b {second}; "
        "lvcreate -qq -y -n lv -l 4 vg-b; mkfs.ext4 -q -F /dev/vg-b/lv; "
        f"udevadm trigger --settle {first} {first}1 /dev/vg-b/lv",
    )
    partuuid = shell(lab, f"blkid -p -s PART_ENTRY_UUID -o value {first}1").strip()
    by_id = shell(lab, f"find -L /dev/disk/by-id -samefile {first}1 | grep wwn- | head -1").strip()
    specs = [
        "LABEL=mail", f"PARTUUID={partuuid}", by_id,
        f"/dev/disk/by-path/ip-{A4}:3260-iscsi-{IQN}-lun-0-part1", "/dev/vg-b/lv",
        "/dev/mapper/vg--b-lv",
    ]  # fmt: skip
    lines = [f"{spec} /n/{n} ext4 _netdev,nofail 0 0" for n, spec in enumerate(specs)]
    shell(lab, "cat >> /etc/fstab <<'E'\n" + "\n".join(lines) + "\nE")

    def said() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        checked = lab.host.run("iscsictl fstab check -J", timeout=PATIENCE)
        for finding in json.loads(checked.out)["findings"]:
            found.setdefault(finding["subject"], []).append(finding["id"])
        return found

    assert said() == {f"/n/{n}": ["node-manual"] for n in range(len(specs))}
    call(lab, "startup", IQN, "automatic")
    assert said() == {}
    shell(lab, f"vgchange -qq -an vg-b; iscsictl startup {IQN} manual; iscsiadm -m node --logout")
    away = said()
    assert away.pop("/n/3") == ["node-manual"]
    assert away == {f"/n/{n}": ["uuid-nowhere"] for n in (0, 1, 2, 4, 5)}
