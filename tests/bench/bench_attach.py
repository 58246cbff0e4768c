"""Measure `attach` of one LUN on the lab: python -m tests.bench.bench_attach [SUITE].

The peer is the plain script that an admin would write, turn by turn with ours in one run,
each on a target of its own; the floor is what the tools that ours calls take alone.
"""

import statistics
import sys

from tests.lab.array import A4
from tests.lab.guest import Guest
from tests.lab.pair import Lab

IQN = "iqn.2001-04.com.example:t"
ROUNDS = 5
SCRIPT = """set -e
iscsiadm -m discovery -t st -p {portal} >/dev/null
iscsiadm -m node -T {target} -p {portal} --login >/dev/null
iscsiadm -m node -T {target} -p {portal} -o update -n node.startup -v automatic
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


def timed(host: Guest, command: str) -> float:
    """Run a command to its end, wait until udev rests, and return the command's seconds."""
    seconds = host.run(command, check=True, timeout=120).seconds
    host.run("udevadm settle", check=True)
    return seconds


def median(name: str, figures: list[float], peer: float | None = None) -> float:
    """Print a line and return the median."""
    middle = statistics.median(figures)
    ratio = "" if peer is None else f"   {middle / peer:.2f} times the script"
    spread = f"{min(figures):.1f} to {max(figures):.1f}"
    print(f"{name:<34}{middle:6.1f} s   ({spread}){ratio}", flush=True)
    return middle


def main() -> None:
    """Print the table."""
    suite = sys.argv[1] if len(sys.argv) > 1 else "bookworm"
    script, ours, again = [], [], []
    with Lab.start(suite) as lab:
        lab.restore("booted")
        lab.install_project()
        host = lab.host
        for n in range(2 * ROUNDS + 2):
            lab.array.target(f"{IQN}{n}", [lab.array.disk(f"d{n}", "256M")])
        for n in range(ROUNDS + 1):
            target, path = f"{IQN}{2 * n}", f"/srv/script{n}"
            taken = timed(host, SCRIPT.format(portal=A4, target=target, path=path))
            command = f"iscsictl attach -p {A4} -T {IQN}{2 * n + 1} --fs ext4 --mount /srv/own{n}"
            own = timed(host, command)
            rerun = timed(host, command)
            if n > 0:  # the first of each finds nothing in the guest's caches
                script.append(taken)
                ours.append(own)
                again.append(rerun)
    print(f"one LUN, gpt, ext4, mounted, in fstab; {suite}, medians of {ROUNDS} in turn")
    peer = median("plain script", script)
    median("iscsictl attach", ours, peer)
    median("the same attach again", again, peer)


if __name__ == "__main__":
    main()
