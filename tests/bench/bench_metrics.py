"""Measure `reconnect --metrics` with many sessions: python -m tests.bench.bench_metrics [SESSIONS].

Beside it, in turn, the same `reconnect` without metrics.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.bench_reconnect import make_records
from tests.bench.make_tree import make
from tests.bench.table import note

ROUNDS = 7
STAT = "1234 5 678901 2345 6789 1 234567 8901 2 3456 7890 0 0 0 0 12 34\n"


def add_counters(root: Path, stat: str = STAT, *, errors: int = 3, timeouts: int = 0) -> None:
    """Add what the kernel counts to each disk of a made tree."""
    for unit in (root / "sys/bus/scsi/devices").iterdir():
        (unit / "ioerr_cnt").write_text(f"{errors:#x}\n")
        (unit / "iotmo_cnt").write_text(f"{timeouts:#x}\n")
        for disk in (unit / "block").iterdir():
            (disk / "stat").write_text(stat)


def run(root: Path, *words: str) -> float:
    """Run reconnect once, and return how many seconds that took."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "iscsictl", "reconnect", "--quiet", *words],
        check=True, env=os.environ | {"ISCSICTL_ROOT": str(root)},
    )  # fmt: skip
    return time.perf_counter() - began


def main() -> None:
    """Print one figure a line."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as name:
        root, file = Path(name) / "tree", Path(name) / "iscsi.prom"
        make(root, number)
        make_records(root, number)
        add_counters(root)
        plain, metrics = [], []
        for _ in range(ROUNDS):
            plain.append(run(root))
            metrics.append(run(root, "--metrics", str(file)))
        size = file.stat().st_size / 1e6
        print(f"{number} sessions, reconnect: {statistics.median(plain):.3f} s")
        print(
            f"{number} sessions, reconnect --metrics: {statistics.median(metrics):.3f} s "
            f"(at most 1 s), {size:.1f} MB"
        )
        what = f"`reconnect --metrics`, {number} records"
        beside = {"`reconnect` without it": statistics.median(plain)}
        note("bench_metrics", what, statistics.median(metrics), beside)


if __name__ == "__main__":
    main()
