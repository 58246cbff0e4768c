"""`reconnect` and `schedule` on a real array: what they repair, leave alone and report."""

from __future__ import annotations

import json
import re
import shlex
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.array import A4, B4
from tests.lab.onhost import IQN, attached, lost, mounted, run_on, sessions, statuses

if TYPE_CHECKING:
    from tests.lab.agent import Background
    from tests.lab.guest import Guest
    from tests.lab.pair import Lab

RECONNECT = "/usr/local/bin/iscsictl reconnect"
CRON: dict[str, Any] = {"env": {"PATH": "/usr/bin:/bin"}, "replace_env": True}
# Each line is synced, and only then its number is noted on the host's own disk.
WRITER = """\
import os, time
out = os.open("/srv/out/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
noted = os.open("/root/noted", os.O_WRONLY | os.O_CREAT, 0o644)
number = 0
while not os.path.exists("/root/enough"):
    number += 1
    os.write(out, b"%08d\\n" % number)
    os.fsync(out)
    os.pwrite(noted, b"%08d" % number, 0)
    time.sleep(0.05)
"""


def nothing_to_do(host: Guest) -> None:
    """Where all is well not a word is said and no process started, from cron's environment too."""
    quiet = run_on(host, f"exec {RECONNECT} --quiet", **CRON)
    assert quiet.out + quiet.err == ""
    run_on(host, f"strace -f -qq -e trace=process -o /root/trace {RECONNECT} --quiet")
    trace = host.text("/root/trace")
    assert not re.findall(r"(?:v?fork|clone3?)\(", trace), trace
    assert len(re.findall(r"execve\(", trace)) == 1


def numbered(host: Guest) -> int:
    """The last number that the writer got an answer for."""
    return int(host.run("cat /root/noted").out or "0")


@pytest.mark.fault("F34")
@pytest.mark.fault("F36")
@pytest.mark.fault("F37")
@pytest.mark.fault("F59")
def test_what_is_missing_is_brought_back_and_what_is_held_or_works_is_left_alone(lab: Lab) -> None:
    host, array = lab.host, lab.array
    attached(lab, "one")
    attached(lab, "two", portal=B4)
    nothing_to_do(host)

    lost(host, "one")
    before = sessions(host)
    first = run_on(host, f"{RECONNECT} -J", **CRON)
    assert statuses(first) == {
        f"login:{IQN}one {A4}:3260": "done", "mount:/srv/one": "done", "mount:/srv/two": "unchanged"
    }  # fmt: skip
    assert mounted(host) == {"one", "two"}
    assert sessions(host)["two"] == before["two"]
    log = run_on(host, "journalctl -t iscsictl -o cat").out.splitlines()
    (line,) = [x for x in log if "command=reconnect action=login" in x]
    assert line.startswith("user=root ")
    assert line.endswith(f"subject='{IQN}one {A4}:3260' arguments='-J' result=done")
    assert any("command=reconnect action=mount subject='/srv/one' wwid=naa." in x for x in log)
    nothing_to_do(host)

    run_on(
        host, f"iscsictl umount /srv/one && iscsictl umount /srv/two && iscsictl logout -T {IQN}two"
    )
    for _ in range(10):
        silent = run_on(host, f"{RECONNECT} --quiet")
        assert silent.out + silent.err == ""
    assert mounted(host) == set()
    assert set(sessions(host)) == {"one"}
    for name in ("/srv/one", "/srv/two", IQN + "two"):
        run_on(host, f"iscsictl unhold {name}")
    run_on(host, RECONNECT)
    assert mounted(host) == {"one", "two"}

    lost(host, "two")
    array.block(B4)
    working = host.start(f"exec {RECONNECT} --quiet")
    run_on(host, f"until grep -qx {working.pid} /run/iscsictl/lock; do sleep 0.1; done")
    # However slow this guest is, the lock is taken while the others run.
    run_on(host, f"kill -STOP {working.pid}")
    second = run_on(host, RECONNECT)
    assert "another iscsictl" in second.err
    quiet = run_on(host, f"{RECONNECT} --quiet", **CRON)
    assert quiet.out + quiet.err == ""
    assert working.poll() is None
    run_on(host, f"kill -CONT {working.pid}")
    dead = working.wait(40)
    assert dead.code == 6, str(dead)
    assert f"portal {B4}:3260 does not answer" in dead.err
    assert mounted(host) == {"one"}
    array.unblock()
    run_on(host, RECONNECT)
    assert mounted(host) == {"one", "two"}


