"""A volume that is attached with --exclusive: who can write, and what is left on the array."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4, B4
from tests.lab.onhost import run_on, statuses
from tests.lab.reservations import key_of, read_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.agent import Background
    from tests.lab.guest import Guest
    from tests.lab.lio import Disk
    from tests.lab.pair import Lab

IQN = "iqn.2001-04.com.example:exclusive"
ATTACH = f"iscsictl attach -p {A4} -T {IQN} --mount /srv/x --exclusive"
UNIT = "/etc/systemd/system/iscsictl-reserve@.service"
PATIENCE = 300
#: Reboots of the owner and cuts of its cable, of each so many.
ROUNDS = int(os.environ.get("LAB_ROUNDS", "3"))
#: Seconds without a cable: longer than ping and reconnect of open-iscsi (noop_out 5 s and 5 s).
SILENCE = 15.0
# Appends numbers to a file, each with O_SYNC, and notes each that was acknowledged. It goes on
# after the last number that it finds.
WRITER = r"""
import os
log = os.open("/srv/x/log", os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_SYNC)
noted = os.open("/root/noted", os.O_RDWR | os.O_CREAT | os.O_SYNC)
number = os.fstat(log).st_size // 9
os.ftruncate(log, number * 9)
while not os.path.exists("/root/enough"):
    number += 1
    os.write(log, b"%08d\n" % number)
    os.pwrite(noted, b"%08d" % number, 0)
"""

pytestmark = [pytest.mark.torture, pytest.mark.fault("F101")]


@pytest.fixture
def two_hosts(session_lab: Lab) -> Lab:
    """A clean pair with a second host, of which `lab.host` is to be the owner."""
    session_lab.restore_with_second_host("installed")
    return session_lab


def acknowledged(host: Guest) -> int:
    """The last number of which the writer was told that it is on the disk."""
    return int(host.text("/root/noted") or 0)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait for what another program brings about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(1.0)


def start_writer(host: Guest) -> Background:
    """Start the writer, and wait until it has written."""
    before = acknowledged(host) if host.exists("/root/noted") else 0
    host.put("/root/writer.py", WRITER)
    writer = host.start("exec python3 /root/writer.py")
    wait_until(
        lambda: host.exists("/root/noted") and acknowledged(host) > before + 2,
        "the writer does not write",
    )
    return writer


def require_progress(host: Guest, writer: Background) -> None:
    """The writer goes on, and none of its writes was refused."""
    before = acknowledged(host)
    wait_until(lambda: acknowledged(host) > before + 2, "the writer stands still")
    assert writer.poll() is None


def require_all_there(host: Guest, last: int) -> None:
    """Every write that was acknowledged can be read."""
    kept = run_on(host, "cat /srv/x/log").out.split()
    assert kept[:last] == [f"{number:08d}" for number in range(1, last + 1)]


def log_in_second(lab: Lab) -> str:
    """Log the second host in over one portal; return its device."""
    run_on(lab.second, f"iscsictl discover {A4} --save && iscsictl login {IQN} -p {A4}")
    link = "/dev/disk/by-path/*-lun-0"
    run_on(lab.second, f"until ls {link} 2>/dev/null; do sleep 0.5; done")
    device: str = run_on(lab.second, f"realpath {link}").out.split()[0]
    return device


def require_kept_out(lab: Lab, device: str, paths: int) -> None:
    """The other host can read and cannot write; sg_persist(8) has the owner's key for each path."""
    key = key_of(lab.host)
    read = f"dd if={device} of=/dev/null bs=4096 count=1 iflag=direct"
    run_on(lab.second, read)
    write = f"dd if=/dev/zero of={device} bs=4096 count=1 seek=1 oflag=direct conv=notrunc"
    result = lab.second.run(write, timeout=PATIENCE)
    assert result.code != 0, str(result)
    asked = f"sg_persist --no-inquiry --in --read-reservation {device}; "
    asked += f"sg_persist --no-inquiry --in --read-keys {device}"
    # A path that comes later than the mount is registered when it joins the map.
    wait_until(
        lambda: run_on(lab.second, asked).out.count(key) == 1 + paths,
        f"not {paths} paths are registered",
    )


def prepared(lab: Lab, paths: int) -> Disk:
    """A blank LUN behind one portal or two, and multipathd for two."""
    disk = lab.array.disk("exclusive", "128M")
    lab.array.target(IQN, [disk], portals=[A4, B4][:paths])
    if paths > 1:
        run_on(lab.host, "systemctl unmask multipathd.service multipathd.socket")
        run_on(lab.host, "systemctl start multipathd.service")
    return disk


