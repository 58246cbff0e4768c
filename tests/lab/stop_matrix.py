"""The stop matrix: a command is stopped at each of its steps, in each way, and run again.

    python -m tests.lab.stop_matrix [--suite S] [--over map] [--only attach:SIGKILL] [--at WORD]
        [--save FILE]
    python -m tests.lab.stop_matrix --show FILE...

A command is held at each point (`stopper_guest.py`), the world is saved there, and from that
one state it is stopped in each way: SIGKILL, SIGTERM, SIGINT, power cut. After each stop the
host is looked at, the same command is run once more, and what is there then must be what an
unbroken run left, with no registration for persistent reservations on the array, or one for an
exclusive volume. The table is printed as its cells are done. The LUN has one path, or with
`--over map` two, under a map that multipath-tools makes as its package leaves it.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab.array import A4, B4
from tests.lab.onmap import start_multipathd
from tests.lab.pair import Lab
from tests.lab.reservations import key_of, read_state
from tests.lab.stopper import PATIENCE, Stopper, Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.lab.agent import Result
    from tests.lab.guest import Guest
    from tests.lab.lio import Disk

IQN = "iqn.2001-04.com.example:stops"
SECRET, MUTUAL = "secret-of-the-host", "secret-of-the-array"
DIRECTORY = "/cluster/raid"
ATTACH = (
    f"iscsictl attach -p {A4} -T {IQN} --chap-user myaccount --chap-secret-file /root/secret "
    "--mutual-user array --mutual-secret-file /root/mutual "
    f"--table gpt --fs ext4 --mount {DIRECTORY}"
)
DETACH = f"iscsictl detach {DIRECTORY}"
EXCLUSIVE = f"{ATTACH} --exclusive"
COMMANDS = {
    "attach": ATTACH, "detach": DETACH, "attach-exclusive": EXCLUSIVE, "detach-exclusive": DETACH,
}  # fmt: skip
POWER = "power cut"
STOPS = ("SIGKILL", "SIGTERM", "SIGINT", POWER)
ENDS = {"SIGKILL": {-9}, "SIGTERM": {143, 0}, "SIGINT": {130, 0}}
TOOLS: tuple[Tool, ...] = (
    ("in iscsiadm -o new", "iscsiadm", "new", 0),
    ("in iscsiadm --login", "iscsiadm", "--login", 0),
    ("in sfdisk", "sfdisk", "--wipe", 0),
    ("in mkfs.ext4", "mkfs.ext4", "-U", 8192),
    ("in mount", "mount", "-t", 0),
    ("in systemctl daemon-reload", "systemctl", "daemon-reload", 0),
    ("in umount", "umount", DIRECTORY, 0),
    ("in iscsiadm --logout", "iscsiadm", "--logout", 0),
)
MAP_TOOLS: tuple[Tool, ...] = (
    ("in multipathd reconfigure", "multipathd", "reconfigure", 0),
    ("in multipath -a", "multipath", "-a", 0),
    ("in multipathd add path", "multipathd", "add", 0),
    ("in multipath -w", "multipath", "-w", 0),
    ("in multipath -f", "multipath", "-f", 0),
)


@dataclass(frozen=True)
class World:
    """Over which portals the LUN is attached, and in which tools a command is held."""

    portals: tuple[str, ...]
    tools: tuple[Tool, ...]

    def enter(self, lab: Lab) -> None:
        """A clean host, ready for this world."""
        if len(self.portals) > 1:
            start_multipathd(lab)
        else:
            lab.restore("installed")


WORLDS = {"path": World((A4,), TOOLS), "map": World((A4, B4), TOOLS + MAP_TOOLS)}
IN_LOCK = "in the lock of the records"

# Runs in the guest: all that a command may leave, without what no two runs have in common.
_STATE = r"""
import glob, hashlib, json, os, re, subprocess, sys, time
def sh(line):
    return subprocess.run(line, shell=True, capture_output=True, text=True).stdout
