"""While iscsid is stopped, every command ends by its deadline and says who does not answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4
from tests.lab.onhost import IQN, PATIENCE, attached, mounted, run_on, sessions

if TYPE_CHECKING:
    from tests.lab.pair import Lab

VOLUME = f"""\
[[volume]]
name = "two"
target = "{IQN}two"
portals = ["{A4}"]
fs = "ext4"
mount = "/srv/two"
"""
#: Without iscsid none of them can do what it is for.  `one` is mounted, `idle` is logged in and
#: not in use, `two` has a record and no session.
NEEDS_ISCSID = (
    f"login -T {IQN}two",
    f"attach -p {A4} -T {IQN}two --fs ext4 --mount /srv/two",
    "apply /root/volumes.toml",
    "reconnect",
    f"logout -T {IQN}idle",
    f"detach {IQN}idle",
)
#: These read the kernel, or iscsid is no part of what they do.
NEEDS_NONE = (
    "ls", "ls -J", "rescan", "umount /srv/one", "mount /srv/one", "schedule status", "ls --tree",
    "nodes ls", "disk ls", "disk show /srv/one", "fstab ls", "export",
    "iface ls", "chap show", f"hold {IQN}idle", f"unhold {IQN}idle", "watch --timeout 3",
    f"startup {IQN}two manual", f"startup {IQN}two automatic", "report /root/report.tar.gz",
)  # fmt: skip
#: These end too; how depends on what else the host has, and on what they would change.
END_SOMEHOW = (
    "fstab check", "doctor", "service status", f"prune {IQN}idle -n", f"discover {A4}",
    "boot check",
    "plan /root/volumes.toml", f"forget {IQN}idle -n", f"login -T {IQN}two -n", "doctor --fix -n",
    "iface add other --ip 192.0.2.9 -n", "initiator show",
)  # fmt: skip


@pytest.mark.torture
@pytest.mark.fault("F12")
def test_every_command_ends_and_says_that_iscsid_does_not_answer(lab: Lab) -> None:
    host, array = lab.host, lab.array
    attached(lab, "one")
    for name in ("idle", "two"):
        array.target(IQN + name, [array.disk(name, "64M")])
    run_on(host, f"iscsiadm -m discovery -t st -p {A4} && iscsiadm -m node -T {IQN}idle --login")
    run_on(host, f"iscsiadm -m node -T {IQN}two -o update -n node.startup -v automatic")
    host.put("/root/volumes.toml", VOLUME)
    began = time.monotonic()
    run_on(host, "iscsictl reconnect -n", 10)
    usual = time.monotonic() - began

    run_on(host, "kill -STOP $(pidof iscsid)")
    before = run_on(host, "cat /etc/fstab; findmnt -rno TARGET,SOURCE").out
    for command in NEEDS_ISCSID:
        began = time.monotonic()
        refused = run_on(host, f"iscsictl {command} --timeout 5s", 6)
        assert "is stopped and does not answer" in refused.err, command
        assert "kill -CONT $(pidof iscsid)" in refused.err, command
        # iscsiadm alone would wait for minutes; what iscsictl looks at besides takes what this
        # machine takes for it.
        assert time.monotonic() - began < 30 + 3 * usual, command
        assert set(sessions(host)) == {"one", "idle"}, command
    for command in NEEDS_NONE:
        run_on(host, f"iscsictl {command}")
    for command in END_SOMEHOW:
        began = time.monotonic()
        ended = host.run(f"iscsictl {command} --timeout 5s", timeout=PATIENCE)
        assert not ended.timed_out, command
        assert ended.code != 2, str(ended)
        assert "Traceback" not in ended.err, str(ended)
        assert time.monotonic() - began < 30 + 3 * usual, command
    assert run_on(host, "cat /etc/fstab; findmnt -rno TARGET,SOURCE").out == before
    refused = run_on(host, "iscsictl detach /srv/one --timeout 5s", 6)
    assert "is stopped and does not answer" in refused.err

    run_on(host, "kill -CONT $(pidof iscsid)")
    run_on(host, f"iscsictl attach -p {A4} -T {IQN}one --table none --fs ext4 --mount /srv/one")
    run_on(host, "iscsictl apply /root/volumes.toml")
    assert mounted(host) == {"one", "two"}
    for name in ("/srv/one", "/srv/two", f"{IQN}idle"):
        run_on(host, f"iscsictl detach {name}")
    assert sessions(host) == {}
    assert mounted(host) == set()
