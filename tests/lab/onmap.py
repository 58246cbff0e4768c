"""A LUN that the host reaches over both networks of the lab: its map and its paths."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.lab.array import A4
from tests.lab.onhost import run_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.guest import Guest
    from tests.lab.pair import Lab

IQN = "iqn.2001-04.com.example:paths"
ATTACH = f"iscsictl attach -p {A4} -T {IQN} --fs ext4 --mount /srv/mail"


def start_multipathd(lab: Lab) -> Lab:
    """A clean pair whose host has multipath-tools as the package leaves it: enabled, running.

    The lab's image masks the service, for most tests are about one path.
    """
    lab.restore("installed")
    run_on(lab.host, "systemctl unmask multipathd.service multipathd.socket")
    run_on(lab.host, "systemctl start multipathd.service")
    assert run_on(lab.host, "systemctl is-enabled multipathd.service").out == "enabled\n"
    return lab


def path_states(host: Guest) -> list[str]:
    """What multipathd's checker says of each path of a map: ready or faulty (show paths, %T)."""
    asked = run_on(host, "multipathd show paths raw format '%m %T'").out
    pairs = [line.split() for line in asked.splitlines()]  # One word, "ok", where there is none.
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
