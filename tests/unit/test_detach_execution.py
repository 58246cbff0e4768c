"""What is tested just before a disk is wiped or its session ends, on made trees."""

from __future__ import annotations

import errno
import os
import signal
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from iscsictl.engine.handlers import logouts, registry
from iscsictl.engine.handlers import sessions as session_handlers
from iscsictl.errors import InterruptError, InUseError, IscsictlError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.disk_content import Content
from iscsictl.model.hold import Hold
from iscsictl.model.inventory import DiskUsage
from iscsictl.model.listing import Block, Disk, Listing, Session
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.names import Portal
from iscsictl.model.partition_table import Table
from iscsictl.model.plan import Status, Step
from iscsictl.system.block import (
    disk_writer,
    multipath,
    partition_table,
    probe,
    write_tracker,
)
from iscsictl.system.block.blank_extents import DiskShape
from iscsictl.system.block.udev_wait import Waiter
from iscsictl.system.context import Context
from iscsictl.system.io import signals
from iscsictl.system.iscsi import holds, iscsiadm
from iscsictl.system.mount import usage
from tests.unit.fake_root import put

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

T = "iqn.2026-01.example:a"
P1, P2 = Portal("192.0.2.5", 3260, 1), Portal("198.51.100.5", 3260, 1)
MAP, PART = "/dev/mapper/mail", "/dev/mapper/mail-part1"
TAPE = "../../devices/platform/host7/session3/target7:0:0/7:0:0:1/scsi_tape/st0"


def test_who_has_a_tape_open_is_found_though_it_is_no_disk(tmp_path: Path) -> None:
    session = tmp_path / "sys/devices/platform/host7/session3"
    put(session, "target7:0:0/7:0:0:1/scsi_tape/st0/dev")
    for sid, place in ((3, session), (30, session.with_name("session30"))):
        link = tmp_path / f"sys/class/iscsi_session/session{sid}/device"
        link.parent.mkdir(parents=True)
        link.symlink_to(place)
    # A character device that every machine has stands for the tape.
    number = Path("/dev/null").stat().st_rdev
    char = tmp_path / f"sys/dev/char/{os.major(number)}:{os.minor(number)}"
    char.parent.mkdir(parents=True)
    char.symlink_to(TAPE)
    put(tmp_path, "proc/7/comm", "tar\n")
    put(tmp_path, "proc/7/cgroup", "0::/user.slice\n")
    put(tmp_path, "proc/7/stat", "7 (tar) S 1 1 1\n")
    (tmp_path / "proc/7/fd").mkdir()
    (tmp_path / "proc/7/fd/3").symlink_to("/dev/null")
    who = "process 7 (tar) that has /dev/null open"
    assert usage.open_devices((3, 30), tmp_path) == {3: (who,), 30: ()}
    assert list(usage._find_openers(tmp_path)) == []


class Machine:
    """Two sessions, the paths of one map that some end is busy of; notes what is done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, parts: bool) -> None:
        self.done: list[str] = []
        self.busy: set[str] = set()
        self.dead: set[str] = set()
        self.parts = parts
        self.mapped = True
        self.sessions = tuple(
            Session("sysfs", T, sid=sid, portal=portal, persistent_portal=portal, iface="default",
                    status="up")
            for sid, portal in ((1, P1), (2, P2))
        )  # fmt: skip
        monkeypatch.setattr(multipath, "ends", self._ends)
        monkeypatch.setattr(multipath, "drop_parts", self._drop)
        monkeypatch.setattr(probe, "opened", self._opened)

    def _ends(self, device: str, *_: object) -> tuple[str, ...]:
        return (PART,) if self.parts and device == MAP else (device,)

    def _drop(self, device: str, *_: object) -> bool:
        there, self.parts = self.parts, False
        if there:
            self.done.append(f"drop {device}")
        return there

    @contextmanager
    def _opened(self, device: str, *, exclusive: bool) -> Iterator[int]:
        if exclusive and (device in self.busy or (device == MAP and self.parts)):
            raise InUseError(f"{device} is in use ({errno.EBUSY})")
        if device in self.dead:
            raise UnreachableError(f"{device} cannot be opened ({errno.ENXIO})")
        self.done.append(f"test {device}")
        yield -1

    def listing(self, *_: object, **__: object) -> Listing:
        paths = tuple(
            DiskPath(s.sid or 0, f"{s.sid}:0:0:0", f"/dev/sd{s.sid}", "running")
            for s in self.sessions
        )
        block = Block(MAP, "mpath", 64 << 20)
        if paths and not self.mapped:
            block = Block(paths[0].device, "disk", 64 << 20)
        disks = (Disk("naa.1", paths, block),) if paths else ()
        return Listing(self.sessions, disks)

    def logout(self, sid: int, *_: object, **__: object) -> None:
        self.sessions = tuple(s for s in self.sessions if s.sid != sid)
        self.done.append(f"end {sid}")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with a map that has a part, and nobody uses."""
    made = Machine(monkeypatch, parts=True)
    monkeypatch.setattr(session_handlers, "read_listing", made.listing)
    monkeypatch.setattr(session_handlers, "read_sessions", lambda *_, **__: made.sessions)
    monkeypatch.setattr(
        session_handlers, "has_session", lambda sid, _: sid in {s.sid for s in made.sessions}
    )
    monkeypatch.setattr(iscsiadm, "logout", made.logout)
    monkeypatch.setattr(usage, "disk_usage", lambda *_, **__: DiskUsage())
    monkeypatch.setattr(usage, "open_devices", lambda sids, _: dict.fromkeys(sids, ()))
    monkeypatch.setattr(
        session_handlers, "Path", lambda _: type("There", (), {"exists": lambda _: True})()
    )
    return made


