"""Runs that change different targets work at the same time, and nothing that they share is lost."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from iscsictl.engine.handlers import services
from iscsictl.engine.handlers.registry import execute_action, inverse
from iscsictl.errors import InUseError
from iscsictl.model import actions
from iscsictl.model.inventory import DiscoveredTarget
from iscsictl.observers import attach
from iscsictl.parse.fstab import append_line, make_line
from iscsictl.system import context as context_module
from iscsictl.system.context import Context
from iscsictl.system.host import systemd
from iscsictl.system.io import host_lock as locks
from iscsictl.system.io.host_lock import (
    FilesLock,
    Scope,
    Turn,
    count_kept_out,
    host_lock,
    take_turn,
)
from iscsictl.system.iscsi import iscsiadm
from iscsictl.system.mount import fstab_file
from tests.commands import call
from tests.patience import PATIENCE, await_until
from tests.unit.fake_clock import FakeClock
from tests.unit.fake_root import put

FORK = multiprocessing.get_context("fork")


def target(name: str, *mount_points: str) -> Scope:
    return Scope(frozenset({f"iqn.2026-01.example:{name}"}), frozenset(mount_points))


def announce_turns(module: ModuleType, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each process make a file `waits-PID` just before it asks for its turn."""

    def announced(*arguments: Any) -> AbstractContextManager[Turn]:
        (directory / f"waits-{os.getpid()}").touch()
        return take_turn(*arguments)

    monkeypatch.setattr(module, "take_turn", announced)


@contextmanager
def other_process(work: Callable[[], None]) -> Iterator[BaseProcess]:
    """Run this in a process of its own, which is ended at the end."""
    process = FORK.Process(target=work)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join(PATIENCE)


@contextmanager
def holding(lock: AbstractContextManager[object], root: Path) -> Iterator[int]:
    """Have another process hold a lock, for a lock of our own would be that of our forks too."""
    inside = root / f"inside-{time.monotonic_ns()}"

    def hold() -> None:
        with lock:
            inside.touch()
            time.sleep(2 * PATIENCE)

    with other_process(hold) as process:
        await_until(inside.exists)
        yield process.pid or 0


def held_elsewhere(root: Path, scope: Scope | None) -> AbstractContextManager[int]:
    """Have another process hold the host, or what it changes; the context is its pid."""
    return holding(host_lock(PATIENCE, lambda _: None, root, scope), root)


def is_free(root: Path, scope: Scope | None) -> bool:
    try:
        with host_lock(0, lambda _: None, root, scope):
            return True
    except InUseError:
        return False


def test_twenty_processes_change_twenty_targets_at_the_same_moment(tmp_path: Path) -> None:
    def work(number: int) -> None:
        with host_lock(PATIENCE, lambda _: None, tmp_path, target(str(number), f"/srv/{number}")):
            (tmp_path / f"inside-{number}").touch()
            await_until(lambda: len(list(tmp_path.glob("inside-*"))) == 20)
        (tmp_path / f"done-{number}").touch()

    with ExitStack() as stack:
        processes = [
            stack.enter_context(other_process(partial(work, number))) for number in range(20)
        ]
        for process in processes:
            process.join(PATIENCE)
        assert [process.exitcode for process in processes] == [0] * 20
    assert len(list(tmp_path.glob("done-*"))) == 20


@pytest.mark.parametrize(
    ("held", "wanted", "free"),
    [
        (target("a"), target("b"), True),
        (target("a"), target("a"), False),
        (target("a", "/srv/a"), target("b", "/srv/b"), True),
        (target("a", "/srv/a"), target("b", "/srv/a"), False),
        (target("a", "/srv/a"), target("b", "/srv/a/inner"), False),
        (target("a", "/srv/a/inner"), target("b", "/srv/a"), False),
        (target("a", "/srv/a"), target("b", "/srv/ab"), True),
        (target("a"), None, False),
        (None, target("a"), False),
        (None, None, False),
    ],
)
def test_runs_keep_each_other_out_only_where_they_change_the_same(
    tmp_path: Path, held: Scope | None, wanted: Scope | None, free: bool
) -> None:
    with held_elsewhere(tmp_path, held) as pid:
        assert is_free(tmp_path, wanted) is free
        if not free:
            with pytest.raises(InUseError, match=rf"another iscsictl \(pid {pid}\) is changing"):
                host_lock(0, lambda _: None, tmp_path, wanted).__enter__()
    assert is_free(tmp_path, wanted)