def started(unit):
    # Nobody waits for systemd to start it.
    until = time.monotonic() + 60
    while (state := sh("systemctl is-active " + unit).strip()) == "activating":
        if time.monotonic() > until:
            break
        time.sleep(0.1)
    return state
def paths():
    if "(" not in sh("dmsetup ls --target multipath"):
        return []
    # A path joins its map when multipathd has tested it.
    until = time.monotonic() + 60
    while True:
        lines = sh("multipathd show paths raw format '%m %T' 2>/dev/null").splitlines()
        found = sorted(x.split()[1] for x in lines if len(x.split()) == 2 and "[" not in x)
        if set(found) <= {"ready"} or time.monotonic() > until:
            return found
        time.sleep(0.2)
def plain(text):
    # With dashes, or as systemd has them in the name of a unit, which fstab escapes again.
    dash = r"(-|\\134x2d)"
    uuid = r"[0-9A-Fa-f]{8}(" + dash + "[0-9A-Fa-f]{4}){3}" + dash + "[0-9A-Fa-f]{12}"
    return re.sub(uuid, "UUID", text)
records = {}
places = [base + "/nodes" for base in ("/etc/iscsi", "/var/lib/iscsi")]
for folder, _, names in (step for place in places for step in os.walk(place)):
    for name in names:
        path = os.path.join(folder, name)
        data = open(path, "rb").read()
        whole = data.startswith(b"# BEGIN RECORD") and data.endswith(b"# END RECORD\n")
        mode = oct(os.stat(path).st_mode & 0o777)
        records[path] = [whole, mode, hashlib.sha256(data).hexdigest()]
directory = sys.argv[1]
unit = directory.strip("/").replace("/", "-") + ".mount"
secrets = "\n".join(sys.argv[2:])
found = subprocess.run(
    ["grep", "-rlF", secrets, "/etc", "/run", "/tmp", "/root", "/var/lib/iscsi", "/var/log",
     "--exclude=secret", "--exclude=mutual"], capture_output=True, text=True).stdout.split()
mounts = [x.split()[1:4] for x in open("/proc/mounts") if x.split()[1] == directory]
# What is written over a map is not seen in what the kernel has cached of a path.
maps = [x.split()[0] for x in sh("dmsetup ls --target multipath").splitlines() if "(" in x]
disk = "/dev/mapper/" + maps[0] if maps else "/dev/sda"
parted = sh("sfdisk --json " + disk + " 2>/dev/null")
table = json.loads(parted)["partitiontable"] if parted else {}
sessions = sorted(open(p).read().strip()
                  for p in glob.glob("/sys/class/iscsi_session/*/targetname"))