@pytest.mark.fault("F59")
def test_a_mount_that_fails_says_why_and_its_session_stays(lab: Lab) -> None:
    host = lab.host
    attached(lab, "one")
    lost(host, "one")
    run_on(host, f"iscsictl hold {IQN}one")
    held = run_on(host, f"{RECONNECT} {IQN}one", 9)
    assert f"{IQN}one is on hold" in held.err
    assert f"iscsictl unhold {IQN}one" in held.err
    run_on(host, f"iscsictl unhold {IQN}one")
    run_on(host, "cp /etc/fstab /root/fstab; sed -i '/iscsictl/s/nofail,/&nonsense,/' /etc/fstab")
    mail = run_on(host, f"exec {RECONNECT} --quiet", 1, **CRON)
    assert mail.out == ""
    said, hint = mail.err.splitlines()
    assert re.search(r"/dev/sd\w+ cannot be mounted on /srv/one: wrong fs type, bad option", said)
    assert "fsck -n /dev/sd" in hint
    assert set(sessions(host)) == {"one"}
    run_on(host, "cp /root/fstab /etc/fstab; systemctl daemon-reload")
    run_on(host, RECONNECT)
    assert mounted(host) == {"one"}


@pytest.mark.fault("F37")
def test_timer_and_cron_line_repair_and_print_nothing_where_all_is_well(lab: Lab) -> None:
    host = lab.host
    attached(lab, "one")
    run_on(host, "systemctl stop cron")
    # systemd, cron and its shell each read some of these characters in a way of their own.
    metrics = "/root/a $HOME 50%.prom"
    install = f"schedule install --every 10s --metrics '{metrics}'"
    run_on(host, f"/usr/local/bin/iscsictl {install}", **CRON)
    assert "by systemd" in run_on(host, "iscsictl schedule status").out
    assert set(statuses(run_on(host, f"iscsictl {install} -J")).values()) == {"unchanged"}
    units = "iscsictl-reconnect.timer iscsictl-reconnect.service"
    checked = host.run(f"systemd-analyze verify --man=no {units}")
    assert "iscsictl" not in checked.err, checked.err
    state = "systemctl show -P ActiveState iscsictl-reconnect"
    idle = f"until [ $({state}) = inactive ]; do sleep 0.2; done"
    run_on(host, f"systemctl stop iscsictl-reconnect.timer; {idle}")
    lost(host, "one")
    run_on(host, "systemctl start iscsictl-reconnect.timer; "
        "until findmnt /srv/one; do sleep 0.5; done")  # fmt: skip
    run_on(host, idle)
    show = "systemctl show -p Result -p ExecMainStatus --value iscsictl-reconnect.service"
    assert set(run_on(host, show).out.split()) == {"success", "0"}
    up = f'iscsictl_sessions_up{{target="{IQN}one",portal="{A4}:3260",iface="default"}} '
    assert f"\n{up}1\n" in host.text(metrics)

    run_on(host, f"iscsictl schedule install --cron --every 1min --metrics '{metrics}'")
    assert host.run("ls /etc/systemd/system/iscsictl-reconnect*").out == ""
    assert host.run("systemctl is-active iscsictl-reconnect.timer").out.strip() == "inactive"
    entry = host.text("/etc/cron.d/iscsictl").splitlines()
    (line,) = [x for x in entry if x.startswith("*/1 * * * * root ")]
    settings = " ".join(x for x in entry if re.match(r"[A-Z]+=", x))
    # cron passes over a backslash before a percent sign (crontab(5)).
    told = line.partition(" root ")[2].replace("\\%", "%")
    command = f"env -i {settings} sh -c {shlex.quote(told)}"
    well = run_on(host, command)
    assert well.out + well.err == ""
    lost(host, "one")
    repaired = run_on(host, command)
    assert repaired.out + repaired.err == ""
    assert mounted(host) == {"one"}
    lost(host, "one")
    lab.array.stop_target(IQN + "one")
    lab.array.block(A4, reject=True)
    wrong = run_on(host, command, 6)
    assert f"portal {A4}:3260 does not answer: connection refused" in wrong.err
    assert f"\n{up}0\n" in host.text(metrics)
    assert "\niscsictl_reconnect_exit_code 6\n" in host.text(metrics)
    run_on(host, "iscsictl schedule remove")
    assert run_on(host, "iscsictl schedule status").out == "not scheduled\n"
    assert host.run("ls /etc/cron.d/iscsictl; ls /etc/systemd/system/iscsictl*").out == ""