def ended(root: Path, portal: Portal) -> None:
    context = Context(wait=0.1, root=root, waiter=Waiter())
    registry.execute_action(actions.Logout(T, portal, "default"), context)


@pytest.mark.fault("F58")
def test_the_last_paths_of_an_idle_map_with_a_part_may_go(machine: Machine, tmp_path: Path) -> None:
    holds.add_hold(Hold(T, why="logout"), tmp_path)
    ended(tmp_path, P1)
    ended(tmp_path, P2)
    assert machine.done == [f"test {PART}", "end 1", f"test {PART}", "end 2"]


@pytest.mark.fault("F29")
def test_a_logout_of_all_paths_of_a_used_map_ends_none(machine: Machine, tmp_path: Path) -> None:
    machine.busy = {PART}
    holds.add_hold(Hold(T, why="logout"), tmp_path)
    for portal in (P1, P2):
        with pytest.raises(InUseError):
            ended(tmp_path, portal)
    assert machine.done == []


@pytest.mark.fault("F29")
def test_one_path_of_a_used_map_may_go_and_the_next_may_not(
    machine: Machine, tmp_path: Path
) -> None:
    machine.busy = {PART}
    # The admin's own hold on the target does not make this one path all of them.
    holds.add_hold(Hold(T, why="hold"), tmp_path)
    holds.add_hold(Hold(T, P1, why="logout"), tmp_path)
    ended(tmp_path, P1)
    with pytest.raises(InUseError):
        ended(tmp_path, P2)
    assert machine.done == ["end 1"]


def lose_second_path(machine: Machine, root: Path) -> Path:
    """Cut one path of an idle map that is gone, as in a detach; return its recovery timeout."""
    first, second = machine.sessions
    machine.sessions = (first, second._replace(status="recovering"))
    machine.dead = {"/dev/sd2"}
    machine.mapped = False
    put(root, "sys/class/iscsi_session/session1/recovery_tmo", "5")
    return put(root, "sys/class/iscsi_session/session2/recovery_tmo", "5")


@pytest.mark.fault("F93")
def test_the_sessions_of_a_map_end_though_one_of_its_paths_does_not_answer(
    machine: Machine, tmp_path: Path
) -> None:
    waits = lose_second_path(machine, tmp_path)
    ended(tmp_path, P1)
    ended(tmp_path, P2)
    assert machine.done == ["test /dev/sd1", "end 1", "end 2"]
    # Or iscsid would end it only after its next attempt to connect.
    assert waits.read_text() == "0"


@pytest.mark.fault("F29")
def test_a_path_that_does_not_answer_and_that_somebody_holds_stays(
    machine: Machine, tmp_path: Path
) -> None:
    waits = lose_second_path(machine, tmp_path)
    machine.busy = {"/dev/sd2"}
    ended(tmp_path, P1)
    with pytest.raises(InUseError):
        ended(tmp_path, P2)
    assert waits.read_text() == "5"


@pytest.mark.fault("F29")
def test_a_disk_that_cannot_be_tested_though_its_session_is_up_keeps_it(
    machine: Machine, tmp_path: Path
) -> None:
    machine.dead, machine.mapped = {"/dev/sd1", "/dev/sd2"}, False
    with pytest.raises(UnreachableError):
        ended(tmp_path, P1)
    assert len(machine.sessions) == 2


