"""Compare the start-up time with another checkout: python -m tests.bench.bench_against CHECKOUT.

Both run the same commands on the same made files, in turn, so that whatever else the host does
slows both down. A figure is the median of nine runs in milliseconds: elapsed, and of the CPU,
which is the one to trust on a busy host. CHECKOUT is a work tree of an earlier commit, as made by
`git worktree add --detach CHECKOUT COMMIT`.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.bench.bench_reconnect import make_records
from tests.bench.bench_start import PROJECT, bash, quiet_environment
from tests.bench.make_tree import make

RECORDS = 1000
RUNS = 9
#: What an earlier commit may be exceeded by.
LIMIT = 1.1
COMMANDS = ("--help", "ls --help", "ls", "ls -J", "reconnect --quiet")


class Cost(NamedTuple):
    """Milliseconds of one run."""

    elapsed: float
    cpu: float


def measure_run(checkout: Path, words: list[str], root: Path) -> Cost:
    """Run one command of a checkout. Raises RuntimeError where it fails."""
    argv = [sys.executable, "-m", "iscsictl", *words]
    os.chdir(checkout)
    begin = time.perf_counter()
    child = os.posix_spawn(
        argv[0], argv, quiet_environment(root),
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )  # fmt: skip
    _, status, usage = os.wait4(child, 0)
    elapsed = time.perf_counter() - begin
    if status:
        raise RuntimeError(f"{' '.join(words)} of {checkout} ended with status {status}")
    return Cost(1000 * elapsed, 1000 * (usage.ru_utime + usage.ru_stime))


def median_costs(checkouts: list[Path], words: list[str], root: Path, runs: int) -> list[Cost]:
    """Return the medians of each checkout; a run before the first makes the bytecode."""
    costs: list[list[Cost]] = [[] for _ in checkouts]
    for turn in range(runs + 1):
        for place, checkout in enumerate(checkouts):
            cost = measure_run(checkout, words, root)
            if turn:
                costs[place].append(cost)
    return [
        Cost(statistics.median(c.elapsed for c in own), statistics.median(c.cpu for c in own))
        for own in costs
    ]


def main() -> None:
    """Print a line for each command, with the ratio of this checkout to the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    checkouts = [options.checkout.resolve(), PROJECT]
    with tempfile.TemporaryDirectory() as name:
        for records in (1, options.records):
            root = Path(name) / str(records)
            root.mkdir()
            make(root, records)
            make_records(root, records)
            print(f"{records} sessions with a record each: median of {options.runs} runs, ms")
            for command in COMMANDS:
                old, new = median_costs(checkouts, command.split(), root, options.runs)
                print(
                    f"  {command:<20} elapsed {old.elapsed:6.0f} -> {new.elapsed:6.0f}"
                    f" ({new.elapsed / old.elapsed:.2f})"
                    f"   CPU {old.cpu:6.0f} -> {new.cpu:6.0f} ({new.cpu / old.cpu:.2f}, at most"
                    f" {LIMIT})",
                    flush=True,
                )
            tabs = [[1000 * bash(root, one)[0] for one in checkouts] for _ in range(options.runs)]
            old_tab, new_tab = (statistics.median(column) for column in zip(*tabs, strict=True))
            print(f"  TAB in bash          elapsed {old_tab:6.1f} -> {new_tab:6.1f}", end="")
            print(f" ({new_tab / old_tab:.2f}, at most {LIMIT})")


if __name__ == "__main__":
    main()
