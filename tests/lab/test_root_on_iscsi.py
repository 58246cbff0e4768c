"""A host has its root filesystem on a LUN: made fit by what `boot check` prints, and booted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.array import A4
from tests.lab.onhost import run_on

if TYPE_CHECKING:
    from tests.lab.lio import Disk
    from tests.lab.pair import Lab

pytestmark = pytest.mark.torture
IQN = "iqn.2001-04.com.example:root"
CHAP = ("myaccount", "Vf3-kd82mQxpL0w7")
#: What update-initramfs may take in an emulated guest, or the copy of a root filesystem.
SLOW = 1500.0
#: What a guest has no use for, a third of its root filesystem: iSCSI brings some MB a second.
LEFT_OUT = (
    *(
        f"usr/lib/modules/*/kernel/{name}"
        for name in ("drivers/gpu", "drivers/hid", "drivers/iio", "drivers/infiniband",
                     "drivers/media", "drivers/net", "drivers/staging", "drivers/usb", "sound")
    ),
    *(f"usr/lib/python3/dist-packages/{name}" for name in ("ansible*", "pip", "setuptools")),
    *(f"usr/share/{name}" for name in ("fish", "ieee-data", "man", "zoneinfo", "zsh")),
    "root/secret",
)  # fmt: skip
#: The lab's image has no hook of udev, which is what brings the blkid for `root=UUID=`. That of
#: busybox, which is there by then, knows no tags.
BLKID_HOOK = """#!/bin/sh
[ "$1" = prereqs ] && exit 0
. /usr/share/initramfs-tools/hook-functions
rm -f "$DESTDIR/sbin/blkid"
copy_exec /sbin/blkid
"""
#: Until iscsid runs, nothing brings a session back, and iscsistart gives one up after 10 s without
#: an answer, which a busy machine takes. Its script has no setting for its options against that.
PATIENT = (
    'ISCSI_TARGET_GROUP="1 -P node.conn[0].timeo.noop_out_interval=0 '
    '-P node.session.timeo.replacement_timeout=3600"\n'
)
#: What doctor says of every host of the lab.
OF_THE_LAB = {"chap-md5", "clock", "initiator-clone", "ipsec-policy"}
#: The lab's own network service would set what the initramfs has set, and take it down too early.
PARAMETERS = "root=UUID={} ip=192.0.2.9::192.0.2.5:255.255.255.0::eth0:off "
PARAMETERS += "systemd.mask=lab-network.service"
GRUB = "menuentry 'Debian' {{\n linux /boot/{0} root=/dev/sda ip=dhcp\n initrd /boot/{1}\n}}\n"


def findings(lab: Lab, command: str, code: int | None = None) -> list[dict[str, Any]]:
    """What a check did not find in order, by a command that ends with this code if it is given."""
    result = lab.host.run(command, timeout=SLOW)
    assert "Traceback" not in result.err, result.err
    assert code is None or result.code == code, str(result)
    found = json.loads(result.out)["findings"]
    return [f for f in found if f.get("level", f.get("severity")) not in {"ok", "skip"}]


def boot_check(lab: Lab, code: int) -> dict[str, dict[str, Any]]:
    """What is not in order for a root filesystem on the target, by id."""
    found = findings(lab, f"iscsictl boot check -J {IQN}", code)
    return {f["id"]: f for f in found}


def test_the_fixes_of_boot_check_make_a_host_fit_for_a_root_filesystem_on_a_lun(lab: Lab) -> None:
    lab.array.target(IQN, [lab.array.disk("root", "64M")], portals=[A4])
    run_on(lab.host, f"iscsictl discover {A4} --save && iscsictl login {IQN}")
    found = boot_check(lab, 1)
    # A rule of udev starts iscsid when the disk appears (70-open-iscsi.rules of the package).
    assert set(found) == {"boot-initramfs", "boot-login"}
    assert found["boot-initramfs"]["message"] == "it lacks the module sd_mod, the module virtio_net"
    settings = f"ISCSI_TARGET_NAME={IQN}\nISCSI_TARGET_IP={A4}\n"
    lab.host.put("/etc/iscsi/iscsi.initramfs", settings.encode(), 0o600)
    assert set(boot_check(lab, 1)) == set(found)
    run_on(lab.host, found["boot-initramfs"]["fix"], timeout=SLOW)
    assert boot_check(lab, 0) == {}
    lab.host.run(
        "echo InitiatorName=iqn.2001-04.com.example:new > /etc/iscsi/initiatorname.iscsi; "
        "echo '# newer' >> /etc/iscsi/iscsi.initramfs",
        check=True,
    )
    assert {name: f["level"] for name, f in boot_check(lab, 1).items()} == {
        "boot-initiator": "fail",
        "boot-initramfs": "warn",
    }


@pytest.mark.fault("F102")
def test_a_host_boots_from_a_lun_shuts_down_cleanly_and_boots_again(lab: Lab) -> None:
    disk = mount_lun(lab)
    make_fit(lab)
    uuid = copy_root(lab)
    start_from_lun(lab, uuid)
    assert_booted_and_sound(lab, uuid)
    assert_boot_target_is_kept(lab)
    lab.host.shutdown()
    assert_clean(lab, disk)
    lab.host.boot()
    assert_booted_and_sound(lab, uuid)
    assert_planted_faults_are_found(lab)


def mount_lun(lab: Lab) -> Disk:
    """A target with CHAP, and its LUN mounted on /srv/root; the record as docs/boot.md says."""
    disk = lab.array.disk("root", "2G")
    lab.array.target(IQN, [disk], portals=[A4], chap=CHAP)
    lab.host.put("/root/secret", CHAP[1], 0o600)
    run_on(
        lab.host,
        f"iscsictl attach -p {A4} -T {IQN} --chap-user {CHAP[0]} --chap-secret-file /root/secret "
        "--table none --fs ext4 --mount /srv/root --no-boot "
        "--set node.session.timeo.replacement_timeout=86400 && "
        f"iscsictl startup {IQN} onboot",
        timeout=SLOW,
    )
    return disk


def make_fit(lab: Lab) -> None:
    """Write the settings of the initramfs, and do what `boot check` prints."""
    settings = f"ISCSI_TARGET_NAME={IQN}\nISCSI_TARGET_IP={A4}\n"
    settings += f"ISCSI_USERNAME={CHAP[0]}\nISCSI_PASSWORD={CHAP[1]}\n{PATIENT}"
    lab.host.put("/etc/iscsi/iscsi.initramfs", settings, 0o600)
    lab.host.put("/etc/initramfs-tools/conf.d/umask", "UMASK=0077\n")
    lab.host.put("/etc/initramfs-tools/hooks/blkid", BLKID_HOOK, 0o755)
    found = findings(lab, f"iscsictl boot check -J {IQN}", 1)
    # The fix of boot-login is to write the settings; what is left of it is to renew the initramfs.
    wrong = [f for f in found if f["level"] == "fail" and f["id"] != "boot-login"]
    assert [f["id"] for f in wrong] == ["boot-initramfs", "boot-iscsid"]
    for one in wrong:
        run_on(lab.host, one["fix"], timeout=SLOW)


def copy_root(lab: Lab) -> str:
    """Copy the host's root filesystem to the LUN; the UUID of the copy."""
    excluded = " ".join(f"--exclude='./{name}'" for name in LEFT_OUT)
    # A bind mount shows what other mounts hide: /dev as the boot needs it, /etc/machine-id.
    run_on(
        lab.host,
        f"mount --bind / /mnt && tar -C /mnt {excluded} -c . | tar -C /srv/root -xp && umount /mnt",
        timeout=SLOW,
    )
    uuid = run_on(lab.host, "findmnt -no UUID /srv/root").out.strip()
    line = f"UUID={uuid} / ext4 errors=remount-ro 0 1"
    run_on(lab.host, f"echo '{line}' > /srv/root/etc/fstab && umount /srv/root", timeout=SLOW)
    return uuid