@pytest.fixture
def together(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[int, ...]]:
    """The sessions that one iscsiadm was told to end, for each time that it ran."""
    (tmp_path / "proc").mkdir()
    runs: list[tuple[int, ...]] = []

    def end(targets: Mapping[int, str], **_: object) -> dict[int, IscsictlError]:
        runs.append(tuple(targets))
        for sid in targets:
            machine.logout(sid)
        return {}

    monkeypatch.setattr(iscsiadm, "log_out_together", end)
    monkeypatch.setattr(logouts, "read_listing", machine.listing)
    monkeypatch.setattr(
        logouts, "has_session", lambda sid, _: sid in {s.sid for s in machine.sessions}
    )
    return runs


def log_out(root: Path, *targets: str) -> list[tuple[Status, IscsictlError | None]]:
    """Log out of both portals of each target at once; return what became of the steps."""
    steps = [
        Step(actions.Logout(target, portal, "default"), f"{target} {portal}", "")
        for target in targets
        for portal in (P1, P2)
    ]
    begun: list[Step] = []
    context = Context(wait=0.1, root=root, waiter=Waiter())
    ended = list(logouts.log_out(steps, context, begun.append))
    assert begun == steps
    return [(outcome.step.status, outcome.error) for outcome in ended]


def test_many_logouts_are_one_process_and_what_is_not_there_is_unchanged(
    machine: Machine, together: list[tuple[int, ...]], tmp_path: Path
) -> None:
    found = log_out(tmp_path, T, f"{T}.none")
    assert found == [(Status.DONE, None)] * 2 + [(Status.UNCHANGED, None)] * 2
    assert together == [(1, 2)]
    assert machine.sessions == ()


@pytest.mark.fault("F29")
def test_of_many_logouts_those_that_would_end_a_used_map_together_are_all_refused(
    machine: Machine, together: list[tuple[int, ...]], tmp_path: Path
) -> None:
    machine.busy = {PART}
    # No hold tells that both paths go: that they are logged out at once does.
    for status, error in log_out(tmp_path, T):
        assert status is Status.FAILED
        assert isinstance(error, InUseError)
    assert together == []
    assert len(machine.sessions) == 2


