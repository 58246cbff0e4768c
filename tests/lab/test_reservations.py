"""Two hosts and one LUN: who formats it, what the other is told, and what is left on the array."""

from __future__ import annotations

import os
import random
import signal
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4, B4
from tests.lab.lio import CORE, RESERVATIONS
from tests.lab.reservations import WriteRecord, key_of, read_state
from tests.lab.stopper import Stopper

if TYPE_CHECKING:
    from tests.lab.agent import Result
    from tests.lab.guest import Guest
    from tests.lab.lio import Disk
    from tests.lab.pair import Lab

IQN = "iqn.2001-04.com.example:shared"
PATIENCE = 300
#: Rounds of two attaches at once on each suite, and seconds by which one host begins later: up to
#: about as long as the whole command takes, drawn anew for each round.
RACES = int(os.environ.get("LAB_RACES", "25"))
OFFSET = 6.0
DRAWN = random.SystemRandom()


@pytest.fixture
def two_hosts(session_lab: Lab) -> Lab:
    """A clean pair with a second host: a clone with names and addresses of its own."""
    session_lab.restore_with_second_host("installed")
    return session_lab


def attach(target: str) -> str:
    """The command line of an attach that formats.

    Three emulated guests share the processor: a single read can take longer than the usual 60 s.
    """
    return f"iscsictl attach -p {A4} -T {target} --fs ext4 --mount /srv/x --timeout 5min"


def attach_until(lab: Lab, moment: str, target: str) -> Stopper:
    """Attach on the first host, and stop there before it goes on."""
    held = Stopper.start(lab, attach(target))
    held.until(moment)
    return held


def share(lab: Lab, number: int = 0) -> tuple[Disk, str]:
    """A blank LUN of a target of its own, which both hosts may use."""
    disk, target = lab.array.disk(f"shared{number}", "64M"), f"{IQN}{number}"
    lab.array.target(target, [disk])
    return disk, target


def device_of(host: Guest) -> str:
    """The host's device of the only LUN."""
    (device,) = host.run("realpath /dev/disk/by-path/*-lun-0", check=True).out.split()
    return device


def initiator_of(host: Guest) -> str:
    """The initiator name of a host."""
    return host.text("/etc/iscsi/initiatorname.iscsi").partition("=")[2].strip()


def persist(host: Guest, what: str) -> str:
    """The second opinion of sg_persist(8)."""
    command = ["sg_persist", "--no-inquiry", "--in", what, device_of(host)]
    return host.run(command, check=True).out


def refused(result: Result) -> str:
    """What a refused command said."""
    assert result.code == 9, str(result)
    return result.err


def untouched(host: Guest, fstab: str) -> None:
    """The host that lost has everything as it was before."""
    assert host.text("/etc/fstab") == fstab
    assert "No active sessions" in host.run("iscsiadm -m session").err


def log_in_on_the_array(lab: Lab, target: str) -> str:
    """Have the array log in to itself, as another host; return its device of LUN 0."""
    name = "InitiatorName=iqn.2001-04.com.example:other"
    script = (
        f"echo {name} > /etc/iscsi/initiatorname.iscsi; modprobe iscsi_tcp; iscsid; "
        f"iscsiadm -m discovery -t st -p {A4} > /dev/null && "
        f"iscsiadm -m node -T {target} -p {A4} --login > /dev/null && udevadm settle"
    )
    lab.array.run(script, check=True, timeout=PATIENCE)
    return device_of(lab.array)


@pytest.mark.fault("F100")
def test_a_lun_is_formatted_while_this_host_alone_may_write_to_it(lab: Lab) -> None:
    disk, target = share(lab)
    device = log_in_on_the_array(lab, target)
    held = attach_until(lab, "after reserve", target)
    assert key_of(lab.host) in persist(lab.array, "--read-reservation")
    assert "Write Exclusive" in read_state(lab.array, disk).kind
    write = f"dd if=/dev/zero of={device} bs=4096 count=1 oflag=direct"
    assert lab.array.run(write, timeout=PATIENCE).code != 0
    assert held.end()["code"] == 0
    assert read_state(lab.array, disk).is_free
    assert lab.array.run(write.replace("/dev/zero", device), timeout=PATIENCE).code == 0