print(json.dumps({
    "fstab": plain(open("/etc/fstab").read()),
    "mounts": mounts,
    "directory": [oct(os.stat(directory).st_mode), os.stat(directory).st_uid]
                 if os.path.isdir(directory) else None,
    "writable": bool(mounts) and not subprocess.run(
        ["sh", "-c", "cd $0 && echo x > probe && sync probe && rm probe", directory]).returncode,
    "maps": sorted(x.split()[0] for x in sh("dmsetup ls").splitlines() if "(" in x),
    "source": [x.split()[0] for x in open("/proc/mounts")
               if x.split()[1] == directory and x.startswith("/dev/mapper")],
    "paths": paths(),
    "allowed": sorted(set(sh("grep -s ^/ /etc/multipath/wwids").splitlines())),
    "settings": sh("cat /etc/multipath/conf.d/* 2>/dev/null"),
    "multipathd": sh("systemctl is-enabled multipathd; systemctl is-active multipathd"),
    "sessions": sessions,
    "logs out": bool(sessions) and started("open-iscsi.service"),
    "records": records,
    "secrets": sorted(found),
    "table": [table.get("label"), [[p["start"], p["size"], p["type"]]
                                   for p in table.get("partitions", ())]],
    "service": sh("systemctl is-enabled open-iscsi.service").strip(),
    "reload": sh("systemctl show -p NeedDaemonReload " + unit).strip(),
    "unit": started(unit),
    "leavings": sorted(glob.glob("/etc/.*") + glob.glob("/etc/fstab*")),
    "holds": sorted(glob.glob("/run/iscsictl/holds/*")),
    "locks": sorted(glob.glob("/run/lock/iscsi/lock.write*")),
}))
"""

# Runs in the guest after a stop: every record must be complete and no lock held.
_CHECK = r"""
code=0
# After the logout the disk of the line is away, as with any array that is down.
findmnt --verify >/tmp/verify 2>&1 || {
    grep -q '\[E\] unreachable on boot required source' /tmp/verify &&
        [ "$(grep -c '\[E\]' /tmp/verify)" = 1 ] &&
        ! ls /sys/class/iscsi_session/session* >/tmp/verify.sessions 2>&1
} || { cat /tmp/verify; code=1; }
rm -f /tmp/verify /tmp/verify.sessions
for base in /etc/iscsi /var/lib/iscsi; do
    find $base/nodes -type f 2>/dev/null | while read -r file; do
        [ "$(stat -c %a "$file")" = 600 ] || echo "$file is not 0600"
        ends="$(head -c 14 "$file")$(tail -n 1 "$file")"
        [ "$ends" = '# BEGIN RECORD# END RECORD' ] ||
            echo "$file is truncated: $(stat -c %s "$file") bytes"
    done
done
[ ! -e /run/iscsictl/lock ] || flock -n /run/iscsictl/lock true ||
    echo "the lock of iscsictl is held"
[ ! -e /run/lock/iscsi/lock.write ] || echo "the lock of the records is held"
grep -c '^[^#]*x-iscsictl' /etc/fstab | grep -qx '[01]' || echo "fstab has several lines"
exit $code
"""


@dataclass(frozen=True)
class Cell:
    """One stop at one point, and what came of it."""

    suite: str
    command: str
    point: str
    stop: str
    code: int | None
    again: float
    problems: tuple[str, ...] = ()

    @property
    def green(self) -> bool:
        """Whether all held."""
        return not self.problems


def state(host: Guest) -> dict[str, Any]:
    """All that the command may leave on the host, comparable with another run's."""
    words = ["python3", "-c", _STATE, DIRECTORY, SECRET, MUTUAL]
    found: dict[str, Any] = json.loads(host.run(words, check=True, timeout=PATIENCE).out)
    return found


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    """How a state is not as it should be, in words."""
    for key, value in wanted.items():
        if found[key] != value:
            yield f"{key}: {found[key]!r}, not {value!r}"


def problems_after_stop(host: Guest, *, lock_may_stay: bool) -> list[str]:
    """Records that are truncated and locks that are held right after a stop."""
    result = host.run(_CHECK, timeout=PATIENCE)
    lines = (result.out + result.err).splitlines()
    if lock_may_stay:
        lines = [line for line in lines if line != "the lock of the records is held"]
    return [f"after the stop: {line}" for line in lines if line]


