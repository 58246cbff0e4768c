"""A fleet: hosts with volumes of their own, and the machines that run Ansible on them by ssh."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.lab.array import A4
from tests.lab.onhost import IQN
from tests.lab.qemu import NUMBERS
from tests.lab.ssh import LOOPBACK, forward, known_hosts, make_key, start_sshd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.lab.guest import Guest
    from tests.lab.pair import Lab
    from tests.lab.rundir import Role
    from tests.lab.ssh import Key

USER, SECRET = "myaccount", "kV8rTq2ZxW7nBf4M"
FSTYPES = {"one": "ext4", "two": "xfs", "three": "ext4", "four": "btrfs"}
#: Seconds for a playbook: Python starts anew for each task, on emulated guests side by side.
PATIENCE = 2400.0
#: 240 s for a connection: sshd starts anew for each, and that is slow too.
CONFIG = """\
[defaults]
collections_path = {directory}
nocolor = True
timeout = 240
[ssh_connection]
pipelining = True
control_path_dir = {directory}/control
ssh_args = -o ControlMaster=auto -o ControlPersist=300s -o IdentitiesOnly=yes \
-o StrictHostKeyChecking=yes -o UserKnownHostsFile={directory}/known_hosts
"""
RECAP = re.compile(
    r"^(\w+) +: ok=(?P<ok>\d+) +changed=(?P<changed>\d+) +unreachable=(?P<unreachable>\d+)"
    r" +failed=(?P<failed>\d+)", re.MULTILINE,
)  # fmt: skip


class Recap(NamedTuple):
    """What Ansible counts for one host."""

    ok: int
    changed: int
    unreachable: int
    failed: int


class Played(NamedTuple):
    """How a playbook ended, and what it printed."""

    code: int
    output: str
    seconds: float

    @property
    def recap(self) -> dict[str, Recap]:
        """The counts of each host."""
        return {
            found[1]: Recap(*(int(found[name]) for name in Recap._fields))
            for found in RECAP.finditer(self.output)
        }

    def steps(self, role: str) -> list[str]:
        """The steps of a host that --diff shows: the names of its volumes begin with its own."""
        lines = self.output.splitlines()
        return [line for line in lines if line.startswith(f"+{role}-")]


class Fleet:
    """Hosts that are there now, with sshd running; each has LUNs that no other may log in to."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.client = make_key(directory / "client")
        self.host_keys: dict[Role, Key] = {}
        for guest in lab.hosts:
            self.host_keys[guest.role] = make_key(directory / f"key-{guest.role}")
            self.start_sshd(guest)

    def start_sshd(self, guest: Guest) -> None:
        """Start sshd on a host, with the keys that controllers know."""
        start_sshd(guest, self.host_keys[guest.role], self.client)

    def export(self, names: Sequence[str]) -> None:
        """Export a blank LUN of each name to each host, behind an account."""
        for guest in self.lab.hosts:
            for name in names:
                # mkfs.xfs makes no filesystem below 300 MB.
                disk = self.lab.array.disk(f"{guest.role}-{name}", "320M")
                self.lab.array.target(
                    f"{IQN}{guest.role}-{name}", [disk], portals=[A4], chap=(USER, SECRET),
                    initiators=[initiator(guest)],
                )  # fmt: skip


def initiator(guest: Guest) -> str:
    """The initiator name that the playbook gives a host."""
    return f"{IQN}{guest.role}"


def volume(guest: Guest, name: str) -> dict[str, Any]:
    """A volume of a host, as the collection takes it."""
    return {
        "name": f"{guest.role}-{name}",
        "portals": [A4],
        "target": f"{IQN}{guest.role}-{name}",
        "chap": {"user": USER, "secret_file": f"/etc/iscsictl/{USER}.secret"},
        "fs": FSTYPES[name],
        "mount": f"/srv/{name}",
    }