@pytest.mark.torture
@pytest.mark.fault("F100")
def test_while_one_host_formats_a_lun_the_other_is_refused_and_told_its_key(two_hosts: Lab) -> None:
    lab = two_hosts
    disk, target = share(lab)
    fstab, key = lab.second.text("/etc/fstab"), key_of(lab.host)
    late = Stopper.start(lab, attach(target), host=lab.second)
    late.until("after claim")  # It found the LUN free.
    first = Stopper.start(lab, attach(target))
    first.until("after reserve")
    for host in (lab.host, lab.second):
        assert key in persist(host, "--read-reservation")
    assert "Write Exclusive" in read_state(lab.array, disk).kind
    zeroes = f"dd if=/dev/zero of={device_of(lab.second)} bs=4096 count=1 oflag=direct"
    assert lab.second.run(zeroes).code != 0
    ended = late.end()
    assert ended["code"] == 9, ended
    assert f"persistent reservation: key {key}" in ended["err"]
    untouched(lab.second, fstab)
    assert lab.array.digest(disk) == lab.array.digest(lab.array.disk("blank", "64M"))
    first.until("after mount")
    assert not read_state(lab.array, disk).is_free
    assert first.end()["code"] == 0
    assert read_state(lab.array, disk).is_free
    assert "NO registered reservation keys" in persist(lab.host, "--read-keys")
    assert lab.host.run("findmnt -no FSTYPE /srv/x", check=True).out == "ext4\n"


def race(lab: Lab, number: int) -> str:
    """Have both hosts attach one blank LUN at once; exactly one may format it.

    Returns what the other one was told.
    """
    disk, target = share(lab, number)
    hosts = [lab.host, lab.second]
    fstabs = [host.text("/etc/fstab") for host in hosts]
    offsets = [0.0, DRAWN.uniform(0, OFFSET)]
    DRAWN.shuffle(offsets)
    record = WriteRecord(lab.array)
    started = [
        host.start(["sh", "-c", f"sleep {offset:.2f}; exec {attach(target)}"])
        for host, offset in zip(hosts, offsets, strict=True)
    ]
    results = [one.wait(PATIENCE) for one in started]
    written = record.stop()
    assert sorted(result.code for result in results) == [0, 9], (offsets, results)
    won = [result.code for result in results].index(0)
    winner, loser = hosts[won], hosts[1 - won]
    assert set(written) == {initiator_of(winner)}, (offsets, written, results)
    said = results[1 - won].err
    # Who comes after the winner has released the LUN finds what it made.
    assert key_of(winner) in said or "is not blank: it carries" in said, (offsets, said)
    untouched(loser, fstabs[1 - won])
    made = winner.run("findmnt -no UUID /srv/x", check=True).out.strip()
    assert made in winner.text("/etc/fstab")
    assert read_state(lab.array, disk).is_free
    winner.run(["iscsictl", "detach", target], check=True, timeout=PATIENCE)
    lab.array.remove_target(target)
    lab.array.remove_disk(disk)
    return said.splitlines()[0]


@pytest.mark.torture
@pytest.mark.every_suite
@pytest.mark.fault("F100")
def test_of_two_hosts_that_attach_one_blank_lun_at_once_exactly_one_formats_it(
    two_hosts: Lab,
) -> None:
    lab = two_hosts
    for number in range(RACES):
        print(f"race {number + 1} of {RACES}: {race(lab, number)}", flush=True)


