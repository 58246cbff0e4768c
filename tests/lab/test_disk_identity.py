"""Which disk a path leads to, asked of real arrays and of a real multipathd."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4, B4
from tests.lab.onhost import mounted, run_on
from tests.lab.onmap import path_states, start_multipathd, wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.lio import Disk
    from tests.lab.pair import Lab

IQN = "iqn.2001-04.com.example:"
MAKE = "--fs ext4 --mount /srv/mail"
#: LIO makes the WWID of the first 25 hexadecimal digits of the unit serial number.
SERIAL = "5eed5eed-0000-4000-8000-0123456"
LOGIN = (
    f"iscsiadm -m discovery -t st -p {A4} && iscsiadm -m node --login && "
    "until [ $(ls -d /sys/block/sd* | wc -l) = 2 ]; do sleep 0.2; done; udevadm settle"
)


@pytest.fixture
def lab(session_lab: Lab) -> Lab:
    """A clean pair whose host has multipath-tools running, as the package leaves it."""
    return start_multipathd(session_lab)


def two_arrays(lab: Lab, first: str, second: str) -> tuple[Disk, Disk]:
    """Two disks of these serial numbers, each behind a target and a portal of its own."""
    disks = (lab.array.disk("one", "256M", serial=first),
             lab.array.disk("two", "256M", serial=second))  # fmt: skip
    assert disks[0].wwid == disks[1].wwid
    for disk, portal in zip(disks, (A4, B4), strict=True):
        lab.array.target(IQN + disk.name, [disk], portals=[portal])
    return disks


def is_never_written(lab: Lab, disks: Sequence[Disk]) -> bool:
    return all(lab.array.extents(disk) == [] for disk in disks)


def rows_of_ls(lab: Lab) -> list[list[str]]:
    """The devices of each disk that `ls` lists."""
    listing = json.loads(run_on(lab.host, "iscsictl ls -J").out)
    return sorted([path["device"] for path in disk["paths"]] for disk in listing["disks"])


@pytest.mark.every_suite
@pytest.mark.fault("F65")
def test_two_disks_with_one_wwid_and_two_serial_numbers_stay_two_disks(lab: Lab) -> None:
    host = lab.host
    disks = two_arrays(lab, f"{SERIAL}789ab", f"{SERIAL}789cd")
    run_on(host, LOGIN)
    assert rows_of_ls(lab) == [["/dev/sda"], ["/dev/sdb"]]
    warned = run_on(host, "iscsictl ls").err
    assert f"{disks[0].wwid} is the WWID of different disks" in warned
    report = json.loads(run_on(host, "iscsictl doctor -J", 1).out)["findings"]
    (found,) = [one for one in report if one["id"] == "disk-identity"]
    assert found["level"] == "fail"
    assert "/dev/sda" in found["message"]
    assert "/dev/sdb" in found["message"]
    advice = [f"{one['message']} {one['fix']}" for one in report if one["level"] != "ok"]
    assert [words for words in advice if "multipath-tools" in words] == []

    for disk, portal in zip(disks, (A4, B4), strict=True):
        for more in ("", f"--confirm {disk.wwid}"):
            attach = f"iscsictl attach -p {portal} -T {IQN}{disk.name} {MAKE} --yes {more}"
            refused = run_on(host, attach, 9)
            assert "different disks share the WWID" in refused.err
            assert "multipath-tools" not in refused.err
    # Where somebody has made the map all the same, it is refused too.
    run_on(host, "multipath -a /dev/sda; multipathd add path sda; multipathd add path sdb")
    wait_for(lambda: path_states(host) == ["ready", "ready"])
    run_on(host, "udevadm settle")
    joined = run_on(host, "iscsictl ls").err
    assert "joins different disks" in joined, joined
    refused = run_on(host, f"iscsictl attach -p {A4} -T {IQN}one {MAKE}", 9)
    assert "different disks share" in refused.err
    assert is_never_written(lab, disks)


@pytest.mark.every_suite
@pytest.mark.fault("F65")
def test_disks_that_agree_in_all_are_one_only_where_one_discovery_offers_both(lab: Lab) -> None:
    host = lab.host
    disks = two_arrays(lab, SERIAL, SERIAL)
    # Records made by hand: nothing tells that one array offers both targets.
    for disk, portal in zip(disks, (A4, B4), strict=True):
        run_on(host, f"iscsiadm -m node -o new -T {IQN}{disk.name} -p {portal}")
    run_on(host, LOGIN.partition(" && ")[2])
    assert rows_of_ls(lab) == [["/dev/sda"], ["/dev/sdb"]]
    refused = run_on(host, f"iscsictl disk mkfs {disks[0].wwid} --fs ext4 --yes", 3)
    assert "matches several" in refused.err
    for disk, portal in zip(disks, (A4, B4), strict=True):
        attach = f"iscsictl attach -p {portal} -T {IQN}{disk.name} {MAKE} --yes"
        refused = run_on(host, attach, 9)
        assert "no portal is known to offer all of these targets" in refused.err
        assert f"--confirm {disk.wwid}" in refused.err
    assert is_never_written(lab, disks)
    assert mounted(host) == set()

    # The discovery of open-iscsi notes beside its own record what it made of the answer.
    run_on(host, f"iscsiadm -m node --logout && iscsiadm -m node -o delete && {LOGIN}")
    (paths,) = rows_of_ls(lab)
    assert sorted(paths) == ["/dev/sda", "/dev/sdb"]


@pytest.mark.every_suite
@pytest.mark.fault("F66")
def test_a_map_with_a_path_that_leads_to_another_disk_now_is_refused_and_named(lab: Lab) -> None:
    host, array = lab.host, lab.array
    disk, other = array.disk("disk", "256M"), array.disk("other", "256M")
    for name, portal in (("one", A4), ("two", B4)):
        array.target(IQN + name, [disk], portals=[portal])
    run_on(host, LOGIN)
    run_on(host, "multipath -a /dev/sda; multipathd add path sda; multipathd add path sdb")
    wait_for(lambda: path_states(host) == ["ready", "ready"])
    run_on(host, "udevadm settle")
    assert run_on(host, "iscsictl ls").err == ""

    # The kernel goes on to show what it read when it found the path.
    array.swap(f"{IQN}two", 0, other)
    for command in (
        f"iscsictl attach -p {A4} -T {IQN}one {MAKE} --yes",
        f"iscsictl disk mkfs {IQN}one --lun 0 --fs ext4 --yes",
        f"iscsictl disk label {IQN}one gpt --lun 0 --yes",
    ):
        refused = run_on(host, command, 9)
        assert other.wwid in refused.err, refused.err
    report = json.loads(run_on(host, "iscsictl doctor -J", 1).out)["findings"]
    named = [one for one in report if one["level"] == "fail" and other.wwid in one["message"]]
    assert named, report
    # `ls` sends no command to a disk: it tells once the kernel has asked the path again.
    run_on(host, "for d in /sys/block/sd?/device/rescan; do echo 1 > $d; done; udevadm settle")
    joined = run_on(host, "iscsictl ls").err
    assert "joins different disks" in joined, joined
    assert is_never_written(lab, [disk, other])


@pytest.mark.every_suite
@pytest.mark.fault("F98")
def test_a_map_does_not_grow_where_a_path_reports_another_size(lab: Lab) -> None:
    host, array = lab.host, lab.array
    _, second = two_arrays(lab, SERIAL, SERIAL)
    run_on(host, LOGIN)
    smaller, larger = (
        run_on(host, f"readlink -f /dev/disk/by-path/*{IQN}{name}-lun-0").out.strip()
        for name in ("one", "two")
    )
    run_on(host, f"multipath -a {smaller}")
    run_on(host, f"multipathd add path {smaller[5:]}; multipathd add path {larger[5:]}")
    wait_for(lambda: path_states(host) == ["ready", "ready"])
    run_on(host, "udevadm settle")
    # On one array only, the LUN has the new size.
    array.grow(second, "384M")
    refused = run_on(host, f"iscsictl disk grow {IQN}two --lun 0 -y", 9).err
    assert smaller in refused, refused
    assert larger in refused, refused
    sizes = run_on(host, f"blockdev --getsize64 {smaller} {larger}").out.split()
    assert sizes == [str(256 << 20)] * 2
