"""Measure `reconnect` where all is well: python -m tests.bench.bench_reconnect [RECORDS [SECONDS]].

Beside it, in the same run and on the same files, `iscsiadm -m node -L automatic`, which finds
out of each record that its session is there. It is given some seconds, then ended.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from tests.bench.bench_ls import best
from tests.bench.make_tree import WWID, make
from tests.bench.table import note

PATIENCE = 120.0
RECORD = """\
# BEGIN RECORD 2.1.8
node.name = {target}
node.tpgt = 1
node.startup = automatic
node.leading_login = No
iface.iscsi_ifacename = default
iface.net_ifacename = default
iface.transport_name = tcp
node.discovery_address = {address}
node.discovery_port = 3260
node.discovery_type = send_targets
node.session.initial_cmdsn = 0
node.session.initial_login_retry_max = 8
node.session.xmit_thread_priority = -20
node.session.cmds_max = 128
node.session.queue_depth = 32
node.session.nr_sessions = 1
node.session.auth.authmethod = None
node.session.auth.chap_algs = MD5
node.session.timeo.replacement_timeout = 600
node.session.err_timeo.abort_timeout = 15
node.session.err_timeo.lu_reset_timeout = 30
node.session.err_timeo.tgt_reset_timeout = 30
node.session.err_timeo.host_reset_timeout = 60
node.session.iscsi.FastAbort = Yes
node.session.iscsi.InitialR2T = No
node.session.iscsi.ImmediateData = Yes
node.session.iscsi.FirstBurstLength = 262144
node.session.iscsi.MaxBurstLength = 16776192
node.session.iscsi.DefaultTime2Retain = 0
node.session.iscsi.DefaultTime2Wait = 2
node.session.iscsi.MaxConnections = 1
node.session.iscsi.MaxOutstandingR2T = 1
node.session.iscsi.ERL = 0
node.session.scan = auto
node.conn[0].address = {address}
node.conn[0].port = 3260
node.conn[0].startup = manual
node.conn[0].tcp.window_size = 524288
node.conn[0].tcp.type_of_service = 0
node.conn[0].timeo.logout_timeout = 15
node.conn[0].timeo.login_timeout = 15
node.conn[0].timeo.auth_timeout = 45
node.conn[0].timeo.noop_out_interval = 5
node.conn[0].timeo.noop_out_timeout = 5
node.conn[0].iscsi.MaxXmitDataSegmentLength = 0
node.conn[0].iscsi.MaxRecvDataSegmentLength = 262144
node.conn[0].iscsi.HeaderDigest = None
node.conn[0].iscsi.DataDigest = None
node.conn[0].iscsi.IFMarker = No
node.conn[0].iscsi.OFMarker = No
# END RECORD
"""
NAMESPACE = """\
mount --rbind "$1/sys" /sys && mount --bind "$1/etc/iscsi" /etc/iscsi &&
for db in /var/lib/iscsi; do [ ! -d $db ] || mount --bind "$1/etc/iscsi" $db; done &&
exec "$2" -m node -L automatic
"""


def make_records(root: Path, number: int) -> None:
    """Add an automatic record and a line of fstab for each session of the tree."""
    lines = []
    for index in range(number):
        target = f"iqn.2003-01.org.example:array.lun{index:05}"
        address = f"192.0.{index // 250}.{index % 250 + 1}"
        place = root / "etc/iscsi/nodes" / target / f"{address},3260,1"
        place.mkdir(parents=True)
        (place / "default").write_text(RECORD.format(target=target, address=address))
        lines.append(
            f"UUID={index:036x} /srv/lun{index} ext4 _netdev,nofail,"
            f"x-systemd.after=open-iscsi.service,x-iscsictl.wwid={WWID.format(index)},"
            f"x-iscsictl.target={target},x-iscsictl.lun=0 0 0\n"
        )
    (root / "etc/fstab").write_text("".join(lines))


def reconnect(root: Path) -> None:
    """Run it once; it has nothing to say."""
    done = subprocess.run(
        [sys.executable, "-m", "iscsictl", "reconnect", "--quiet"],
        check=True, capture_output=True, env=os.environ | {"ISCSICTL_ROOT": str(root)},
    )  # fmt: skip
    if done.stdout or done.stderr:
        raise RuntimeError(f"reconnect had something to say: {done}")


def peak(root: Path) -> float:
    """Return the most memory that one run has at once, in MB."""
    code = (
        "import resource,subprocess,sys;"
        "subprocess.run([sys.executable,'-m','iscsictl','reconnect','--quiet'],check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    environment = os.environ | {"ISCSICTL_ROOT": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, env=environment
    )
    return int(done.stdout) / 1024


def children(root: Path) -> int | None:
    """Return how many processes it starts; None where strace is not there to count them."""
    if shutil.which("strace") is None:
        return None
    done = subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=clone,clone3,fork,vfork,execve",
         sys.executable, "-m", "iscsictl", "reconnect", "--quiet"],
        check=True, capture_output=True, env=os.environ | {"ISCSICTL_ROOT": str(root)},
    )  # fmt: skip
    return len(done.stderr.splitlines()) - 1


def iscsiadm(folder: Path) -> str | None:
    """Return where iscsiadm is: installed, or taken out of Debian's packages."""
    found = shutil.which("iscsiadm", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found or shutil.which("apt-get") is None:
        return found
    packages = ["open-iscsi", "libopeniscsiusr", "libisns0"]
    fetched = subprocess.run(
        ["apt-get", "-q", "download", *packages], cwd=folder, capture_output=True, check=False
    )
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)
    libraries = sorted({str(path.parent) for path in folder.rglob("*.so.*")})
    os.environ["LD_LIBRARY_PATH"] = ":".join(libraries)
    own = next(folder.rglob("sbin/iscsiadm"), None)
    return str(own) if own is not None and fetched.returncode == 0 else None


def peer(root: Path, folder: Path, patience: float) -> str:
    """Run iscsiadm on the same tree, in a mount namespace of its own, and say how long it took."""
    program = iscsiadm(folder)
    if program is None or os.geteuid() != 0:
        return "not measured: no iscsiadm, or not root"
    Path("/etc/iscsi").mkdir(exist_ok=True)
    command = ["unshare", "--mount", "sh", "-c", NAMESPACE, "sh", str(root), program]
    began = time.perf_counter()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        return f"more than {patience:.0f} s"
    if done.returncode != 15:
        return f"failed with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}"
    return f"{time.perf_counter() - began:.2f} s"


def main() -> None:
    """Print one figure a line."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    patience = float(sys.argv[2]) if len(sys.argv) > 2 else PATIENCE
    with tempfile.TemporaryDirectory() as name:
        root, folder = Path(name) / "tree", Path(name) / "packages"
        root.mkdir()
        folder.mkdir()
        make(root, number)
        make_records(root, number)
        floor = best(lambda: subprocess.run([sys.executable, "-c", "import click"], check=True))
        own = best(partial(reconnect, root))
        print(f"python -c 'import click': {floor:.3f} s")
        print(
            f"{number} automatic records, all connected and mounted, iscsictl reconnect: "
            f"{own:.3f} s, {own / floor:.1f} times that (at most 12)"
        )
        memory = peak(root)
        print(f"its peak memory: {memory:.0f} MB (at most 60)")
        what = f"`reconnect`, {number} records, nothing to do"
        note("bench_reconnect", what, own, {"`import click`": floor}, memory=memory)
        print(f"processes that it starts: {children(root)} (none)")
        print(f"iscsiadm -m node -L automatic on the same tree: {peer(root, folder, patience)}")


if __name__ == "__main__":
    main()
