"""A disk that is gone under its mount: what `doctor` says, and what `detach` takes down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4, B4
from tests.lab.onhost import attached, mounted, run_on, sessions
from tests.lab.onmap import ATTACH, IQN, path_states, start_multipathd, wait_for

if TYPE_CHECKING:
    from tests.lab.guest import Guest
    from tests.lab.pair import Lab


def device_of(host: Guest, name: str) -> str:
    return run_on(host, f"findmnt -no SOURCE /srv/{name}").out.strip().removeprefix("/dev/")


def delete(host: Guest, kname: str) -> None:
    """Have the kernel forget a disk, as a rescan of other tools does with an unmapped LUN."""
    run_on(host, f"echo 1 > /sys/block/{kname}/device/delete; "
                 f"while [ -e /sys/block/{kname} ]; do sleep 0.1; done")  # fmt: skip


@pytest.mark.every_suite
@pytest.mark.fault("F107")
def test_a_mount_that_is_in_use_keeps_its_entry_though_its_disk_is_gone(lab: Lab) -> None:
    host = lab.host
    attached(lab, "busy")
    kname = device_of(host, "busy")
    sitting = host.start("cd /srv/busy && exec sleep 1000")
    delete(host, kname)
    found = json.loads(run_on(host, "iscsictl doctor -J --only fs-disk-gone", 1).out)["findings"]
    assert [(one["level"], one["subject"]) for one in found] == [("fail", "/srv/busy")]
    # It comes back under another letter, for the mount still has the old one.
    run_on(host, "iscsictl rescan && udevadm settle && [ -e /dev/disk/by-path/*lun-0 ]")
    refused = run_on(host, "iscsictl detach /srv/busy", 7)
    assert "/srv/busy" in refused.err
    assert mounted(host) == {"busy"}
    assert "/srv/busy" in host.text("/etc/fstab")
    sitting.signal()
    sitting.wait()
    run_on(host, "iscsictl detach /srv/busy")
    assert mounted(host) == set(sessions(host)) == set()
    assert "/srv/busy" not in host.text("/etc/fstab")


@pytest.mark.every_suite
@pytest.mark.fault("F107")
def test_a_mount_on_a_map_whose_paths_are_gone_keeps_its_entry_until_it_is_given_up(
    session_lab: Lab,
) -> None:
    lab = start_multipathd(session_lab)
    host, array = lab.host, lab.array
    disk = array.disk("mail", "256M")
    array.target(IQN, [disk], portals=[A4, B4])
    run_on(host, ATTACH)
    wait_for(lambda: path_states(host) == ["ready", "ready"])
    # By hand, behind the back of the mount: the kernel has no disk of the target any more.
    run_on(host, f"iscsiadm -m node -T {IQN} --logout; ! ls -d /sys/block/sd*")
    found = json.loads(run_on(host, "iscsictl doctor -J --only fs-disk-gone", 1).out)["findings"]
    assert [(one["level"], one["subject"]) for one in found] == [("fail", "/srv/mail")]
    refused = run_on(host, "iscsictl detach /srv/mail --timeout 20", 6)
    assert "cannot be unmounted without losing data" in refused.err, refused
    assert f"iscsictl detach /srv/mail --lost --confirm {disk.wwid}" in refused.err
    assert mounted(host) == {"mail"}
    assert "/srv/mail" in host.text("/etc/fstab")
    run_on(host, f"iscsictl detach /srv/mail --lost --confirm {disk.wwid} --timeout 60")
    assert mounted(host) == set()
    assert "/srv/mail" not in host.text("/etc/fstab")
