"""A LUN that the host reaches over both networks of the lab: its map, its paths, and a writer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.array import A4
from tests.lab.onhost import run_on
from tests.lab.rundir import NETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.agent import Background
    from tests.lab.guest import Guest
    from tests.lab.pair import Lab

IQN = "iqn.2001-04.com.example:paths"
ATTACH = f"iscsictl attach -p {A4} -T {IQN} --fs ext4 --mount /srv/mail"
#: Writes numbered lines, five a second. Each is synced, and only then its number is noted on the
#: host's own disk. A write that took longer than a second is noted too, with how long it took.
WRITER = """\
import os, sys, time
name = sys.argv[1]
out = os.open(f"/srv/{name}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
noted = os.open(f"/root/{name}.noted", os.O_WRONLY | os.O_CREAT, 0o644)
stalls = open(f"/root/{name}.stalls", "w", buffering=1)
number = 0
while not os.path.exists("/root/enough"):
    number += 1
    began = time.monotonic()
    os.write(out, b"%08d\\n" % number)
    os.fsync(out)
    took = time.monotonic() - began
    os.pwrite(noted, b"%08d" % number, 0)
    if took > 1:
        stalls.write(f"{took:.1f}\\n")
    time.sleep(0.2)
"""


def start_multipathd(lab: Lab) -> Lab:
    """A clean pair whose host has multipath-tools as the package leaves it: enabled, running.

    The lab's image masks the service, for most tests are about one path.
    """
    lab.restore("installed")
    unmask_multipathd(lab.host)
    return lab


def unmask_multipathd(host: Guest) -> None:
    """Have multipathd enabled and running on a host of the lab's image."""
    run_on(host, "systemctl unmask multipathd.service multipathd.socket")
    run_on(host, "systemctl start multipathd.service")
    assert run_on(host, "systemctl is-enabled multipathd.service").out == "enabled\n"


def path_states(host: Guest) -> list[str]:
    """What multipathd's checker says of each path of a map: ready or faulty (show paths, %T).

    Nothing while multipathd is busy: it gives up after 4 s (uxsock_timeout, multipath.conf(5)).
    """
    asked = host.run("multipathd show paths raw format '%m %T'")
    assert asked.code == 0 or (asked.code, asked.out) == (1, "timeout\n"), str(asked)
    # One word, "ok" or "timeout", where there is none.
    pairs = [line.split() for line in asked.out.splitlines()]
    return sorted(pair[1] for pair in pairs if len(pair) == 2 and "[" not in pair[0])


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> float:
    """Wait until a condition holds; return how many seconds that took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds
        time.sleep(0.5)
    return time.monotonic() - began


def wait_until_ready(host: Guest, seconds: float = 60.0) -> float:
    """Wait until every path of every map is ready; return how many seconds that took."""
    return wait_for(lambda: set(path_states(host)) == {"ready"}, seconds)


@dataclass(frozen=True)
class NumberedWriter:
    """A process on the host that writes numbered lines to /srv/NAME/log, each one synced."""

    host: Guest
    name: str
    process: Background

    @classmethod
    def start(cls, host: Guest, name: str) -> NumberedWriter:
        """Start it, and wait until its first line is synced."""
        host.put("/root/writer.py", WRITER)
        one = cls(host, name, host.start(f"exec python3 /root/writer.py {name}"))
        wait_for(lambda: one.noted() > 0)
        return one

    def noted(self) -> int:
        """Return the last number that was synced."""
        return int(self.host.run(f"cat /root/{self.name}.noted").out or "0")

    def is_writing(self) -> bool:
        """Tell whether a line was synced in the last second and a half."""
        before = self.noted()
        time.sleep(1.5)
        return self.noted() > before

    def end(self) -> list[float]:
        """End it, require that no write failed, and return the seconds of each slow write."""
        run_on(self.host, "touch /root/enough")
        ended = self.process.wait(120)
        assert ended.code == 0, str(ended)
        stalls = run_on(self.host, f"cat /root/{self.name}.stalls").out
        return [float(line) for line in stalls.split()]

    def require_all_kept(self) -> None:
        """Require that every number that was synced can be read back from the array, in order."""
        path = f"/srv/{self.name}"
        run_on(self.host, f"umount {path} && echo 3 > /proc/sys/vm/drop_caches && mount {path}")
        kept = run_on(self.host, f"cat {path}/log").out.split()
        assert kept == [f"{number:08d}" for number in range(1, self.noted() + 1)]


def cut_in_turn(lab: Lab, writers: list[NumberedWriter], cuts: int) -> list[float]:
    """Cut the networks in turn, each until its paths are faulty and I/O goes over the other one.

    Returns for each cut how many seconds after the cable was back all paths were ready.
    """
    back = []
    for number in range(cuts):
        net = NETS[number % 2]
        lab.cut(net)
        wait_for(lambda: "faulty" in path_states(lab.host))
        wait_for(lambda: all(writer.is_writing() for writer in writers))
        lab.restore_cables(net)
        back.append(wait_until_ready(lab.host))
    return back
