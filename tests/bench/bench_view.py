"""Measure the CPU of iscsiadm beside many sessions: python -m tests.bench.bench_view.

300 records without a session beside 1000 sessions, on a made tree, in namespaces of their own. In
iscsid's place a socket answers at once that all is well, so what is left is iscsiadm's own work up
to its requests. The peer is one `iscsiadm -m node --login` for the same records; ours is what
`login`, `reconnect` and `apply` run, with the views that session_view makes. Likewise 100 logouts
of the 1000 sessions, beside an `iscsiadm --logout` for each.
"""

import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from iscsictl.model.names import Portal
from iscsictl.system.iscsi import iscsiadm, login_batch
from iscsictl.system.iscsi.iscsiadm import Key
from tests.bench.bench_reconnect import RECORD
from tests.bench.make_tree import make
from tests.bench.real import INSIDE, Iscsiadm, answering, prepare
from tests.bench.table import note

RECORDS = 300
SESSIONS = 1000
LOGOUTS = 100
LIMIT = 2.0
PATIENCE = 120.0
NODES = Path("/etc/iscsi/nodes")
# An unpacked iscsiadm and its libraries are put over /usr/sbin and over the libraries' directory,
# because iscsictl gives its children a PATH and an environment of its own.
_OVER = """
set -e
program=$1 libraries=$2
shift 2
if [ -n "$libraries" ]; then
  mount -t overlay -o "lowerdir=$program:/usr/sbin" overlay /usr/sbin
  for folder in $(echo "$libraries" | tr : ' '); do
    usual=/usr/lib/${folder##*/usr/lib/}
    mount -t overlay -o "lowerdir=$folder:$usual" overlay "$usual"
  done
fi
exec "$@"
"""


def key_of(number: int) -> Key:
    """Return the record of this number; no session of the tree is its own."""
    address = f"198.51.{number // 250}.{number % 250 + 1}"
    return Key(f"iqn.2003-01.org.example:down.lun{number:05}", Portal(address, 3260, 1), "default")


def write_records(etc: Path, number: int) -> None:
    """Write the records that have no session."""
    for key in map(key_of, range(number)):
        place = etc / "iscsi/nodes" / key.target / f"{key.portal.address},3260,1"
        place.mkdir(parents=True)
        (place / "default").write_text(RECORD.format(target=key.target, address=key.portal.address))


def cpu() -> float:
    """Return the CPU seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def inside(number: int, patience: float) -> None:
    """Measure both, in the namespaces, and print the figures as JSON."""
    figures = {}
    for name in ("ours", "iscsiadm"):
        before, began = cpu(), time.perf_counter()
        if name == "ours":
            codes = login_batch.log_in(map(key_of, range(number)), NODES.parent, timeout=patience)
            if codes is None or set(codes.values()) != {0}:
                raise RuntimeError(f"the logins failed: {codes}")
        else:
            # One that takes longer is ended: its figures are lower bounds then.
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(
                    ["/usr/sbin/iscsiadm", "-m", "node", "--login"],
                    check=True, capture_output=True, timeout=patience,
                )  # fmt: skip
        figures[name] = (cpu() - before, time.perf_counter() - began)
    sids = range(1, 1 + LOGOUTS)
    before, began = cpu(), time.perf_counter()
    failures = iscsiadm.log_out_together(dict.fromkeys(sids, ""), timeout=patience)
    if failures is None or failures:
        raise RuntimeError(f"the logouts failed: {failures}")
    figures["our logouts"] = (cpu() - before, time.perf_counter() - began)
    before, began = cpu(), time.perf_counter()
    for sid in sids:
        subprocess.run(
            ["/usr/sbin/iscsiadm", "-m", "session", "-r", str(sid), "--logout"],
            check=True, capture_output=True,
        )  # fmt: skip
    figures["logouts"] = (cpu() - before, time.perf_counter() - began)
    print(json.dumps(figures))


def measure(
    records: int, sessions: int, patience: float = PATIENCE
) -> dict[str, tuple[float, float]] | None:
    """Return CPU and elapsed seconds of ours and of iscsiadm's, None without root or iscsiadm."""
    program = Iscsiadm.find()
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as name:
        tree, etc = Path(name) / "tree", Path(name) / "etc"
        tree.mkdir()
        etc.mkdir()
        make(tree, sessions)
        prepare(tree, etc)
        write_records(etc, records)
        done = subprocess.run(
            ["unshare", "-mn", "sh", "-c", INSIDE, "sh", str(tree), str(etc), "",
             "sh", "-c", _OVER, "sh", str(Path(program.program).parent), program.libraries,
             sys.executable, "-m", "tests.bench.bench_view", "--inside", str(records),
             str(patience)],
            check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    figures: dict[str, tuple[float, float]] = json.loads(done.stdout)
    return figures


def main() -> None:
    """Print one figure a line."""
    figures = measure(RECORDS, SESSIONS)
    if figures is None:
        print("not measured: no iscsiadm, or not root")
        return
    for name, (used, elapsed) in figures.items():
        what = f"{RECORDS} logins and {LOGOUTS} logouts beside {SESSIONS} sessions, {name}"
        print(f"{what}: {used:.2f} s CPU, {elapsed:.2f} s")
    print(f"ours: at most {LIMIT} s CPU wanted")
    (ours, _), (theirs, elapsed) = figures["ours"], figures["iscsiadm"]
    ended = "" if elapsed < PATIENCE else f", ended after {PATIENCE:.0f} s: more than"
    what = f"CPU of iscsiadm for {RECORDS} logins beside {SESSIONS} sessions"
    note("bench_view", what, ours, {f"`iscsiadm -m node --login`{ended}": theirs})
    what = f"CPU of iscsiadm for {LOGOUTS} logouts of {SESSIONS} sessions"
    beside = {f"{LOGOUTS} times `iscsiadm --logout`": figures["logouts"][0]}
    note("bench_view", what, figures["our logouts"][0], beside)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        with answering():
            inside(int(sys.argv[2]), float(sys.argv[3]))
    else:
        main()
