"""What is down because it is on hold is told, and how to end the hold."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from iscsictl.cli.commands.overview import overview_rows
from iscsictl.model.hold import Hold
from iscsictl.model.initiator_name import InitiatorName
from iscsictl.model.inventory import Inventory
from iscsictl.observers.overview import Overview
from iscsictl.parse.fstab import render_fstab
from iscsictl.planner.attach.reconnect import plan_reconnect
from tests.unit.fake_root import put
from tests.unit.test_reconnect import P1, P2, UP, A, B, fstab, record, session

MOUNT = Hold(mount_point="/srv/a")
TARGET = Hold(target=A)
NAME = "iqn.1993-08.org.debian:01:a"


def notes(inventory: Inventory, *holds: Hold, mounted: bool = False) -> tuple[str, ...]:
    with_holds = Inventory(
        inventory.records, inventory.sessions, fstab=inventory.fstab, holds=holds
    )
    return plan_reconnect(with_holds, UP if mounted else {}).notes


def test_reconnect_notes_what_stays_down_because_of_a_hold() -> None:
    world = Inventory((record(), record(B)), (session(), session(B)), fstab=fstab())
    assert notes(world, MOUNT) == ("/srv/a is on hold; to end the hold: iscsictl unhold /srv/a",)
    assert notes(world, MOUNT, mounted=True) == ()
    assert notes(world, TARGET, mounted=True) == ()
    of_target = (f"{A} is on hold; to end the hold: iscsictl unhold {A}",)
    assert notes(world, TARGET) == of_target
    down = Inventory((record(), record(portal=P2), record(B)), (session(B),), fstab=fstab())
    for hold in (TARGET, Hold(target=A, portal=P1), Hold(target=A, portal=P2)):
        assert notes(down, hold, mounted=True) == of_target
    assert set(notes(down, TARGET, MOUNT)) == {*of_target, *notes(world, MOUNT)}


def test_a_hold_on_what_would_not_be_restored_anyway_is_not_noted() -> None:
    manual = record(startup="manual")
    assert notes(Inventory((manual,)), TARGET, Hold(mount_point="/srv/other")) == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_reconnect_does_not_say_all_connected_while_a_mount_is_held(tmp_path: Path) -> None:
    put(tmp_path, "etc/fstab", render_fstab(fstab()).decode())
    put(tmp_path, "proc/self/mountinfo")
    for words in (["hold", "/srv/a"], ["reconnect"], ["reconnect", "--quiet"]):
        done = subprocess.run(
            [sys.executable, "-m", "iscsictl", *words], capture_output=True, text=True, check=True,
            env={**os.environ, "ISCSICTL_ROOT": str(tmp_path)},
        )  # fmt: skip
        expected = "iscsictl: /srv/a is on hold; to end the hold: iscsictl unhold /srv/a\n"
        if words[0] == "reconnect":
            assert done.stderr == ("" if "--quiet" in words else expected)


def overview(*holds: Hold, up: bool = True, mounted: bool = False) -> dict[str, str]:
    sessions = (session(), session(B)) if up else (session(B),)
    found = Overview(
        InitiatorName(exists=True, name=NAME), sessions, (record(), record(B)), fstab(),
        frozenset({"/srv/a"} if mounted else ()), holds,
    )  # fmt: skip
    return dict(overview_rows(found))


def test_the_next_action_is_not_reconnect_where_only_what_is_held_is_missing() -> None:
    for hold in (MOUNT, TARGET):
        shown = overview(hold)
        assert shown["volumes"] == "0 of 1 mounted, 1 on hold"
        assert shown["next"].startswith("all else is well; to end a hold: iscsictl unhold ")
    assert overview(MOUNT)["next"].endswith("iscsictl unhold /srv/a")
    assert overview(TARGET, up=False)["next"].endswith(f"iscsictl unhold {A}")
    assert overview(TARGET, up=False)["sessions"] == "1 up, 1 on hold"
    assert overview()["next"] == "iscsictl reconnect"
    assert overview(MOUNT, up=False)["next"] == "iscsictl reconnect"