@pytest.mark.fault("F76")
def test_the_holder_that_is_named_is_one_that_still_has_the_lock(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path, target("a", "/srv/a")) as pid:
        # Both lock /srv for what lies below; this one has ended.
        with held_elsewhere(tmp_path, target("b", "/srv/b")):
            pass
        with pytest.raises(InUseError, match=rf"another iscsictl \(pid {pid}\)"):
            host_lock(0, lambda _: None, tmp_path, target("c", "/srv")).__enter__()
    with held_elsewhere(tmp_path, None) as before:
        pass
    with held_elsewhere(tmp_path, Scope(frozenset())), pytest.raises(InUseError) as refused:
        host_lock(0, lambda _: None, tmp_path).__enter__()
    assert f"pid {before}" not in refused.value.text


def test_who_waits_for_the_whole_host_is_not_overtaken(tmp_path: Path) -> None:
    def wait_for_host() -> None:
        with host_lock(PATIENCE, lambda _: (tmp_path / "waits").touch(), tmp_path):
            (tmp_path / "inside").touch()

    with ExitStack() as stack:
        with held_elsewhere(tmp_path, target("a")):
            waiting = stack.enter_context(other_process(wait_for_host))
            await_until((tmp_path / "waits").exists)
            assert not is_free(tmp_path, target("b"))
            assert not (tmp_path / "inside").exists()
        # The first run has ended: the one that waited has its turn.
        waiting.join(PATIENCE)
        assert waiting.exitcode == 0
    assert is_free(tmp_path, target("b"))


def test_a_file_of_very_many_volumes_takes_the_whole_host(tmp_path: Path) -> None:
    many = Scope(frozenset(f"iqn.2026-01.example:{n}" for n in range(locks._NAMES_LIMIT + 1)))
    with held_elsewhere(tmp_path, target("another")):
        assert not is_free(tmp_path, many)
    assert is_free(tmp_path, many)


@pytest.mark.fault("F76")
def test_one_run_among_others_that_keeps_reconnect_out_is_counted(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path, target("stuck")) as stuck:
        for number in (1, 2, 3):
            # Others come and go meanwhile.
            with host_lock(0, print, tmp_path, target(str(number))):
                pass
            with pytest.raises(InUseError, match=f"pid {stuck}"):
                host_lock(0, print, tmp_path).__enter__()
            assert count_kept_out(tmp_path) == number


def test_lines_that_many_processes_put_into_fstab_are_all_there(tmp_path: Path) -> None:
    put(tmp_path, "etc/fstab", "# theirs\n")

    def work(number: int) -> None:
        context = Context(PATIENCE, tmp_path, scope=target(str(number)))
        for part in range(5):
            line = make_line(f"UUID={number}", f"/srv/{number}/{part}", "ext4", ("noauto",))
            context.edit_fstab(partial(append_line, line=line))

    with ExitStack() as stack:
        processes = [
            stack.enter_context(other_process(partial(work, number))) for number in range(8)
        ]
        for process in processes:
            process.join(PATIENCE)
        assert [process.exitcode for process in processes] == [0] * 8
    entries = fstab_file.read_fstab(tmp_path).entries
    wanted = {f"/srv/{number}/{part}" for number in range(8) for part in range(5)}
    assert sorted(str(entry.file) for entry in entries) == sorted(wanted)


