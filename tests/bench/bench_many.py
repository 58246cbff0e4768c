"""Measure on the lab how 100 of 200 targets come back, and go: bench_many [SUITE [ROUNDS]].

Beside `reconnect` one `iscsiadm` logs in to just those 100, which have a startup of their own for
that. Beside `logout` of the 100 whose disks nobody uses, `iscsiadm --logout` ends each alone. They
take turns, and each begins from the same saved state of both machines; told are the medians. The
seconds of CPU are those of the command with all that it starts, without iscsid.
"""

import json
import sys
from statistics import median
from typing import NamedTuple

from tests.bench.pair import start
from tests.bench.table import note
from tests.lab.array import A4
from tests.lab.guest import Guest
from tests.lab.lio import Disk, Target, serial_of
from tests.lab.pair import Lab

NUMBER = 200
ROUNDS = 3
IQN = "iqn.2001-04.com.example:t"
PATIENCE = 900.0
STARTUP = (
    "cd $(ls -d /etc/iscsi/nodes /var/lib/iscsi/nodes 2>/dev/null | tail -1) && "
    "sed -i 's/^node.startup = .*/node.startup = {}/' {}*/*/default"
)
COUNT = "cat /sys/class/iscsi_session/*/state | grep -c LOGGED_IN"
TWICE = "cat /sys/class/iscsi_session/*/targetname | sort | uniq -d | wc -l"
#: The targets that are down at first, and whose disks nobody uses in the end: the odd ones.
ODD = f"{IQN}[0-9][0-9][13579]"
USED = f"/dev/disk/by-path/*{IQN}[0-9][0-9][02468]-lun-0"
# Its own process keeps the disks open until it is ended with the machine.
USE = (
    "nohup python3 -c 'import sys, time; a = [open(x) for x in sys.argv[1:]]; "
    f"print(len(a), flush=True); time.sleep(9999)' {USED} </dev/null >/run/used 2>&1 & "
    "until grep -q . /run/used; do sleep 0.2; done; cat /run/used"
)
LOGOUTS = (
    f"for n in $(seq 1 2 {NUMBER - 1}); do "
    f"iscsiadm -m node -T {IQN}$(printf %03d $n) --logout >/dev/null || exit 1; done"
)


class Taken(NamedTuple):
    """Seconds until a command ended, and the seconds of CPU that it took; what it printed."""

    seconds: float
    cpu: float
    out: str


def run(host: Guest, command: str, *, codes: tuple[int, ...] = (0,)) -> Taken:
    """Run a command of bash on the host to its end."""
    timed = f"TIMEFORMAT='CPU %U %S'; time {{ {command}\n}}"
    result = host.run(["bash", "-c", timed], timeout=PATIENCE)
    if result.code not in codes:
        raise RuntimeError(str(result))
    words = next(line for line in result.err.splitlines()[::-1] if line.startswith("CPU")).split()
    return Taken(result.seconds, float(words[1]) + float(words[2]), result.out)


def up(host: Guest) -> str:
    """Say how many sessions are logged in, and how many targets have two."""
    return f"{host.run(COUNT).out.strip()} up, {host.run(TWICE).out.strip()} twice"


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
    run(lab.host, STARTUP.format("onboot", ODD))


def compare(
    lab: Lab, saved: str, what: str, ours: tuple[str, tuple[int, ...]], peer: tuple[str, str],
    rounds: int,
) -> None:  # fmt: skip
    """Let ours and a peer begin from a saved state in turn; print and note what they took.

    `ours` is a command with its exit codes, `peer` a command with its name.
    """
    owns: list[Taken] = []
    peers: list[Taken] = []
    for _ in range(rounds):
        for command, codes, taken in ((peer[0], (0,), peers), (*ours, owns)):
            lab.restore(saved)
            taken.append(run(lab.host, command, codes=codes))
            done = taken[-1]
            print(f"{command[:60]}: {done.seconds:.1f} s, {done.cpu:.1f} s CPU, {up(lab.host)}")
            if done.out:
                steps = json.loads(done.out)["steps"]
                print(f"  {sum(step['status'] == 'done' for step in steps)} steps done", flush=True)
    figures = {
        what: [median(one.seconds for one in taken) for taken in (owns, peers)],
        f"{what}, CPU": [median(one.cpu for one in taken) for taken in (owns, peers)],
    }
    for name, (own, other) in figures.items():
        print(f"{name}: {own:.1f} s, {own / other:.2f} times {other:.1f} s", flush=True)
        note("bench_many", name, own, {peer[1]: other})


def main() -> None:
    """Print one figure a line."""
    suite = sys.argv[1] if len(sys.argv) > 1 else "bookworm"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    half = NUMBER // 2
    with start(suite) as lab:
        lab.restore("booted")
        lab.install_project()
        make(lab)
        run(lab.host, "iscsiadm -m node --loginall=automatic >/dev/null")
        run(lab.host, "udevadm settle --timeout 300")
        lab.snapshot("half")
        compare(
            lab, "half", f"`reconnect`, {half} of {NUMBER} down",
            ("iscsictl reconnect -J --timeout 10min", (0,)),
            ("iscsiadm -m node --loginall=onboot >/dev/null", f"one `iscsiadm` for those {half}"),
            rounds,
        )  # fmt: skip
        run(lab.host, "udevadm settle --timeout 300")
        print(f"{run(lab.host, USE).out.strip()} disks are in use")
        lab.snapshot("all")
        # 7: the others are in use.
        compare(
            lab, "all", f"`logout --all`, {half} of {NUMBER} not in use",
            ("iscsictl logout --all -J --timeout 10min", (4, 7)),
            (LOGOUTS, f"{half} times `iscsiadm --logout`"),
            rounds,
        )  # fmt: skip


if __name__ == "__main__":
    main()
