"""Each check of doctor has been seen to complain of a real machine that was broken for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from iscsictl.checks.ids import IDS
from tests.lab.array import A4, B4
from tests.lab.onhost import PATIENCE
from tests.lab.test_doctor import NAMES, PLANTED, database, doctor

if TYPE_CHECKING:
    from tests.lab.pair import Lab

IQN = "iqn.2001-04.com.example:faults"
OTHER = "iqn.2001-04.com.example:other"
CHAP = ("myaccount", "one-secret-for-2")
ONE, TWO = "6f2b1c1e-4a0f-4d0e-9b8a-000000000001", "6f2b1c1e-4a0f-4d0e-9b8a-000000000002"
OURS = "_netdev,nofail,x-systemd.after=open-iscsi.service"
LINES = rf"""
UUID={ONE} /f/old ext4 defaults 0 2
UUID={TWO} /f/wrong ext4 _netdev,nofail,x-iscsictl.wwid=naa.6001405ffff 0 0
UUID={TWO} /f/requires ext4 _netdev,nofail,x-systemd.requires=open-iscsi.service 0 0
UUID={TWO} /f/none ext4 {OURS},x-iscsictl.target={OTHER}.none 0 0
UUID={TWO} /f/manual ext4 {OURS},x-iscsictl.target={OTHER} 0 0
UUID={TWO} /f/manual ext4 noauto,{OURS} 0 0
UUID=6f2b1c1e-4a0f-4d0e-9b8a-00000000000f /f/nowhere ext4 _netdev 0 0
UUID={TWO.upper()} /f/case ext4 {OURS} 0 0
UUID=6f2b1c1e-4a0f-4d0e-9b8a-00000000000c none ext4 noauto,nofail,x-iscsictl.making=naa.60 0 0
UUID={TWO}
"""
BY_LINES = {
    "fstab-no-netdev": "fail",
    "fstab-no-nofail": "fail",
    "fstab-fsck": "warn",
    "fstab-uuid-twice": "fail",
    "fstab-wrong-disk": "fail",
    "fstab-no-order": "warn",
    "fstab-requires-login": "warn",
    "fstab-no-record": "fail",
    "fstab-node-manual": "fail",
    "fstab-same-directory": "warn",
    "fstab-uuid-nowhere": "fail",
    "fstab-claim-left": "warn",
    "fstab-name-case": "fail",
    "fstab-unreadable": "fail",
}
#: What is done to a host with three disks of one target ($a, $b, $c), by what is then found.
FAULTS = {
    "chap-md5": ("warn", ":"),
    "chap-shared": ("warn", ":"),
    "timeout-recovery": ("fail", ":"),
    "timeout-noop": ("warn", ":"),
    "timeout-disk": ("warn", "echo 5 > /sys/block/$a/device/timeout"),
    # The filesystem is read-only and its mount is not: as after an error.
    "fs-readonly": (
        "fail",
        (
            "mkdir -p /m/a; mount /dev/$a /m/a; "
            "for how in ro bind,rw; do mount -o remount,$how /m/a; done"
        ),
    ),
    "fs-failing": (
        "fail",
        "mkdir -p /m/b; mount /dev/$b /m/b; echo lab > /sys/fs/ext4/$b/trigger_fs_error",
    ),
    "mount-exposed": ("warn", "chmod 777 /m"),
    "mount-link": (
        "fail",
        (
            "mkdir /m/own; ln -s /etc /m/own/link; chown -h nobody /m/own /m/own/link;"
            " echo 'UUID=0-1 /m/own/link/x ext4 noauto,nofail,_netdev,x-iscsictl.wwid=naa.6001 0 0'"
            " >> /root/lines"
        ),
    ),
    "session-luns": ("fail", "exec 9< /dev/$c; echo offline > /sys/block/$c/device/state"),
    "disk-errors": ("fail", "if dd of=/dev/null count=1 iflag=direct <&9; then exit 1; fi"),
    "initiator-clone": (
        "warn",
        f"sed -i 's/^InitiatorName=.*/InitiatorName=iqn.1987-05.com.cisco:01/' {NAMES}",
    ),
    "service-iscsid": ("fail", "systemctl disable -q iscsid.service iscsid.socket"),
    "service-order": (
        "warn",
        (
            "sed '/^After=/d' /usr/lib/systemd/system/open-iscsi.service "
            "> /etc/systemd/system/open-iscsi.service"
        ),
    ),
    "boot-network-online": ("warn", "rm -r /etc/systemd/system/network-online.target.wants"),
    "tools-versions": (
        "fail",
        (
            "printf '#!/bin/sh\\necho iscsid version 1.9\\n' > /usr/local/sbin/iscsid; "
            "chmod 755 /usr/local/sbin/iscsid"
        ),
    ),
    "tools-iscsictl": ("warn", "cp $(command -v iscsictl) /usr/sbin/"),
    "tools-disk": ("warn", "mv $(command -v mkfs.ext4) /root/"),
    "nodedb-iface": (
        "fail",
        (
            "g=$(dirname $r)/ghost; cp $r $g; "
            "sed -i 's/^iface.iscsi_ifacename = .*/iface.iscsi_ifacename = ghost/' $g"
        ),
    ),
    "nodedb-place": ("warn", "mkdir -p $elsewhere/nodes/x"),
    "session-missing": (
        "fail",
        (
            f"g=$nodes/{IQN}.gone/8.8.8.8,3260,1; mkdir -p $g; cp $r $g/; sed -i "
            f"-e 's/^node.name = .*/node.name = {IQN}.gone/' "
            "-e 's/^node.conn\\[0\\].address = .*/node.conn[0].address = 8.8.8.8/' $g/default"
        ),
    ),
    "portal-public": (
        "warn",
        "ip xfrm policy add src 192.0.2.9/32 dst 8.8.8.8/32 dir out tmpl proto esp mode transport",
    ),
    "portal-default-route": ("warn", f"ip route add default via {A4}"),
    "net-firewall": (
        "fail",
        (
            "nft add table ip f; nft 'add chain ip f out { type filter hook output priority 0; }'; "
            "nft add rule ip f out ip daddr 8.8.8.8 tcp dport 3260 drop"
        ),
    ),
    "digest-routed": ("warn", ":"),
    "net-one-subnet": ("warn", "ip addr add 192.0.2.10/24 dev eth1"),
    "net-link": ("fail", ":"),
    "security-port": ("warn", ":"),
    "crypttab-no-netdev": ("fail", 'echo "safe /dev/$a none luks" > /etc/crypttab'),
    "crypttab-no-nofail": ("fail", ":"),
    "crypttab-device-name": ("fail", ":"),
    "crypttab-node-manual": (
        "fail",
        f"echo 'other UUID={TWO} none luks,_netdev,nofail' >> /etc/crypttab",
    ),
    "crypttab-name-case": (
        "fail",
        f"echo 'capitals UUID={TWO.upper()} none luks,_netdev,nofail' >> /etc/crypttab",
    ),
    "crypttab-uuid-nowhere": (
        "warn",
        "echo 'gone UUID=0a1b2c3d-0001 none luks,nofail' >> /etc/crypttab",
    ),
    **{name: (level, ":") for name, level in BY_LINES.items()},
}
#: What would hide the others, each for itself: what is found, how it is broken.
ALONE = {
    "nodedb-listing": ("fail", "sed -i 's/^# END/node.session.foo = 1\\n# END/' $r"),
    "fs-disk-gone": (
        "fail",
        "echo 1 > /sys/block/$(basename $(findmnt -no SOURCE /m/a))/device/delete",
    ),
    "clock": ("fail", "date -s @1000000000"),
    "nodedb-readable": ("fail", "mv $nodes /root/nodes; : > $nodes"),
    "fstab-readable": ("fail", "rm /etc/fstab; mkdir /etc/fstab"),
    "iscsid-running": ("fail", "systemctl stop iscsid.socket iscsid.service"),
    "tools-open-iscsi": ("fail", "mv $(command -v iscsiadm) /root/"),
    "kernel-modules": ("warn", "mv /lib/modules/$(uname -r) /root/"),
}
#: Planted by other tests: of this directory's test_doctor.py, test_boot.py, test_sessions.py,
#: test_disk_identity.py, test_root_on_iscsi.py, and below.
ELSEWHERE = {
    "reservation", "reservation-unit",
    "disk-changed", "disk-identity",
    "kernel-transport", "iscsid-answers", "net-mtu", "session-state", "initiator-clone",
    "boot-firmware", "boot-initiator", "boot-initramfs", "boot-iscsid", "boot-login",
    "multipath-paths",
}  # fmt: skip
#: Planted on no machine yet: only unit tests prove them.
UNPLANTED = {
    "boot-address",
    "boot-nic",
    "boot-root",
    "boot-secret",
    "boot-shutdown",
    "boot-timeout",
    "multipath-boot",
    "multipath-daemon",
    "multipath-failover",
    "multipath-nic",
    "multipath-queue",
    "session-startup",
}
#: Not a fault (`fstab-boot` is only ever ok, `crypttab-readable` only skipped), or not to be had
#: on this lab's hosts.
LEFT = {"crypttab-readable", "fstab-boot", "service-systemd", "session-disks"}


def test_no_check_is_left_without_its_fault() -> None:
    assert set(PLANTED) | set(FAULTS) | set(ALONE) | ELSEWHERE | UNPLANTED | LEFT == IDS


def prepared(lab: Lab) -> None:
    """Two targets with one account; two disks of the first are a disk and its snapshot."""
    disks = [lab.array.disk(name, "64M") for name in ("a", "b", "c", "d")]
    first, second, _, last = disks
    lab.array.run(
        f"mkfs.ext4 -q -F -U {ONE} {first.path} && "
        f"dd if={first.path} of={second.path} bs=1M conv=notrunc,sparse && "
        f"mkfs.ext4 -q -F -U {TWO} {last.path}",
        check=True,
    )
    lab.array.target(IQN, disks[:3], portals=[A4], chap=CHAP)
    lab.array.target(OTHER, [last], portals=[A4, B4], chap=CHAP)
    values = {
        "node.startup": "automatic",
        "node.session.auth.username": CHAP[0],
        "node.session.auth.password": CHAP[1],
        "node.session.timeo.replacement_timeout": "0",
        "node.conn[0].timeo.noop_out_interval": "0",
    }
    pairs = " ".join(f"-n '{name}' -v '{value}'" for name, value in values.items())
    lab.host.run(
        f"""set -e
        iscsiadm -m discovery -t st -p {A4}
        iscsiadm -m node -o update {pairs}
        iscsiadm -m node -p {A4} --login
        iscsiadm -m node -T {OTHER} -o update -n node.startup -v manual
        until [ $(ls -d /sys/block/sd* | wc -l) = 4 ]; do sleep 0.2; done; udevadm settle
        """,
        check=True,
        timeout=120,
    )


@pytest.mark.torture
@pytest.mark.fault("F03")
def test_every_fault_that_can_be_planted_is_found(lab: Lab) -> None:
    prepared(lab)
    listener = lab.host.start(["python3", "-m", "http.server", "3260"])
    nodes = database(lab)
    names = f"""set -ex
        p=/dev/disk/by-path/ip-{A4}:3260-iscsi-{IQN}-lun-
        a=$(basename $(realpath ${{p}}0)); b=$(basename $(realpath ${{p}}1))
        c=$(basename $(realpath ${{p}}2))
        nodes={nodes}; r={nodes}/{IQN}/{A4},3260,1/default
        case $nodes in /etc/*) elsewhere=/var/lib/iscsi;; *) elsewhere=/etc/iscsi;; esac
        """
    lab.host.put("/root/lines", LINES.lstrip())
    script = "\n".join(how for _, how in FAULTS.values())
    lab.host.run(f"{names}{script}\ncat /root/lines >> /etc/fstab", check=True, timeout=120)
    lab.cut("B", at="host")
    _, found, said = doctor(lab, "--timeout 5s", seconds=120)
    missed = {name for name, (level, _) in FAULTS.items() if level not in found.get(name, set())}
    assert missed == set(), said
    assert found["ipsec-policy"] == {"ok", "warn"}
    assert listener.poll() is None
    for name, (level, how) in ALONE.items():
        places = f"nodes={nodes}; r={nodes}/{IQN}/{A4},3260,1/default"
        lab.host.run(f"{names.partition('p=')[0]}{places}\n{how}", check=True)
        _, found, said = doctor(lab, f"--timeout 5s --only {name}", seconds=120)
        assert level in found.get(name, set()), (name, said)


@pytest.mark.torture
def test_a_map_that_lost_a_path_is_found(lab: Lab) -> None:
    lab.array.target(IQN, [lab.array.disk("d", "64M")], portals=[A4, B4])
    lab.host.put("/etc/multipath.conf", "defaults {\n find_multipaths no\n}\n")
    lab.host.run(
        f"""set -e
        systemctl unmask multipathd.service multipathd.socket; systemctl start multipathd.service
        iscsiadm -m discovery -t st -p {A4}; iscsiadm -m node --login
        until [ $(ls -d /sys/block/sd* | wc -l) = 2 ]; do sleep 0.2; done
        until ls /sys/block/sda/holders /sys/block/sdb/holders | grep -c dm- | grep -q 2
        do sleep 0.2; done; udevadm settle
        """,
        check=True,
        timeout=120,
    )
    _, found, said = doctor(lab, "--only multipath-paths")
    assert found == {"multipath-paths": {"ok"}}, said
    assert doctor(lab, "--only timeout-recovery")[1] == {"timeout-recovery": {"ok"}}
    lab.host.run("echo 600 > /sys/class/iscsi_session/session1/recovery_tmo", check=True)
    assert doctor(lab, "--only timeout-recovery")[1] == {"timeout-recovery": {"ok", "warn"}}
    lab.host.run("echo offline > /sys/block/sdb/device/state", check=True)
    deadline = time.monotonic() + PATIENCE
    while (found := doctor(lab, "--only multipath-paths")[1]) != {"multipath-paths": {"warn"}}:
        assert time.monotonic() < deadline, found
