"""Several paths to one LUN: maps with multipath-tools as its package leaves it."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4, B4
from tests.lab.onhost import run_on, statuses
from tests.lab.onmap import ATTACH, IQN, path_states, start_multipathd, wait_for
from tests.lab.rundir import NETS
from tests.lab.stopper import Stopper

if TYPE_CHECKING:
    from tests.lab.array import Array
    from tests.lab.guest import Guest
    from tests.lab.lio import Disk
    from tests.lab.pair import Lab

SECTION = "/etc/multipath/conf.d/iscsictl.conf"
WWIDS = "/etc/multipath/wwids"
FOREIGN_WWID = "/3600508b400105e210000900000490000/\n"
FOREIGN_CONF = "multipaths {\n  multipath {\n    wwid 3600508b4\n    alias theirs\n  }\n}\n"


@pytest.fixture
def lab(session_lab: Lab) -> Lab:
    """A clean pair whose host has multipath-tools as the package leaves it."""
    return start_multipathd(session_lab)


def offer_on_both_nets(array: Array) -> Disk:
    """Make one target with one disk that both networks lead to."""
    disk = array.disk("mail", "256M")
    array.target(IQN, [disk], portals=[A4, B4])
    return disk


def ls_paths(host: Guest) -> str:
    """What `ls` says of the paths of the only disk: those that work, and all."""
    head, row = run_on(host, "iscsictl ls -o tsv").out.splitlines()
    return dict(zip(head.split("\t"), row.split("\t"), strict=True))["paths"]


def attach_and_cut_a_path(lab: Lab) -> Guest:
    """Attach over both networks, and cut one when the map is there; return the host."""
    offer_on_both_nets(lab.array)
    run_on(lab.host, ATTACH)
    lab.cut("B")
    wait_for(lambda: "faulty" in path_states(lab.host))
    return lab.host


def attach_with_a_path_outside(lab: Lab) -> None:
    """Mount the LUN on a map of two paths, then take the second path, sdb, out of the map."""
    offer_on_both_nets(lab.array)
    run_on(lab.host, ATTACH)
    run_on(lab.host, "multipathd del path sdb")
    wait_for(lambda: path_states(lab.host) == ["ready"])


def put_foreign_configuration(host: Guest) -> None:
    """What an admin has in multipath's files; the daemon reads it."""
    run_on(host, "mkdir -p /etc/multipath/conf.d")
    host.put("/etc/multipath/conf.d/theirs.conf", FOREIGN_CONF)
    host.put(WWIDS, FOREIGN_WWID)
    run_on(host, "multipathd reconfigure")


def leftovers(host: Guest) -> str:
    """Maps, what is active in the list of WWIDs, and files of the configuration."""
    return run_on(
        host,
        f"dmsetup ls --target multipath | grep -v 'No devices'; grep -s ^/ {WWIDS}; "
        "ls /etc/multipath/conf.d; ls /sys/class/iscsi_session",
    ).out


@pytest.mark.every_suite
@pytest.mark.fault("F90")
@pytest.mark.fault("F96")
def test_attach_over_two_portals_makes_a_map_and_detach_leaves_nothing_of_it(lab: Lab) -> None:
    host, array = lab.host, lab.array
    put_foreign_configuration(host)
    offer_on_both_nets(array)

    first = run_on(host, f"{ATTACH} -J")
    done = statuses(first)
    assert set(done.values()) == {"done", "unchanged"}, done
    source = run_on(host, "findmnt -no SOURCE /srv/mail").out.strip()
    assert source.startswith("/dev/mapper/"), source
    assert path_states(host) == ["ready", "ready"]
    kernel = run_on(host, "cat /sys/class/iscsi_session/*/recovery_tmo").out
    assert kernel == "5\n5\n"
    assert ls_paths(host) == "2/2"
    asked = run_on(host, "multipathd show config local").out
    assert "no_path_retry 120" in asked

    again = statuses(run_on(host, f"{ATTACH} -J"))
    assert set(again.values()) == {"unchanged"}, again

    run_on(host, "iscsictl detach /srv/mail")
    assert leftovers(host) == FOREIGN_WWID + "theirs.conf\n"
    assert host.text("/etc/multipath/conf.d/theirs.conf") == FOREIGN_CONF
    assert FOREIGN_WWID in host.text(WWIDS)


