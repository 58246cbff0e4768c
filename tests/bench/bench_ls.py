"""Measure `ls`: python -m tests.bench.bench_ls [SESSIONS]."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from iscsictl.parse.capture import parse_capture
from iscsictl.system.sysfs import read_listing
from iscsictl.ui.jsonout import listing_json
from tests.bench.make_tree import make

CAPTURED = 10_000
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


def best(what: Callable[[], object], times: int = 5) -> float:
    """Return the shortest of several runs in seconds."""
    spans = []
    for _ in range(times):
        begin = time.perf_counter()
        what()
        spans.append(time.perf_counter() - begin)
    return min(spans)


def main() -> None:
    """Print one figure a line."""
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    text = "".join(GROUP.format(n=n) for n in range(CAPTURED)).encode()
    seconds = best(lambda: parse_capture(text), 2)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"capture of {CAPTURED} sessions, {len(text) / 1e6:.1f} MB: {seconds:.2f} s, {peak:.0f} MB"
    )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root, sessions)
        one = root / "one"
        make(one, 1)
        print(f"{sessions} sessions, listing: {best(lambda: read_listing(root)):.3f} s")
        listing = read_listing(root)
        print(f"{sessions} sessions, as JSON: {best(lambda: listing_json(listing)):.3f} s")
        plain = best(lambda: subprocess.run([sys.executable, "-c", "import click"], check=True))
        print(f"python -c 'import click': {plain:.3f} s")
        for place, number in ((root, sessions), (one, 1)):
            for args in (["ls"], ["ls", "-o", "json"]):
                seconds = best(partial(process, place, args))
                print(f"{number} sessions, iscsictl {' '.join(args)}: {seconds:.3f} s")


def process(root: Path, args: list[str]) -> None:
    """Run iscsictl on a made tree."""
    subprocess.run(
        [sys.executable, "-m", "iscsictl", *args],
        check=True,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"ISCSICTL_ROOT": str(root)},
    )


if __name__ == "__main__":
    main()
