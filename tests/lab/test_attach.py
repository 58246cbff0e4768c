"""`attach` and `detach` on a real array, as a user would type them."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4, A6, B4
from tests.lab.onhost import PATIENCE, run_on
from tests.lab.secret_watch import SecretWatch

if TYPE_CHECKING:
    from tests.lab.agent import Result
    from tests.lab.guest import Guest
    from tests.lab.pair import Lab

pytestmark = pytest.mark.every_suite
IQN = "iqn.2001-04.com.example:store"
SECRET, MUTUAL = "kV8rTq2ZxW7nBf4M", "Zp3.wL9sDh6-Gy1t"
ATTACH = f"iscsictl attach -p {A4} -T {IQN}"
CHAP = (
    "--chap-user myaccount --chap-secret-file /root/secret "
    "--mutual-user array --mutual-secret-file /root/mutual"
)
#: Seconds that `attach` may wait for others: one after the other, the dead portals take longer, for
#: iscsid tries each of the two silent ones 8 times for 15 s. A guest needs up to 30 s for Python.
DEADLINE = 120
LOGGED_IN = "cat /sys/class/iscsi_session/*/state 2>/dev/null | grep -q LOGGED_IN"


def traces(host: Guest) -> str:
    """Everything that a failed attach might leave behind."""
    return host.run(
        "find /etc/iscsi/nodes /var/lib/iscsi/nodes -type f 2>/dev/null; cat /etc/fstab; "
        "iscsiadm -m session 2>&1; ls /srv; cat /proc/mounts | grep ^/dev/sd"
    ).out


def one_line_and_hint(result: Result) -> None:
    lines = result.err.strip().splitlines()
    assert len([x for x in lines if x.startswith("iscsictl: ")]) == 1, lines
    assert len([x for x in lines if x.startswith("hint: ")]) == 1, lines


def statuses(result: Result) -> dict[str, str]:
    return {s["action"]: s["status"] for s in json.loads(result.out)["steps"]}


@pytest.mark.fault("F18")
@pytest.mark.fault("F38")
@pytest.mark.fault("F21")
def test_a_blank_lun_with_mutual_chap_is_mounted_and_survives_a_power_cut(lab: Lab) -> None:
    host, array = lab.host, lab.array
    disk = array.disk("store", "512M")
    array.target(IQN, [disk], chap=("myaccount", SECRET), mutual=("array", MUTUAL))
    host.put("/root/secret", SECRET + "\n", 0o600)
    host.put("/root/mutual", MUTUAL + "\n", 0o600)
    command = f"{ATTACH} {CHAP} --fs ext4 --mount /cluster/raid"
    watch = SecretWatch(host, (SECRET, MUTUAL))
    watch.start()
    first = run_on(host, f"{command} -v && echo kept > /cluster/raid/file && sync")
    watch.check(given=("/root/secret", "/root/mutual"), outputs=(first.out, first.err))

    again = run_on(host, f"strace -f -qq -e trace=execve,execveat -o /root/trace {command} -J")
    steps = json.loads(again.out)["steps"]
    assert steps
    assert {s["status"] for s in steps} == {"unchanged"}
    started = re.findall(r'execve\("([^"]+)".* = 0$', host.text("/root/trace"), re.MULTILINE)
    assert [path for path in started if "iscsictl" not in path and "python" not in path] == []

    listing = json.loads(run_on(host, "iscsictl ls -J").out)
    (session,) = listing["sessions"]
    assert (session["target"], session["status"]) == (IQN, "up")
    assert session["luns"][0]["wwid"] == disk.wwid
    (part,) = listing["disks"][0]["children"]
    assert (part["fstype"], part["mounts"][0]["path"]) == ("ext4", "/cluster/raid")
    row = run_on(host, "iscsictl ls").out.splitlines()[1]
    assert [word in row for word in (IQN, "up", "/dev/sd", "ext4", "/cluster/raid")] == [True] * 5

    host.power_cut()
    host.boot()
    assert run_on(host, "cat /cluster/raid/file").out == "kept\n"
    assert run_on(host, "systemctl is-failed '*' | grep -c failed || true").out.strip() == "0"


def test_somebodys_filesystem_is_refused_then_adopted_whole(lab: Lab) -> None:
    host, array = lab.host, lab.array
    disk = array.disk("old", "64M")
    array.target(IQN, [disk])
    run_on(host, f"iscsiadm -m discovery -t st -p {A4} && iscsiadm -m node -l && "
        "while ! [ -b /dev/sda ]; do sleep 0.1; done; udevadm settle; mkfs.ext4 -q /dev/sda && "
        "mkdir /mnt/x && mount /dev/sda /mnt/x && echo theirs > /mnt/x/f && umount /mnt/x && "
        "iscsiadm -m node -u && iscsiadm -m node -o delete")  # fmt: skip
    before, left = array.sha256(disk), traces(host)

    refused = run_on(host, f"{ATTACH} --fs ext4 --mount /srv/x", 9)
    one_line_and_hint(refused)
    assert "--adopt" in refused.err
    other = run_on(host, f"{ATTACH} --fs xfs --mount /srv/x", 9)
    assert "ext4" in other.err
    one_line_and_hint(other)
    assert array.sha256(disk) == before
    assert traces(host) == left

    adopted = run_on(host, f"{ATTACH} --fs ext4 --mount /srv/x --adopt -J && cat /srv/x/f")
    document, rest = adopted.out.rsplit("}\n", 1)
    assert rest == "theirs\n"
    verbs = {s["action"] for s in json.loads(document + "}")["steps"]}
    assert not verbs & {"mkfs", "label", "wipe"}


@pytest.mark.fault("F16")
@pytest.mark.fault("F19")
def test_each_failure_has_its_own_exit_code_and_leaves_nothing_behind(lab: Lab) -> None:
    host, array = lab.host, lab.array
    disk = array.disk("store", "64M")
    array.target(IQN, [disk], chap=("myaccount", SECRET))
    host.put("/root/wrong", "not-the-secret-at-all\n", 0o600)
    host.put("/root/secret", SECRET, 0o600)
    host.run("mkdir /srv/full && touch /srv/full/file")
    left = traces(host)
    good = "--chap-user myaccount --chap-secret-file /root/secret --fs ext4"

    wrong = run_on(host, f"{ATTACH} --chap-user myaccount --chap-secret-file /root/wrong "
                "--fs ext4 --mount /srv/x", 5)  # fmt: skip
    assert "not-the-secret" not in wrong.out + wrong.err
    results = [
        wrong,
        run_on(host, f"iscsictl attach -p {A4}:3261 -T {IQN} {good}", 6),
        run_on(host, f"iscsictl attach -p 192.0.2.77 -T {IQN} {good} --timeout 3", 6),
        run_on(host, f"iscsictl attach -p {A4} -T iqn.2001-04.com.example:nobody {good}", 3),
        run_on(host, f"{ATTACH} {good} --mount /srv/full", 9),
        run_on(host, f"setpriv --reuid=65534 --clear-groups {ATTACH}", 13),
    ]
    for result in results:
        one_line_and_hint(result)
    assert traces(host) == left
    run_on(host, "systemctl mask --now iscsid.socket iscsid.service")
    one_line_and_hint(run_on(host, f"{ATTACH} {good} --mount /srv/x --timeout 20", 8))
    run_on(host, "systemctl unmask iscsid.socket iscsid.service && systemctl start iscsid.socket")
    assert traces(host) == left
    run_on(host, f"{ATTACH} {good} --mount /srv/full --over-nonempty")


def test_several_targets_are_listed_and_one_is_taken(lab: Lab) -> None:
    host, array = lab.host, lab.array
    one, two = array.disk("one", "64M"), array.disk("two", "64M")
    array.target(IQN + ".a", [one])
    listed = f"iscsictl attach -p {A4}"
    device = run_on(host, f"{listed} --print-device").out
    assert device == f"/dev/disk/by-id/wwn-0x{one.wwid.removeprefix('naa.')}\n"
    array.target(IQN + ".b", [two, array.disk("three", "64M")])
    several = run_on(host, listed, 3)
    assert IQN + ".a" in several.err
    assert IQN + ".b" in several.err
    luns = run_on(host, f"{listed} -T {IQN}.b", 3)
    assert "--lun" in luns.err
    assert run_on(host, f"{listed} -T {IQN}.b --lun 1 --fs vfat --mount /srv/v -J")
    assert run_on(host, "findmnt -no FSTYPE /srv/v").out == "vfat\n"


def test_the_answers_on_a_terminal_attach_as_the_printed_command_does(lab: Lab) -> None:
    host, array = lab.host, lab.array
    array.target(IQN, [array.disk("one", "400M")])
    answers = f"{A4}\\next2\\n/srv/asked\\nyes\\n"
    asked = run_on(host, f"printf '{answers}' | script -qec 'iscsictl attach' /dev/null")
    assert "Directory to mount it on" in asked.out
    assert run_on(host, "findmnt -no FSTYPE /srv/asked").out == "ext2\n"
    said = asked.out.replace("\r", "").partition("The command that does the same:\n")[2]
    again = run_on(host, said.partition("\nDo this now?")[0])
    assert {line.split()[0] for line in again.out.splitlines()} <= {"unchanged", "device"}
    run_on(host, "iscsictl detach /srv/asked --forget")
    left = run_on(host, f"printf '{A4}\\next2\\n/srv/refused\\nno\\n' | script -qec "
                        "'iscsictl attach' /dev/null")  # fmt: skip
    assert "Nothing was changed." in left.out
    assert host.run("iscsiadm -m node").code == 21
    assert host.run("test -e /srv/refused").code != 0


@pytest.mark.fault("F30")
@pytest.mark.fault("F31")
def test_detach_is_refused_while_used_and_keeps_the_session_of_another_lun(lab: Lab) -> None:
    host, array = lab.host, lab.array
    array.target(IQN, [array.disk("one", "64M"), array.disk("two", "64M")])
    fstab = host.text("/etc/fstab")
    for lun, path in ((0, "/srv/one"), (1, "/srv/two")):
        run_on(host, f"{ATTACH} --lun {lun} --table none --fs ext2 --mount {path}")
    sitting = host.start("cd /srv/one && exec sleep 1000")
    busy = run_on(host, "sleep 0.5; iscsictl detach /srv/one", 7)
    one_line_and_hint(busy)
    assert "sleep" in busy.err
    sitting.signal()
    sitting.wait()
    run_on(host, "iscsictl detach /srv/one")
    assert run_on(host, "iscsiadm -m session").out.count(IQN) == 1
    assert run_on(host, "findmnt -no TARGET /srv/two").out == "/srv/two\n"
    run_on(host, "iscsictl detach /srv/one")
    run_on(host, f"iscsictl detach {IQN} --forget")
    assert host.text("/etc/fstab") == fstab
    assert host.run("iscsiadm -m session").code == 21
    assert host.run("iscsiadm -m node").code == 21
    run_on(host, f"iscsictl detach {IQN}")
    run_on(host, "iscsictl detach /srv/one")
    run_on(host, f"iscsictl forget {IQN}")
    for name in ("nothing-like-that", f"{IQN}.never", "/srv/never", "/dev/never"):
        one_line_and_hint(run_on(host, f"iscsictl detach {name}", 3))
    one_line_and_hint(run_on(host, f"iscsictl forget {IQN}.never", 3))


@pytest.mark.fault("F11")
@pytest.mark.fault("F13")
def test_dead_portals_are_named_and_the_good_one_is_used_before_the_deadline(lab: Lab) -> None:
    host, array = lab.host, lab.array
    array.target(IQN, [array.disk("one", "400M")], portals=[B4, A6])
    array.block(B4)
    silent, refusing, nobody = B4, A4, "192.0.2.200"
    dead = f"-p {silent} -p {refusing} -p {nobody}"
    started = time.monotonic()
    running = host.start(
        f"exec iscsictl attach {dead} -p [{A6}] -T {IQN} --timeout {DEADLINE} "
        "--fs xfs --mount /srv/six --fs-label six --owner nobody: --mode 0750",
    )
    run_on(host, f"until {LOGGED_IN}; do sleep 0.1; done")
    assert time.monotonic() - started < DEADLINE
    result = running.wait(PATIENCE)
    assert result.code == 0, str(result)
    for address in (silent, refusing, nobody):
        assert f"portal {address}:3260 does not answer" in result.err
    assert f"[{A6}]:3260" in run_on(host, "iscsiadm -m session").out
    assert run_on(host, "stat -c '%U %a' /srv/six").out == "nobody 750\n"
    link_local = run_on(host, "iscsictl attach -p fe80::1%eth0", 2)
    assert "link-local" in link_local.err


def test_a_dry_run_shows_steps_and_forecast_and_changes_nothing(lab: Lab) -> None:
    host, array = lab.host, lab.array
    disk = array.disk("one", "400M")
    array.target(IQN, [disk])
    left = traces(host)
    command = f"iscsictl attach -p {A4} --fs ext4 --mount /srv/x"
    planned = run_on(host, f"{command} -n -J", 10)
    found = statuses(planned)
    assert found["login"] == "planned"
    assert found["mkfs"] == "forecast"
    hazards = {s["action"]: s["hazard"] for s in json.loads(planned.out)["steps"]}
    assert (hazards["mkfs"], hazards["mount"]) == ("destroys", "safe")
    assert traces(host) == left
    run_on(host, command)
    run_on(host, f"{command} -n", 0)
    run_on(host, f"{ATTACH} --fs xfs --mount /srv/y", 7)
    run_on(host, "iscsictl detach /srv/x")
    wrong = run_on(host, f"{ATTACH} --fs xfs --mount /srv/y --wipe --confirm naa.6001405000", 9)
    assert disk.wwid in wrong.err
    run_on(host, f"{ATTACH} --fs xfs --mount /srv/y --wipe --confirm {disk.wwid}")
    assert run_on(host, "findmnt -no FSTYPE /srv/y").out == "xfs\n"


@pytest.mark.torture
def test_a_slow_udev_is_waited_for_and_systemd_keeps_what_is_mounted(lab: Lab) -> None:
    host, array = lab.host, lab.array
    array.target(IQN, [array.disk("store", "64M")])
    slow = 'SUBSYSTEM=="block", ENV{DEVTYPE}=="partition", PROGRAM="/bin/sleep 15"\n'
    host.put("/etc/udev/rules.d/00-slow.rules", slow)
    run_on(host, "udevadm control --reload")
    attached = run_on(host, f"{ATTACH} --fs ext4 --mount /srv/x -J")
    assert statuses(attached)["mount"] == "done"
    (disk,) = json.loads(run_on(host, "iscsictl ls -J").out)["disks"]
    assert disk["children"][0]["uuid"] in run_on(host, "grep /srv/x /etc/fstab").out
    run_on(host, "udevadm settle && findmnt /srv/x && systemctl is-active srv-x.mount")
    again = run_on(host, f"{ATTACH} --fs ext4 --mount /srv/x -J")
    assert set(statuses(again).values()) == {"unchanged"}


@pytest.mark.torture
def test_a_mount_point_behind_a_link_is_one_place_for_all_commands(lab: Lab) -> None:
    host, array = lab.host, lab.array
    array.target(IQN, [array.disk("store", "64M")])
    run_on(host, "mkdir /data && ln -s /data /link")
    run_on(host, f"{ATTACH} --fs ext4 --mount /link/x && touch /data/x/file")
    again = run_on(host, f"{ATTACH} --fs ext4 --mount /link/x -J")
    assert set(statuses(again).values()) == {"unchanged"}
    run_on(host, "iscsictl umount /link/x && ! findmnt /data/x && iscsictl reconnect")
    assert "umount" in run_on(host, "iscsictl hold").out
    run_on(host, "! findmnt /data/x && iscsictl mount /dev/sda /link/x && ls /data/x/file")
    run_on(host, "cd / && iscsictl reconnect && iscsictl detach /link/x && ! grep /data /etc/fstab")


@pytest.mark.torture
@pytest.mark.fault("F29")
def test_what_is_mounted_over_ours_stays_until_it_is_taken_down_by_hand(lab: Lab) -> None:
    host, array = lab.host, lab.array
    array.target(IQN, [array.disk("store", "64M")])
    run_on(host, f"{ATTACH} --fs ext4 --mount /srv/x")
    run_on(host, "mount -t tmpfs theirs /srv/x && echo kept >/srv/x/file")
    for command in ("umount /srv/x", "detach /srv/x", f"logout --target {IQN}"):
        refused = run_on(host, f"iscsictl {command}", 7)
        one_line_and_hint(refused)
        assert run_on(host, "cat /srv/x/file").out == "kept\n"
    run_on(host, "umount /srv/x && iscsictl detach /srv/x")
