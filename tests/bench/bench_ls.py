"""Measure `ls` beside iscsiadm and beside Python: python -m tests.bench.bench_ls [ROUNDS].

All that is compared runs in turn, round after round, so that what else the machine does falls on
all alike; the figure is the median.
"""

import os
import pty
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.bench.make_tree import SESSION, make
from tests.bench.real import Command, Iscsiadm
from tests.bench.table import note

CAPTURED = 10_000
OURS = [sys.executable, "-m", "iscsictl", "ls"]
GROUP = """\
Target: iqn.2003-01.org.example:array.lun{n:05} (non-flash)
	Current Portal: 192.0.2.5:3260,1
	Persistent Portal: 192.0.2.5:3260,1
		**********
		Interface:
		**********
		Iface Name: default
		Iface Transport: tcp
		Iface Initiatorname: iqn.1993-08.org.debian:01:0123456789ab
		Iface IPaddress: 192.0.2.9
		Iface HWaddress: default
		Iface Netdev: default
		SID: {n}
		iSCSI Connection State: LOGGED IN
		iSCSI Session State: LOGGED_IN
		Internal iscsid Session State: NO CHANGE
		*********
		Timeouts:
		*********
		Recovery Timeout: 120
		Target Reset Timeout: 30
		LUN Reset Timeout: 30
		Abort Timeout: 15
		*****
		CHAP:
		*****
		username: myaccount
		password: ********
		username_in: <empty>
		password_in: ********
		************************
		Negotiated iSCSI params:
		************************
		HeaderDigest: None
		DataDigest: None
		MaxRecvDataSegmentLength: 262144
		MaxXmitDataSegmentLength: 262144
		FirstBurstLength: 65536
		MaxBurstLength: 262144
		ImmediateData: Yes
		InitialR2T: Yes
		MaxOutstandingR2T: 1
		************************
		Attached SCSI devices:
		************************
		Host Number: {n}	State: running
		scsi{n} Channel 00 Id 0 Lun: 0
			Attached scsi disk sda		State: running
"""


#: What no program in Python can do without: each file opened, read and closed.
FLOOR = """
import os, sys
for path in open(sys.argv[1]).read().split("\\n"):
    fd = os.open(path, os.O_RDONLY)
    os.read(fd, 4096)
    os.close(fd)
"""


def best(what: Callable[[], object], times: int = 5) -> float:
    """Return the shortest of several runs in seconds."""
    spans = []
    for _ in range(times):
        begin = time.perf_counter()
        what()
        spans.append(time.perf_counter() - begin)
    return min(spans)


