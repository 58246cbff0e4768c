"""`plan`, `apply` and `export` on a real array: many volumes side by side."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4
from tests.lab.onhost import run_on

if TYPE_CHECKING:
    from tests.lab.agent import Result
    from tests.lab.guest import Guest
    from tests.lab.pair import Lab

IQN = "iqn.2001-04.com.example:"
SECRET = "secret-of-the-host"
PATIENCE = 400
MAIL = f"""\
[[volume]]
name = "mail"
portals = ["{A4}"]
target = "{IQN}mail"
chap = {{ user = "myaccount", secret-file = "/root/secret" }}
fs = "ext4"
mount = "/srv/mail"
options = ["noatime"]
owner = "8:8"
"""
DATA = f"""\
[[volume]]
name = "data"
portals = ["{A4}"]
target = "{IQN}data"
lun = 0
fs = "ext4"
mount = "/srv/data"

[[volume]]
name = "inner"
portals = ["{A4}"]
target = "{IQN}data"
lun = 1
fs = "ext4"
mount = "/srv/data/inner"
"""
OLD = f"""\
[[volume]]
name = "old"
portals = ["{A4}"]
target = "{IQN}old"
fs = "ext4"
mount = "/srv/old"
"""
FOREIGN = (
    f"iscsiadm -m discovery -t st -p {A4} && iscsiadm -m node -T {IQN}old -l && "
    "while ! [ -b /dev/sda ]; do sleep 0.1; done; udevadm settle; mkfs.ext4 -q /dev/sda && "
    "mkdir /mnt/x && mount /dev/sda /mnt/x && echo theirs > /mnt/x/f && umount /mnt/x && "
    "iscsiadm -m node -u && iscsiadm -m node -o delete && "
    "iscsiadm -m discoverydb -t st -p 192.0.2.5 -o delete"
)


def traces(host: Guest) -> str:
    """All that an apply changes on the host."""
    return host.run(
        "find /etc/iscsi /var/lib/iscsi -type f 2>/dev/null | xargs cat; cat /etc/fstab; ls /srv; "
        "iscsiadm -m session 2>&1; grep ^/dev/sd /proc/mounts"
    ).out


def statuses(result: Result, volume: str) -> dict[str, str]:
    steps = json.loads(result.out)["steps"]
    return {s["action"]: s["status"] for s in steps if s["volume"] == volume}


@pytest.mark.torture
def test_of_many_volumes_the_foreign_one_is_refused_alone_and_the_rest_is_finished(
    lab: Lab,
) -> None:
    host, array = lab.host, lab.array
    old = array.disk("old", "64M")
    array.target(f"{IQN}old", [old], portals=[A4])
    run_on(host, FOREIGN)
    mail = array.disk("mail", "64M")
    array.target(f"{IQN}mail", [mail], portals=[A4], chap=("myaccount", SECRET))
    array.target(
        f"{IQN}data", [array.disk("data", "64M"), array.disk("inner", "96M")], portals=[A4]
    )
    host.put("/root/secret", SECRET + "\n", 0o600)
    host.put("/root/v.toml", f"{MAIL}\n{DATA}\n{OLD}")
    digest, before = array.sha256(old), traces(host)
    run_on(host, "systemctl is-active open-iscsi.service", 3)

    shown = run_on(host, "iscsictl plan /root/v.toml --out /root/saved", 10)
    assert "4 volumes: 4 planned" in shown.out
    assert traces(host) == before

    first = run_on(host, "iscsictl apply /root/saved -J -v", 4)
    document = json.loads(first.out)
    (refusal,) = document["refusals"]
    assert (refusal["volume"], refusal["exit"]) == ("old", 9)
    assert "not blank" in refusal["text"]
    assert [v["status"] for v in document["volumes"]] == ["done", "done", "done", "failed"]
    assert document["volumes"][0]["wwid"] == mail.wwid
    assert statuses(first, "old")["login"] == "undone"
    assert len({s["id"] for s in document["steps"]}) == len(document["steps"])
    commands = [line.split()[1:] for line in first.err.splitlines() if line.startswith("+ ")]
    assert sum("discovery" in words for words in commands) == 1
    assert sum("daemon-reload" in words for words in commands) == 1
    assert array.sha256(old) == digest
    left = traces(host)
    assert f"{IQN}old" not in left
    assert left.count("\n/dev/sd") == 3
    assert run_on(host, "stat -c %u:%g /srv/mail; ls /srv").out.split() == ["8:8", "data", "mail"]
    assert "mkfs" in statuses(first, "inner")
    run_on(host, "findmnt --verify && systemctl cat srv-data-inner.mount srv-mail.mount >/dev/null")
    run_on(host, "systemctl is-active open-iscsi.service")

    host.put("/root/v.toml", f"{MAIL}\n{DATA}\n{OLD}adopt = true\n")
    run_on(host, "iscsictl plan /root/v.toml -q", 10)
    second = run_on(host, "iscsictl apply /root/v.toml && cat /srv/old/f")
    assert "4 volumes: 1 done, 3 unchanged\ntheirs\n" in second.out

    third = run_on(host, "iscsictl plan /root/v.toml --out /root/saved")
    assert "4 volumes: 4 unchanged" in third.out
    again = run_on(host, "strace -f -qq -e trace=execve,execveat -o /root/trace "
                      "iscsictl apply /root/v.toml -J")  # fmt: skip
    assert {s["status"] for s in json.loads(again.out)["steps"]} == {"unchanged"}
    started = re.findall(r'execve\("([^"]+)".* = 0$', host.text("/root/trace"), re.MULTILINE)
    assert [path for path in started if "iscsictl" not in path and "python" not in path] == []

    exported = run_on(host, "iscsictl export | tee /root/e.toml | iscsictl plan -")
    assert "4 volumes: 4 unchanged" in exported.out
    text = host.text("/root/e.toml")
    assert SECRET not in text
    assert 'chap = { user = "myaccount" }' in text
    assert 'options = ["noatime"]' in text

    run_on(host, "iscsictl detach /srv/mail --forget")
    kept = traces(host)
    misfit = run_on(host, "iscsictl apply /root/saved", 9)
    assert "no longer matches" in misfit.err
    assert traces(host) == kept


@pytest.mark.torture
def test_a_run_that_was_stopped_in_the_middle_is_finished_by_the_same_command(lab: Lab) -> None:
    host, array = lab.host, lab.array
    names = ["a", "b", "c", "d"]
    for name in names:
        array.target(f"{IQN}{name}", [array.disk(name, "64M")], portals=[A4])
    spec = [OLD.replace("old", name) for name in names]
    host.put("/root/v.toml", "\n".join(spec))
    for verb in ("login", "mkfs"):
        running = host.start("exec iscsictl apply /root/v.toml --parallel 2")
        deadline = time.monotonic() + PATIENCE
        while f"done      {verb}" not in running.output()[0]:
            assert running.poll() is None, running.output()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        running.signal(15)
        stopped = running.wait(PATIENCE)
        assert stopped.code == 143, str(stopped)
        assert "Traceback" not in stopped.err
    run_on(host, "iscsictl apply /root/v.toml")
    for name in names:
        run_on(host, f"touch /srv/{name}/f && grep -c ' /srv/{name} ' /etc/fstab")
    assert run_on(host, "grep -c making /etc/fstab", 1).out == "0\n"
    assert "4 volumes: 4 unchanged" in run_on(host, "iscsictl plan /root/v.toml").out