@pytest.mark.every_suite
@pytest.mark.fault("F61")
def test_a_partition_that_the_kernel_had_before_there_was_a_map_is_content(lab: Lab) -> None:
    host, array = lab.host, lab.array
    disk = offer_on_both_nets(array)
    run_on(host, f"iscsiadm -m discovery -t st -p {A4} && iscsiadm -m node -p {A4} --login")
    run_on(host, "until [ -b /dev/sda ]; do sleep 0.2; done; udevadm settle")
    # Where neither a table nor a filesystem of the usual places has anything.
    run_on(host, "printf 'label: gpt\\n123457,\\n' | sfdisk -q /dev/sda && udevadm settle")
    run_on(host, "mkfs.ext4 -q /dev/sda1 && sync && udevadm settle")
    array.write(disk, 0, bytes(34 * 512))
    array.write(disk, disk.size - 33 * 512, bytes(33 * 512))
    before, left = array.sha256(disk), leftovers(host)
    refused = run_on(host, ATTACH, 9).err
    assert "it carries ext4 in partition 1, which is no longer in its table" in refused, refused
    assert array.sha256(disk) == before
    assert leftovers(host) == left


@pytest.mark.every_suite
@pytest.mark.fault("F96")
def test_an_attach_that_is_refused_takes_its_map_away_again(lab: Lab) -> None:
    host, array = lab.host, lab.array
    offer_on_both_nets(array)
    run_on(host, f"{ATTACH} --no-boot --table none")
    run_on(host, "iscsictl detach /srv/mail")
    before = leftovers(host)
    refused = run_on(host, ATTACH, 9)
    assert "is not blank" in refused.err
    assert "could not be undone" not in refused.err
    assert leftovers(host) == before


@pytest.mark.every_suite
@pytest.mark.fault("F90")
def test_attach_over_two_portals_starts_a_multipathd_that_was_off(lab: Lab) -> None:
    host, array = lab.host, lab.array
    run_on(host, "systemctl disable --now multipathd.socket multipathd.service 2>&1 || true")
    run_on(host, "rm -rf /etc/multipath")
    offer_on_both_nets(array)
    run_on(host, ATTACH)
    assert run_on(host, "systemctl is-enabled multipathd; systemctl is-active multipathd").out == (
        "enabled\nactive\n"
    )
    assert path_states(host) == ["ready", "ready"]
    again = statuses(run_on(host, f"{ATTACH} -J"))
    assert set(again.values()) == {"unchanged"}, again
    run_on(host, "echo kept > /srv/mail/file; sync")
    host.power_cut()
    host.boot(wait=True)
    assert statuses(run_on(host, f"{ATTACH} -J")) == again
    run_on(host, "iscsictl detach /srv/mail && ! test -e " + SECTION)
    run_on(host, f"{ATTACH} --adopt -y")
    assert run_on(host, "cat /srv/mail/file").out == "kept\n"


@pytest.mark.every_suite
@pytest.mark.fault("F93")
def test_a_path_that_is_out_is_a_state_that_is_told_and_comes_back(lab: Lab) -> None:
    host = attach_and_cut_a_path(lab)
    for _ in range(2):
        quiet = run_on(host, "iscsictl reconnect --quiet")
        assert (quiet.out, quiet.err) == ("", "")
    told = run_on(host, "iscsictl reconnect").err
    assert f"through {B4}:3260 is recovering; its map works without it" in told
    assert "umount" not in told
    assert ls_paths(host) == "1/2"
    report = json.loads(run_on(host, "iscsictl doctor -J").out)
    levels = {one["id"]: one["level"] for one in report["findings"] if one["level"] != "ok"}
    assert levels["multipath-paths"] == levels["session-state"] == "warn", levels
    assert "fail" not in levels.values(), report
    assert any(B4 in one["message"] for one in report["findings"] if one["id"] == "session-state")
    assert "umount" not in str(report)
    run_on(host, "echo written > /srv/mail/file; sync -f /srv/mail")

    lab.restore_cables()
    wait_for(lambda: path_states(host) == ["ready", "ready"])
    assert ls_paths(host) == "2/2"
    run_on(host, f"iscsiadm -m node -T {IQN} -p {B4} --logout")
    assert ls_paths(host) == "1/1"
    assert "done" in statuses(run_on(host, "iscsictl reconnect -J")).values()
    wait_for(lambda: path_states(host) == ["ready", "ready"])


@pytest.mark.torture
@pytest.mark.every_suite
@pytest.mark.fault("F93")
@pytest.mark.fault("F96")
def test_a_detach_with_a_path_out_ends_both_sessions_and_leaves_nothing(lab: Lab) -> None:
    host = attach_and_cut_a_path(lab)
    run_on(host, "iscsictl detach /srv/mail", timeout=120)
    assert leftovers(host) == ""
    lab.restore_cables()