def start_from_lun(lab: Lab, uuid: str) -> None:
    """Boot the host without its disk, by the kernel and the initramfs that it has made."""
    kernel, initrd = (lab.host.get(f"/{name}") for name in ("vmlinuz", "initrd.img"))
    lab.host.shutdown()
    lab.take_disk_from_host(kernel, initrd, PARAMETERS.format(uuid))
    lab.host.boot(timeout=SLOW)


def assert_booted_and_sound(lab: Lab, uuid: str) -> None:
    """All services are up, the root filesystem is the LUN, and no check finds anything wrong."""
    host = lab.host
    state = host.run(["systemctl", "is-system-running"]).out.strip()
    assert state == "running", host.run("systemctl --failed --no-legend").out
    assert run_on(host, "findmnt -no UUID,OPTIONS /").out.startswith(f"{uuid} rw")
    assert host.run("ls /dev/vda").code
    run_on(host, "systemctl is-active iscsid.service")
    assert findings(lab, "iscsictl boot check -J", 0) == []
    assert findings(lab, "iscsictl fstab check -J", 0) == []
    found = findings(lab, "iscsictl doctor -J", 0)
    assert [f for f in found if f["id"] not in OF_THE_LAB] == []


def assert_boot_target_is_kept(lab: Lab) -> None:
    """What the root filesystem is on is given up by no command."""
    for command in (f"logout {IQN}", "logout --all", f"detach {IQN} --forget", "detach /"):
        kept = run_on(lab.host, f"iscsictl {command} -y", 7, timeout=SLOW)
        assert f"the machine booted from {IQN}: " in kept.err, str(kept)
    assert IQN in run_on(lab.host, "iscsiadm -m session").out


