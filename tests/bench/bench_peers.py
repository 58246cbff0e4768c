"""Measure `attach` of one LUN beside its peers: python -m tests.bench.bench_peers [SUITE].

The whole way, from a blank LUN behind a CHAP account to a mounted filesystem in fstab, is gone by
a plain script and by Ansible too; the connection alone by iscsiadm and by OpenStack's os-brick.
The floor is what the programs alone take that each way has to run. All go in turn in one run, and
each has a blank LUN of its own, of which nothing is left when the next one comes.
"""

import contextlib
import statistics
import sys
from collections.abc import Iterator

from tests.bench import peers
from tests.bench.bench_attach import FLOOR, SCRIPT, floor
from tests.bench.pair import start
from tests.bench.table import note
from tests.lab.array import A4
from tests.lab.guest import Guest
from tests.lab.pair import Lab

IQN = "iqn.2001-04.com.example:t"
PATH = "/srv/volume"
USER, SECRET = "bench-account", "Xq7-tRw2-Lm9v-Kz4p"
ROUNDS = 3
PATIENCE = 240.0
DISK = f"/dev/disk/by-path/ip-{A4}:3260-iscsi-$1-lun-0"
NODE = f"iscsiadm -m node -T $1 -p {A4}"
ACCOUNT = (
    "-n node.session.auth.authmethod -v CHAP"
    f" -n node.session.auth.username -v {USER} -n node.session.auth.password -v {SECRET}"
)
WORDS = {"portal": A4, "path": PATH, "account": ACCOUNT}
CONNECT = f"""set -e
iscsiadm -m discovery -t st -p {A4} >/dev/null
{NODE} -o update {ACCOUNT}
{NODE} --login >/dev/null
udevadm settle
test -b {DISK}
"""
# Prints the seconds of connect_volume itself: a service has done the rest once and for all.
BRICK = f"""
import sys
import time

import os_brick
from os_brick import privileged
from os_brick.initiator import connector
from oslo_concurrency import lockutils
from oslo_config import cfg

cfg.CONF([], project="bench")
lockutils.set_defaults("/run/lock")
os_brick.setup(cfg.CONF)
privileged.default.set_client_mode(False)
iscsi = connector.InitiatorConnector.factory("ISCSI", None)
begin = time.monotonic()
found = iscsi.connect_volume({{
    "target_portal": "{A4}:3260",
    "target_iqn": sys.argv[1],
    "target_lun": 0,
    "auth_method": "CHAP",
    "auth_username": "{USER}",
    "auth_password": "{SECRET}",
}})
seconds = time.monotonic() - begin
open(found["path"], "rb").close()
print(seconds)
"""
CLEAN = f"""set -e
if mountpoint -q {PATH}; then
    umount {PATH}
    sed -i '\\|[[:space:]]{PATH}[[:space:]]|d' /etc/fstab
    systemctl daemon-reload
fi
{NODE} --logout >/dev/null
{NODE} -o delete
iscsiadm -m discoverydb -t st -p {A4} -o delete >/dev/null 2>&1 || true
udevadm settle
"""
FILES = {
    "connect": CONNECT,
    "clean": CLEAN,
    "brick.py": BRICK,
    "secret": f"{SECRET}\n",
}
ATTACH = f"iscsictl attach -p {A4} --chap-user {USER} --chap-secret-file /root/secret -T"
Figures = dict[str, float]


@contextlib.contextmanager
def fresh_lun(lab: Lab, number: int) -> Iterator[str]:
    """Export a blank disk and give its target's name; all is as before at the end."""
    target = f"{IQN}{number}"
    disk = lab.array.disk(f"d{number}", "256M")
    lab.array.target(target, [disk], chap=(USER, SECRET))
    yield target
    run(lab.host, f"sh clean {target}")
    lab.array.remove_target(target)
    lab.array.remove_disk(disk)


def run(host: Guest, command: str) -> tuple[float, str]:
    """Run a command, wait until udev rests, and return the command's seconds and output."""
    result = host.run(command, check=True, timeout=PATIENCE)
    host.run("udevadm settle", check=True)
    return result.seconds, result.out