@pytest.mark.torture
@pytest.mark.every_suite
@pytest.mark.fault("F96")
def test_settings_of_an_admin_in_a_file_that_is_read_last_are_left_alone(lab: Lab) -> None:
    host, array = lab.host, lab.array
    disk = offer_on_both_nets(array)
    wwid = disk.wwid.replace("naa.", "3")
    section = f"multipaths {{\n multipath {{\n  wwid {wwid}\n  no_path_retry 50\n }}\n}}\n"
    theirs = "/etc/multipath/conf.d/site.conf"
    run_on(host, "mkdir -p /etc/multipath/conf.d")
    host.put(theirs, section)
    run_on(host, "multipathd reconfigure")
    run_on(host, ATTACH)
    run_on(host, f"! grep -q no_path_retry {SECTION}")
    assert run_on(host, "multipathd show maps raw format %Q").out.strip() == "50 chk"
    run_on(host, "iscsictl detach /srv/mail")
    assert leftovers(host) == "site.conf\n"
    run_on(host, f"{ATTACH} --adopt")

    run_on(host, f"rm {theirs}; multipathd reconfigure")
    run_on(host, ATTACH)
    wait_for(lambda: "120 chk" in run_on(host, "multipathd show maps raw format %Q").out)
    host.put(theirs, section)
    run_on(host, "multipathd reconfigure")
    wait_for(lambda: "50 chk" in run_on(host, "multipathd show maps raw format %Q").out)
    again = statuses(run_on(host, f"{ATTACH} -J"))
    assert set(again.values()) == {"unchanged"}, again
    run_on(host, "iscsictl detach /srv/mail")
    assert leftovers(host) == "site.conf\n"


@pytest.mark.torture
@pytest.mark.every_suite
@pytest.mark.fault("F96")
def test_a_detach_ends_though_multipathd_hangs_and_the_same_command_finishes_it(lab: Lab) -> None:
    host, array = lab.host, lab.array
    offer_on_both_nets(array)
    run_on(host, ATTACH)
    held = Stopper.start(lab, "iscsictl detach /srv/mail --timeout 5s")
    held.until("after unfstab")
    run_on(host, "systemctl kill --kill-whom=main -s STOP multipathd.service")
    told = held.end()
    assert told["code"] == 6, told
    assert "it still has the settings of a removed map" in told["err"]
    # It is down, and neither a boot nor reconnect brings it back.
    run_on(host, "! findmnt /srv/mail && ! grep iscsictl /etc/fstab")
    run_on(host, "! grep -r 'startup = automatic' /etc/iscsi/nodes")
    run_on(host, "systemctl kill --kill-whom=main -s CONT multipathd.service")
    done = statuses(run_on(host, "iscsictl detach /srv/mail -J"))
    assert done == {"read-map-settings:multipathd.service": "done"}
    assert leftovers(host) == ""
    assert statuses(run_on(host, "iscsictl detach /srv/mail -J")) == {}


@pytest.mark.torture
@pytest.mark.every_suite
@pytest.mark.fault("F90")
def test_a_path_outside_of_its_map_is_named_and_an_attach_brings_it_in(lab: Lab) -> None:
    host = lab.host
    attach_with_a_path_outside(lab)
    said = run_on(host, "iscsictl doctor --only multipath --only disk-identity").out
    assert "/dev/sdb is a path of" in said
    assert "share" not in said
    done = statuses(run_on(host, f"{ATTACH} -J"))
    assert {name for name, status in done.items() if status == "done"} == {
        name for name in done if name.startswith("map:")
    }, done
    assert path_states(host) == ["ready", "ready"]


@pytest.mark.torture
@pytest.mark.every_suite
@pytest.mark.fault("F90")
def test_a_path_outside_of_its_map_that_is_silent_is_told_and_stays_outside(lab: Lab) -> None:
    host = lab.host
    attach_with_a_path_outside(lab)
    lab.cut("B")
    wait_for(lambda: run_on(host, "cat /sys/block/sdb/device/state").out != "running\n")
    again = run_on(host, f"{ATTACH} -J")
    assert set(statuses(again).values()) == {"unchanged"}, again
    assert "/dev/sdb does not answer" in again.err
    assert path_states(host) == ["ready"]
    lab.restore_cables()
    wait_for(lambda: run_on(host, "cat /sys/block/sdb/device/state").out == "running\n")
    run_on(host, ATTACH)
    assert path_states(host) == ["ready", "ready"]


@pytest.mark.every_suite
@pytest.mark.fault("F99")
def test_two_interfaces_to_one_portal_are_two_paths_of_one_map(lab: Lab) -> None:
    host, array = lab.host, lab.array
    run_on(host, "iscsiadm -m iface -I one -o new && iscsiadm -m iface -I two -o new")
    array.target(IQN, [array.disk("mail", "256M")])
    run_on(host, f"{ATTACH} -I one -I two")
    assert path_states(host) == ["ready", "ready"]
    used = run_on(host, "cat /sys/class/iscsi_session/*/ifacename").out.split()
    assert sorted(used) == ["one", "two"]
    again = statuses(run_on(host, f"{ATTACH} -I one -I two -J"))
    assert set(again.values()) == {"unchanged"}, again