@pytest.mark.fault("F33")
@pytest.mark.parametrize(
    "seconds", [40, pytest.param(300, marks=[pytest.mark.torture])], ids=["40s", "5min"]
)
def test_no_acknowledged_write_is_lost_while_the_array_is_away(lab: Lab, seconds: int) -> None:
    host = lab.host
    attached(lab, "out")
    host.put("/root/writer.py", WRITER)
    writer = host.start("exec python3 /root/writer.py")
    run_on(host, "until [ -s /root/noted ]; do sleep 0.1; done; sleep 2")
    lab.cut("A")
    began = time.monotonic()
    run_on(host, "until [ $(cat /sys/class/iscsi_session/*/state) = FAILED ]; do sleep 0.2; done")
    stuck = numbered(host)
    away = run_on(host, f"{RECONNECT} --quiet", 6)
    assert "is recovering: iscsid keeps trying, and writes wait" in away.err
    time.sleep(max(0.0, seconds - (time.monotonic() - began)))
    assert numbered(host) == stuck
    assert writer.poll() is None
    lab.restore_cables("A")
    run_on(host, f"until [ $(cat /root/noted) -gt {stuck + 5} ]; do sleep 0.2; done")
    nothing_to_do(host)
    run_on(host, "touch /root/enough")
    assert writer.wait().code == 0
    last = numbered(host)
    run_on(host, "umount /srv/out && echo 3 > /proc/sys/vm/drop_caches && mount /srv/out")
    kept = run_on(host, "cat /srv/out/log").out.split()
    assert kept == [f"{number:08d}" for number in range(1, last + 1)]


@pytest.mark.torture
@pytest.mark.fault("F33")
def test_an_outage_longer_than_the_recovery_timeout_is_said_with_what_to_do(lab: Lab) -> None:
    host = lab.host
    short = "--set node.session.timeo.replacement_timeout=5"
    kinds = ("ext4", "xfs", "btrfs")
    for fs in kinds:
        attached(lab, fs, short, fs=fs, size="400M")
    host.put("/root/write", "for fs in ext4 xfs btrfs; do for n in 1 2 3 4 5 6; do "
             "date > /srv/$fs/$n; sync -f /srv/$fs; done; done 2>/dev/null; true")  # fmt: skip
    run_on(host, "sh /root/write")
    lab.cut("A")
    run_on(host, "until grep -q offline /sys/block/sd*/device/state; do sleep 0.3; done; "
        "sh /root/write")  # fmt: skip
    gone = run_on(host, f"{RECONNECT}", 6)
    assert gone.err.count("for longer than its recovery timeout") >= len(kinds)
    assert "umount /srv/btrfs, fsck, iscsictl reconnect" in gone.err
    lab.restore_cables("A")
    run_on(host, "until [ $(grep -l LOGGED_IN /sys/class/iscsi_session/*/state | wc -l) = 3 ]; "
        "do sleep 0.3; done; sh /root/write")  # fmt: skip
    back = run_on(host, f"{RECONNECT} -J", 1)
    found = statuses(back)
    assert {found[f"mount:/srv/{fs}"] for fs in kinds} == {"refused"}, back.out
    told = run_on(host, f"{RECONNECT}", 1).err
    for fs in kinds:
        assert f"/srv/{fs} is mounted, but" in told
    assert "then: umount /srv/" in told
    for fs in kinds:
        uuid = run_on(host, f"findmnt -no UUID /srv/{fs}").out.strip()
        run_on(host, f"umount /srv/{fs}")
        if fs == "ext4":
            run_on(host, f"fsck.ext4 -fy UUID={uuid} || [ $? = 1 ]")
    run_on(host, RECONNECT)
    assert mounted(host) == set(kinds)
    run_on(host, "for fs in ext4 xfs btrfs; do echo ok > /srv/$fs/ok && sync -f /srv/$fs; done")
    nothing_to_do(host)


def ended(runs: list[Background], seconds: float) -> list[int]:
    """The exit codes of commands that run side by side."""
    results = [run.wait(seconds) for run in runs]
    assert not [x for x in results if "Traceback" in x.err]
    return [x.code for x in results]


