"""Measure fail-over between two paths: python -m tests.bench.bench_failover [SUITE] [CUTS].

A process writes numbered lines to ext4 on a map and syncs each. First the two networks are cut in
turn, CUTS times; then one link goes up and down each second for two minutes. The figures are how
long a single write took, and how long a path was away after its cable was back.
"""

import statistics
import sys
import time

from tests.bench.pair import start
from tests.lab.array import A4, B4
from tests.lab.onhost import run_on
from tests.lab.onmap import (
    ATTACH,
    IQN,
    NumberedWriter,
    cut_in_turn,
    start_multipathd,
    wait_until_ready,
)
from tests.lab.pair import Lab

CUTS = 40
FLAPPING = 120.0


def flap(lab: Lab, seconds: float) -> None:
    """Have one link go down and up each second, and leave it up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        lab.cut("A")
        time.sleep(1)
        lab.restore_cables("A")
        time.sleep(1)


def tell(what: str, figures: list[float]) -> None:
    """Print how many figures there are, the median and the largest."""
    if figures:
        middle, worst = statistics.median(figures), max(figures)
        print(f"{what:<44}{len(figures):4}  median {middle:5.1f} s  longest {worst:5.1f} s")
    else:
        print(f"{what:<44}   0")


def main() -> None:
    """Print the table."""
    suite = sys.argv[1] if len(sys.argv) > 1 else "bookworm"
    cuts = int(sys.argv[2]) if len(sys.argv) > 2 else CUTS
    with start(suite) as lab:
        lab.restore("booted")
        lab.install_project()
        start_multipathd(lab)
        lab.array.target(IQN, [lab.array.disk("mail", "128M")], portals=[A4, B4])
        run_on(lab.host, ATTACH)
        print(
            f"fail-over between two paths; {suite}; a line is written and synced 5 times a second"
        )

        writer = NumberedWriter.start(lab.host, "mail")
        back = cut_in_turn(lab, [writer], cuts)
        stalls = writer.end()
        lines = writer.noted()
        tell(f"{cuts} cuts: writes that took over 1 s", stalls)
        tell(f"{cuts} cuts: a path's return", back)

        run_on(lab.host, "rm /root/enough /root/mail.noted /srv/mail/log")
        writer = NumberedWriter.start(lab.host, "mail")
        flap(lab, FLAPPING)
        returned = wait_until_ready(lab.host, 120)
        tell("a link up and down for 2 min: over 1 s", writer.end())
        tell("a link up and down for 2 min: return", [returned])
        writer.require_all_kept()
        print(f"{lines + writer.noted()} lines were written; none was lost, no write failed")


if __name__ == "__main__":
    main()