@pytest.mark.fault("F99")
def test_interfaces_that_are_bound_to_nics_log_in_each_through_its_own(lab: Lab) -> None:
    host, array = lab.host, lab.array
    # A second NIC in network A, with a MAC address of its own.
    run_on(
        host,
        "ip link add link eth0 name san type macvlan mode bridge && ip link set san up && "
        "ip address add 192.0.2.19/24 dev san",
    )
    mac = host.text("/sys/class/net/san/address").strip()
    run_on(host, f"iscsictl iface add one --netdev eth0 && iscsictl iface add two --mac {mac}")
    bound = {nic["netdev"]: nic["ifaces"] for nic in json.loads(
        run_on(host, "iscsictl iface show -J").out)["nics"]}  # fmt: skip
    assert (bound["eth0"], bound["san"]) == (["one"], ["two"])
    array.target(IQN, [array.disk("mail", "256M")])
    sent = "cat /sys/class/net/san/statistics/tx_bytes"
    before = int(run_on(host, sent).out)
    run_on(host, f"{ATTACH} -I one -I two")
    assert path_states(host) == ["ready", "ready"]
    sessions = json.loads(run_on(host, "iscsictl ls -J").out)["sessions"]
    assert {s["iface"]: s["initiator_address"] for s in sessions} == {
        "one": "192.0.2.9",
        "two": "192.0.2.19",
    }
    peers = array.run("ss -Htn state established 'sport = :3260'", check=True).out
    assert {line.split()[3].rpartition(":")[0].strip("[]").removeprefix("::ffff:")
            for line in peers.splitlines()} == {"192.0.2.9", "192.0.2.19"}  # fmt: skip
    assert int(run_on(host, sent).out) - before > 2000


def filesystem_mebibytes(host: Guest) -> int:
    """Return the size of the mounted ext4 in MiB, with its own tables, which df(1) leaves out."""
    shown = run_on(host, "dumpe2fs -h $(findmnt -no SOURCE /srv/mail) 2> /dev/null").out
    fields = dict(line.split(":", 1) for line in shown.splitlines() if ":" in line)
    return int(fields["Block count"]) * int(fields["Block size"]) >> 20


@pytest.mark.every_suite
@pytest.mark.fault("F98")
def test_a_map_grows_under_a_writer_once_all_of_its_paths_have_the_new_size(lab: Lab) -> None:
    host, array = lab.host, lab.array
    disk = offer_on_both_nets(array)
    run_on(host, ATTACH)
    writer = host.start(
        "set -e; while :; do echo x >> /srv/mail/log; sync -f /srv/mail; sleep 0.3; done"
    )
    for size in (384, 512):
        disk = array.grow(disk, f"{size}M")
        run_on(host, "iscsictl disk grow /srv/mail -y")
        assert filesystem_mebibytes(host) > size - 32
    assert set(statuses(run_on(host, "iscsictl disk grow /srv/mail -y -J")).values()) == {
        "unchanged"
    }
    for size, point in ((640, "after rescan"), (768, "after grow-part")):
        disk = array.grow(disk, f"{size}M")
        held = Stopper.start(lab, "iscsictl disk grow /srv/mail -y")
        held.until(point)
        held.signal(signal.SIGKILL)
        run_on(host, "iscsictl disk grow /srv/mail -y")
        assert filesystem_mebibytes(host) > size - 32
    lab.cut("B")
    wait_for(lambda: "faulty" in path_states(host))
    disk = array.grow(disk, "896M")
    refused = run_on(host, "iscsictl disk grow /srv/mail -y", 9).err
    assert "the path /dev/sd" in refused
    lab.restore_cables()
    wait_for(lambda: path_states(host) == ["ready", "ready"])
    run_on(host, "iscsictl disk grow /srv/mail -y")
    assert filesystem_mebibytes(host) > 896 - 32
    assert writer.poll() is None, writer.output()


@pytest.mark.torture
@pytest.mark.every_suite
@pytest.mark.fault("F31")
@pytest.mark.fault("F71")
def test_a_map_whose_array_is_lost_is_detached_soon_and_nothing_waits_any_more(lab: Lab) -> None:
    host, array = lab.host, lab.array
    disk = offer_on_both_nets(array)
    run_on(host, ATTACH)
    run_on(host, "echo late > /srv/mail/file")  # stays in memory: the array never gets it
    for net in NETS:
        lab.cut(net)
    wait_for(lambda: path_states(host) == ["faulty", "faulty"])
    run_on(host, f"iscsictl detach /srv/mail --lost --confirm {disk.wwid}", timeout=120)
    assert leftovers(host) == ""
    run_on(host, "until ! ps -eo stat | grep -q ^D; do sleep 0.2; done", timeout=120)