def test_a_thread_may_take_the_lock_of_files_again_and_another_process_waits(
    tmp_path: Path,
) -> None:
    lock = FilesLock(0.2, tmp_path)

    def try_it() -> None:
        with pytest.raises(InUseError, match=f"pid {parent}"), FilesLock(0.2, tmp_path):
            pass

    parent = os.getpid()
    with lock, lock, other_process(try_it) as process:
        process.join(PATIENCE)
        assert process.exitcode == 0
    with FilesLock(0, tmp_path):
        pass


def test_a_killed_run_leaves_no_lock(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path, target("a", "/srv/a")) as pid:
        os.kill(pid, 9)
        await_until(lambda: is_free(tmp_path, target("a", "/srv/a")))


def test_systemd_is_reloaded_once_for_all_who_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    reloads = tmp_path / "reloads"
    reloads.mkdir()

    def reload(_: Path) -> None:
        (reloads / str(time.monotonic_ns())).touch()

    monkeypatch.setattr(systemd, "reload_soon", reload)
    announce_turns(context_module, tmp_path, monkeypatch)

    def work() -> None:
        Context(PATIENCE, tmp_path).reload()

    with ExitStack() as stack:
        with holding(take_turn("reloading systemd", PATIENCE, tmp_path), tmp_path):
            processes = [stack.enter_context(other_process(work)) for _ in range(6)]
            await_until(lambda: len(list(tmp_path.glob("waits-*"))) == 6)
            assert list(reloads.iterdir()) == []
        for process in processes:
            process.join(PATIENCE)
        assert [process.exitcode for process in processes] == [0] * 6
    assert len(list(reloads.iterdir())) == 1
    # What changes after that reload began needs another one.
    Context(PATIENCE, tmp_path).reload()
    assert len(list(reloads.iterdir())) == 2


def test_an_array_is_asked_once_for_all_runs_that_wait_for_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offers = iscsiadm.parse_offers(
        "192.0.2.5:3260,1 iqn.2026-01.example:a\n[2001:db8::5]:3260,-1 iqn.2026-01.example:b\n"
    )
    asked = tmp_path / "asked"
    asked.mkdir()

    def discover(*_: object, **__: object) -> tuple[DiscoveredTarget, ...]:
        (asked / str(time.monotonic_ns())).touch()
        return offers

    monkeypatch.setattr(iscsiadm, "discover", discover)
    announce_turns(attach, tmp_path, monkeypatch)
    portal = offers[0].portal

    def work(number: int) -> None:
        context = Context(PATIENCE, tmp_path, scope=target(str(number)))
        assert attach._ask_in_turn(context, portal, "default") == offers

    with ExitStack() as stack:
        with holding(take_turn(f"asking {portal} for its targets", PATIENCE, tmp_path), tmp_path):
            processes = [stack.enter_context(other_process(partial(work, n))) for n in range(6)]
            await_until(lambda: len(list(tmp_path.glob("waits-*"))) == 6)
        for process in processes:
            process.join(PATIENCE)
        assert [process.exitcode for process in processes] == [0] * 6
    assert len(list(asked.iterdir())) == 1
    # Who asks later gets a new answer.
    attach._ask_in_turn(Context(PATIENCE, tmp_path, scope=target("late")), portal, "default")
    assert len(list(asked.iterdir())) == 2


def test_a_turn_is_waited_for_as_long_as_others_have_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = ExitStack()

    def have_turn(pid: int) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(os, "getpid", lambda: pid)
            others.enter_context(take_turn("something", 0, tmp_path))

    def end_turns_after_half_a_second() -> None:
        if clock.seconds >= 0.5 * len(ended):
            others.close()
            if len(ended) < 5:
                ended.append(clock.seconds)
                have_turn(len(ended))

    ended = [0.0]
    clock = FakeClock(end_turns_after_half_a_second)
    have_turn(1)
    with monkeypatch.context() as patched:
        patched.setattr(locks, "time", clock)
        with take_turn("something", 1.0, tmp_path):
            assert clock.seconds >= 2.5
    with (
        holding(take_turn("something", PATIENCE, tmp_path), tmp_path) as pid,
        pytest.raises(InUseError, match=rf"\(pid {pid}\) is something"),
    ):
        take_turn("something", 0.2, tmp_path).__enter__()


