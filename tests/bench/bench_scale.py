"""Compare ten times as many sessions: bench_scale [SESSIONS [TIMES [ROUNDS]]].

Each command is run on a made tree of SESSIONS (1000) and on one of TIMES (10) as many, in turn.
Where each session is read once, the second takes as many times as long. The time is that of the
CPU, so that what else the machine does matters little.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.bench.bench_reconnect import make_records
from tests.bench.bench_start import bash
from tests.bench.make_tree import make
from tests.bench.table import note

ROUNDS = 3
#: At most this many times the time where there are ten times as many sessions, and MB of memory.
MOST_TIMES, MOST_MEMORY = 11, 250
#: VOLUMES stands for what `export` printed of the same tree.
COMMANDS = (
    "ls", "ls -J", "reconnect --quiet", "doctor", "export", "plan --quiet VOLUMES", "prune -n",
)  # fmt: skip


class Run(NamedTuple):
    """Seconds of CPU, and the most memory at once in MB."""

    seconds: float
    memory: float


def run(words: list[str], environment: Mapping[str, str], output: Path) -> Run:
    """Run a command once. Findings are no failure; a signal or a traceback is."""
    with (
        output.open("wb") as stream,
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [sys.executable, "-m", "iscsictl", *words], env=environment,
            stdout=stream, stderr=errors,
        ) as child,
    ):  # fmt: skip
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        said = errors.read().decode()
    if child.returncode < 0 or "Traceback" in said:
        raise RuntimeError(f"iscsictl {' '.join(words)}: {child.returncode} {said[-500:]}")
    return Run(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def main() -> None:
    """Print one command a line."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else ROUNDS
    with tempfile.TemporaryDirectory() as name:
        roots = [Path(name) / "few", Path(name) / "many"]
        for root, sessions in zip(roots, (number, number * times), strict=True):
            make(root, sessions)
            make_records(root, sessions)
        for command in COMMANDS:
            runs: list[list[Run]] = [[], []]
            for _ in range(rounds):
                for root, taken in zip(roots, runs, strict=True):
                    environment = os.environ | {"ISCSICTL_ROOT": str(root)}
                    words = command.replace("VOLUMES", str(root / "VOLUMES")).split()
                    output = root / ("VOLUMES" if command == "export" else "output")
                    taken.append(run(words, environment, output))
            few, many = (statistics.median(one.seconds for one in taken) for taken in runs)
            memory = max(one.memory for one in runs[1])
            print(
                f"{command}: {few:.2f} s of CPU, {many:.2f} s with {number * times} sessions: "
                f"{many / few:.1f} times (at most {MOST_TIMES}); "
                f"{memory:.0f} MB (at most {MOST_MEMORY})",
                flush=True,
            )
            what = f"`{command}`, {number * times} sessions, CPU"
            note("bench_scale", what, many, {f"with {number}": few}, memory=memory)
        few, many = (bash(root)[0] for root in roots)
        print(
            f"TAB in bash: {1000 * few:.1f} ms, {1000 * many:.1f} ms: {many / few:.1f} times "
            f"(at most {MOST_TIMES})"
        )
        note(
            "bench_scale", f"TAB in bash, {number * times} sessions", many, {f"with {number}": few}
        )


if __name__ == "__main__":
    main()
