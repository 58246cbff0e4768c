"""The lab proves itself: what every other test of a machine stands on."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.agent import RUN_TIMEOUT
from tests.lab.array import A4, A6, B4, B6
from tests.lab.lio import Disk, size_of

if TYPE_CHECKING:
    from tests.lab.agent import Result
    from tests.lab.pair import Lab

IQN = "iqn.2001-04.com.example:lab"
PROJECT = Path(__file__).resolve().parents[2]
CHAP = ("myaccount", "secret-of-the-host")
MUTUAL = ("array", "secret-of-the-array")


def discover(lab: Lab, address: str = A4) -> Result:
    return lab.host.run(["iscsiadm", "-m", "discovery", "-t", "st", "-p", address], check=True)


def login(lab: Lab, address: str = A4) -> Result:
    return lab.host.run(["iscsiadm", "-m", "node", "-T", IQN, "-p", address, "--login"])


def settings(lab: Lab, **values: str) -> None:
    words = [
        word
        for name, value in values.items()
        for word in ("-n", f"node.session.auth.{name}", "-v", value)
    ]
    lab.host.run(["iscsiadm", "-m", "node", "-T", IQN, "-o", "update", *words], check=True)


def device(lab: Lab, disk: Disk) -> str:
    script = (
        "for i in $(seq 100); do for f in /sys/block/sd*/device/wwid; do "
        f'if [ "$(cat $f 2>/dev/null)" = {disk.wwid} ]; then f=${{f%/device/wwid}}; '
        '[ -b "/dev/${f##*/}" ] && echo /dev/${f##*/} && exit; fi; done; sleep 0.1; done; exit 1'
    )
    return lab.host.run(script, check=True).out.strip()


def wait_until(lab: Lab, command: str, text: str, seconds: float = RUN_TIMEOUT) -> None:
    deadline = time.monotonic() + seconds
    while text not in (found := lab.host.run(command).out):
        assert time.monotonic() < deadline, f"{command}: {found!r}, not {text!r}"
        time.sleep(0.2)


def test_a_command_has_its_code_and_its_two_outputs(bare_lab: Lab) -> None:
    result = bare_lab.host.run("echo out; echo err >&2; cat; exit 7", stdin="in")
    assert (result.code, result.out, result.err) == (7, "out\nin", "err\n")
    empty = bare_lab.host.run(["/usr/bin/env"], env={}, replace_env=True)
    assert empty.out == ""
    late = bare_lab.host.run("echo early; sleep 100", timeout=1)
    assert late.timed_out
    assert late.out == "early\n"


def test_a_long_command_holds_up_no_other(bare_lab: Lab) -> None:
    slow = bare_lab.host.start("sleep 100")
    assert bare_lab.host.run("echo quick").out == "quick\n"
    assert slow.poll() is None
    slow.signal(signal.SIGTERM)
    assert slow.wait().code == -signal.SIGTERM


def test_a_file_goes_there_and_back(bare_lab: Lab) -> None:
    data = os.urandom(3_000_000)
    bare_lab.host.put("/root/data", data, mode=0o640)
    assert bare_lab.host.get("/root/data") == data
    assert bare_lab.host.run("stat -c %a /root/data").out == "640\n"


def test_both_nets_carry_both_families(bare_lab: Lab) -> None:
    for address in (A4, B4, A6, B6):
        bare_lab.host.run(["ping", "-c", "1", "-W", "5", address], check=True)


def test_the_console_is_a_root_shell(bare_lab: Lab) -> None:
    bare_lab.host.console.sendline(b"echo $((6*7))-on-$(tty)")
    bare_lab.host.console.expect(rb"42-on-/dev/ttyS0")


def test_what_the_host_writes_is_on_the_array(bare_lab: Lab) -> None:
    disk = bare_lab.array.disk("data", "24M")
    blank = bare_lab.array.digest(disk)
    bare_lab.array.target(IQN, [disk], portals=[A4, B6])
    assert "[2001:db8:b::5]:3260,1" in discover(bare_lab).out
    assert login(bare_lab).code == 0
    path = device(bare_lab, disk)
    data = os.urandom(2_000_000)
    bare_lab.host.put("/root/data", data)
    bare_lab.host.run(
        f"dd if=/root/data of={path} bs=64k seek=16 conv=fsync && blockdev --flushbufs {path}",
        check=True,
    )
    assert bare_lab.array.read(disk, 1 << 20, len(data)) == data
    assert bare_lab.array.digest(disk) != blank
    whole = hashlib.sha256(bytes(1 << 20) + data)
    whole.update(bytes(disk.size - (1 << 20) - len(data)))
    assert bare_lab.array.sha256(disk) == whole.hexdigest()
    assert bare_lab.host.run(["sha256sum", path]).out.split()[0] == whole.hexdigest()


def test_chap_lets_in_who_knows_the_secret(bare_lab: Lab) -> None:
    bare_lab.array.target(IQN, [bare_lab.array.disk()], chap=CHAP)
    discover(bare_lab)
    assert login(bare_lab).code == 24
    settings(bare_lab, authmethod="CHAP", username=CHAP[0], password=CHAP[1])
    assert login(bare_lab).code == 0


def test_mutual_chap_proves_the_array_too(bare_lab: Lab) -> None:
    bare_lab.array.target(IQN, [bare_lab.array.disk()], chap=CHAP, mutual=MUTUAL)
    discover(bare_lab)
    settings(bare_lab, authmethod="CHAP", username=CHAP[0], password=CHAP[1],
             username_in=MUTUAL[0], password_in="not what it says")  # fmt: skip
    assert login(bare_lab).code != 0
    settings(bare_lab, password_in=MUTUAL[1])
    assert login(bare_lab).code == 0


def test_a_cut_cable_fails_the_session_and_plugging_it_in_again_brings_it_back(
    bare_lab: Lab,
) -> None:
    bare_lab.array.target(IQN, [bare_lab.array.disk()])
    discover(bare_lab)
    name = "node.conn[0].timeo.noop_out_"
    bare_lab.host.run(f"iscsiadm -m node -o update -n {name}interval -v 1 -n {name}timeout -v 1")
    assert login(bare_lab).code == 0
    state = "cat /sys/class/iscsi_session/session*/state"
    wait_until(bare_lab, state, "LOGGED_IN")
    bare_lab.cut("A")
    wait_until(bare_lab, state, "FAILED")
    bare_lab.restore_cables()
    wait_until(bare_lab, state, "LOGGED_IN")


def test_a_lun_grows_is_swapped_and_goes(bare_lab: Lab) -> None:
    disk = bare_lab.array.disk("first", "64M")
    bare_lab.array.target(IQN, [disk])
    discover(bare_lab)
    login(bare_lab)
    path = device(bare_lab, disk)
    bare_lab.array.grow(disk, "3T")
    bare_lab.host.run("iscsiadm -m session -R", check=True)
    wait_until(bare_lab, f"blockdev --getsize64 {path}", str(size_of("3T")))
    other = bare_lab.array.disk("second", "64M", serial="feed-5eed")
    bare_lab.array.swap(IQN, 0, other)
    wait_until(bare_lab, f"sg_vpd -p 0x83 {path}", other.wwid.removeprefix("naa."))
    third = bare_lab.array.disk("third", "64M")
    bare_lab.array.map(IQN, 1, third)
    bare_lab.host.run("iscsiadm -m session -R", check=True)
    read = ["dd", f"if={device(bare_lab, third)}", "of=/dev/null", "count=1", "iflag=direct"]
    assert bare_lab.host.run(read).code == 0
    bare_lab.array.unmap(IQN, 1)
    assert bare_lab.host.run(read).code == 1


def test_many_targets_are_made_at_once(bare_lab: Lab) -> None:
    names = [f"d{number}" for number in range(50)]
    bare_lab.array.disks(Disk(name, size_of("16M"), 512, name.encode().hex()) for name in names)
    for name in names:
        bare_lab.array.target(f"{IQN}.{name}", [bare_lab.array.state.disks[name]])
    assert len(discover(bare_lab).out.splitlines()) == 50


def test_a_restored_pair_is_clean_and_quick(bare_lab: Lab) -> None:
    bare_lab.host.put("/root/leaving", "")
    bare_lab.host.start("sleep 1000")
    bare_lab.array.target(IQN, [bare_lab.array.disk()])
    started = time.monotonic()
    bare_lab.restore("booted")
    # A second on a quiet machine, and far less than to boot it on a busy one.
    assert time.monotonic() - started < 60
    assert not bare_lab.host.exists("/root/leaving")
    assert bare_lab.host.run("pgrep -x sleep").code == 1
    assert not bare_lab.array.exists(f"/sys/kernel/config/target/iscsi/{IQN}")
    assert not bare_lab.array.state.targets
    bare_lab.host.put("/run/leaving", "")
    bare_lab.restore("booted")
    assert not bare_lab.host.exists("/run/leaving")
    asked = time.time()
    there = float(bare_lab.host.run("date +%s.%N").out)
    assert asked - 5 < there < time.time() + 5


@pytest.mark.torture
def test_a_power_cut_loses_what_was_not_written(bare_lab: Lab) -> None:
    disk = bare_lab.array.disk("data", "64M")
    bare_lab.array.target(IQN, [disk])
    bare_lab.host.run("echo kept > /root/kept; sync; echo lost > /root/lost", check=True)
    bare_lab.host.power_cut()
    assert bare_lab.host.status() == "prelaunch"
    bare_lab.array.write(disk, 0, b"durable")
    bare_lab.array.power_cut()
    bare_lab.boot()
    assert bare_lab.host.text("/root/kept") == "kept\n"
    assert not bare_lab.host.run("cat /root/lost").out
    assert bare_lab.array.read(disk, 0, 7) == b"durable"
    assert IQN in discover(bare_lab).out


START = """
import signal, sys, time
from tests.lab.pair import Lab
# A shell starts what runs in its background with SIGINT ignored, and that is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)
lab = Lab.start(sys.argv[1])
print(lab.run_directory.path, *(guest.process.pid for guest in lab.guests.values()), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGTERM, marks=pytest.mark.torture),
        pytest.param(signal.SIGINT, marks=pytest.mark.torture),
    ],
)
def test_nothing_is_left_when_its_python_ends(
    bare_session_lab: Lab, suite: str, number: signal.Signals
) -> None:
    command = [sys.executable, "-c", START, suite]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as process:
        assert process.stdout is not None
        directory, *pids = process.stdout.readline().split()
        assert all(Path("/proc", pid).exists() for pid in pids)
        process.send_signal(number)
        process.wait(RUN_TIMEOUT)
    deadline = time.monotonic() + RUN_TIMEOUT
    while any(Path("/proc", pid).exists() for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert Path(directory).exists() == (number == signal.SIGKILL)
