"""A filesystem on a map while its networks fail: writes, boots, shutdowns, snapshots."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4, B4
from tests.lab.onhost import run_on
from tests.lab.onmap import (
    ATTACH,
    IQN,
    NumberedWriter,
    cut_in_turn,
    path_states,
    start_multipathd,
    wait_for,
    wait_until_ready,
)
from tests.lab.rundir import NETS

if TYPE_CHECKING:
    from tests.lab.guest import Guest
    from tests.lab.pair import Lab

pytestmark = pytest.mark.torture
#: How many times a network is cut, the two in turn. Each takes 30 to 50 s.
CUTS = int(os.environ.get("LAB_CUTS", "40"))
#: NOP-Out interval, its timeout and fast_io_fail_tmo are 5 s each; the rest is the emulation's.
LONGEST_STALL = 20.0
#: The path's checker runs at least every 20 s, and iscsid tries to log in again every few seconds.
LONGEST_RETURN = 30.0
#: How much later the login service may end with one network out: 2 logins of 15 s, and some.
ONE_OUT_LATER = 40.0
#: The longest that a boot may be held up by an array that is away.
AWAY_LATER = 150.0

#: How long `attach` lets I/O wait on a map without paths, and the 90 s that systemd gives to each
#: of the mount's unit, multipathd's, and the last unmounting (systemd-system.conf(5)).
MAP_WAITS = 600.0
UNIT_TIMEOUTS = 3 * 90.0


@pytest.fixture
def lab(session_lab: Lab) -> Lab:
    """A clean pair whose host has multipath-tools as the package leaves it."""
    return start_multipathd(session_lab)


def attach_with_a_file(lab: Lab) -> None:
    """Mount a LUN over both networks on /srv/mail, and write a file to it."""
    lab.array.target(IQN, [lab.array.disk("mail", "64M")], portals=[A4, B4])
    run_on(lab.host, ATTACH)
    run_on(lab.host, "echo kept > /srv/mail/file; sync")


def mount_source(host: Guest) -> str:
    """Return the device that is mounted on /srv/mail, or nothing."""
    return host.run("findmnt -no SOURCE /srv/mail").out.strip()


def seconds_to_mount(host: Guest) -> float:
    """Return how long this boot took from the start of the login service to the mount.

    What comes before varies by more than a minute in an emulated guest.
    """
    stamps = run_on(
        host,
        "systemctl show -P InactiveExitTimestampMonotonic open-iscsi.service; "
        "systemctl show -P ActiveEnterTimestampMonotonic srv-mail.mount",
    ).out.split()
    started, mounted = (int(stamp) / 1e6 for stamp in stamps)
    assert 0 < started < mounted, stamps
    return mounted - started


def mounted_wwid(host: Guest) -> str:
    """Return the WWID, as sysfs has it, of the paths below what is mounted on /srv/mail."""
    return run_on(
        host,
        "part=$(basename $(readlink -f $(findmnt -no SOURCE /srv/mail))); "
        "sort -u /sys/class/block/$part/slaves/*/slaves/*/device/wwid",
    ).out.strip()


@pytest.mark.every_suite
@pytest.mark.fault("F91")
def test_many_cuts_lose_no_acknowledged_write_and_each_stall_is_short(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    host, array = lab.host, lab.array
    array.target(IQN, [array.disk("mail", "128M"), array.disk("db", "400M")], portals=[A4, B4])
    run_on(host, f"{ATTACH} --lun 0")
    run_on(host, f"iscsictl attach -p {A4} -T {IQN} --lun 1 --fs xfs --mount /srv/db")
    assert path_states(host) == ["ready"] * 4
    writers = [NumberedWriter.start(host, name) for name in ("mail", "db")]
    back = cut_in_turn(lab, writers, cuts=CUTS)
    stalls = [stall for writer in writers for stall in writer.end()]
    with capsys.disabled():
        told = f"longest stall {max(stalls)} s, longest return {max(back):.1f} s"
        print(f"\n{lab.suite}, {CUTS} cuts: {told}")
    assert max(stalls) <= LONGEST_STALL, stalls
    assert max(back) <= LONGEST_RETURN, back
    for writer in writers:
        writer.require_all_kept()


@pytest.mark.every_suite
@pytest.mark.fault("F33")
@pytest.mark.fault("F92")
def test_both_networks_away_for_five_minutes_delay_writes_and_lose_none(lab: Lab) -> None:
    host = lab.host
    attach_with_a_file(lab)
    writer = NumberedWriter.start(host, "mail")
    for net in NETS:
        lab.cut(net)
    began = time.monotonic()
    wait_for(lambda: path_states(host) == ["faulty", "faulty"])
    stuck = writer.noted()
    told = run_on(host, "iscsictl reconnect --quiet", 6).err
    assert "is recovering" in told
    assert "umount" not in told
    time.sleep(max(0.0, 300 - (time.monotonic() - began)))
    assert writer.noted() == stuck
    lab.restore_cables()
    wait_for(lambda: writer.noted() > stuck + 5)
    wait_until_ready(host)
    assert run_on(host, "iscsictl reconnect --quiet").err == ""
    writer.end()
    writer.require_all_kept()


@pytest.mark.every_suite
@pytest.mark.fault("F38")
@pytest.mark.fault("F94")
def test_a_boot_with_one_network_out_mounts_the_map_soon(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    host = lab.host
    attach_with_a_file(lab)
    host.reboot()
    assert mount_source(host).startswith("/dev/mapper/")
    usual = seconds_to_mount(host)
    told = [f"mounted {usual:.0f} s after the logins began"]
    for net in NETS:
        host.shutdown()
        lab.cut(net)
        host.boot()
        assert mount_source(host).startswith("/dev/mapper/")
        one_out = seconds_to_mount(host)
        told.append(f"{one_out:.0f} s with net {net} out")
        assert one_out < usual + ONE_OUT_LATER, told
        run_on(host, "echo more >> /srv/mail/file; sync -f /srv/mail")
        lab.restore_cables()
        run_on(host, "iscsictl reconnect --quiet")
        wait_until_ready(host)
    with capsys.disabled():
        print(f"\n{lab.suite}: {', '.join(told)}")
    assert run_on(host, "cat /srv/mail/file").out == "kept\nmore\nmore\n"


@pytest.mark.every_suite
@pytest.mark.fault("F39")
def test_an_array_away_at_boot_delays_the_prompt_by_a_bounded_time_over_a_map_too(
    lab: Lab,
) -> None:
    host = lab.host
    attach_with_a_file(lab)
    host.shutdown()
    mark = len(host.console_log())
    host.boot(wait=False)
    usual = host.wait_login(since=mark)
    host.wait_booted()
    assert mount_source(host).startswith("/dev/mapper/")
    host.shutdown()
    for net in NETS:
        lab.cut(net)
    mark = len(host.console_log())
    host.boot(wait=False)
    assert host.wait_login(since=mark) < usual + AWAY_LATER
    host.wait_booted()
    assert mount_source(host) == ""
    lab.restore_cables()
    run_on(host, "iscsictl reconnect")
    wait_until_ready(host)
    assert mount_source(host).startswith("/dev/mapper/")
    assert path_states(host) == ["ready", "ready"]
    assert run_on(host, "cat /srv/mail/file").out == "kept\n"


@pytest.mark.every_suite
@pytest.mark.fault("F95")
def test_the_map_of_a_snapshot_is_not_mounted_in_place_of_its_origin_at_boot(lab: Lab) -> None:
    host, array = lab.host, lab.array
    attach_with_a_file(lab)
    origin, copy = array.state.disks["mail"], array.disk("copy", "64M")
    array.run(f"cp --sparse=always {origin.path} {copy.path}; sync", check=True)
    array.map(IQN, 1, copy)
    # An admin allows a map of the copy too.
    run_on(host, "iscsictl rescan; udevadm settle")
    uuid = run_on(host, "findmnt -no UUID /srv/mail").out.strip()
    run_on(host, "multipath -a $(readlink -f /dev/disk/by-path/*-lun-1 | head -n 1); sync")
    before = array.sha256(copy)
    host.power_cut()
    host.boot()
    assert len(run_on(host, "dmsetup ls --target multipath").out.splitlines()) == 2
    assert mounted_wwid(host) == origin.wwid

    host.shutdown()
    array.unmap(IQN, 0)
    host.boot()
    assert len(run_on(host, "dmsetup ls --target multipath").out.splitlines()) == 1
    assert mount_source(host) == ""
    assert array.sha256(copy) == before
    # The control: without iscsictl's udev rule the copy is mounted by the UUID that it shares.
    run_on(host, "rm /etc/udev/rules.d/62-iscsictl.rules; udevadm control --reload")
    run_on(host, "udevadm trigger --action=add; udevadm settle; systemctl start srv-mail.mount")
    assert mounted_wwid(host) == copy.wwid
    assert run_on(host, "findmnt -no UUID /srv/mail").out.strip() == uuid


@pytest.mark.every_suite
@pytest.mark.fault("F40")
@pytest.mark.fault("F94")
def test_with_both_networks_dead_a_shutdown_ends_in_bounded_time(lab: Lab) -> None:
    host = lab.host
    attach_with_a_file(lab)
    run_on(host, "sync -f /srv/mail")
    for net in NETS:
        lab.cut(net)
    wait_for(lambda: path_states(host) == ["faulty", "faulty"])
    run_on(host, "(echo late > /srv/mail/late) < /dev/null > /dev/null 2>&1 &")
    assert host.shutdown(timeout=900) < MAP_WAITS + UNIT_TIMEOUTS
    lab.restore_cables()
    host.boot()
    assert mount_source(host).startswith("/dev/mapper/")
    assert run_on(host, "cat /srv/mail/file").out == "kept\n"
