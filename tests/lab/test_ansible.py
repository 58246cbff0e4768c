"""The Ansible collection on a host: a run does what its check said, and a second run nothing."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.array import A4
from tests.lab.onhost import IQN, mounted, run_on

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.guest import Guest
    from tests.lab.pair import Lab

pytestmark = [pytest.mark.torture, pytest.mark.every_suite]

NAMES = ("one", "two", "three", "four")
SECRET = "kV8rTq2ZxW7nBf4M"
FSTYPES = {"one": "ext4", "two": "xfs", "three": "ext4", "four": "btrfs"}
#: Seconds: Python starts anew for each task, which is slow in an emulated guest.
PATIENCE = 1200.0


def volume(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "portals": [A4],
        "target": IQN + name,
        "chap": {"user": "myaccount", "secret_file": "/etc/iscsictl/myaccount.secret"},
        "fs": FSTYPES[name],
        "mount": f"/srv/{name}",
    }


class Controller:
    """Ansible on the host itself, with one playbook."""

    def __init__(self, host: Guest, package: Path, collection: Path) -> None:
        self.host = host
        host.put(f"/root/{package.name}", package.read_bytes())
        host.put(f"/root/{collection.name}", collection.read_bytes())
        run_on(host, f"ansible-galaxy collection install --offline /root/{collection.name}",
            timeout=PATIENCE)  # fmt: skip
        self.role = {
            "iscsictl_package": f"/root/{package.name}",
            "iscsictl_secrets": {"myaccount": SECRET},
            "iscsictl_volumes": [volume(name) for name in NAMES],
            "iscsictl_metrics": "/var/tmp/iscsi.prom",
        }

    def play(self, *options: str, code: int = 0, **variables: Any) -> str:
        """Run the role at the highest verbosity, where a secret would show."""
        role = {"role": "iscsictl.iscsictl.host", "vars": {**self.role, **variables}}
        return self.run({"roles": [role]}, *options, code=code)

    def run(self, play: dict[str, Any], *options: str, code: int = 0) -> str:
        """Run a play on this host; JSON is YAML. Return what it prints."""
        whole = {"hosts": "localhost", "connection": "local", "gather_facts": False, **play}
        self.host.put("/root/play.yml", json.dumps([whole]))
        command = f"ansible-playbook -i localhost, -vvv {' '.join(options)} /root/play.yml"
        done = self.host.run(command, timeout=PATIENCE, env={"ANSIBLE_NOCOLOR": "1"})
        assert done.code == code, done.out + done.err
        assert SECRET not in done.out + done.err
        return done.out


def changed(output: str) -> int:
    """The number of changed tasks in the recap."""
    found = re.search(r"^localhost .* changed=(\d+)", output, re.MULTILINE)
    assert found is not None, output
    return int(found[1])


def steps(output: str) -> list[str]:
    """The steps that --diff shows."""
    return [line for line in output.splitlines() if re.match(rf"\+({'|'.join(NAMES)}): ", line)]


def test_a_run_does_what_its_check_said_a_second_changes_nothing_and_no_secret_shows(
    bare_lab: Lab, package: Path, collection: Path
) -> None:
    host, array = bare_lab.host, bare_lab.array
    for name in NAMES:
        disk = array.disk(name, "320M")
        array.target(IQN + name, [disk], portals=[A4], chap=("myaccount", SECRET))
    controller = Controller(host, package, collection)
    fresh = controller.play("--check", "--diff")
    assert "iscsictl is not installed yet" in fresh
    assert host.run("command -v iscsictl").out == ""

    assert changed(controller.play(iscsictl_volumes=[])) > 0
    assert run_on(host, "stat -c %a:%U /etc/iscsictl/myaccount.secret").out == "600:root\n"
    table = host.get("/etc/fstab")
    check = controller.play("--check", "--diff")
    assert changed(check) == 1
    assert host.get("/etc/fstab") == table
    assert mounted(host) == set()

    run = controller.play("--diff")
    assert changed(run) == 1
    assert mounted(host) == set(NAMES)
    shown = run_on(host, "systemctl show -p ExecStart iscsictl-reconnect.service").out
    assert "--metrics /var/tmp/iscsi.prom ;" in shown
    assert steps(run)
    assert steps(check) == steps(run)
    for options in ([], ["--check"]):
        assert changed(controller.play(*options)) == 0

    facts = controller.run({
        "tasks": [
            {"iscsictl.iscsictl.info": {}},
            {"ansible.builtin.copy": {
                "content": "{{ ansible_facts.iscsictl | to_json }}", "dest": "/root/facts.json"}},
        ]
    })  # fmt: skip
    assert "failed=0" in facts
    found = json.loads(host.get("/root/facts.json"))
    assert {row["target"] for row in found["ls"]["sessions"]} == {IQN + name for name in NAMES}
    assert found["doctor"]["level"] in {"ok", "warn"}

    absent = {"tasks": [{"iscsictl.iscsictl.volumes": {
        "state": "absent", "volumes": [{"name": "one", "target": IQN + "one"}]}}]}  # fmt: skip
    assert changed(controller.run(absent, "--check")) == 1
    assert mounted(host) == set(NAMES)
    assert changed(controller.run(absent)) == 1
    assert mounted(host) == set(NAMES) - {"one"}
    assert changed(controller.run(absent)) == 0


def test_a_volume_that_fails_fails_alone_and_with_its_hint(
    bare_lab: Lab, package: Path, collection: Path
) -> None:
    host, array = bare_lab.host, bare_lab.array
    disk = array.disk("one", "256M")
    array.target(f"{IQN}one", [disk], portals=[A4], chap=("myaccount", SECRET))
    controller = Controller(host, package, collection)
    output = controller.play(code=2, iscsictl_volumes=[volume("one"), volume("two")])
    assert mounted(host) == {"one"}
    assert '"exit_code": ' in output
    assert "two: " in output
    assert "hint: " in output