def main() -> None:
    """Print what the issue asks for, a figure a line with its bound."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        a_capture(root)
        one_session(root / "1", rounds * 3)
        many_sessions(root / "many", rounds)
        more_sessions(root / "many", max(3, rounds // 2))


def a_capture(root: Path) -> None:
    """Time and memory of a long capture, and in turn the time of one that is a tenth of it."""
    files = [root / "tenth.txt", root / "capture.txt"]
    for file, sessions in zip(files, (CAPTURED // 10, CAPTURED), strict=True):
        file.write_text("".join(GROUP.format(n=n) for n in range(sessions)))
    rounds = [[measured([*OURS, "-J", "--from", str(file)]) for file in files] for _ in range(3)]
    tenth, seconds = (
        statistics.median(run[0] for run in runs) for runs in zip(*rounds, strict=True)
    )
    peak = max(whole[1] for _, whole in rounds)
    size = files[1].stat().st_size / 1e6
    say(f"capture of {CAPTURED} sessions, {size:.1f} MB", seconds, bound=3)
    say("  a tenth of it", tenth)
    print(f"{'  its memory':<44}{peak:8.0f} MB   bound 300 MB")
    what = f"`ls --from`, {CAPTURED} sessions, CPU"
    note("bench_ls", what, seconds, {f"with {CAPTURED // 10}": tenth}, memory=peak)


def one_session(root: Path, rounds: int) -> None:
    """What a start costs, in the measure of `import click`."""
    make(root, 1)
    click = [sys.executable, "-c", "import click"]
    kinds: list[tuple[str, list[str], bool, float | None]] = [
        ("python -c 'import click'", click, False, None),
        ("one session, ls", OURS, False, 1.5),
        ("one session, ls -J", [*OURS, "-J"], False, 1.5),
        ("one session, ls on a terminal", OURS, True, 2.5),
    ]
    spans: list[list[float]] = [[] for _ in kinds]
    for _ in range(rounds):
        for place, (_, argv, terminal, _) in enumerate(kinds):
            spans[place].append(measured(argv, root=root, terminal=terminal)[0])
    base = statistics.median(spans[0])
    for (name, _, _, times), found in zip(kinds, spans, strict=True):
        say(name, statistics.median(found), bound=times and times * base)
    note(
        "bench_ls", "`ls`, one session, CPU", statistics.median(spans[1]), {"`import click`": base}
    )


def many_sessions(root: Path, rounds: int) -> None:
    """Beside the real iscsiadm on the same tree, in seconds of CPU."""
    make(root, 1000)
    environment = {"ISCSICTL_ROOT": str(root)}
    ours: list[Command] = [(environment, [*OURS, "-J"]), (environment, OURS)]
    real = Iscsiadm.find()
    if real is None:
        print("no iscsiadm, and no root to give it a tree of its own")
        return
    theirs: list[Command] = [
        ({}, [real.program, "-m", "session"]),
        ({}, [real.program, "-m", "session", "-P", "3"]),
    ]
    names = [str(path) for path in needed_files(root)]
    (root / "needed").write_text("\n".join(names))
    floor: Command = ({}, [sys.executable, "-I", "-c", FLOOR, str(root / "needed")])
    found = [statistics.median(span) for span in real.times(root, [*theirs, *ours, floor], rounds)]
    beside = {
        "`iscsiadm -m session`": found[0],
        "`iscsiadm -m session -P 3`": found[1],
        f"floor: {len(names)} files opened and read": found[4],
    }
    note("bench_ls", "`ls -J`, 1000 sessions, CPU", found[2], beside)
    say("1000 sessions, iscsiadm -m session", found[0])
    say("1000 sessions, iscsiadm -m session -P 3", found[1])
    say("1000 sessions, ls -J", found[2], bound=min(found[0], found[1] / 3))
    say("1000 sessions, ls", found[3], bound=min(found[0], found[1] / 3))
    say(f"their {len(names)} files, only opened and read", found[4])
    print(f"{'  its memory':<44}{measured(OURS, root=root)[1]:8.0f} MB   bound 60 MB")


def needed_files(root: Path) -> Iterator[Path]:
    """Yield every file of the kernel and of udev that `ls -J` has to read, each once."""
    unread = {"creator", "erl", "isid", "password", "password_in"}
    attributes = sorted({"targetname", *SESSION} - unread)
    for own in (root / "sys/class/iscsi_session").iterdir():
        device = (own / "device").resolve()
        yield from (own / name for name in attributes)
        yield from device.glob("connection*/iscsi_connection/*/*")
        yield from device.parent.glob("scsi_host/*/state")
        for unit in device.glob("target*/*"):
            yield from (unit / "state", unit / "wwid")
            for size in (*unit.glob("block/*/size"), *unit.glob("block/*/*/size")):
                yield size
                number = (size.parent / "dev").read_text().strip()
                yield root / f"run/udev/data/b{number}"
            yield from unit.glob("block/*/ro")


def more_sessions(root: Path, rounds: int) -> None:
    """How the time grows."""
    first, there = 0.0, 1000
    for number in (1000, 2000, 5000):
        make(root, number, there=there)
        there = number
        runs = [measured([*OURS, "-J"], root=root)[0] for _ in range(rounds)]
        seconds = statistics.median(runs)
        first = first or seconds
        say(f"{number} sessions, ls -J", seconds, bound=first * number / 1000)


def say(name: str, seconds: float, bound: float | None = None) -> None:
    """Print one figure."""
    limit = f"   bound {bound:.3f} s" if bound else ""
    print(f"{name:<44}{seconds:8.3f} s {limit}", flush=True)


def measured(
    argv: list[str], *, root: Path | None = None, terminal: bool = False
) -> tuple[float, float]:
    """Run a command on a made tree; return its seconds of CPU and its greatest memory in MB."""
    environment: Mapping[str, str] = os.environ | {
        "ISCSICTL_ROOT": str(root or "/"),
        "TERM": "xterm",
    }
    out = os.open(os.devnull, os.O_WRONLY)
    reader: threading.Thread | None = None
    if terminal:
        os.close(out)
        master, out = pty.openpty()
        reader = threading.Thread(target=_drain, args=(master,))
        reader.start()
    actions = [(os.POSIX_SPAWN_DUP2, out, 1)]
    child = os.posix_spawn(argv[0], argv, environment, file_actions=actions)
    _, status, usage = os.wait4(child, 0)
    os.close(out)
    if reader is not None:
        reader.join()
    if status:
        raise RuntimeError(f"{argv} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _drain(master: int) -> None:
    try:
        while os.read(master, 1 << 16):
            pass
    except OSError:
        pass
    os.close(master)


if __name__ == "__main__":
    main()