@dataclass
class Matrix:
    """The worlds of one suite: `prepare` them, then `cells` of a command."""

    lab: Lab
    world: World = WORLDS["path"]
    wanted: dict[str, dict[str, Any]] = field(default_factory=dict)
    disk: Disk = field(init=False)

    def prepare(self, commands: Iterable[str] = COMMANDS) -> None:
        """A LUN, the secrets; and what unbroken runs leave."""
        lab, commands = self.lab, set(commands)
        self.world.enter(lab)
        self.disk = lab.array.disk("stops", "64M")
        lab.array.target(
            IQN, [self.disk], portals=self.world.portals,
            chap=("myaccount", SECRET), mutual=("array", MUTUAL),
        )  # fmt: skip
        lab.host.put("/root/secret", SECRET + "\n", 0o600)
        lab.host.put("/root/mutual", MUTUAL + "\n", 0o600)
        lab.snapshot("before-attach")
        for attach, detach in (("attach", "detach"), ("attach-exclusive", "detach-exclusive")):
            if commands & {attach, detach}:
                lab.restore("before-attach")
                self._prepare_pair(attach, detach if detach in commands else None)

    def _prepare_pair(self, attach: str, detach: str | None) -> None:
        lab = self.lab
        self._run(COMMANDS[attach])
        found = self.wanted[attach] = state(lab.host)
        assert found["mounts"], found
        assert found["writable"], found
        assert found["sessions"] == [IQN] * len(self.world.portals), found
        assert found["paths"] == ["ready"] * len(found["source"]) * 2, found
        assert bool(found["source"]) == (len(self.world.portals) > 1), found
        assert all(record[:2] == [True, "0o600"] for record in found["records"].values())
        assert set(found["secrets"]) <= set(found["records"]), found
        if detach is not None:
            lab.snapshot(f"before-{detach}", sync=False)
            self._run(COMMANDS[detach])
            found = self.wanted[detach] = state(lab.host)
            assert (found["mounts"], found["sessions"], found["locks"]) == ([], [], [])
            assert (found["maps"], found["allowed"], found["settings"]) == ([], [], "")
            assert "x-iscsictl" not in found["fstab"]

    def forget(self) -> None:
        """Delete its worlds."""
        for name in ("before-attach", "before-detach", "before-detach-exclusive", "at-point"):
            if name in self.lab.snapshots:
                self.lab.forget(name)

    def _run(self, command: str) -> Result:
        result = self.lab.host.run(command, timeout=PATIENCE)
        assert result.code == 0, str(result)
        return result

    def cells(
        self, command: str, stops: Callable[[str], Iterable[str]] = lambda _: STOPS
    ) -> Iterator[Cell]:
        """Stop a command at each point, in each way of `stops(point)`; yield what came of it."""
        lab = self.lab
        attaches = command.startswith("attach")
        lab.restore("before-attach" if attaches else f"before-{command}")
        held = Stopper.start(lab, COMMANDS[command], self.world.tools, lock=attaches)
        while (point := held.point()) is not None:
            if ways := tuple(stops(point)):
                lab.snapshot("at-point", sync=False)
                for number, stop in enumerate(ways):
                    if number:
                        lab.restore("at-point")
                    yield self._cell(command, point, stop, replace(held))
                lab.restore("at-point")
            held.go()
        assert held.end()["code"] == 0, held.told()
        assert held.passed > 3, held.told()

    def _cell(self, command: str, point: str, stop: str, held: Stopper) -> Cell:
        host, problems, code = self.lab.host, [], None
        if stop == POWER:
            host.power_cut()
            host.boot()
            failed = host.run("systemctl --failed --plain --no-legend").out
            problems += [f"after the boot: {line}" for line in failed.splitlines()]
        else:
            told = held.signal(signal.Signals[stop])
            code = told["code"]
            if code not in ENDS[stop]:
                problems.append(f"{stop}: exit {code}\n{told['out']}{told['err']}")
            if "Traceback" in told["err"]:
                problems.append(told["err"])
            problems += [f"pid {pid} stays" for pid in held.stays()]
        lock = (stop, point) == ("SIGKILL", IN_LOCK)
        problems += problems_after_stop(host, lock_may_stay=lock)
        again = host.run(COMMANDS[command], timeout=PATIENCE)
        if again.code:
            problems.append(f"once more: {again}")
        if "Traceback" in again.err:
            problems.append(again.err)
        problems += differences(state(host), self.wanted[command])
        left = read_state(self.lab.array, self.disk)
        if command == "attach-exclusive":
            key = key_of(host)
            if left.is_free or left.registered.count("Key:") != left.registered.count(key):
                problems.append(f"the LUN is not reserved for this host alone: {left}")
            if left.registered.count(key) != 1:
                problems.append(f"there is not one registration of this host: {left}")
        elif not left.is_free:
            problems.append(f"a registration is left on the array: {left}")
        return Cell(self.lab.suite, command, point, stop, code, again.seconds, tuple(problems))