def test_a_session_that_stays_after_the_logout_of_many_is_the_error_of_its_own_step(
    machine: Machine, together: list[tuple[int, ...]], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def end_first(targets: Mapping[int, str], **_: object) -> dict[int, IscsictlError]:
        machine.logout(min(targets))
        raise IscsictlError("iscsid refused")

    monkeypatch.setattr(iscsiadm, "log_out_together", end_first)
    (first, no_error), (second, error) = log_out(tmp_path, T)
    assert (first, no_error, second) == (Status.DONE, None, Status.FAILED)
    assert str(error) == "iscsid refused"
    assert together == []


def test_each_logout_of_a_record_with_two_sessions_ends_another_one(
    machine: Machine, together: list[tuple[int, ...]], tmp_path: Path
) -> None:
    # node.session.nr_sessions: the logouts of both have one target, portal and interface.
    first, second = machine.sessions
    machine.sessions = (first, second._replace(portal=P1, persistent_portal=P1))
    step = Step(actions.Logout(T, P1, "default"), f"{T} {P1}", "")
    context = Context(wait=0.1, root=tmp_path, waiter=Waiter())
    ended = list(logouts.log_out([step, step], context, lambda _: None))
    assert [outcome.step.status for outcome in ended] == [Status.DONE] * 2
    assert together == [(1, 2)]


@pytest.mark.fault("F93")
def test_logouts_at_once_end_a_session_that_does_not_answer_too(
    machine: Machine, together: list[tuple[int, ...]], tmp_path: Path
) -> None:
    waits = lose_second_path(machine, tmp_path)
    assert log_out(tmp_path, T) == [(Status.DONE, None)] * 2
    assert together == [(1, 2)]
    assert waits.read_text() == "0"


@pytest.mark.fault("F111")
def test_dead_sessions_end_together_once_what_waits_for_them_has_failed_but_not_one_that_came_up(
    machine: Machine, together: list[tuple[int, ...]], tmp_path: Path
) -> None:
    template = machine.sessions[0]
    dead = [template._replace(sid=sid, status="recovering") for sid in (3, 4)]
    machine.sessions = (*machine.sessions, *dead)
    timeouts = [
        put(tmp_path, f"sys/class/iscsi_session/session{sid}/recovery_tmo", "120")
        for sid in (1, 2, 3, 4)
    ]
    # The first has come up since, the last has ended.
    steps = [
        Step(actions.Logout(T, P1, "default", sid=sid), f"{T} session {sid}", "")
        for sid in (1, 3, 4, 5)
    ]
    context = Context(wait=0.1, root=tmp_path, waiter=Waiter())
    ended = list(logouts.log_out(steps, context, lambda _: None))
    assert [outcome.step.status for outcome in ended] == [
        Status.FAILED, Status.DONE, Status.DONE, Status.UNCHANGED
    ]  # fmt: skip
    assert isinstance(ended[0].error, InUseError)
    assert "is up again" in str(ended[0].error)
    assert together == [(3, 4)]
    assert [timeout.read_text() for timeout in timeouts] == ["120", "120", "0", "0"]
    assert [session.sid for session in machine.sessions] == [1, 2]


def test_what_had_ended_when_a_signal_came_is_told_before_the_run_ends(
    machine: Machine, together: list[tuple[int, ...]], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def end_first(targets: Mapping[int, str], **_: object) -> dict[int, IscsictlError]:
        machine.logout(min(targets))
        signals._remember_signal(signal.SIGTERM, None)
        signals.check()
        return {}

    monkeypatch.setattr(signals, "_asked", [])
    monkeypatch.setattr(iscsiadm, "log_out_together", end_first)
    steps = [Step(actions.Logout(T, portal, "default"), f"{T} {portal}", "") for portal in (P1, P2)]
    told: list[Status] = []
    context = Context(wait=0.1, root=tmp_path, waiter=Waiter())
    ended = logouts.log_out(steps, context, lambda _: None)
    with pytest.raises(InterruptError):
        told.extend(outcome.step.status for outcome in ended)
    assert told == [Status.DONE]
    assert together == []


def test_a_session_whose_tape_is_open_stays_and_the_process_is_named(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = "process 7 (tar) that has /dev/nst0 open"
    monkeypatch.setattr(usage, "open_devices", lambda sids, _: dict.fromkeys(sids, (who,)))
    with pytest.raises(InUseError, match="process 7"):
        ended(tmp_path, P1)
    assert machine.done == []


DISK = DiskId(T, 0, "naa.1", MAP)


@pytest.fixture
def written(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The machine, where the tools that write note what they are given."""

    def run(argv: Any, **_: object) -> None:
        machine.done.append(f"{argv[0]} {argv[-1]}")

    for module in (disk_writer, partition_table, write_tracker):
        monkeypatch.setattr(module, "run", run)
    monkeypatch.setattr(disk_writer, "locked_disk", lambda *_: nullcontext())
    for module in (disk_writer, partition_table):
        monkeypatch.setattr(module, "verify_writable", lambda *_, **_more: None)
    monkeypatch.setattr(disk_writer, "known_partitions", lambda _: ())
    monkeypatch.setattr(disk_writer, "read_shape", lambda _: DiskShape(1 << 20))
    monkeypatch.setattr(disk_writer, "search_again", lambda *_: None)
    monkeypatch.setattr(probe, "probe", lambda *_: Content("naa.1", 1 << 20, 512))
    monkeypatch.setattr(disk_writer, "read_table", lambda _: None)
    monkeypatch.setattr(partition_table, "read_table", lambda _: Table("gpt"))
    return machine


@pytest.mark.fault("F58")
def test_a_map_is_wiped_with_its_parts_which_go(written: Machine) -> None:
    disk_writer.wipe(DISK, 0.0)
    assert written.done[:5] == [
        f"test {PART}", f"wipefs {PART}", f"drop {MAP}", f"test {MAP}", f"wipefs {MAP}",
    ]  # fmt: skip


@pytest.mark.fault("F32")
def test_a_map_that_is_in_use_once_its_part_was_wiped_is_half_wiped(written: Machine) -> None:
    written.busy = {MAP}
    with pytest.raises(InUseError) as raised:
        disk_writer.wipe(DISK, 0.0)
    assert f"wipefs {PART}" in written.done
    assert raised.value.wrote


@pytest.mark.fault("F58")
def test_a_map_gets_a_new_table_when_its_old_parts_are_gone(written: Machine) -> None:
    partition_table.write_label(DISK, "gpt", lambda _: True, 0.0)
    assert written.done == [f"test {PART}", f"drop {MAP}", f"test {MAP}", f"sfdisk {MAP}"]


@pytest.mark.fault("F29")
def test_a_map_with_a_part_in_use_is_not_written_and_keeps_its_parts(written: Machine) -> None:
    written.busy = {PART}
    with pytest.raises(InUseError, match="part1"):
        disk_writer.wipe(DISK, 0.0)
    with pytest.raises(InUseError, match="part1"):
        partition_table.write_label(DISK, "gpt", lambda _: True, 0.0)
    assert written.done == []