@pytest.mark.torture
@pytest.mark.fault("F100")
def test_an_array_without_the_directory_of_its_registrations_keeps_hosts_apart_too(
    two_hosts: Lab,
) -> None:
    lab = two_hosts
    disk, target = share(lab)
    lab.array.run(["rm", "-r", *RESERVATIONS], check=True)
    first = Stopper.start(lab, attach(target))
    first.until("after reserve")
    asked = ["sg_persist", "--no-inquiry", "--out", "--register-ignore", "--param-sark=0"]
    answered = lab.host.run([*asked, device_of(lab.host)])
    assert "Device not ready" in answered.out + answered.err, str(answered)
    first.signal(signal.SIGKILL)
    first = Stopper.start(lab, attach(target))
    first.until("after reserve")
    key = key_of(lab.host)
    assert key in persist(lab.host, "--read-reservation")
    assert key in refused(lab.second.run(attach(target), timeout=PATIENCE))
    assert first.end()["code"] == 0
    assert read_state(lab.array, disk).is_free


@pytest.mark.fault("F52")
def test_on_a_lun_without_reservations_both_hosts_say_that_they_are_not_kept_apart(
    two_hosts: Lab,
) -> None:
    lab = two_hosts
    disk = lab.array.disk("plain", "64M")
    lab.array.run(f"echo 0 > {CORE}/{disk.name}/attrib/emulate_pr", check=True)
    lab.array.target(f"{IQN}0", [disk])
    held = [Stopper.start(lab, attach(f"{IQN}0"), host=host) for host in (lab.host, lab.second)]
    for one in held:
        one.until("after claim")
    # Nothing is written yet. The proof just before the write notices one that is slower than this.
    held[0].until("after label")
    for one in held:
        out = one.end()["out"]
        assert out.count("not protected from other hosts") == 1, out
        assert "label" not in out.partition("not protected")[0]


@pytest.mark.torture
@pytest.mark.fault("F100")
@pytest.mark.parametrize("power", [False, True], ids=["killed", "power cut"])
def test_an_interrupted_run_goes_on_with_its_own_key_and_leaves_nothing(
    two_hosts: Lab, power: bool
) -> None:
    lab = two_hosts
    disk, target = share(lab)
    held = Stopper.start(lab, attach(target), [("in mkfs", "mkfs.ext4", "-U", 0)])
    held.until("in mkfs")
    key = key_of(lab.host)
    if power:
        lab.host.run(["sync"])
        lab.host.power_cut()
        lab.host.boot()
    else:
        held.signal(signal.SIGKILL)
        # The next session has another ISID: it is another nexus.
        lab.host.run(
            "iscsiadm -m session --logout; pkill -x mkfs.ext4; while pgrep -x mkfs.ext4; do :; done"
        )
    assert key in refused(lab.second.run(attach(target), timeout=PATIENCE))
    again = lab.host.run(attach(target), timeout=PATIENCE)
    assert again.code == 0, str(again)
    assert read_state(lab.array, disk).is_free


@pytest.mark.torture
def test_detach_ends_what_a_run_left_that_was_killed_before_it_released_the_lun(
    two_hosts: Lab,
) -> None:
    lab = two_hosts
    disk, target = share(lab)
    held = attach_until(lab, "after mount", target)
    held.signal(signal.SIGKILL)
    assert not read_state(lab.array, disk).is_free
    done = lab.host.run(["iscsictl", "detach", target], check=True, timeout=PATIENCE)
    assert "done      release" in done.out
    assert read_state(lab.array, disk).is_free


@pytest.mark.torture
def test_two_clones_with_one_machine_id_are_found_and_refused(two_hosts: Lab) -> None:
    lab = two_hosts
    disk, target = share(lab)
    lab.second.put("/etc/machine-id", lab.host.get("/etc/machine-id"))
    held = attach_until(lab, "after reserve", target)
    said = refused(lab.second.run(attach(target), timeout=PATIENCE))
    assert key_of(lab.host) in said
    assert initiator_of(lab.host) in said
    assert "machine-id" in said
    assert held.end()["code"] == 0
    assert read_state(lab.array, disk).is_free