def table(cells: Iterable[Cell]) -> str:
    """The matrix as text: a row for each point, a column for each way to stop."""
    rows: dict[tuple[str, str, str], dict[str, Cell]] = {}
    for cell in cells:
        rows.setdefault((cell.suite, cell.command, cell.point), {})[cell.stop] = cell
    lines = [
        f"| {'suite':<8} | {'command':<7} | {'stopped':<26} | "
        + " | ".join(f"{stop:<9}" for stop in STOPS) + " |",
        f"|{'-' * 10}|{'-' * 9}|{'-' * 28}|" + f"{'-' * 11}|" * len(STOPS),
    ]  # fmt: skip
    for (suite, command, point), row in rows.items():
        words = [f"{said(row.get(stop)):<9}" for stop in STOPS]
        lines.append(f"| {suite:<8} | {command:<7} | {point:<26} | {' | '.join(words)} |")
    return "\n".join(lines)


def said(cell: Cell | None) -> str:
    """A cell in a word: how long the same command took to finish."""
    if cell is None:
        return ""
    return f"ok {cell.again:.0f} s" if cell.green else "FAILED"


def load(paths: Iterable[Path]) -> list[Cell]:
    """Cells that were saved; of the same cell the last."""
    found: dict[tuple[str, ...], Cell] = {}
    for path in paths:
        for line in path.read_text().splitlines():
            row = json.loads(line)
            cell = Cell(**row | {"problems": tuple(row["problems"])})
            found[cell.suite, cell.command, cell.point, cell.stop] = cell
    return list(found.values())


def conclude(cells: list[Cell]) -> int:
    """Print the table, what is wrong, and how many there were; the exit code."""
    print(table(cells))
    red = [cell for cell in cells if not cell.green]
    for cell in red:
        print(f"\n{cell.suite} {cell.command} {cell.point} {cell.stop}:")
        print("\n".join(cell.problems))
    print(f"\n{len(cells)} cells, {len(red)} failed")
    return 1 if red or not cells else 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.stop_matrix")
    parser.add_argument("--suite", default="bookworm")
    parser.add_argument("--over", default="path", choices=WORLDS, help="what the LUN is on")
    parser.add_argument("--only", default="", help="COMMAND[:STOP[,STOP...]]")
    parser.add_argument("--at", default="", help="only points that this expression is found in")
    parser.add_argument("--save", type=Path, help="add each cell to this file")
    parser.add_argument("--show", type=Path, nargs="+", help="print the table of such files")
    return parser.parse_args()


def main() -> int:
    """Run the matrix and print it."""
    args = arguments()
    if args.show:
        return conclude(load(args.show))
    command, _, some = args.only.partition(":")
    commands = [command] if command else list(COMMANDS)
    stops = some.replace("_", " ").split(",") if some else list(STOPS)
    cells: list[Cell] = []
    with Lab.start(args.suite) as lab:
        lab.install_project()
        matrix = Matrix(lab, WORLDS[args.over])
        matrix.prepare(commands)
        for name in commands:
            for cell in matrix.cells(name, lambda p: stops if re.search(args.at, p) else ()):
                cells.append(cell)
                print(f"{cell.command} {cell.point}, {cell.stop}: {said(cell)}", flush=True)
                for problem in cell.problems:
                    print(f"    {problem}", flush=True)
                if args.save:
                    with args.save.open("a") as stream:
                        stream.write(json.dumps(asdict(cell)) + "\n")
    return conclude(cells)


if __name__ == "__main__":
    sys.exit(main())
