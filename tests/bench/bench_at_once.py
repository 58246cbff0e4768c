"""Measure many `attach` at once on the lab: bench_at_once [VOLUMES [SUITE [ROUNDS]]].

One process for each LUN, as configuration management starts them, beside one `apply` of the same
LUNs. They take turns, and each begins from the same saved state of both machines; told are the
medians. `--timeout` is left as it is. Each process has to start Python, which an emulated processor
does slowly: what that takes of the time is told too.
"""

import json
import statistics
import sys
from collections import Counter

from tests.bench.bench_apply import export
from tests.bench.pair import start
from tests.bench.table import note
from tests.lab.agent import Result
from tests.lab.array import A4
from tests.lab.image import SUITES
from tests.lab.pair import Lab

VOLUMES = 20
ROUNDS = 3
#: What the processes may take, of the time of one `apply`.
LIMIT = 1.5
PATIENCE = 1800.0
APPLY = "iscsictl apply -q /root/volumes.toml"
#: For bash, with the names as arguments: prints an exit code a line.
AT_ONCE = f"""
for n; do
    (iscsictl attach -q -p {A4} -T iqn.2001-04.com.example:$n --fs ext4 --mount /srv/$n
    echo $?) &
done
wait
"""
STARTS = "for n; do python3 -c 'import iscsictl.cli.main' & done; wait"


def run(lab: Lab, command: str, names: list[str]) -> Result:
    """Run a command of bash with the names, from the saved state to its end."""
    lab.restore("targets")
    return lab.host.run(["bash", "-c", command, "bash", *names], timeout=PATIENCE)


def findings(lab: Lab) -> Counter[str]:
    """What doctor finds on the host, without the names of what it is about."""
    found = lab.host.run("iscsictl doctor -J", timeout=PATIENCE).out
    return Counter(one["id"] for one in json.loads(found)["findings"])


def check_volumes(lab: Lab, names: list[str], told: Result) -> None:
    """Raise RuntimeError unless each volume is mounted and in fstab, once."""
    for path, mark in (("/proc/mounts", " "), ("/etc/fstab", " .*x-iscsictl.wwid")):
        found = lab.host.run(f"grep -o ' /srv/[^ ]*{mark}' {path} | cut -d' ' -f2 | sort").out
        if found.split() != [f"/srv/{name}" for name in names]:
            raise RuntimeError(f"{path} has {found.split()}: {told}")


def main() -> None:
    """Print a table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else VOLUMES
    suite = sys.argv[2] if len(sys.argv) > 2 else SUITES[0]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else ROUNDS
    names = [f"v{number:02}" for number in range(count)]
    commands = {"apply": APPLY, "attach at once": AT_ONCE, "Python started as often": STARTS}
    taken: dict[str, list[float]] = {what: [] for what in commands}
    with start(suite) as lab:
        lab.restore("booted")
        lab.install_project()
        export(lab, names)
        lab.snapshot("targets")
        for _ in range(rounds):
            found: dict[str, Counter[str]] = {}
            for what, command in commands.items():
                done = run(lab, command, names)
                taken[what].append(done.seconds)
                codes = dict(Counter(done.out.split()))
                print(f"{what}: {done.seconds:.1f} s, exit {done.code} {codes}", flush=True)
                if command == STARTS:
                    continue
                print(done.err, end="", flush=True)
                if done.code or codes.keys() - {"0"}:
                    raise RuntimeError(str(done))
                check_volumes(lab, names, done)
                found[what] = findings(lab)
            if more := found["attach at once"] - found["apply"]:
                raise RuntimeError(f"doctor finds after attach alone: {more}")
    medians = {what: statistics.median(seconds) for what, seconds in taken.items()}
    for what, seconds in medians.items():
        each = " ".join(f"{one:.1f}" for one in taken[what])
        print(f"{count} LUNs, {suite}: {what:<25} {seconds:6.1f} s  {each}")
    own = medians.pop("attach at once")
    print(f"{own / medians['apply']:.2f} times `apply` (at most {LIMIT})")
    beside = {"one `apply`": medians["apply"], "Python, started as often": medians.popitem()[1]}
    note("bench_at_once", f"{count} `attach` at once", own, beside)


if __name__ == "__main__":
    main()