@pytest.mark.fault("F02")
@pytest.mark.fault("F08")
def test_many_at_once_make_one_session_one_mount_and_lose_no_setting(lab: Lab) -> None:
    host = lab.host
    lab.array.target(IQN + "one", [lab.array.disk("one", "64M")])
    command = f"iscsictl attach -p {A4} -T {IQN}one --fs ext4 --mount /srv/one --timeout 5min"
    runs = [host.start(command) for _ in range(20)]
    assert ended(runs, 300) == [0] * 20
    assert len(run_on(host, "ls /sys/class/iscsi_session").out.split()) == 1
    assert run_on(host, "grep -c ' /srv/one ' /proc/mounts").out.strip() == "1"
    assert run_on(host, "grep -c iscsictl /etc/fstab").out.strip() == "1"
    assert "iscsictl.making" not in host.text("/etc/fstab")

    settings = {
        f"iscsictl nodes set -T {IQN}one -p {A4} %s=$n": "node.session.timeo.replacement_timeout",
        f"iscsictl nodes set -T {IQN}one -p {A4}:3260 %s=$n": "node.conn[0].timeo.login_timeout",
        f"iscsiadm -m node -T {IQN}one -o update -n '%s' -v $n": "node.session.queue_depth",
        "iscsiadm -m node -o update -n '%s' -v $n": "node.conn[0].timeo.logout_timeout",
    }
    runs = [
        host.start(f"for n in 11 12 13 14 15 16 17 18; do {how % key} || exit 1; done")
        for how, key in settings.items()
    ]
    assert ended(runs, 240) == [0] * len(settings)
    path = run_on(host, "find /etc/iscsi/nodes /var/lib/iscsi/nodes -type f 2>/dev/null; true").out
    record = host.text(path.strip())
    for key in settings.values():
        assert f"{key} = 18\n" in record
    assert record.endswith("# END RECORD\n")
    assert not host.exists("/run/lock/iscsi/lock.write")


REDIRECT = """\
import socket
server = socket.create_server(("192.0.2.5", 3270))
data = b"TargetAddress=198.51.100.5:3260,1\\0"
while True:
    client, _ = server.accept()
    asked = client.recv(4096)
    if len(asked) < 48:
        client.close()
        continue
    # RFC 7143, 11.13: a login response, status 0x0101 (target moved temporarily).
    header = bytearray(48)
    header[0], header[7] = 0x23, len(data)
    header[8:20] = asked[8:20]
    header[24:36] = asked[28:32] + asked[24:28] + asked[24:28]
    header[36:38] = b"\\1\\1"
    client.sendall(bytes(header) + data + b"\\0" * (-len(data) % 4))
    client.close()
"""


@pytest.mark.fault("F14")
@pytest.mark.fault("F15")
def test_sessions_by_host_name_after_a_redirect_and_without_a_scan_are_known(lab: Lab) -> None:
    host, array = lab.host, lab.array
    array.target(IQN + "name", [array.disk("name", "64M")])
    array.target(IQN + "moved", [array.disk("moved", "64M")], portals=[B4])
    array.put("/root/redirect.py", REDIRECT)
    array.start("exec python3 /root/redirect.py")
    for name, portal in (("name", "array:3260,1"), ("moved", f"{A4}:3270,1")):
        one = f"iscsiadm -m node -T {IQN}{name} -p {portal}"
        run_on(host, f"{one} -o new && {one} -o update -n node.startup -v automatic")
    assert set(statuses(run_on(host, f"{RECONNECT} -J")).values()) == {"done"}
    shown = run_on(host, "cat /sys/class/iscsi_connection/*/address").out.split()
    assert sorted(shown) == [A4, B4]
    nothing_to_do(host)
    again = run_on(host, "iscsictl login --all -J")
    assert set(statuses(again).values()) == {"unchanged"}
    records = json.loads(run_on(host, "iscsictl nodes -J").out)["nodes"]
    assert sorted(bool(x["sid"]) for x in records) == [True, True]

    array.target(IQN + "man", [array.disk(f"man{n}", "64M") for n in range(3)])
    run_on(host, f"iscsictl attach -p {A4} -T {IQN}man --lun 1 --set node.session.scan=manual "
        "--fs ext4 --mount /srv/man")  # fmt: skip
    only = "ls -d /sys/class/iscsi_session/session%d/device/target*/*:*:*:*"
    luns = run_on(host, only % sessions(host)["man"]).out.split()
    assert [x.rpartition(":")[2] for x in luns] == ["1"]
    lost(host, "man")
    found = statuses(run_on(host, f"{RECONNECT} -J"))
    assert found[f"scan:{IQN}man LUN 1"] == "done"
    assert mounted(host) == {"man"}
    luns = run_on(host, only % sessions(host)["man"]).out.split()
    assert [x.rpartition(":")[2] for x in luns] == ["1"]
