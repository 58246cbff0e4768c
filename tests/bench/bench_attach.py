"""Measure `attach` of one LUN on the lab: python -m tests.bench.bench_attach [SUITE].

The peer is the plain script that an admin would write, turn by turn with ours in one run,
each on a target of its own; the floor is what the programs take that any way has to run.
"""

import statistics
import sys

from tests.bench.pair import start
from tests.bench.table import note
from tests.lab.array import A4
from tests.lab.guest import Guest

IQN = "iqn.2001-04.com.example:t"
ROUNDS = 5
SCRIPT = """set -e
iscsiadm -m discovery -t st -p {portal} >/dev/null
iscsiadm -m node -T {target} -p {portal} -o update -n node.startup -v automatic {account}
iscsiadm -m node -T {target} -p {portal} --login >/dev/null
udevadm settle
disk=/dev/disk/by-path/ip-{portal}:3260-iscsi-{target}-lun-0
printf 'label: gpt\\n,,\\n' | sfdisk -q $disk
udevadm settle
mkfs.ext4 -q $disk-part1
uuid=$(blkid -p -s UUID -o value $disk-part1)
mkdir -p {path}
echo "UUID=$uuid {path} ext4 _netdev,nofail 0 0" >>/etc/fstab
systemctl daemon-reload
mount {path}
"""
#: For bash: `alone COMMAND...` adds the microseconds that a command takes to `taken`.
ALONE = """set -e
taken=0
alone() {
    local begin=${EPOCHREALTIME/./}
    "$@"
    taken=$((taken + ${EPOCHREALTIME/./} - begin))
}
"""
#: For bash, after `ALONE`; prints what is taken when the session is there, and at the end.
FLOOR = """
alone iscsiadm -m discovery -t st -p {portal} >/dev/null
iscsiadm -m node -T {target} -p {portal} -o update -n node.startup -v automatic {account}
alone iscsiadm -m node -T {target} -p {portal} --login >/dev/null
echo $taken
udevadm settle
disk=/dev/disk/by-path/ip-{portal}:3260-iscsi-{target}-lun-0
alone sfdisk -q $disk <<<$'label: gpt\\n,,'
udevadm settle
alone mkfs.ext4 -q $disk-part1
mkdir -p {path}
echo "$disk-part1 {path} ext4 _netdev,nofail 0 0" >>/etc/fstab
alone systemctl daemon-reload
alone mount {path}
echo $taken
"""


def timed(host: Guest, command: str) -> float:
    """Run a command to its end, wait until udev rests, and return the command's seconds."""
    seconds = host.run(command, check=True, timeout=240).seconds
    host.run("udevadm settle", check=True)
    return seconds


def median(name: str, figures: list[float], peer: float | None = None) -> float:
    """Print a line and return the median."""
    middle = statistics.median(figures)
    ratio = "" if peer is None else f"   {middle / peer:.2f} times the script"
    spread = f"{min(figures):.1f} to {max(figures):.1f}"
    print(f"{name:<34}{middle:6.1f} s   ({spread}){ratio}", flush=True)
    return middle


def floor(host: Guest, command: str) -> list[float]:
    """Run a `FLOOR` and return the seconds of its programs up to the session, and of all."""
    told = host.run(["bash", "-c", ALONE + command], check=True, timeout=120).out
    host.run("udevadm settle", check=True)
    return [int(line) / 1e6 for line in told.split()]


def main() -> None:
    """Print the table."""
    suite = sys.argv[1] if len(sys.argv) > 1 else "bookworm"
    rounds: list[list[float]] = []
    with start(suite) as lab:
        lab.restore("booted")
        lab.install_project()
        host = lab.host
        for n in range(3 * ROUNDS + 3):
            lab.array.target(f"{IQN}{n}", [lab.array.disk(f"d{n}", "256M")])
        for n in range(ROUNDS + 1):
            words = {"portal": A4, "account": ""}
            bare = FLOOR.format(target=f"{IQN}{3 * n}", path=f"/srv/alone{n}", **words)
            usual = SCRIPT.format(target=f"{IQN}{3 * n + 1}", path=f"/srv/script{n}", **words)
            command = f"iscsictl attach -p {A4} -T {IQN}{3 * n + 2} --fs ext4 --mount /srv/own{n}"
            alone = floor(host, bare)[-1]
            rounds.append([alone, *(timed(host, one) for one in (usual, command, command))])
    print(f"one LUN, gpt, ext4, mounted, in fstab; {suite}, medians of {ROUNDS} in turn")
    # The first round finds nothing in the guest's caches.
    columns = [list(column) for column in zip(*rounds[1:], strict=True)]
    peer = statistics.median(columns[1])
    names = ("the programs alone", "plain script", "iscsictl attach", "the same attach again")
    found = [
        median(name, figures, None if name == "plain script" else peer)
        for name, figures in zip(names, columns, strict=True)
    ]
    beside = {"plain script": found[1], "floor: the programs alone": found[0]}
    note("bench_attach", "`attach` of one LUN", found[2], beside)


if __name__ == "__main__":
    main()
