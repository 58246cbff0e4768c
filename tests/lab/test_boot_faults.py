"""Boots and shutdowns of the host: what is mounted after, in which order it is taken down."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A6
from tests.lab.onhost import IQN, attached, mounted, run_on

if TYPE_CHECKING:
    from tests.lab.guest import Guest
    from tests.lab.pair import Lab

#: The address comes 20 s after the boot, and nothing waits for it.
LATE = """\
[Service]
ExecStart=
ExecStart=/usr/bin/systemd-run --on-active=20 /usr/local/lib/lab/network up
"""
#: A shutdown that nothing holds up takes a few seconds, under emulation too.
PROMPT_SHUTDOWN = 60.0
#: The longest that a boot may be held up by an array that is away (8 logins of 15 s, and some).
LATER = 150.0
#: What an array that is away adds to the recovery timeout at most: systemd gives 90 s to each of
#: the unit of the mount, the logins' own, and the last unmounting (systemd-system.conf(5)).
UNIT_TIMEOUTS = 3 * 90.0
BOUND = 900.0


def say_all(host: Guest) -> None:
    """Have systemd say on the console what it starts and stops (systemd(1), SIGRTMIN+20)."""
    run_on(host, "python3 -c 'import os, signal; os.kill(1, signal.SIGRTMIN + 20)'")


def place(log: str, pattern: str) -> int:
    """Where a console's log says it for the first time."""
    found = re.search(pattern, log)
    assert found is not None, f"{pattern!r} is not in:\n{log}"
    return found.start()


def connected(lab: Lab) -> str:
    """What the array knows of sessions: an initiator that logged out is gone at once."""
    return lab.array.run(
        "cat /sys/kernel/config/target/iscsi/iqn*/tpgt_1/dynamic_sessions | tr -d '\\0'"
    ).out.strip()


@pytest.mark.fault("F13")
@pytest.mark.fault("F38")
@pytest.mark.fault("F47")
@pytest.mark.fault("F49")
@pytest.mark.fault("F50")
@pytest.mark.fault("F57")
def test_shutdown_unmounts_then_logs_out_and_the_boot_mounts_all_that_answers(lab: Lab) -> None:
    host, array = lab.host, lab.array
    attached(lab, "one", portal=A6)
    attached(lab, "dead")
    attached(lab, "off", "--no-boot")
    assert "not scheduled" in run_on(host, "iscsictl schedule status").out
    for name in ("one", "dead", "off"):
        run_on(host, f"echo kept > /srv/{name}/file")
    assert connected(lab)
    directory = "/etc/systemd/system/lab-network.service.d"
    run_on(host, f"mkdir -p {directory}")
    host.put(f"{directory}/late.conf", LATE)
    run_on(host, "systemctl daemon-reload; sync")
    say_all(host)
    mark = len(host.console_log())
    seconds = host.shutdown()
    log = host.console_log()[mark:]
    assert seconds < PROMPT_SHUTDOWN
    logout = place(log, r"Stopping .*Login to default iSCSI targets")
    for name in ("one", "dead", "off"):
        assert place(log, rf"Unmounted .*/srv/{name}") < logout
    assert logout < place(log, "Stopped .*The lab's two networks")
    assert connected(lab) == ""

    array.remove_target(IQN + "dead")
    host.boot()
    run_on(host, "until findmnt /srv/one; do sleep 0.5; done", timeout=120)
    assert run_on(host, "cat /srv/one/file").out == "kept\n"
    assert mounted(host) == {"one"}
    assert run_on(host, "cat /sys/class/iscsi_session/*/state | grep -c LOGGED_IN").out == "1\n"
    array.target(IQN + "dead", [array.state.disks["dead"]])
    run_on(host, "iscsictl reconnect")
    assert run_on(host, "cat /srv/dead/file").out == "kept\n"


@pytest.mark.fault("F39")
def test_an_array_away_at_boot_delays_the_prompt_by_a_bounded_time(lab: Lab) -> None:
    host = lab.host
    attached(lab, "one")
    host.shutdown()
    mark = len(host.console_log())
    host.boot(wait=False)
    usual = host.wait_login(since=mark)
    host.wait_booted()
    assert mounted(host) == {"one"}
    host.shutdown()
    lab.cut("A")
    mark = len(host.console_log())
    host.boot(wait=False)
    away = host.wait_login(since=mark)
    assert away < usual + LATER
    host.wait_booted()
    assert mounted(host) == set()
    lab.restore_cables("A")
    run_on(host, "iscsictl reconnect")
    assert mounted(host) == {"one"}


@pytest.mark.fault("F40")
@pytest.mark.parametrize("recovery", [20, pytest.param(60, marks=pytest.mark.torture)])
def test_a_dead_array_holds_up_the_shutdown_by_its_recovery_timeout(
    lab: Lab, recovery: int
) -> None:
    host = lab.host
    attached(lab, "one", f"--set node.session.timeo.replacement_timeout={recovery}")
    run_on(host, "echo synced > /srv/one/file && sync")
    say_all(host)
    lab.cut("A")
    run_on(host, "until [ $(cat /sys/class/iscsi_session/*/state) = FAILED ]; do sleep 0.2; done; "
        "(echo late > /srv/one/late) < /dev/null > /dev/null 2>&1 &")  # fmt: skip
    assert host.shutdown(timeout=BOUND) < recovery + UNIT_TIMEOUTS
    lab.restore_cables("A")
    host.boot()
    assert run_on(host, "cat /srv/one/file").out == "synced\n"
