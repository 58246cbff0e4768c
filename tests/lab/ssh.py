"""ssh to guests: an sshd with a host key of its own, behind a port of this machine's loopback."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.image import LabUnavailableError
from tests.lab.qemu import NUMBERS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.guest import Guest

LOOPBACK = "127.0.0.1"
#: The network between a guest and its QEMU, of those for documentation (RFC 5737).
NETWORK, ADDRESS = "203.0.113.0/24", "203.0.113.15"
DEVICE = "eth2"
#: Kept apart from the files of the package, which tests of a clean host look at.
PLACE = "/run/lab-ssh"
CONFIG = f"""\
HostKey {PLACE}/host_key
AuthorizedKeysFile {PLACE}/clients
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class Key:
    """A key pair: the file of the private key, beside it that of the public one."""

    private: Path

    @property
    def public(self) -> str:
        """The line of the public key."""
        return self.private.with_suffix(".pub").read_text()


def make_key(private: Path) -> Key:
    """Make a key without a passphrase. Raises LabUnavailableError without OpenSSH."""
    if shutil.which("ssh-keygen") is None:
        raise LabUnavailableError("there is no ssh-keygen on this machine")
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(private)]
    subprocess.run(command, check=True, capture_output=True)
    return Key(private)


def start_sshd(guest: Guest, host_key: Key, client: Key) -> None:
    """Start sshd in a guest, on all its addresses; root may log in with the client's key."""
    guest.run(f"mkdir -p {PLACE} /run/sshd", check=True)
    guest.put(f"{PLACE}/host_key", host_key.private.read_bytes(), 0o600)
    guest.put(f"{PLACE}/clients", client.public)
    guest.put(f"{PLACE}/config", CONFIG)
    # Type=notify: it is back when sshd listens.
    guest.run(
        "systemd-run --quiet --unit=lab-sshd --service-type=notify "
        f"/usr/sbin/sshd -D -f {PLACE}/config",
        check=True,
    )


def stop_sshd(guest: Guest) -> None:
    """Stop sshd and all connections to it."""
    guest.run("systemctl stop lab-sshd", check=True)


def forward(guest: Guest) -> int:
    """Plug in a card that leads nowhere but from a port of the loopback to sshd; its number.

    It is plugged in anew after each restore: a saved state knows no such card.
    """
    rule = f"tcp:{LOOPBACK}:0-{ADDRESS}:22"
    guest.qmp.command(
        "netdev_add", type="user", id="ssh", net=NETWORK, ipv6=False, restrict=True,
        hostfwd=[{"str": rule}],
    )  # fmt: skip
    mac = f"52:54:00:00:02:{NUMBERS[guest.role]:02x}"
    guest.qmp.command(
        "device_add", driver="virtio-net-pci", netdev="ssh", id="nicssh", mac=mac, romfile=""
    )
    guest.run(
        f"until [ -e /sys/class/net/{DEVICE} ]; do sleep 0.1; done; "
        f"ip link set {DEVICE} up && ip address add {ADDRESS}/24 dev {DEVICE}",
        check=True,
    )
    shown = guest.qmp.command("human-monitor-command", **{"command-line": "info usernet"})
    found = re.search(rf"TCP\[HOST_FORWARD\]\s+\d+\s+{re.escape(LOOPBACK)}\s+(\d+)\s", shown)
    if found is None:
        raise LabUnavailableError(f"QEMU forwards no port: {shown}")
    return int(found[1])


def known_hosts(keys: dict[str, Key]) -> str:
    """The file known_hosts for these names, as ssh looks them up (`[HOST]:PORT` or `HOST`)."""
    return "".join(f"{name} {' '.join(key.public.split()[:2])}\n" for name, key in keys.items())
