"""Measure `apply` on the lab: python -m tests.bench.bench_apply [VOLUMES] [SUITE].

Beside it, in the same run and on the same LUNs: the usual shell script, one LUN after the other and
all at once (in turn, the median of three rounds), Ansible, and the floor: what the programs alone
take that any way has to run (once each). Each begins from the same saved state of both machines.
"""

import statistics
import sys

from tests.bench import peers
from tests.bench.bench_attach import ALONE
from tests.bench.pair import start
from tests.bench.table import note
from tests.lab.agent import Result
from tests.lab.array import A4
from tests.lab.image import SUITES
from tests.lab.pair import Lab

VOLUMES = 16
ROUNDS = 3
SIZE = "128M"
OURS = "iscsictl apply"
PATIENCE = 900.0
SCRIPT = f"""\
set -e
name=$1
target=iqn.2001-04.com.example:$name
disk=/dev/disk/by-path/ip-{A4}:3260-iscsi-$target-lun-0
iscsiadm -m discovery -t sendtargets -p {A4}
iscsiadm -m node -T $target -p {A4} --login
udevadm settle
while ! [ -b $disk ]; do sleep 0.1; done
echo ',,' | sfdisk -q --label gpt $disk
udevadm settle
while ! [ -b $disk-part1 ]; do sleep 0.1; done
mkfs.ext4 -q $disk-part1
uuid=$(blkid -p -s UUID -o value $disk-part1)
mkdir -p /srv/$name
echo "UUID=$uuid /srv/$name ext4 _netdev,nofail 0 0" >> /etc/fstab
mount /srv/$name
"""
# One discovery for all: of sixteen at once the array may answer one alone.
ONCE = "sed -n '/discovery/p' /root/one | sh; sed '/discovery/d' /root/one >/root/two; "
# Takes the names; prints microseconds.
FLOOR = f"""
disk() {{ echo /dev/disk/by-path/ip-{A4}:3260-iscsi-iqn.2001-04.com.example:$1-lun-0; }}
alone iscsiadm -m discovery -t sendtargets -p {A4} >/dev/null
alone iscsiadm -m node -p {A4} --login >/dev/null
for name; do
    until [ -b $(disk $name) ]; do sleep 0.1; done
    alone sfdisk -q $(disk $name) <<<$'label: gpt\\n,,'
    udevadm settle
    until [ -b $(disk $name)-part1 ]; do sleep 0.1; done
    alone mkfs.ext4 -q $(disk $name)-part1
    mkdir -p /srv/$name
    echo "$(disk $name)-part1 /srv/$name ext4 _netdev,nofail 0 0" >>/etc/fstab
done
alone systemctl daemon-reload
for name; do
    alone mount /srv/$name
done
echo $taken
"""
VOLUME = """\
[[volume]]
name = "{name}"
portals = ["{portal}"]
target = "iqn.2001-04.com.example:{name}"
fs = "ext4"
mount = "/srv/{name}"
"""


def export(lab: Lab, names: list[str]) -> None:
    """Export a blank LUN for each name; on the host, /root/volumes.toml has them all."""
    for name in names:
        disk = lab.array.disk(name, SIZE)
        lab.array.target(f"iqn.2001-04.com.example:{name}", [disk], portals=[A4])
    spec = "\n".join(VOLUME.format(name=name, portal=A4) for name in names)
    lab.host.put("/root/volumes.toml", spec)


def measure(lab: Lab, command: str, names: list[str]) -> Result:
    """Run a command to its end, every volume mounted by then."""
    lab.restore("targets")
    result = lab.host.run(["bash", "-c", command], timeout=PATIENCE)
    mounted = lab.host.run("grep -c ' /srv/' /proc/mounts").out.strip()
    if result.code or mounted != str(len(names)):
        raise RuntimeError(f"{mounted} of {len(names)} are mounted: {result}")
    return result


def main() -> None:
    """Print a table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else VOLUMES
    suite = sys.argv[2] if len(sys.argv) > 2 else SUITES[0]
    names = [f"v{number:02}" for number in range(count)]
    with start(suite) as lab:
        lab.restore("booted")
        peers.install(lab.host, lab.image)
        lab.install_project()
        export(lab, names)
        lab.host.put("/root/one", SCRIPT)
        lab.host.put("/root/floor", ALONE + FLOOR)
        lab.snapshot("targets")
        each = " ".join(names)
        at_once = f"{ONCE}for n in {each}; do sh /root/two $n & done; wait"
        commands = {
            "the shell script, one after the other": f"for n in {each}; do sh /root/one $n; done",
            "the shell script, all at once": at_once,
            OURS: "iscsictl apply -q /root/volumes.toml",
        }
        taken: dict[str, list[float]] = {what: [] for what in commands}
        for _ in range(ROUNDS):
            for what, command in commands.items():
                taken[what].append(measure(lab, command, names).seconds)
        volumes = {f"iqn.2001-04.com.example:{name}": f"/srv/{name}" for name in names}
        ansible = measure(lab, peers.play(volumes, portal=A4), names).seconds
        alone = measure(lab, f"bash /root/floor {each}", names).out
        rows = {"floor: the programs alone": int(alone) / 1e6, "Ansible": ansible}
        rows |= {what: statistics.median(seconds) for what, seconds in taken.items()}
        script = rows["the shell script, one after the other"]
        for what, seconds in rows.items():
            each = " ".join(f"{one:.1f}" for one in taken.get(what, ()))
            ratio = seconds / script
            print(f"{count} LUNs, {suite}: {what:<40} {seconds:6.1f} s  {ratio:.2f}  {each}")
        note("bench_apply", f"`apply` of {count} LUNs", rows.pop(OURS), rows)


if __name__ == "__main__":
    main()
