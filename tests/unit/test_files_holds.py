"""Holds: set, covered, ended."""

from pathlib import Path

import pytest

from iscsictl.errors import UsageError
from iscsictl.model.hold import Hold
from iscsictl.model.names import Portal
from iscsictl.system.iscsi.holds import add_hold, directory_of, read_holds, remove_hold

IQN = "iqn.2003-01.org.example:t1"
PORTAL = Portal("192.0.2.5", 3260, 1)


@pytest.mark.fault("F59")
def test_a_hold_is_there_until_it_is_taken_away(tmp_path: Path) -> None:
    hold = Hold(target=IQN, portal=PORTAL, iface="eth1", why="logout")
    assert add_hold(hold, tmp_path)
    assert not add_hold(hold, tmp_path)
    assert read_holds(tmp_path) == (hold,)
    assert remove_hold(hold, tmp_path)
    assert not remove_hold(hold, tmp_path)
    assert read_holds(tmp_path) == ()


def test_a_hold_for_a_time_ends_by_itself(tmp_path: Path) -> None:
    add_hold(Hold(target=IQN), tmp_path, seconds=-1)
    add_hold(Hold(mount_point="/cluster/raid"), tmp_path, seconds=60)
    assert [hold.name for hold in read_holds(tmp_path)] == ["/cluster/raid"]


def test_a_hold_covers_what_it_leaves_open() -> None:
    assert Hold(target=IQN).covers(IQN, PORTAL, "eth1")
    assert not Hold(target=IQN + "0").covers(IQN)
    assert Hold(target=IQN, portal=PORTAL).covers(IQN, Portal("192.0.2.5", 3260, 7))
    assert not Hold(target=IQN, portal=PORTAL).covers(IQN, Portal("192.0.2.6"))
    assert not Hold(target=IQN, iface="eth0").covers(IQN, PORTAL, "eth1")
    assert Hold(mount_point="/a/b/").covers_mount("/a/b")
    assert not Hold(target=IQN).covers_mount("/a/b")


def test_a_hold_on_nothing_or_on_both_is_refused(tmp_path: Path) -> None:
    for hold in (Hold(), Hold(target=IQN, mount_point="/a")):
        with pytest.raises(UsageError):
            add_hold(hold, tmp_path)


@pytest.mark.fault("F45")
@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b"null", b'{"a": 1}', b"\xff", b"[" * 9999])
def test_a_file_that_is_no_hold_is_passed_over(tmp_path: Path, junk: bytes) -> None:
    add_hold(Hold(target=IQN), tmp_path)
    (directory_of(tmp_path) / "junk.json").write_bytes(junk)
    assert [hold.target for hold in read_holds(tmp_path)] == [IQN]
