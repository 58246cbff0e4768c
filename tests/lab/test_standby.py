"""An array of two controllers, one of which has the LUN: a path that is standby (ALUA)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lab.array import A4, B4
from tests.lab.lio import Access, Changes
from tests.lab.onhost import run_on, statuses
from tests.lab.onmap import (
    ATTACH,
    IQN,
    NumberedWriter,
    path_states,
    start_multipathd,
    wait_for,
)

if TYPE_CHECKING:
    from tests.lab.guest import Guest
    from tests.lab.lio import Disk
    from tests.lab.pair import Lab

pytestmark = [pytest.mark.torture, pytest.mark.every_suite]
OPTIMIZED, STANDBY = Access.OPTIMIZED, Access.STANDBY
#: How many times the array moves the LUN to its other controller.
MOVES = 6
#: The fix that doctor tells for a checker that does not know standby.
LIO_CONF = "/etc/multipath/conf.d/lio.conf"
KNOW_STANDBY = f"""cat > {LIO_CONF} << END
devices {{
    device {{
        vendor "(LIO-ORG|SUSE)"
        product ".*"
        path_checker tur
        detect_checker yes
    }}
}}
END
multipathd reconfigure
"""


@pytest.fixture
def lab(session_lab: Lab) -> Lab:
    """A clean pair whose host has multipath-tools as the package leaves it."""
    return start_multipathd(session_lab)


def offer(lab: Lab, *access: Access, changes: Changes = Changes.IMPLICIT) -> Disk:
    """One disk over both networks, each of which leads to a controller of its own."""
    disk = lab.array.disk("mail", "256M")
    lab.array.target(IQN, [disk], portals=[A4, B4], access=access, changes=changes)
    return disk


def attach_on_a_map(host: Guest) -> None:
    """Attach; the second time there is nothing left to do."""
    done = run_on(host, f"{ATTACH} -J")
    assert set(statuses(done).values()) <= {"done", "unchanged"}
    assert "silent" not in done.out + done.err
    assert run_on(host, "findmnt -no SOURCE /srv/mail").out.startswith("/dev/mapper/")
    again = statuses(run_on(host, f"{ATTACH} -J"))
    assert set(again.values()) == {"unchanged"}, again


def standby_state(host: Guest) -> str:
    """What multipathd calls a standby path: its checker for LIO only reads, from Debian 13 on."""
    checkers = set(run_on(host, "multipathd show paths raw format %c").out.split())
    return "faulty" if checkers == {"directio"} else "ghost"


def leftovers(host: Guest) -> str:
    """Sessions, maps, and what is left in multipath's files and in fstab."""
    return run_on(
        host,
        "ls /sys/class/iscsi_session 2>/dev/null; ls /etc/multipath/conf.d 2>/dev/null; "
        "dmsetup ls --target multipath; grep -s ^/ /etc/multipath/wwids; "
        "grep iscsictl /etc/fstab || true",
    ).out


@pytest.mark.fault("F90")
@pytest.mark.fault("F96")
@pytest.mark.parametrize(
    "access", [(OPTIMIZED, STANDBY), (STANDBY, OPTIMIZED)], ids=["second", "first"]
)
def test_a_standby_path_is_part_of_the_map_and_no_failure(
    lab: Lab, access: tuple[Access, Access]
) -> None:
    host = lab.host
    before = leftovers(host)
    offer(lab, *access)
    attach_on_a_map(host)
    state = standby_state(host)
    assert path_states(host) == sorted([state, "ready"])

    shown = run_on(host, "iscsictl ls").out
    assert "2/2" in shown
    assert "standby" in shown
    assert "standby" in run_on(host, "iscsictl ls --tree").out
    (disk,) = json.loads(run_on(host, "iscsictl ls -J").out)["disks"]
    states = {path["access"] for path in disk["paths"]}
    assert states == {"active/optimized", "standby"}
    report = json.loads(run_on(host, "iscsictl doctor -J").out)["findings"]
    levels = {one["id"]: one["level"] for one in report if one["level"] != "ok"}
    assert "fail" not in levels.values(), report
    assert levels.keys() & {"session-state", "disk-errors"} == set(), levels
    assert "standby" in str([one for one in report if one["id"] == "multipath-paths"])
    if state == "faulty":
        assert levels["multipath-paths"] == "warn"
        run_on(host, KNOW_STANDBY)
        wait_for(lambda: path_states(host) == ["ghost", "ready"])
        report = json.loads(run_on(host, "iscsictl doctor -J").out)["findings"]
    assert {one["level"] for one in report if one["id"] == "multipath-paths"} == {"ok"}
    quiet = run_on(host, "iscsictl reconnect --quiet")
    assert (quiet.out, quiet.err) == ("", "")

    run_on(host, f"rm -f {LIO_CONF}")
    run_on(host, "iscsictl detach /srv/mail")
    assert leftovers(host) == before


@pytest.mark.fault("F96")
def test_a_path_that_the_host_may_activate_may_come_first(lab: Lab) -> None:
    """The kernel activates the path that multipathd puts first (explicit ALUA)."""
    before = leftovers(lab.host)
    offer(lab, STANDBY, OPTIMIZED, changes=Changes.BOTH)
    attach_on_a_map(lab.host)
    assert set(path_states(lab.host)) <= {standby_state(lab.host), "ready"}
    run_on(lab.host, "iscsictl detach /srv/mail")
    assert leftovers(lab.host) == before


def test_an_array_that_serves_the_lun_over_no_path_is_refused_and_nothing_is_left(
    lab: Lab,
) -> None:
    before = leftovers(lab.host)
    offer(lab, STANDBY, STANDBY)
    refused = run_on(lab.host, ATTACH, 6)
    assert "does not serve" in refused.err
    assert "standby" in refused.err
    assert leftovers(lab.host) == before


@pytest.mark.fault("F91")
def test_no_write_is_lost_while_the_array_moves_the_lun_between_its_controllers(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    host, array = lab.host, lab.array
    offer(lab, OPTIMIZED, STANDBY)
    run_on(host, ATTACH)
    states = sorted([standby_state(host), "ready"])
    writer = NumberedWriter.start(host, "mail")
    for number in range(MOVES):
        array.set_access(IQN, *((STANDBY, OPTIMIZED) if number % 2 == 0 else (OPTIMIZED, STANDBY)))
        wait_for(writer.is_writing)
        wait_for(lambda: path_states(host) == states)
        assert run_on(host, "iscsictl reconnect --quiet").err == ""
    stalls = writer.end()
    with capsys.disabled():
        print(f"\n{lab.suite}, {MOVES} moves: stalls {stalls}")
    writer.require_all_kept()


@pytest.mark.fault("F91")
def test_the_host_moves_the_lun_where_the_active_controller_is_lost(lab: Lab) -> None:
    host = lab.host
    offer(lab, OPTIMIZED, STANDBY, changes=Changes.BOTH)
    run_on(host, ATTACH)
    if standby_state(host) == "faulty":  # what doctor says to that
        run_on(host, KNOW_STANDBY)
        wait_for(lambda: path_states(host) == ["ghost", "ready"])
    writer = NumberedWriter.start(host, "mail")
    lab.cut("A")
    wait_for(lambda: "faulty" in path_states(host))
    wait_for(writer.is_writing)
    told = run_on(host, "iscsictl reconnect").err
    assert f"through {A4}:3260 is recovering; its map works without it" in told
    lab.restore_cables()
    # LIO activates the controller that the host asks for, and leaves the other one as it was.
    wait_for(lambda: path_states(host) == ["ready", "ready"])
    writer.end()
    writer.require_all_kept()
