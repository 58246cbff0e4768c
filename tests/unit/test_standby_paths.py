"""An attach beside a controller of the array that does not serve the LUN now (ALUA)."""

from __future__ import annotations

import ctypes
import fcntl
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from iscsictl.engine.handlers import multipath as handlers
from iscsictl.engine.handlers.registry import execute_action
from iscsictl.errors import UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.inventory import DiscoveredTarget, Known
from iscsictl.model.listing import Block, Disk, Listing
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.plan import Status
from iscsictl.observers.multipath import observe_access
from iscsictl.system.block import multipath_conf, probe, scsi_commands
from iscsictl.system.block.udev_wait import Waiter
from iscsictl.system.context import Context
from tests.unit.attach_facts import attached, planned, refused
from tests.unit.test_attach_plan_multipath import MAP, on, portals
from tests.worlds import STRICT, TARGET, A, B, W, blank, spec, unit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from iscsictl.model.names import Portal

DISK = DiskId(TARGET, 0, W, "/dev/sda")


@pytest.mark.parametrize(("standby", "order"), [(A, [A, B]), (B, [A, B])])
def test_a_map_is_made_when_a_path_is_there_that_serves_the_lun(
    standby: Portal, order: list[Portal]
) -> None:
    """The model of MakeMap fails where all paths are standby: udev would wait for ever."""
    now = on(STRICT, unit(blank(W), access={standby: "standby"}))
    assert portals(planned(now)) == order
    done = attached(now)
    (disk,) = done.inventory.disks
    assert (disk.block.device, len(disk.paths)) == (MAP, 2)
    assert sorted(path.is_passive for path in disk.paths) == [False, True]
    assert {step.status for step in planned(done).steps} == {Status.UNCHANGED}


def test_the_path_that_serves_the_lun_may_be_down_once_there_is_a_map() -> None:
    done = attached(on(STRICT, unit(blank(W), access={A: "standby"})))
    sessions = tuple(
        one._replace(status="recovering") if one.portal == B else one
        for one in done.inventory.sessions
    )
    plan = planned(done.having(sessions=sessions))
    assert plan.refusal is None
    assert {step.status for step in plan.steps} == {Status.UNCHANGED}


def test_the_only_path_that_serves_nothing_is_refused_with_where_to_go() -> None:
    now = on(STRICT, unit(blank(W), access={A: "standby"}))
    now = now.having(offers=Known((DiscoveredTarget(TARGET, A),)))
    error = refused(planned(now.logged_in(), spec(multipath="off")))
    assert f"does not serve {W} through {A}, which is standby" in error.text
    assert isinstance(error, UnreachableError)


def sense(ascq: int, key: int = 2, asc: int = 4) -> bytes:
    """Sense data of fixed format."""
    return bytes((0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("data", "access"),
    [
        (sense(0x0A), "transitioning"),
        (sense(0x0B), "standby"),
        (sense(0x0C), "unavailable"),
        (bytes((0x72, 2, 4, 0x0B, 0, 0, 0, 0)), "standby"),
        (sense(0x01), None),  # becoming ready
        (sense(0x0B, asc=0x3A), None),
        (sense(0x0B, key=5), None),
        (sense(0x0B)[:13], None),
        (b"", None),
    ],
)
def test_a_port_that_serves_nothing_is_told_by_its_sense_data(
    monkeypatch: pytest.MonkeyPatch, data: bytes, access: str | None
) -> None:
    def ioctl(_fd: int, _number: int, header: Any) -> int:
        assert (header.dxfer_direction, header.dxfer_len, header.dxferp) == (-1, 0, None)
        if data:
            ctypes.memmove(header.sbp, data, len(data))
            header.status, header.sb_len_wr = 2, len(data)
        return 0

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    assert scsi_commands.port_access(0) == access


@pytest.mark.parametrize(
    ("tpgs", "explicit"), [(0x00, False), (0x10, False), (0x20, True), (0x30, True)]
)
def test_who_may_activate_a_port_stands_in_the_inquiry_data(
    monkeypatch: pytest.MonkeyPatch, tpgs: int, *, explicit: bool
) -> None:
    monkeypatch.setattr(scsi_commands, "ask", lambda *_: bytes((0, 0, 6, 2, 31, tpgs)))
    assert scsi_commands.can_be_activated(0) == explicit
    monkeypatch.setattr(scsi_commands, "ask", lambda *_: b"")
    assert not scsi_commands.can_be_activated(0)


def answer_with(monkeypatch: pytest.MonkeyPatch, access: dict[str, str | None]) -> list[str]:
    """Have the paths be in these states; return which are opened."""
    asked: list[str] = []

    @contextmanager
    def opened(device: str, *, exclusive: bool) -> Iterator[int]:
        assert not exclusive
        asked.append(device)
        yield list(access).index(device)

    monkeypatch.setattr(probe, "opened", opened)
    monkeypatch.setattr(scsi_commands, "port_access", lambda fd: list(access.values())[fd])
    monkeypatch.setattr(scsi_commands, "wwids", lambda _: frozenset({W}))
    return asked


@pytest.mark.parametrize(
    ("access", "explicit", "made"),
    [
        (("standby", "standby"), False, False),
        (("standby", "unavailable"), False, False),
        (("standby", "standby"), True, True),
        (("standby", None), False, True),
    ],
)
def test_no_map_is_made_over_paths_none_of_which_serves_reads(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    access: tuple[str | None, ...],
    *,
    explicit: bool,
    made: bool,
) -> None:
    devices = ("/dev/sda", "/dev/sdb")
    paths = tuple(DiskPath(n, f"{n}:0:0:0", d, "running") for n, d in enumerate(devices, 1))
    disk = Disk(W, paths, Block("/dev/sda", "disk"))
    added: list[str] = []
    answer_with(monkeypatch, dict(zip(devices, access, strict=True)))
    monkeypatch.setattr(scsi_commands, "can_be_activated", lambda _: explicit)
    monkeypatch.setattr(handlers, "read_listing", lambda *_, **__: Listing((), (disk,)))
    monkeypatch.setattr(handlers, "_has_map", lambda device, _: device in added)
    monkeypatch.setattr(handlers, "run", lambda *_, **__: None)
    monkeypatch.setattr(multipath_conf, "add_path", added.append)
    context = Context(root=tmp_path, wait=0.0, waiter=Waiter())
    if made:
        execute_action(actions.MakeMap(DISK), context)
    else:
        with pytest.raises(UnreachableError, match="over any path: /dev/sda is standby") as raised:
            execute_action(actions.MakeMap(DISK), context)
        assert "controller" in (raised.value.hint or "")
    assert added == (list(devices) if made else [])


def test_the_access_of_a_path_without_a_map_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer_with(monkeypatch, {"/dev/sda": "standby", "/dev/sdb": None})
    now = on(STRICT).logged_in(portal=A).logged_in(portal=B).inventory
    found = observe_access(now, TARGET, None)
    assert [path.access for disk in found.disks for path in disk.paths] == ["standby", None]
    luns = [lun.access for session in found.sessions for lun in session.luns or ()]
    assert luns == ["standby", None]
    assert asked == ["/dev/sda", "/dev/sdb"]
    down = tuple(session._replace(status="down") for session in now.sessions)
    for same in (
        observe_access(now, None, None),
        observe_access(now, TARGET, 7),
        observe_access(attached(on(STRICT)).inventory, TARGET, 0),
        observe_access(replace(now, sessions=down), TARGET, 0),
    ):
        assert {path.access for disk in same.disks for path in disk.paths} == {None}
    assert asked == ["/dev/sda", "/dev/sdb"]