def boot_again(host: Guest) -> None:
    """Cut the power of the owner, and wait until the volume is mounted again by systemd."""
    host.power_cut()
    host.boot()
    wait_until(lambda: host.run("findmnt /srv/x").code == 0, "it is not mounted after the boot")


@pytest.mark.parametrize("paths", [1, 2])
def test_no_other_host_writes_and_the_owner_loses_nothing_over_boots_cuts_and_an_array_restart(
    two_hosts: Lab, paths: int
) -> None:
    lab, owner = two_hosts, two_hosts.host
    disk = prepared(lab, paths)
    run_on(owner, f"{ATTACH} --fs ext4")
    assert set(statuses(run_on(owner, f"{ATTACH} --fs ext4 -J")).values()) == {"unchanged"}
    kind = read_state(lab.array, disk).kind
    assert ("Registrants Only" in kind) == (paths > 1), kind
    device = log_in_second(lab)
    require_kept_out(lab, device, paths)
    listed = json.loads(run_on(owner, "iscsictl ls -J").out)["disks"]
    assert [one["reservations"]["held_by"] for one in listed] == ["this host"]

    writer = start_writer(owner)
    for _ in range(ROUNDS):
        lab.cut("A", at="host")
        time.sleep(SILENCE)
        lab.restore_cables("A")
        require_progress(owner, writer)
        require_kept_out(lab, device, paths)
    for _ in range(ROUNDS):
        last = acknowledged(owner)
        boot_again(owner)
        require_kept_out(lab, device, paths)
        require_all_there(owner, last)
        writer = start_writer(owner)
    lab.array.reboot()
    require_progress(owner, writer)
    run_on(owner, "iscsictl reconnect")
    require_progress(owner, writer)
    wait_until(lambda: "running" in lab.second.text(f"/sys/block/{device[5:]}/device/state"),
               "the other host is not connected again")  # fmt: skip
    require_kept_out(lab, device, paths)
    run_on(owner, "touch /root/enough")
    assert writer.wait(PATIENCE).code == 0
    require_all_there(owner, acknowledged(owner))

    run_on(owner, "iscsictl detach /srv/x")
    assert read_state(lab.array, disk).is_free
    assert not owner.exists(UNIT)
    assert "exclusive" not in owner.text("/etc/fstab")


def test_a_dead_owner_is_taken_over_and_mounts_nothing_when_it_comes_back(two_hosts: Lab) -> None:
    lab, owner = two_hosts, two_hosts.host
    disk = prepared(lab, 1)
    run_on(owner, f"{ATTACH} --fs ext4")
    key, fstab = key_of(owner), owner.text("/etc/fstab")
    run_on(owner, "echo kept > /srv/x/file; sync")
    # Switched off, a guest takes no frames, and those for it hold up the others on the cable.
    lab.cut("A", at="host")

    device = log_in_second(lab)
    adopt = f"{ATTACH} --adopt --yes"
    refused = run_on(lab.second, adopt, 9)
    assert f"persistent reservation: key {key}" in refused.err
    run_on(lab.second, f"iscsictl take-over {IQN} --lun 0 --confirm {key} --yes")
    assert "was not unmounted cleanly" in run_on(lab.second, adopt, 9).err
    run_on(lab.second, f"e2fsck -p {device}1 || [ $? = 1 ]")
    run_on(lab.second, adopt)
    assert lab.second.text("/srv/x/file") == "kept\n"
    theirs = key_of(lab.second)
    assert theirs in read_state(lab.array, disk).registered

    owner.power_cut()
    lab.restore_cables("A")
    owner.boot()
    assert owner.text("/etc/fstab") == fstab
    unit = "iscsictl-reserve@*"
    wait_until(
        lambda: theirs in owner.run(f"journalctl -b -o cat -u '{unit}'").out,
        "the unit does not name the other host's key",
    )
    assert owner.run("findmnt /srv/x").code != 0
    assert theirs in run_on(owner, "iscsictl reconnect", 9).err
    found = json.loads(owner.run("iscsictl doctor -J", timeout=PATIENCE).out)["findings"]
    (reservation,) = [one for one in found if one["id"] == "reservation"]
    assert (reservation["level"], theirs in reservation["message"]) == ("fail", True)
    state = read_state(lab.array, disk)
    assert key not in state.registered
    run_on(owner, f"rm {UNIT}")
    found = json.loads(owner.run("iscsictl doctor -J", timeout=PATIENCE).out)["findings"]
    assert "fail" in {one["level"] for one in found if one["id"] == "reservation-unit"}
