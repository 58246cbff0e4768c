"""What befalls a host in months, in minutes: the schedule brings it back each time by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.onhost import IQN, attached, mounted, run_on

if TYPE_CHECKING:
    from tests.lab.guest import Guest
    from tests.lab.pair import Lab

pytestmark = pytest.mark.torture
#: Seconds: a period, its random delay, and what a login and a mount take in an emulated guest.
PERIOD = 60.0
PATIENCE = PERIOD + 6 + 20
# Takes what cron sends, as a mail transport agent would.
MAILER = "#!/bin/sh\ncat >> /root/mail\n"
WRITES = "until findmnt /srv/one && date > /srv/one/file && sync -f /srv/one/file; do sleep 1; done"
SAID = "journalctl -o cat -u iscsictl-reconnect.service _TRANSPORT=stdout --since @%d"


class Schedule:
    """A host with one mounted disk, and the means by which it is kept."""

    def __init__(self, lab: Lab, means: str) -> None:
        self.lab = lab
        self.method = means
        self.since = 0.0
        attached(lab, "one")
        lab.host.put("/usr/sbin/sendmail", MAILER, 0o755)
        run_on(lab.host, f"iscsictl schedule install --{means} --every 1min", replace_env=True,
            env={"PATH": "/usr/bin:/bin:/usr/local/bin"})  # fmt: skip
        self.forget()

    def forget(self) -> None:
        """Begin anew to count what is said."""
        run_on(self.lab.host, "rm -f /root/mail")
        self.since = float(run_on(self.lab.host, "date +%s").out) + 1

    def last_line(self) -> str:
        """All that came as mail, or from the unit's own output."""
        host = self.lab.host
        if self.method == "cron":
            # Debian 13's cron breaks long lines, as quoted-printable.
            return host.run("cat /root/mail").out.replace("=\n", "")
        return run_on(host, SAID % self.since).out.replace("-- No entries --\n", "")

    def comes_back(self) -> float:
        """Wait at most one period until the disk is mounted and takes a write."""
        began = time.monotonic()
        run_on(self.lab.host, WRITES, timeout=PATIENCE)
        return time.monotonic() - began

    def says(self, text: str) -> None:
        """Wait until it says this: a period, and the time that a run gives a dead array."""
        deadline = time.monotonic() + 2 * PATIENCE
        while text not in (said := self.last_line()):
            assert time.monotonic() < deadline, said
            time.sleep(1)

    def rests(self) -> None:
        """Where nothing is wrong nothing is said, for two periods."""
        time.sleep(PERIOD / 4)
        self.forget()
        time.sleep(2 * PERIOD)
        assert self.last_line() == ""


@pytest.fixture(params=["systemd", "cron"])
def schedule(lab: Lab, request: pytest.FixtureRequest) -> Schedule:
    return Schedule(lab, request.param)


def lost_session(host: Guest) -> None:
    run_on(host, "until [ \"$(cat /sys/class/iscsi_session/*/state)\" != LOGGED_IN ]; "
        "do sleep 0.5; done")  # fmt: skip


@pytest.mark.fault("F37")
def test_a_cable_cut_for_three_minutes_and_a_target_that_was_removed(schedule: Schedule) -> None:
    lab = schedule.lab
    schedule.rests()
    lab.cut("A")
    lost_session(lab.host)
    time.sleep(180)
    assert "is recovering" in schedule.last_line()
    lab.restore_cables("A")
    print("after the cut:", schedule.comes_back())

    target = lab.array.state.targets[IQN + "one"]
    lab.array.remove_target(target.iqn)
    lost_session(lab.host)
    time.sleep(30)
    lab.array.targets([target])
    print("after the removal:", schedule.comes_back())
    assert mounted(lab.host) == {"one"}


@pytest.mark.fault("F37")
@pytest.mark.fault("F39")
def test_an_array_that_restarted_and_one_that_was_away_at_boot(schedule: Schedule) -> None:
    lab, host = schedule.lab, schedule.lab.host
    lab.array.power_cut()
    lost_session(host)
    lab.array.boot()
    print("after the restart:", schedule.comes_back())
    host.shutdown()
    lab.cut("A")
    host.boot()
    assert mounted(host) == set()
    schedule.says("does not answer")
    lab.restore_cables("A")
    print("after the boot:", schedule.comes_back())
    schedule.rests()
