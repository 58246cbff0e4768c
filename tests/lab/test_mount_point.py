"""Mount points below the directory of a user who does with it what he likes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4
from tests.lab.onhost import IQN, run_on

if TYPE_CHECKING:
    from tests.lab.guest import Guest
    from tests.lab.pair import Lab

MOUNT_POINT = "/home/alice/disk"
RECONNECT = "systemctl start iscsictl-reconnect.service"


def mount_points(host: Guest) -> list[str]:
    """Where iSCSI disks are mounted now."""
    return run_on(host, "awk '$1 ~ \"^/dev/sd\" { print $2 }' /proc/mounts").out.split()


@pytest.mark.every_suite
@pytest.mark.fault("F75")
def test_the_timer_mounts_nothing_over_the_target_of_a_users_link(lab: Lab) -> None:
    host = lab.host
    run_on(host, "useradd -m alice && install -d -o alice -g alice -m 700 /home/alice/disk")
    lab.array.target(IQN + "one", [lab.array.disk("one", "64M")], portals=[A4])
    made = run_on(
        host,
        f"iscsictl attach -p {A4} -T {IQN}one --table none --fs ext4 --mount {MOUNT_POINT} "
        "--owner alice:alice --mode 0700",
    )
    assert "is below /home/alice, where users other than root can replace it" in made.err
    assert run_on(host, f"stat -c '%U %G %a' {MOUNT_POINT}").out.split() == [
        "alice",
        "alice",
        "700",
    ]
    found = run_on(host, "iscsictl doctor -o tsv --only mount", code=0)
    assert f"mount-exposed\t{MOUNT_POINT}" in found.out
    run_on(
        host, "iscsictl schedule install --every 1min && systemctl stop iscsictl-reconnect.timer"
    )

    # By hand it goes down, and its owner has her directory lead elsewhere.
    run_on(host, f"umount {MOUNT_POINT}")
    run_on(host, f"su alice -c 'rmdir {MOUNT_POINT} && ln -s /etc/cron.d {MOUNT_POINT}'")
    before = run_on(host, "stat -c '%U %a' /etc/cron.d; ls -A /etc/cron.d").out
    run_on(host, RECONNECT, code=1)
    assert mount_points(host) == []
    assert run_on(host, "stat -c '%U %a' /etc/cron.d; ls -A /etc/cron.d").out == before
    log = run_on(host, "journalctl -o cat -u iscsictl-reconnect.service").out
    assert f"{MOUNT_POINT} is a symbolic link that another user could have created" in log
    run_on(host, f"iscsictl mount UUID=$(blkid -o value -s UUID /dev/sda) {MOUNT_POINT}", code=9)
    run_on(host, f"iscsictl detach {MOUNT_POINT}", code=9)
    run_on(host, "iscsictl doctor -o tsv --only mount-link | grep '^fail.*mount-link'")

    # With a directory there again all goes on, and down.
    run_on(host, f"su alice -c 'rm {MOUNT_POINT} && mkdir {MOUNT_POINT}'")
    run_on(host, RECONNECT)
    assert mount_points(host) == [MOUNT_POINT]
    run_on(host, f"iscsictl detach {MOUNT_POINT}")
    assert mount_points(host) == []
