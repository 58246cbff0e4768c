"""Measure start, state and the TAB key: python -m tests.bench.bench_start [SESSIONS]."""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pexpect

from iscsictl.cli.completions.generate import FILES
from tests.bench.bench_ls import best, measured
from tests.bench.bench_reconnect import make_records
from tests.bench.make_tree import SESSION, make, put
from tests.bench.table import note

PROJECT = Path(__file__).parents[2]
TYPED = "iscsictl login -T iqn.2003-01.org.example:array.lun0000"
TIMES = 20
#: At most so many seconds for the state that `iscsictl` alone shows, by the number of sessions.
STATE = {1: 0.15, 1000: 0.5}
# Each shell does what its TAB key does, in the process that a user types in.
BASH = f"""
source "$1/iscsictl.bash"; COMP_LINE="{TYPED}" COMP_POINT={len(TYPED)}
for ((times = 0; times < {TIMES}; times++)); do
    COMPREPLY=(); start=$EPOCHREALTIME; _iscsictl iscsictl "{TYPED.rpartition(":")[2]}" x
    echo "${{#COMPREPLY[@]}} $start $EPOCHREALTIME"
done
"""
FISH = f"""
source "$argv[1]/iscsictl.fish"
for i in (seq {TIMES}); set found (complete --do-complete "{TYPED}"); end
count $found
"""


def quiet_environment(root: Path) -> dict[str, str]:
    """What the shells get to see: the made tree, and nothing of the user's."""
    return {
        "ISCSICTL_ROOT": str(root), "PATH": os.environ["PATH"], "HOME": str(root),
        "TERM": "dumb", "LC_ALL": "C.UTF-8",
    }  # fmt: skip


def bash(root: Path, project: Path = PROJECT) -> tuple[float, int]:
    """Return the seconds of one completion in bash, and how many names it offers."""
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", str(project / "completions")],
        env=quiet_environment(root), capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [line.split() for line in done.stdout.splitlines()]
    return min(float(end) - float(start) for _, start, end in lines), int(lines[0][0])


def fish(root: Path) -> tuple[float, int]:
    """Return the same of fish, of the best of several runs; its start is taken off."""
    command = ["fish", "--no-config", "-c"]
    folder = str(PROJECT / "completions")
    source = 'source "$argv[1]/iscsictl.fish"'
    start = best(lambda: subprocess.run([*command, source, folder], check=True))
    counts = []

    def run() -> None:
        done = subprocess.run(
            [*command, FISH, folder], env=quiet_environment(root), capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        counts.append(int(done.stdout))

    return (best(run) - start) / TIMES, counts[0]


def zsh(root: Path) -> float:
    """Return the seconds from the TAB key to the completed word on zsh's line."""
    child = pexpect.spawn(
        "zsh", ["-f", "-i"], env=quiet_environment(root), encoding="utf-8", dimensions=(40, 240),
        timeout=20, cwd=str(PROJECT / "completions"),
    )  # fmt: skip
    child.delaybeforesend = None
    child.sendline("unsetopt zle_bracketed_paste beep; fpath=($PWD $fpath); PS1='>''>'")
    child.sendline("autoload -U compinit; compinit -u -D; bindkey -e; echo re''ady")
    child.expect_exact("ready")
    child.expect_exact(">>")
    spans = []
    for _ in range(6):
        child.send(f"{TYPED[:-8]}lun00007")
        child.expect_exact("lun00007")
        begin = time.perf_counter()
        child.send("\t ")
        child.expect_exact(" ")
        spans.append(time.perf_counter() - begin)
        child.send("\x15")
    child.close(force=True)
    # The first one loads the function.
    return min(spans[1:])


def state(root: Path, sessions: int, most: float) -> None:
    """Print how long `iscsictl` alone takes on a terminal, with a record for each session."""
    make(root, sessions)
    make_records(root, sessions)
    put(root / "usr/sbin", iscsiadm="")
    put(root / "etc/iscsi", **{"initiatorname.iscsi": f"InitiatorName={SESSION['initiatorname']}"})
    commands = ([sys.executable, "-m", "iscsictl"], [sys.executable, "-c", "import click"])
    elapsed: list[float] = []
    spans: list[list[float]] = [[], []]
    for _ in range(TIMES // 2):
        begin = time.perf_counter()
        for argv, cpu in zip(commands, spans, strict=True):
            cpu.append(measured(argv, root=root, terminal=True)[0])
            if argv is commands[0]:
                elapsed.append(time.perf_counter() - begin)
    own, click = map(statistics.median, spans)
    print(
        f"iscsictl alone on a terminal, {sessions} session(s): "
        f"{1000 * statistics.median(elapsed):.0f} ms (at most {1000 * most:.0f}), "
        f"{1000 * own:.0f} ms of CPU; load {os.getloadavg()[0]:.1f}"
    )
    what = f"`iscsictl` alone, {'one session' if sessions == 1 else f'{sessions} sessions'}, CPU"
    note("bench_start", what, own, {"`import click`": click})


def main() -> None:
    """Print one figure a line."""
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    python = [sys.executable, "-c"]
    words = ("--version", "--help")
    commands = [[*python, "pass"], [*python, "import click"]]
    commands += [[sys.executable, "-m", "iscsictl", word] for word in words]
    # In turn, and of the CPU: what else the machine does falls on all alike.
    rounds = [[measured(argv)[0] for argv in commands] for _ in range(TIMES)]
    floor, click, *owns = (statistics.median(spans) for spans in zip(*rounds, strict=True))
    print(f"python -c pass: {1000 * floor:.1f} ms; python -c 'import click': {1000 * click:.1f} ms")
    for word, own in zip(words, owns, strict=True):
        print(
            f"iscsictl {word}: {1000 * own:.1f} ms, "
            f"{own / click:.2f} times import click (at most 1.3)"
        )
        note("bench_start", f"`{word}`, CPU", own, {"`import click`": click})
    with tempfile.TemporaryDirectory() as name:
        for number, most in STATE.items():
            state(Path(name) / str(number), number, most)
        root = Path(name) / "tab"
        make(root, sessions)
        seconds, count = bash(root)
        print(
            f"TAB in bash among {sessions} sessions, {count} names: {1000 * seconds:.1f} ms, "
            f"{seconds / floor:.2f} times python -c pass (at most 0.5)"
        )
        what = f"TAB in bash, {sessions} sessions"
        note("bench_start", what, seconds, {"`python -c pass`": floor})
        if shutil.which("fish"):
            seconds, count = fish(root)
            print(
                f"TAB in fish among {sessions} sessions, {count} names: {1000 * seconds:.1f} ms, "
                f"{seconds / floor:.2f} times (at most 1)"
            )
        if shutil.which("zsh"):
            seconds = zsh(root)
            print(
                f"TAB in zsh among {sessions} sessions, to the screen: {1000 * seconds:.1f} ms, "
                f"{seconds / floor:.2f} times (at most 1)"
            )
    missing = [shell for shell in FILES if shutil.which(shell) is None]
    if missing:
        print(f"not installed, not measured: {', '.join(missing)}")


if __name__ == "__main__":
    main()