def assert_clean(lab: Lab, disk: Disk) -> None:
    """The filesystem was unmounted: the array finds no journal to replay, and no error."""
    assert "needs_recovery" not in run_on(lab.array, f"dumpe2fs -h {disk.path}").out
    checked = run_on(lab.array, f"e2fsck -fn {disk.path}", timeout=SLOW)
    assert "clean" in run_on(lab.array, f"tune2fs -l {disk.path}").out, str(checked)


def assert_planted_faults_are_found(lab: Lab) -> None:
    """Spoil what the next boot needs: each is found by `boot check` and by `doctor`."""
    host = lab.host
    kernel = run_on(host, "uname -r").out.strip()
    host.run("mkdir -p /boot/grub", check=True)
    host.put("/boot/grub/grub.cfg", GRUB.format(f"vmlinuz-{kernel}", f"initrd.img-{kernel}"))
    run_on(
        host,
        "set -e; echo '# newer' >> /etc/iscsi/iscsi.initramfs; chmod 644 /boot/initrd.img-*; "
        "echo InitiatorName=iqn.2001-04.com.example:new > /etc/iscsi/initiatorname.iscsi; "
        "echo 120 > /sys/class/iscsi_session/session1/recovery_tmo; "
        f"iscsiadm -m node -T {IQN} -o update -n node.startup -v automatic; "
        "ln -s /dev/null /etc/udev/rules.d/70-open-iscsi.rules; "
        "systemctl disable iscsid.service open-iscsi.service; "
        "rm /etc/systemd/system/iscsid.service.d/openssl.conf; systemctl daemon-reload; "
        "echo '/dev/sda / ext4 defaults 0 1' > /etc/fstab",
    )
    expected = {
        ("boot-firmware", "warn"),
        ("boot-initiator", "fail"),
        ("boot-initramfs", "warn"),
        ("boot-iscsid", "fail"),
        ("boot-root", "warn"),
        ("boot-secret", "warn"),
        ("boot-timeout", "warn"),
    }
    found = findings(lab, "iscsictl boot check -J", 1)
    assert {(f["id"], f["level"]) for f in found} == expected
    assert [f["id"] for f in found].count("boot-iscsid") == 2
    in_fstab = findings(lab, "iscsictl fstab check -J", 1)
    assert [(f["id"], f["severity"]) for f in in_fstab] == [("device-name", "fail")]
    told = {(f["id"], f["level"]) for f in findings(lab, "iscsictl doctor -J", 1)}
    assert told >= {*expected, ("fstab-device-name", "fail")}
