"""An attach that meets what it cannot undo, or a mount point with a past."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4
from tests.lab.onhost import IQN, PATIENCE, attached, mounted, run_on, sessions, statuses

if TYPE_CHECKING:
    from tests.lab.pair import Lab

#: The seconds after which an attach with a deadline of 30 s that loses its packets must have ended:
#: the kernel gives up what was sent (30 s a command, retried) before a session can be logged out.
LOST_PACKETS = 240.0
# Makes fstab unwritable once mkfs has begun, and sits in the new filesystem once it is mounted.
SITTER = """\
import os, subprocess, time
while b"mkfs=begun" not in open("/etc/fstab", "rb").read():
    time.sleep(0.01)
subprocess.run(["chattr", "+i", "/etc/fstab"], check=True)
root = os.stat("/srv").st_dev
while os.stat("/srv/one").st_dev == root:
    time.sleep(0.001)
os.chdir("/srv/one")
time.sleep(1000)
"""


@pytest.mark.fault("F32")
def test_what_cannot_be_undone_is_listed_and_the_rest_is_undone(lab: Lab) -> None:
    host, array = lab.host, lab.array
    array.target(IQN + "one", [array.disk("one", "64M")])
    run_on(host, "mkdir /srv/one && systemctl --quiet disable open-iscsi.service")
    host.put("/root/sitter.py", SITTER)
    sitter = host.start("exec python3 /root/sitter.py")
    attach = f"iscsictl attach -p {A4} -T {IQN}one --fs ext4 --mount /srv/one"
    failed = run_on(host, f"{attach} -J", 1)
    found = {name.partition(":")[0]: status for name, status in statuses(failed).items()}
    assert found["fstab"] == "failed"
    assert found["mkfs"] == "done"
    assert (found["mount"], found["login"]) == ("done", "done")
    assert (found["enable"], found["settings"]) == ("undone", "undone")
    left = json.loads(failed.out)["leftovers"]
    assert [line for line in left if line.startswith("mount:/srv/one could not be undone: ")]
    assert [line for line in left if line.startswith(f"login:{IQN}one {A4}:3260 could not be ")]
    assert [line for line in left if line.startswith("mkfs:") and "is not undone" in line]
    assert "the claim in /etc/fstab is kept: the same command continues from there" in left
    for line in left:
        assert f"iscsictl: {line}\n" in failed.err
    assert run_on(host, "systemctl is-enabled open-iscsi.service", 1).out.strip() == "disabled"
    sitter.signal()
    sitter.wait()
    run_on(host, "chattr -i /etc/fstab")
    run_on(host, attach)
    assert mounted(host) == {"one"}
    assert "making" not in host.text("/etc/fstab")


@pytest.mark.fault("F48")
def test_a_mount_point_used_before_stays_mounted_when_the_old_disk_goes(lab: Lab) -> None:
    host, array = lab.host, lab.array
    attached(lab, "one")
    uuid = run_on(host, "findmnt -no UUID /srv/one").out.strip()
    run_on(host, f"iscsictl umount /srv/one && iscsictl fstab rm {uuid}")
    assert set(sessions(host)) == {"one"}
    array.target(IQN + "two", [array.disk("two", "64M")])
    run_on(host, f"iscsictl attach -p {A4} -T {IQN}two --fs ext4 --mount /srv/one")
    run_on(host, f"iscsiadm -m node -T {IQN}one --logout && udevadm settle && sleep 2")
    assert set(sessions(host)) == {"two"}
    assert mounted(host) == {"one"}
    run_on(host, "echo here > /srv/one/file && systemctl daemon-reload && sleep 1")
    assert run_on(host, "cat /srv/one/file").out == "here\n"
    assert mounted(host) == {"one"}


@pytest.mark.torture
@pytest.mark.fault("F54")
def test_an_attach_over_a_link_that_loses_large_packets_ends_and_names_the_mtu(lab: Lab) -> None:
    host, array = lab.host, lab.array
    disk = array.disk("one", "64M")
    array.target(IQN + "one", [disk])
    run_on(host, f"iscsiadm -m discovery -t st -p {A4}")
    before = host.text("/etc/fstab")
    run_on(array, "nft add table inet mtu && nft add chain inet mtu in "
        "'{ type filter hook prerouting priority 0 ; }' "
        "&& nft add rule inet mtu in meta length gt 1400 drop")  # fmt: skip
    attach = f"iscsictl attach -p {A4} -T {IQN}one --fs ext4 --mount /srv/one"
    began = time.monotonic()
    ended = host.run(f"{attach} --timeout 30s", timeout=LOST_PACKETS)
    assert not ended.timed_out
    assert ended.code in {1, 6}, str(ended)
    assert "Traceback" not in ended.err
    assert time.monotonic() - began < LOST_PACKETS
    assert mounted(host) == set()
    found = json.loads(host.run("iscsictl doctor -J --only net-mtu", timeout=PATIENCE).out)
    assert {one["level"] for one in found["findings"]} == {"fail"}
    # With the link whole again, what mkfs had under way ends, and the same command goes on.
    run_on(array, "nft delete table inet mtu")
    run_on(host, "while pidof mkfs.ext4; do sleep 0.5; done")
    run_on(host, attach)
    assert mounted(host) == {"one"}
    run_on(host, "iscsictl detach /srv/one")
    assert host.text("/etc/fstab") == before
