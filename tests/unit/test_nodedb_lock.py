"""The lock of the node database: shared with open-iscsi's protocol, and never stale for long."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from iscsictl.errors import InUseError
from iscsictl.system.iscsi.nodedb_lock import BLIND_PROOF, NodeDbLock, _sees_all_processes
from tests.patience import PATIENCE

# A process with the name of one of open-iscsi's, and the lock if it is told so, which then
# waits as it is told.
SCRIPT = """
import os, select, sys, time
from pathlib import Path
name, lock, how, fifo = sys.argv[1:]
Path("/proc/self/comm").write_text(name)
if lock:
    os.link(Path(lock).with_name("lock"), lock)
print("ready", flush=True)
if how == "file":
    os.open(fifo, os.O_RDONLY)
elif how == "poll":
    select.poll().poll(600_000)
else:
    time.sleep(600)
"""
COUNTER = """
import os, sys, time
from pathlib import Path
from iscsictl.system.iscsi.nodedb_lock import NodeDbLock
root, how, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
link, count = root / "run/lock/iscsi/lock.write", root / "count"

# A program of open-iscsi, which does not sleep while it has the lock: it is never taken for dead.
if how == "theirs":
    Path("/proc/self/comm").write_text("iscsiadm")

def add():
    number, end = int(count.read_text()), time.monotonic() + 0.001
    while time.monotonic() < end:
        pass
    count.write_text(str(number + 1))

for _ in range(rounds):
    if how == "ours":
        with NodeDbLock(root):
            add()
        continue
    while True:
        try:
            os.link(link.with_name("lock"), link)
            break
        except FileExistsError:
            time.sleep(0.01)
    add()
    link.unlink()
"""

sees_all = pytest.mark.skipif(
    not _sees_all_processes(Path("/proc")), reason="in a PID namespace nobody can be ruled out"
)


@pytest.fixture
def link(tmp_path: Path) -> Path:
    with NodeDbLock(tmp_path) as lock:
        assert lock.link.exists()
    return lock.link


@contextmanager
def _process(name: str, lock: str, how: str, tmp_path: Path) -> Iterator[int]:
    fifo = tmp_path / "fifo"
    subprocess.run(["mkfifo", str(fifo)], check=False, capture_output=True)
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, name, lock, how, str(fifo)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.05)
        try:
            yield process.pid
        finally:
            process.kill()


def test_the_lock_is_the_link_of_open_iscsi_and_is_gone_afterwards(tmp_path: Path) -> None:
    with NodeDbLock(tmp_path) as lock:
        assert lock.link == tmp_path / "run/lock/iscsi/lock.write"
        assert lock.link.samefile(lock.link.with_name("lock"))
    assert not lock.link.exists()


@pytest.mark.fault("F01")
@sees_all
def test_a_lock_that_a_killed_process_left_is_said_and_cleared_at_once(
    link: Path, tmp_path: Path
) -> None:
    with _process("iscsiadm", str(link), "file", tmp_path):
        pass
    assert link.exists()
    said: list[str] = []
    began = time.monotonic()
    with NodeDbLock(tmp_path, say=said.append):
        assert link.exists()
    # Long before open-iscsi itself gives up.
    assert time.monotonic() - began < BLIND_PROOF
    assert said == [f"removed a lock that a killed process had left behind: {link}"]
    assert not link.exists()


@pytest.mark.fault("F02")
@pytest.mark.parametrize(
    ("name", "how"), [("iscsiadm", "file"), ("iscsid", "file"), ("iscsiadm", "poll")]
)
def test_a_lock_that_somebody_may_hold_is_never_removed(
    link: Path, tmp_path: Path, name: str, how: str
) -> None:
    with (
        _process(name, str(link), how, tmp_path) as pid,
        pytest.raises(InUseError, match=rf"{name} \(pid {pid}\)"),
        NodeDbLock(tmp_path, timeout=1.5),
    ):
        pass
    assert link.exists()


@pytest.mark.fault("F01")
@sees_all
@pytest.mark.parametrize(("name", "how"), [("iscsid", "poll"), ("iscsiadm", "sleep")])
def test_a_process_that_cannot_be_the_owner_does_not_keep_a_dead_lock_alive(
    link: Path, tmp_path: Path, name: str, how: str
) -> None:
    link.hardlink_to(link.with_name("lock"))
    with _process(name, "", how, tmp_path), NodeDbLock(tmp_path, timeout=PATIENCE):
        pass
    assert not link.exists()


@pytest.mark.fault("F02")
def test_where_not_every_process_can_be_seen_a_lock_is_not_cleared_early(
    link: Path, tmp_path: Path
) -> None:
    link.hardlink_to(link.with_name("lock"))
    empty = tmp_path / "proc"
    empty.mkdir()
    with pytest.raises(InUseError), NodeDbLock(tmp_path, timeout=1, proc=empty):
        pass
    assert link.exists()


@pytest.mark.fault("F02")
def test_a_lock_that_another_made_meanwhile_is_not_removed_on_leaving(tmp_path: Path) -> None:
    with NodeDbLock(tmp_path) as lock:
        lock.link.unlink()
        time.sleep(0.02)
        lock.link.hardlink_to(lock.link.with_name("lock"))
    assert lock.link.exists()


@pytest.mark.fault("F02")
def test_many_that_change_one_file_at_once_lose_nothing(tmp_path: Path) -> None:
    with NodeDbLock(tmp_path):
        (tmp_path / "count").write_text("0")
    kinds = ["ours", "ours", "ours", "theirs"]
    workers = [
        subprocess.Popen([sys.executable, "-c", COUNTER, str(tmp_path), kind, "25"])
        for kind in kinds
    ]
    assert [worker.wait(PATIENCE) for worker in workers] == [0, 0, 0, 0]
    assert (tmp_path / "count").read_text() == "100"