@pytest.mark.torture
@pytest.mark.fault("F100")
def test_over_a_map_every_path_is_registered_until_the_lun_is_formatted(two_hosts: Lab) -> None:
    lab = two_hosts
    disk = lab.array.disk("mapped", "64M")
    lab.array.target(f"{IQN}0", [disk], portals=[A4, B4])
    lab.host.run("systemctl unmask multipathd.service multipathd.socket", check=True)
    lab.host.run("systemctl start multipathd.service", check=True, timeout=PATIENCE)
    held = attach_until(lab, "after reserve", f"{IQN}0")
    assert "Registrants Only" in read_state(lab.array, disk).kind
    paths = lab.host.run("realpath /dev/disk/by-path/*-lun-0", check=True).out.split()
    assert len(paths) == 2
    keys = lab.host.run(["sg_persist", "--no-inquiry", "--in", "--read-keys", paths[0]], check=True)
    assert keys.out.count(key_of(lab.host)) == 2
    assert key_of(lab.host) in refused(lab.second.run(attach(f"{IQN}0"), timeout=PATIENCE))
    assert held.end()["code"] == 0
    assert read_state(lab.array, disk).is_free


@pytest.mark.torture
def test_a_host_that_died_while_it_formatted_is_taken_over_only_with_its_key(
    two_hosts: Lab,
) -> None:
    lab = two_hosts
    disk, target = share(lab)
    held = Stopper.start(lab, attach(target))
    held.until("after reserve")
    key = key_of(lab.host)
    # Switched off, a guest takes no frames, and those for it hold up the others on the cable.
    lab.cut("A", at="host")
    lab.host.power_cut()
    command = f"iscsictl take-over {target} --lun 0 --confirm"
    login = f"iscsictl discover {A4} --save && iscsictl login {target}"
    lab.second.run(login, check=True, timeout=PATIENCE)
    assert lab.second.run(f"{command} 0xdead --yes", timeout=PATIENCE).code == 3
    assert "may still be running" in refused(lab.second.run(f"{command} {key}", timeout=PATIENCE))
    assert not read_state(lab.array, disk).is_free
    lab.second.run(f"{command} {key} --yes", check=True, timeout=PATIENCE)
    assert read_state(lab.array, disk).is_free
    lab.second.run(attach(target), check=True, timeout=PATIENCE)


@pytest.mark.torture
@pytest.mark.fault("F101")
def test_a_host_that_lost_its_power_in_mkfs_is_taken_over_and_writes_nothing_once_it_is_back(
    two_hosts: Lab,
) -> None:
    lab = two_hosts
    disk, target = share(lab)
    held = Stopper.start(lab, attach(target), [("in mkfs", "mkfs.ext4", "-U", 8192)])
    held.until("in mkfs")
    key = key_of(lab.host)
    lab.cut("A", at="host")
    lab.host.power_cut()
    assert key in refused(lab.second.run(attach(target), timeout=PATIENCE))
    login = f"iscsictl discover {A4} --save && iscsictl login {target}"
    lab.second.run(login, check=True, timeout=PATIENCE)
    take_over = f"iscsictl take-over {target} --lun 0 --confirm {key} --yes"
    lab.second.run(take_over, check=True, timeout=PATIENCE)
    assert read_state(lab.array, disk).is_free
    # What the dead host had begun is not blank, and not this host's to continue.
    assert "is not blank" in refused(lab.second.run(attach(target), timeout=PATIENCE))
    overwrite = f"{attach(target)} --wipe --confirm {disk.wwid}"
    lab.second.run(overwrite, check=True, timeout=PATIENCE)
    lab.second.run("echo kept > /srv/x/file && sync", check=True, timeout=PATIENCE)

    lab.restore_cables("A")
    lab.host.boot()
    record = WriteRecord(lab.array)
    refused(lab.host.run(attach(target), timeout=PATIENCE))
    assert initiator_of(lab.host) not in record.stop()
    assert read_state(lab.array, disk).is_free
    lab.second.run("umount /srv/x && mount /srv/x", check=True, timeout=PATIENCE)
    assert lab.second.text("/srv/x/file") == "kept\n"
