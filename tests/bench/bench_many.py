"""Measure on the lab how 50 of 100 targets come back: python -m tests.bench.bench_many [SUITE].

The peer is one `iscsiadm` for just those 50, which have a startup of their own for that. They take
turns, and each begins from the same saved state of both machines; told are the medians.
"""

import json
import sys
from statistics import median

from tests.bench.pair import start
from tests.lab.array import A4
from tests.lab.guest import Guest
from tests.lab.lio import Disk, Target, serial_of
from tests.lab.pair import Lab

NUMBER = 100
ROUNDS = 5
IQN = "iqn.2001-04.com.example:t"
PATIENCE = 400.0
STARTUP = (
    "cd $(ls -d /etc/iscsi/nodes /var/lib/iscsi/nodes 2>/dev/null | tail -1) && "
    "sed -i 's/^node.startup = .*/node.startup = {}/' {}*/*/default"
)
COUNT = "cat /sys/class/iscsi_session/*/state | grep -c LOGGED_IN"


def run(host: Guest, command: str) -> float:
    """Run a command on the host to its end and return its seconds."""
    return host.run(command, check=True, timeout=PATIENCE).seconds


def up(host: Guest) -> int:
    """Return how many sessions are logged in."""
    return int(host.run(COUNT).out)


def make(lab: Lab) -> None:
    """Export the targets, and make their records: half are automatic, half on boot."""
    disks = [Disk(f"d{n}", 64 << 20, 512, serial_of(f"d{n}")) for n in range(NUMBER)]
    lab.array.disks(disks)
    lab.array.targets(
        Target(f"{IQN}{n:03}", (A4,), {0: disk}, 1, None, None, (), frozenset())
        for n, disk in enumerate(disks)
    )
    run(lab.host, f"iscsiadm -m discovery -t st -p {A4} >/dev/null")
    run(lab.host, STARTUP.format("automatic", "iqn"))
    run(lab.host, STARTUP.format("onboot", f"{IQN}[0-9][0-9][13579]"))


def main() -> None:
    """Print one figure a line."""
    suite = sys.argv[1] if len(sys.argv) > 1 else "bookworm"
    with start(suite) as lab:
        lab.restore("booted")
        lab.install_project()
        host = lab.host
        make(lab)
        run(host, "iscsiadm -m node --loginall=automatic >/dev/null")
        run(host, "udevadm settle --timeout 300")
        lab.snapshot("half")
        peers, owns = [], []
        for _ in range(ROUNDS):
            lab.restore("half")
            peer = run(host, "iscsiadm -m node --loginall=onboot >/dev/null")
            print(f"iscsiadm for 50 targets beside 50: {peer:.1f} s, {up(host)} up", flush=True)
            peers.append(peer)
            lab.restore("half")
            own = host.run("iscsictl reconnect -J --timeout 5min", timeout=PATIENCE)
            owns.append(own.seconds)
            done = sum(step["status"] == "done" for step in json.loads(own.out)["steps"])
            print(f"iscsictl reconnect: {own.seconds:.1f} s, {done} logged in, {up(host)} up")
        ratio = median(owns) / median(peers)
        print(f"{median(owns):.1f} s, {ratio:.2f} times {median(peers):.1f} s (at most 1.2)")


if __name__ == "__main__":
    main()
