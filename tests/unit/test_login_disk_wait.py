"""After a login the disk is waited for, and with multipathd until that has decided on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from iscsictl.engine.handlers import sessions
from iscsictl.limits import MAP_WAIT
from iscsictl.model import actions
from iscsictl.model.names import Portal
from iscsictl.system import context as context_module
from iscsictl.system.block import multipath
from iscsictl.system.block.udev_wait import Waiter
from iscsictl.system.context import Context
from tests.bench.bench_reconnect import RECORD
from tests.bench.make_tree import DISK_UDEV, Tree
from tests.unit.fake_clock import FakeClock
from tests.unit.fake_root import put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")
IQN, PORTAL = "iqn.2026-01.example:a", Portal("192.0.2.5", 3260, 1)
LOGIN = actions.Login(IQN, PORTAL, "default", 0)
WAIT = 120.0


class SteppingWaiter(Waiter):
    """Reads once a second of a clock of its own."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock

    def wait(self, read: Callable[[], T | None], deadline: float, _: str = "") -> T | None:
        while (found := read()) is None and self.clock.seconds < deadline:
            self.clock.sleep(1.0)
        return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    made = FakeClock()
    for module in (sessions, context_module):
        monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A host where multipathd runs, with a session to a disk that has a node: /dev/null."""
    tree = Tree(tmp_path)
    lun = tree.lun(tree.session(1, IQN), wwid="naa.6001405")
    tree.block(lun / "block", "null", number="8:0", **DISK_UDEV)
    place = f"etc/iscsi/nodes/{IQN}/192.0.2.5,3260,1/default"
    put(tmp_path, place, RECORD.format(target=IQN, address="192.0.2.5"))
    put(tmp_path, "run/multipathd.pid", "317")
    put(tmp_path, "proc/317/comm", "multipathd\n")
    return tree


def wait_for_disk(tree: Tree, clock: FakeClock) -> float:
    """Return the seconds for which the disk of the login is waited for."""
    began = clock.seconds
    context = Context(wait=WAIT, root=tree.root, waiter=SteppingWaiter(clock))
    sessions.await_disks([LOGIN], context)
    return clock.seconds - began


@pytest.mark.fault("F97")
def test_a_disk_that_multipathd_leaves_out_is_not_waited_for_long(
    tree: Tree, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipath, "_list_known_paths", list)
    assert MAP_WAIT <= wait_for_disk(tree, clock) <= MAP_WAIT + 1


@pytest.mark.fault("F90")
def test_a_disk_that_udev_has_not_handled_is_waited_for_however_busy_the_host_is(
    tree: Tree, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    udev = tree.root / "run/udev/data/b8:0"
    handled = udev.read_bytes()
    udev.unlink()

    def be_busy() -> None:
        if clock.seconds > 3 * MAP_WAIT:
            udev.write_bytes(handled)

    def list_known_paths() -> list[str]:
        return ["null:[orphan]"] if clock.seconds > 3 * MAP_WAIT + 5 else []

    clock.meanwhile = be_busy
    monkeypatch.setattr(multipath, "_list_known_paths", list_known_paths)
    assert 3 * MAP_WAIT + 5 < wait_for_disk(tree, clock) < 3 * MAP_WAIT + 8


@pytest.mark.fault("F97")
def test_no_disk_is_waited_for_longer_than_timeout_says(
    tree: Tree, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree.root / "run/udev/data/b8:0").unlink()
    monkeypatch.setattr(multipath, "_list_known_paths", list)
    assert WAIT <= wait_for_disk(tree, clock) <= WAIT + 1
