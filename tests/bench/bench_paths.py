"""Measure `attach` over two portals beside one: python -m tests.bench.bench_paths [SUITE].

Each round attaches a LUN that has one portal and one that has two, in turn, in one run. multipathd
runs as its package leaves it, so the second gets a map. The steps that take longest are told for
the last attach over two portals; what no step took went into reading the host and the array.
"""

import json
import statistics
import sys

from tests.bench.bench_attach import median, timed
from tests.bench.pair import start
from tests.lab.array import A4, B4
from tests.lab.onmap import start_multipathd

IQN = "iqn.2001-04.com.example:p"
ROUNDS = 3
#: What two portals may take, of the time over one.
LIMIT = 1.3
#: How many steps are told.
STEPS = 10


def main() -> None:
    """Print the table."""
    suite = sys.argv[1] if len(sys.argv) > 1 else "bookworm"
    rounds: list[tuple[float, float]] = []
    with start(suite) as lab:
        lab.restore("booted")
        lab.install_project()
        start_multipathd(lab)
        ways = {"one": [A4], "two": [A4, B4]}
        for n in range(ROUNDS + 1):
            for name, portals in ways.items():
                disk = lab.array.disk(f"{name}{n}", "256M")
                lab.array.target(f"{IQN}{name}{n}", [disk], portals=portals)
        for n in range(ROUNDS + 1):
            one, two = (
                f"iscsictl attach -p {A4} -T {IQN}{name}{n} --fs ext4 --mount /srv/{name}{n}"
                for name in ways
            )
            rounds.append((timed(lab.host, one), timed(lab.host, two)))
            print(f"one portal {rounds[-1][0]:.1f} s, two {rounds[-1][1]:.1f} s", flush=True)
        disk = lab.array.disk("last", "256M")
        lab.array.target(f"{IQN}last", [disk], portals=[A4, B4])
        told = lab.host.run(f"iscsictl attach -p {A4} -T {IQN}last --fs ext4 --mount /srv/last -J",
                            check=True, timeout=120)  # fmt: skip
    print(f"attach, gpt, ext4, mounted, in fstab; {suite}, medians of {ROUNDS} in turn")
    # The first round finds nothing in the guest's caches.
    single, double = (list(column) for column in zip(*rounds[1:], strict=True))
    median("over one portal", single)
    median("over two portals, on a map", double)
    ratio = statistics.median(double) / statistics.median(single)
    print(f"{ratio:.2f} times as long (at most {LIMIT})")
    steps = json.loads(told.out)["steps"]
    between = told.seconds - sum(step["seconds"] for step in steps)
    print(f"{told.seconds:.1f} s in all, {between:.1f} s between the steps, which took")
    for step in sorted(steps, key=lambda step: step["seconds"], reverse=True)[:STEPS]:
        print(f"{step['seconds']:6.1f} s  {step['id']}")


if __name__ == "__main__":
    main()