def mounted(host: Guest, command: str) -> float:
    """Run a command after which the filesystem has to be mounted; return its seconds."""
    seconds, _ = run(host, command)
    host.run(f"mountpoint -q {PATH} && findmnt --fstab {PATH}", check=True)
    return seconds


def one_round(lab: Lab, number: int) -> Figures:
    """Let each go its way once, on LUNs from this number on."""
    host = lab.host
    found: Figures = {}
    with fresh_lun(lab, number) as target:
        bare = floor(host, FLOOR.format(target=target, **WORDS))
        found["connection floor"], found["floor"] = bare
    with fresh_lun(lab, number + 1) as target:
        found["script"] = mounted(host, SCRIPT.format(target=target, **WORDS))
    with fresh_lun(lab, number + 2) as target:
        command = f"{ATTACH} {target} --fs ext4 --mount {PATH}"
        found["attach"] = mounted(host, command)
        found["attach again"] = mounted(host, command)
    with fresh_lun(lab, number + 3) as target:
        command = peers.play({target: PATH}, portal=A4, user=USER, secret=SECRET)
        found["ansible"] = mounted(host, command)
        found["ansible again"] = mounted(host, command)
    with fresh_lun(lab, number + 7) as target:
        command = peers.play({target: PATH}, portal=A4, user=USER, secret=SECRET)
        found["ansible without facts"] = mounted(host, peers.WITHOUT_FACTS + command)
    with fresh_lun(lab, number + 4) as target:
        found["iscsiadm"] = run(host, f"sh connect {target}")[0]
    with fresh_lun(lab, number + 5) as target:
        found["connect"] = run(host, f"{ATTACH} {target} --print-device")[0]
    with fresh_lun(lab, number + 6) as target:
        found["brick process"], printed = run(host, f"python3 brick.py {target}")
        found["brick"] = float(printed)
    return found


def table(rounds: list[Figures], rows: dict[str, str], ours: str) -> None:
    """Print and note the rows' medians, and what part of each the row of ours is."""
    own = statistics.median(one[ours] for one in rounds)
    beside = {
        name: statistics.median(one[key] for one in rounds)
        for key, name in rows.items()
        if key != ours
    }
    note("bench_peers", rows[ours], own, beside)
    for key, name in rows.items():
        figures = [one[key] for one in rounds]
        middle = statistics.median(figures)
        ratio = "" if key == ours else f"   iscsictl takes {own / middle:.2f} times that"
        spread = f"({min(figures):.1f} to {max(figures):.1f})"
        print(f"{name:<36}{middle:6.1f} s   {spread:<16}{ratio}".rstrip(), flush=True)


def main() -> None:
    """Print the tables."""
    suite = sys.argv[1] if len(sys.argv) > 1 else "bookworm"
    with start(suite) as lab:
        lab.restore("booted")
        peers.install(lab.host, lab.image)
        for name, content in FILES.items():
            lab.host.put(f"/root/{name}", content, 0o600)
        lab.install_project()
        each = [one_round(lab, 10 * n) for n in range(ROUNDS + 1)]
    rounds = each[1:]  # the first finds nothing in the guest's caches
    print(f"one LUN with CHAP, gpt, ext4, mounted, in fstab; {suite}, medians of {ROUNDS} in turn")
    table(
        rounds,
        {
            "attach": "`attach` with CHAP",
            "script": "plain script",
            "floor": "floor: the programs alone",
            "ansible": "Ansible",
            "ansible without facts": "Ansible without facts",
        },
        "attach",
    )
    print("the same again")
    again = {"attach again": "`attach` with CHAP, run again", "ansible again": "Ansible"}
    table(rounds, again, "attach again")
    print("the connection alone, to the disk that can be opened")
    table(
        rounds,
        {
            "connect": "`attach --print-device`, the connection alone",
            "iscsiadm": "iscsiadm and udevadm settle",
            "connection floor": "floor: iscsiadm alone",
            "brick process": "os-brick in a new process",
            "brick": "os-brick in a service",
        },
        "connect",
    )


if __name__ == "__main__":
    main()