class Controller(ABC):
    """A machine with Ansible, and what it knows of a fleet; see the two kinds below."""

    directory: str

    def __init__(self, fleet: Fleet, collection: Path) -> None:
        self.fleet = fleet
        self.addresses = {guest.role: self.address(guest) for guest in fleet.lab.hosts}
        lookups = {
            role: f"[{address}]:{port}" if port != 22 else address
            for role, (address, port) in self.addresses.items()
        }
        keys = {name: fleet.host_keys[role] for role, name in lookups.items()}
        self.put("known_hosts", known_hosts(keys))
        self.put("client", fleet.client.private.read_bytes())
        self.put("ansible.cfg", CONFIG.format(directory=self.directory))
        archive = self.put(collection.name, collection.read_bytes())
        words = ["ansible-galaxy", "collection", "install", "--offline", "-p", self.directory]
        code, output = self.run([*words, archive])
        assert code == 0, output

    @abstractmethod
    def address(self, guest: Guest) -> tuple[str, int]:
        """Where sshd of a host answers this controller."""

    @abstractmethod
    def put(self, name: str, data: str | bytes) -> str:
        """Write a file into the controller's directory, for root alone; return its path."""

    @abstractmethod
    def run(self, words: Sequence[str]) -> tuple[int, str]:
        """Run a program of Ansible; return its exit code and all that it printed."""

    @property
    def environment(self) -> dict[str, str]:
        """What a program of Ansible is run with."""
        return {
            "ANSIBLE_CONFIG": f"{self.directory}/ansible.cfg",
            "ANSIBLE_HOME": self.directory,
            "LC_ALL": "C.UTF-8",
        }

    def version(self) -> str:
        """The version of ansible-core."""
        found = re.search(r"core ([\d.]+)", self.run(["ansible", "--version"])[1])
        assert found is not None
        return found[1]

    def play(self, names: Sequence[str], *options: str) -> Played:
        """Run the collection's role on all hosts, with these volumes on each.

        It runs at the highest verbosity, where a secret would show.
        """
        role = {
            "role": "iscsictl.iscsictl.host",
            "vars": {
                "iscsictl_initiator": IQN + "{{ inventory_hostname }}",
                "iscsictl_secrets": {USER: SECRET},
            },
        }
        hosts = self.fleet.lab.hosts
        variables = {
            guest.role: {"iscsictl_volumes": [volume(guest, name) for name in names]}
            for guest in hosts
        }
        played = self.run_play({"roles": [role]}, variables, "-vvv", *options)
        assert SECRET not in played.output
        return played

    def run_play(
        self, play: Mapping[str, Any], variables: Mapping[Role, Mapping[str, Any]], *options: str
    ) -> Played:
        """Run a play on all hosts, each with variables of its own. JSON is YAML."""
        hosts = {
            role: {"ansible_host": address, "ansible_port": port, **variables[role]}
            for role, (address, port) in self.addresses.items()
        }
        common = {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": f"{self.directory}/client",
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        inventory = self.put("hosts.json", json.dumps({"all": {"vars": common, "hosts": hosts}}))
        whole = {"hosts": "all", "gather_facts": False, **play}
        book = self.put("play.yml", json.dumps([whole]))
        begin = time.monotonic()
        code, output = self.run(["ansible-playbook", "-i", inventory, *options, book])
        return Played(code, output, time.monotonic() - begin)


class Workstation(Controller):
    """This machine, with the ansible-core of PyPI, over forwarded ports of its loopback."""

    def __init__(self, fleet: Fleet, collection: Path) -> None:
        # Short, for the sockets of ssh.
        directory = fleet.lab.run_directory.path / "ansible"
        directory.mkdir(mode=0o700, exist_ok=True)
        self.directory = str(directory)
        super().__init__(fleet, collection)

    def address(self, guest: Guest) -> tuple[str, int]:
        """See above."""
        return LOOPBACK, forward(guest)

    def put(self, name: str, data: str | bytes) -> str:
        """See above."""
        path = Path(self.directory, name)
        path.touch(0o600)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return str(path)

    def run(self, words: Sequence[str]) -> tuple[int, str]:
        """See above."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False, timeout=PATIENCE, cwd=self.directory,
            env=os.environ | {"PATH": path} | self.environment,
        )  # fmt: skip
        return done.returncode, done.stdout


class OnArray(Controller):
    """The array's machine, with the ansible-core of its Debian, over network A."""

    directory = "/root/ansible"

    def __init__(self, fleet: Fleet, collection: Path) -> None:
        self.array = fleet.lab.array
        self.array.run(["mkdir", "-m", "700", self.directory], check=True)
        super().__init__(fleet, collection)

    def address(self, guest: Guest) -> tuple[str, int]:
        """See above."""
        return f"192.0.2.{NUMBERS[guest.role]}", 22

    def put(self, name: str, data: str | bytes) -> str:
        """See above."""
        path = f"{self.directory}/{name}"
        self.array.put(path, data, 0o600)
        return path

    def run(self, words: Sequence[str]) -> tuple[int, str]:
        """See above."""
        done = self.array.run(
            words, timeout=PATIENCE, cwd=self.directory, env=self.environment
        )  # fmt: skip
        return done.code, done.out + done.err
