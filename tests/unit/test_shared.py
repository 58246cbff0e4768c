"""What volumes in parallel share: fstab edits in rounds, one listener to udev, one reload."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest

from iscsictl.engine import coalescing
from iscsictl.engine.volumes_context import SharedWaiter, VolumesContext
from iscsictl.errors import IscsictlError, RefusedError
from iscsictl.model.fstab import Fstab
from iscsictl.parse.fstab import append_line, make_line, without_line
from iscsictl.system.block import udev_wait
from iscsictl.system.host import systemd
from iscsictl.system.io import process as run
from iscsictl.system.io import signals
from iscsictl.system.mount import fstab_file, usage
from tests.patience import PATIENCE, await_until
from tests.unit.fake_clock import FakeClock


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VolumesContext:
    monkeypatch.setattr(signals, "_asked", [])
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/fstab").write_bytes(b"# theirs\n")
    return VolumesContext(PATIENCE, tmp_path)


def adding(path: str) -> Callable[[Fstab], Fstab]:
    return lambda old: append_line(old, make_line("UUID=1", path, "ext4", ("noauto",)))


def test_edits_of_many_are_all_in_the_file_and_few_writes_are_made(
    context: VolumesContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, edits = 8, 40
    saves: list[int] = []
    save = fstab_file.save_fstab

    def slow(root: Path, fstab: Fstab, old: Fstab) -> bool:
        saves.append(len(fstab.lines) - len(old.lines))
        # It takes until each thread that is not of this round has brought its next line.
        others = min(threads - saves[-1], edits - sum(saves))
        await_until(lambda: len(context._edits._waiting) == others)
        return save(root, fstab, old, verify=None)

    monkeypatch.setattr(fstab_file, "save_fstab", slow)
    paths = [f"/srv/{number}" for number in range(edits)]
    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(lambda path: context.edit_fstab(adding(path)), paths))
    assert all(changed for changed, _ in results)
    lines = fstab_file.read_fstab(context.root).lines
    assert lines[0].raw == b"# theirs\n"
    assert sorted(str(line.file) for line in lines[1:]) == sorted(paths)
    assert sum(saves) == edits
    # All threads that are not of one round are of the next.
    assert len(saves) <= 2 * edits / threads + 1
    assert context.edit_fstab(lambda old: old)[0] is False


def test_a_line_that_is_refused_is_refused_to_its_own_volume(
    context: VolumesContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = threading.Event(), threading.Event()
    save = fstab_file.save_fstab

    def verify(text: bytes) -> Counter[str]:
        return Counter({"bad": 1} if b"bad" in text else {})

    def judged(root: Path, fstab: Fstab, old: Fstab) -> bool:
        began.set()
        assert go_on.wait(PATIENCE)
        return save(root, fstab, old, verify=verify)

    monkeypatch.setattr(fstab_file, "save_fstab", judged)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(context.edit_fstab, adding("/srv/first"))
        assert began.wait(PATIENCE)
        futures = [pool.submit(context.edit_fstab, adding(p)) for p in ("/srv/a", "/bad", "/srv/b")]
        await_until(lambda: len(context._edits._waiting) == 3)
        go_on.set()
        assert first.result(PATIENCE)[0]
        assert futures[0].result(PATIENCE)[0]
        with pytest.raises(RefusedError):
            futures[1].result(PATIENCE)
        assert futures[2].result(PATIENCE)[0]
    found = [line.file for line in fstab_file.read_fstab(context.root).entries]
    assert sorted(map(str, found)) == ["/srv/a", "/srv/b", "/srv/first"]


def test_what_is_taken_out_and_put_in_at_once_is_both(context: VolumesContext) -> None:
    context.edit_fstab(adding("/srv/old"))
    with ThreadPoolExecutor(2) as pool:
        out = pool.submit(context.edit_fstab, lambda now: without_line(now, 2))
        out.result(PATIENCE)
        into = pool.submit(context.edit_fstab, adding("/srv/new"))
        into.result(PATIENCE)
    assert [line.file for line in fstab_file.read_fstab(context.root).entries] == ["/srv/new"]


def test_systemd_is_reloaded_once_and_only_if_something_changed(
    context: VolumesContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    reloads: list[int] = []
    (context.root / "run/systemd/system").mkdir(parents=True)
    monkeypatch.setattr(systemd, "reload_soon", lambda _: reloads.append(1))
    context.run_deferred()
    assert reloads == []
    for _ in range(5):
        context.reload()
    assert reloads == []
    context.run_deferred()
    context.run_deferred()
    assert reloads == [1]


def test_only_a_step_that_is_not_alone_waits_for_others(
    context: VolumesContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    readings: list[int] = []

    def read_slowly() -> None:
        readings.append(1)
        clock.seconds += 0.2

    def observe() -> None:
        context.coalesce("host", read_slowly)

    def bring_another() -> None:
        pauses.append(clock.seconds)
        if len(pauses) == 1:
            others.append(pool.submit(observe))
            await_until(lambda: len(context._readings.get("host")._batch._waiting) == 2)

    clock = FakeClock(bring_another)
    monkeypatch.setattr(coalescing, "time", clock)
    others: list[Future[None]] = []
    with ThreadPoolExecutor(1) as pool:
        context.at_work = 1
        for _ in range(2):
            observe()
        assert (len(readings), pauses) == (2, [])
        context.at_work = 2
        observe()
        others[0].result(PATIENCE)
    assert len(readings) == 3


class Events(SharedWaiter):
    """A waiter whose events a test makes."""

    def __init__(self) -> None:
        super().__init__()
        self.came = threading.Semaphore(0)
        self.listening = Counter[int]()
        self.most = 0

    def listen(self, seconds: float) -> bool:
        me = threading.get_ident()
        self.listening[me] += 1
        self.most = max(self.most, sum(self.listening.values()))
        found = self.came.acquire(timeout=seconds)
        self.listening[me] -= 1
        return found


def test_an_event_wakes_all_who_wait_and_one_alone_listens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signals, "_asked", [])
    monkeypatch.setattr(udev_wait, "RECHECK", 3 * PATIENCE)
    waiter, there = Events(), set[int]()

    end = time.monotonic() + 3 * PATIENCE

    def wait(number: int) -> bool | None:
        return waiter.wait(lambda: True if number in there else None, end)

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(wait, number) for number in range(8)]
        for number in range(8):
            there.add(number)
            waiter.came.release()
            assert futures[number].result(PATIENCE)
    assert waiter.most == 1


def test_a_wait_ends_at_its_deadline_and_at_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_asked", [])
    waiter = Events()
    with ThreadPoolExecutor(4) as pool:
        late = [pool.submit(waiter.wait, lambda: None, time.monotonic() + 0.3) for _ in range(4)]
        assert [one.result(PATIENCE) for one in late] == [None] * 4
        end = time.monotonic() + 3 * PATIENCE
        stopped = [pool.submit(waiter.wait, lambda: None, end) for _ in range(4)]
        signals._asked.append(15)
        for one in stopped:
            with pytest.raises(IscsictlError, match="SIGTERM"):
                one.result(PATIENCE)


def test_programs_start_and_end_in_many_threads(tmp_path: Path) -> None:
    def both(number: int) -> str:
        said = run.run(["sh", "-c", f"echo {number}; exit 0"]).out.strip()
        asked = run.pty(["sh", "-c", "printf 'go on? '; read x; echo got $x"],
                        answers=[(r"go on\? ", f"{number}")]).out  # fmt: skip
        return f"{said} {asked.split()[-1]}"

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(both, range(60)))
    assert found == [f"{number} {number}" for number in range(60)]


def test_what_we_started_ourselves_is_no_user_of_a_disk(tmp_path: Path) -> None:
    for pid, parent, name in ((7, 1, "dd"), (8, os.getpid(), "findmnt")):
        process = tmp_path / f"proc/{pid}"
        (process / "fd").mkdir(parents=True)
        (process / "comm").write_text(f"{name}\n")
        (process / "cgroup").write_text("0::/user.slice\n")
        (process / "stat").write_text(f"{pid} ({name}) (x)) S {parent} 1 1\n")
        (process / "fd/3").symlink_to("/dev/sdz")
    number = os.makedev(8, 16)
    with mock.patch.object(usage, "_open_device", return_value=number):
        assert list(usage._find_openers(tmp_path)) == [
            (number, "process 7 (dd) that has /dev/sdz open")
        ]