def test_a_service_that_other_runs_need_stays_enabled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = "open-iscsi.service"
    link = tmp_path / "etc/systemd/system/sysinit.target.wants" / unit
    link.parent.mkdir(parents=True)
    monkeypatch.setattr(systemd, "enable", lambda *_: link.symlink_to("/lib"))
    monkeypatch.setattr(systemd, "disable", lambda *_: link.unlink())

    def add_boot_record(name: str) -> None:
        put(
            tmp_path,
            f"etc/iscsi/nodes/iqn.2026-01.example:{name}/192.0.2.5,3260,1/default",
            f"# BEGIN RECORD 2.1.8\nnode.name = iqn.2026-01.example:{name}\n"
            "node.startup = automatic\nnode.conn[0].address = 192.0.2.5\n"
            "node.conn[0].port = 3260\n# END RECORD\n",
        )

    own = target("own")
    context = Context(PATIENCE, tmp_path, scope=own)
    enable = actions.EnableService(unit)
    add_boot_record("earlier")
    with host_lock(0, print, tmp_path, own):
        undo = inverse(enable, execute_action(enable, context))
        assert undo is not None
        with held_elsewhere(tmp_path, target("other")), pytest.raises(InUseError, match="need"):
            execute_action(undo, context)
        add_boot_record("own")
        assert execute_action(undo, context).changed
        assert not systemd.enabled(unit, tmp_path)
        undo = inverse(enable, execute_action(enable, context))
        assert undo is not None
        add_boot_record("later")
        with pytest.raises(InUseError, match="need"):
            execute_action(undo, context)
    assert systemd.enabled(unit, tmp_path)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that stop a service; none is run."""
    commands: list[list[str]] = []
    monkeypatch.setattr(services, "run", lambda command, **_: commands.append(command))
    return commands


def test_multipathd_is_not_stopped_while_another_run_is_at_work(
    tmp_path: Path, stopped: list[list[str]]
) -> None:
    own = target("own")
    context = Context(PATIENCE, tmp_path, scope=own)
    stop = actions.StopService("multipathd.service")
    with host_lock(0, print, tmp_path, own):
        with held_elsewhere(tmp_path, target("other")), pytest.raises(InUseError, match="need"):
            execute_action(stop, context)
        assert stopped == []
        execute_action(stop, context)
    assert stopped == [["systemctl", "stop", "multipathd.service"]]


@pytest.mark.parametrize("scope", [None, target("own")], ids=["whole host", "one target"])
def test_multipathd_is_not_stopped_while_a_map_is_left(
    tmp_path: Path, stopped: list[list[str]], scope: Scope | None
) -> None:
    context = Context(PATIENCE, tmp_path, scope=scope)
    stop = actions.StopService("multipathd.service")
    put(tmp_path, "sys/class/block/dm-0/dm/uuid", "mpath-36001405\n")
    with host_lock(0, print, tmp_path, scope):
        with pytest.raises(InUseError, match="multipath map"):
            execute_action(stop, context)
        assert stopped == []
        put(tmp_path, "sys/class/block/dm-0/dm/uuid", "LVM-abc\n")
        execute_action(stop, context)
    assert stopped == [["systemctl", "stop", "multipathd.service"]]


def test_attach_does_not_wait_for_one_of_another_target(tmp_path: Path) -> None:
    command = ["attach", "-p", "192.0.2.5", "-T", "iqn.2026-01.example:a", "--timeout", "1s"]
    with held_elsewhere(tmp_path, target("b")):
        assert "another iscsictl" not in call(command, tmp_path, uid=0).err
    with held_elsewhere(tmp_path, target("a")) as pid:
        answer = call(command, tmp_path, uid=0)
    assert answer.code == 7
    assert f"another iscsictl (pid {pid}) is changing target iqn.2026-01.example:a" in answer.err
