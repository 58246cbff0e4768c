"""What other users of the host, and whoever answers on the network, can bring about: nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4
from tests.lab.onhost import IQN, attached, ctl, lost, run_on
from tests.lab.onmap import wait_for
from tests.lab.stopper import Stopper

if TYPE_CHECKING:
    from tests.lab.guest import Guest
    from tests.lab.pair import Lab

pytestmark = pytest.mark.every_suite

HOSTILE = Path(__file__).with_name("discovery_guest.py")
PORT = 3270
#: In the order of the answer; the first and the last are names that RFC 7143 allows.
NAMES = (
    f"{IQN}good",
    "../../../../root/owned",
    f"{IQN}x/../../../root/owned",
    "..",
    f"{IQN}x\nnode.startup = automatic",
    f"{IQN}x;touch${{IFS}}/root/owned",
    f"{IQN}$(touch /root/owned)",
    f"{IQN}x\u001b]0;owned\u0007",
    f"{IQN}also-good",
)
# Beside the node database and what the test itself made.
FILES = (
    "find / -xdev -newer /root/mark -type f ! -path '/proc/*' ! -path '/sys/*' ! -path '/run/*' "
    "! -path '/var/log/*' ! -path '/var/lib/systemd/*' ! -path '/etc/iscsi/*' "
    "! -path '/var/lib/iscsi/*' "
    "! -path '*/__pycache__/*'"
)
# Debian 12 keeps them in the first, Debian 13 in the second.
RECORDS = (
    "find /etc/iscsi /var/lib/iscsi -path '*/nodes/*' -type f -newer /root/mark 2>/dev/null; true"
)


def files(host: Guest) -> list[str]:
    return sorted(run_on(host, FILES).out.splitlines())


@pytest.mark.fault("F78")
def test_a_name_from_the_network_becomes_no_path_no_line_and_no_command(lab: Lab) -> None:
    host = lab.host
    host.put("/root/discovery_guest.py", HOSTILE.read_bytes())
    portal = host.start(["python3", "/root/discovery_guest.py", str(PORT), *NAMES])
    wait_for(lambda: f":{PORT}" in run_on(host, "ss -Hltn").out)
    run_on(host, "touch /root/mark")
    discover = f"iscsictl discover 127.0.0.1:{PORT}"
    for command in (f"{discover} --save", f"iscsictl attach -p 127.0.0.1:{PORT} -T {IQN}x -n"):
        answer = host.run(command, timeout=240)
        assert "Traceback" not in answer.err, answer
        assert "\u001b]" not in answer.out + answer.err, answer
    listed = host.run(discover, timeout=240)
    if listed.code:  # iscsiadm 2.1.11 hands on every name
        assert listed.code == 9, listed
        assert f"the portal announces '{NAMES[1]}'" in listed.err
    else:  # 2.1.8 ends its list at the first one that it does not accept
        assert f"{IQN}good" in listed.out
        assert "may offer more targets than iscsiadm lists" in listed.err
    # Neither is evidence that a target is gone.
    run_on(host, f"iscsiadm -m node -o new -T {IQN}also-good -p 127.0.0.1:{PORT}")
    kept = run_on(host, f"iscsictl prune {IQN}also-good --yes")
    assert "is no evidence" in kept.err
    portal.signal()
    assert files(host) == []
    records = run_on(host, RECORDS).out
    made = {row.partition("/nodes/")[2].split("/")[0] for row in records.splitlines()}
    assert {f"{IQN}also-good"} <= made <= {f"{IQN}good", f"{IQN}also-good"}


@pytest.mark.fault("F76")
def test_no_user_holds_up_a_change_and_a_stuck_run_that_keeps_reconnect_out_is_told(
    lab: Lab,
) -> None:
    host = lab.host
    attached(lab, "one")
    run_on(host, "useradd -m alice")
    # Each file below the directory of the locks, as far as she gets.
    grab = (
        "for f in /run/iscsictl /run/iscsictl/* /run/lock/iscsi/*; do "
        "  flock -x -n $f sleep 300 & done; wait"
    )
    alice = host.start(["su", "alice", "-c", grab])
    lost(host, "one")
    ctl(lab, "reconnect")
    run_on(host, "mountpoint -q /srv/one")
    alice.signal()

    lab.array.target(IQN + "two", [lab.array.disk("two", "64M")], portals=[A4])
    held = Stopper.start(lab, f"iscsictl attach -p {A4} -T {IQN}two --fs ext4 --mount /srv/two")
    held.until("after claim")
    lost(host, "one")
    codes = [host.run("iscsictl reconnect", timeout=240).code for _ in range(2)]
    assert codes == [0, 0]
    kept_out = ctl(lab, "reconnect", 7)
    assert "blocked reconnect 3 times in a row" in kept_out.err
    holder = run_on(host, "pgrep -f '^[^ ]*python[^ ]* .*iscsictl attach'").out.split()
    assert any(f"pid {pid}" in kept_out.err for pid in holder), kept_out
    assert held.end()["code"] == 0
    ctl(lab, "reconnect")


@pytest.mark.fault("F77")
def test_an_output_file_is_never_one_that_a_link_leads_to(lab: Lab) -> None:
    host = lab.host
    volume = f'name = "a"\nportals = ["{A4}"]\ntarget = "{IQN}a"\nmount = "/srv/a"\n'
    host.put("/root/volumes.toml", f"[[volume]]\n{volume}")
    host.put("/root/theirs", "kept\n", 0o600)
    run_on(host, "useradd -m alice")
    link = "su alice -c 'ln -sf /root/theirs /tmp/out; ln -sf /root/new /home/alice/out'"
    run_on(host, link)
    lab.array.target(IQN + "a", [lab.array.disk("a", "64M")], portals=[A4])
    for place in ("/tmp/out", "/home/alice/out"):
        for command, why in (
            (f"plan /root/volumes.toml --out {place}", f"{place} is a symbolic link to"),
            (f"chap generate --out {place}", f"{place} already exists"),
            (f"report {place}", f"{place} is a symbolic link to"),
        ):
            refused = run_on(host, f"iscsictl {command}", 9)
            assert why in refused.err, refused
    assert host.text("/root/theirs") == "kept\n"
    assert not host.exists("/root/new")


@pytest.mark.fault("F79")
def test_a_secret_that_others_can_read_is_said_and_no_core_or_wait_gives_one_away(
    lab: Lab,
) -> None:
    host = lab.host
    secret = "uNg.uess+able-42"
    host.put("/root/secret", f"{secret}\n", 0o644)
    lab.array.target(IQN + "one", [lab.array.disk("one", "64M")], portals=[A4])
    attach = f"iscsictl attach -p {A4} -T {IQN}one --chap-user me --chap-secret-file"
    told = run_on(host, f"{attach} /root/secret -n", 10)
    assert "users other than root can read /root/secret (mode 0644)" in told.err
    run_on(host, "mkfifo -m 600 /root/pipe")
    ended = run_on(host, f"{attach} /root/pipe --timeout 2s", 6)
    assert "nothing was read from /root/pipe within 2 s" in ended.err
    # The run has read the secret and waits; a fault ends it where cores go to files.
    run_on(host, "echo /root/core.%p > /proc/sys/kernel/core_pattern")
    run_on(host, "chmod 600 /root/secret; iscsictl chap check --secret-file /root/secret")
    wait = f"{attach} /root/secret --mutual-user you --mutual-secret-file /root/pipe"
    run = host.start(["prlimit", "--core=unlimited", *wait.split()])
    # It opens the pipe, which nobody writes to, in the kernel's wait_for_partner().
    wait_for(lambda: host.run(f"grep -q wait_for_partner /proc/{run.pid}/task/*/stack").code == 0)
    run_on(host, f"kill -SEGV {run.pid}")
    assert run.wait(60).code == -11
    assert [name for name in run_on(host, "ls /root").out.split() if "core" in name] == []


@pytest.mark.fault("F80")
def test_a_umask_a_writable_program_and_a_hangup_leave_nothing_open_or_half_done(
    lab: Lab,
) -> None:
    host = lab.host
    lab.array.target(IQN + "one", [lab.array.disk("one", "64M")], portals=[A4])
    command = f"iscsictl attach -p {A4} -T {IQN}one --fs ext4 --mount /srv/deep/er/one"
    run_on(host, f"umask 077; {command}")
    modes = run_on(host, "stat -c %a /srv/deep /srv/deep/er").out.split()
    assert modes == ["755", "755"]
    run_on(host, f"umask 000; iscsictl detach /srv/deep/er/one && {command} --adopt")
    assert run_on(host, "stat -c %a /srv/deep/er").out.split() == ["755"]

    program = run_on(host, "readlink -f $(command -v iscsictl)").out.strip()
    mode = run_on(host, f"stat -c %a {program}").out.strip()
    run_on(host, f"chmod o+w {program}")
    for method in ("--systemd", "--cron"):
        refused = ctl(lab, f"schedule install {method}", 9)
        assert "install iscsictl where only root can write" in refused.err
    scheduled = "systemctl list-unit-files 'iscsictl-*' --no-legend; ls /etc/cron.d"
    assert "iscsictl" not in run_on(host, scheduled).out
    run_on(host, f"chmod {mode} {program}")

    lab.array.target(IQN + "two", [lab.array.disk("two", "64M")], portals=[A4])
    command = f"iscsictl attach -p {A4} -T {IQN}two --fs ext4 --mount /srv/two"
    held = Stopper.start(lab, command)
    held.until("after login")
    told = held.signal(1)
    assert told["code"] == 129, told
    assert run_on(host, command).code == 0
