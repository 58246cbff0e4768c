"""A wait of more than a second is shown on a terminal, and Ctrl-C ends it at once."""

import ast
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pexpect
import pytest

from iscsictl.errors import Exit, InterruptError, InUseError, UnreachableError
from iscsictl.output import status_line
from iscsictl.output.status_line import StatusLine, Wait
from iscsictl.system.block.udev_wait import Waiter
from iscsictl.system.io import process, signals, waits
from iscsictl.system.io.host_lock import take_turn
from iscsictl.system.iscsi.nodedb_lock import NodeDbLock
from tests.patience import PATIENCE, await_until
from tests.unit.fake_clock import FakeClock

TARGET = "iqn.2024-01.com.example:a"
COMMAND = [sys.executable, "-m", "iscsictl"]
_WAITS_LONG = """\
from iscsictl import limits
limits.PORTAL_WAIT = 600.0
from iscsictl.cli.main import run_cli
raise SystemExit(run_cli())
"""
#: The same, but a silent portal is waited for until the deadline of 60 s: on a busy machine Ctrl-C
#: comes late, and the usual wait would be over.
PATIENT_COMMAND = [sys.executable, "-c", _WAITS_LONG]
#: Seconds within which a command that was stopped is gone, besides what its start took.
AT_ONCE = 3.0
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def silent_portal() -> Iterator[int]:
    """The port of a listener whose queue is full: the kernel drops what comes, and says nothing."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield int(listener.getsockname()[1])


@pytest.fixture
def root(tmp_path: Path, silent_portal: int) -> Path:
    """A host with a record of a target behind the silent portal."""
    record = tmp_path / f"etc/iscsi/nodes/{TARGET}/127.0.0.1,{silent_portal},1/default"
    record.parent.mkdir(parents=True)
    record.write_text(
        f"# BEGIN RECORD 2.1.8\nnode.name = {TARGET}\nnode.startup = automatic\n"
        f"node.conn[0].address = 127.0.0.1\nnode.conn[0].port = {silent_portal}\n# END RECORD\n"
    )
    (tmp_path / "etc/iscsi/initiatorname.iscsi").write_text("InitiatorName=iqn.2024-01.x:h\n")
    return tmp_path


def on_terminal(root: Path, *args: str, command: Sequence[str] = COMMAND) -> "pexpect.spawn[str]":
    environment = {**os.environ, "ISCSICTL_ROOT": str(root), "TERM": "xterm"}
    return pexpect.spawn(
        command[0], [*command[1:], *args],
        env=environment, encoding="utf-8", timeout=PATIENCE, dimensions=(24, 100),
    )  # fmt: skip


def ended(child: "pexpect.spawn[str]") -> tuple[int | None, str]:
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus, child.before or ""


@as_root
@pytest.mark.parametrize(
    "words",
    [
        ["discover", "127.0.0.1:{port}"],
        ["login", "-T", TARGET],
        ["login", "-n", "-T", TARGET],
        ["startup", TARGET, "automatic"],
        ["attach", "-p", "127.0.0.1:{port}", "--fs", "ext4"],
        ["attach", "-n", "-p", "127.0.0.1:{port}", "--fs", "ext4"],
    ],
    ids=" ".join,
)
def test_asking_a_silent_portal_is_shown_and_ends_at_ctrl_c(
    root: Path, silent_portal: int, words: list[str]
) -> None:
    started = time.monotonic()
    line = [word.format(port=silent_portal) for word in words]
    child = on_terminal(root, *line, command=PATIENT_COMMAND)
    child.expect(rf"waiting for 127\.0\.0\.1:{silent_portal} to answer: [1-9]\d* of at most 60 s")
    asked = time.monotonic()
    child.sendintr()
    code, text = ended(child)
    assert code == Exit.INTERRUPTED
    assert time.monotonic() - asked < AT_ONCE + asked - started
    assert "stopped" in text
    assert "Traceback" not in text


@as_root
def test_a_wait_is_not_shown_when_quiet_or_off_a_terminal(root: Path, silent_portal: int) -> None:
    words = ["discover", f"127.0.0.1:{silent_portal}", "--timeout", "2s"]
    piped = subprocess.run(
        [*COMMAND, *words], env={**os.environ, "ISCSICTL_ROOT": str(root)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    code, text = ended(on_terminal(root, "-q", *words))
    assert piped.returncode == code == Exit.UNREACHABLE
    assert "to answer" not in piped.stdout + piped.stderr + text
    assert "no answer within 2 s" in text


@as_root
def test_the_line_of_a_wait_is_erased_before_the_error(root: Path, silent_portal: int) -> None:
    words = ["discover", f"127.0.0.1:{silent_portal}", "--timeout", "4s"]
    code, text = ended(on_terminal(root, *words))
    assert code == Exit.UNREACHABLE
    assert re.search(r"to answer: [1-3] of at most 4 s[^\n]*\r +\riscsictl: portal", text)


def test_a_deferred_signal_ends_a_program_that_is_interruptible(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(signals, "_asked", asked)
    pid = tmp_path / "pid"

    def ask_once_it_runs() -> None:
        await_until(lambda: pid.exists() and pid.read_text() != "")
        asked.append(2)

    thread = threading.Thread(target=ask_once_it_runs)
    thread.start()
    script, end = f"echo $$ > {pid}; exec sleep 600", 5 * PATIENCE
    began = time.monotonic()
    with pytest.raises(InterruptError) as told:
        process.run(["sh", "-c", script], interruptible=True, timeout=end)
    thread.join()
    assert told.value.exit is Exit.INTERRUPTED
    assert time.monotonic() - began < PATIENCE
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_deferred_signal_leaves_any_other_program_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_asked", [2])
    assert process.run(["sh", "-c", "sleep 0.3; echo done"]).out == "done\n"


def test_an_interruptible_program_gets_its_input_once_and_its_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signals, "_asked", [])
    script = "sleep 0.5; cat"
    assert process.run(["sh", "-c", script], stdin=b"text", interruptible=True).out == "text"
    with pytest.raises(UnreachableError, match=r"within 0\.3 s"):
        process.run(["sleep", "60"], interruptible=True, timeout=0.3)


def test_a_roll_back_is_finished_although_a_signal_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_asked", [2])
    with signals.shielded():
        signals.check()
        assert not signals.asked()
        assert process.run(["sh", "-c", "sleep 0.3; echo out"], interruptible=True).out == "out\n"
    with pytest.raises(InterruptError):
        signals.check()


def shifted(line: StatusLine, *waits: Wait) -> str | None:
    """The text of a line on which these waits are."""
    line._waits[:] = waits
    return line.text()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The clock of the line, which stands still."""
    made = FakeClock()
    monkeypatch.setattr(status_line, "time", made)
    return made


def test_of_nested_waits_the_innermost_is_named_with_its_limit(clock: FakeClock) -> None:
    now = clock.seconds
    step = Wait("login iqn.x", None, began=now - 9, thread=1)
    other = Wait("mkfs /dev/sda", None, began=now - 8, thread=2)
    inner = Wait("logging in to iqn.x", 60.0, began=now - 5.1, thread=1)
    line = StatusLine()
    assert shifted(line, step) == "login iqn.x: 9 s"
    assert shifted(line, step, other, inner) == "logging in to iqn.x: 5 of at most 60 s"
    assert shifted(line, Wait("ls", None, began=now)) is None


def test_progress_follows_the_wait_and_goes_with_it(clock: FakeClock) -> None:
    step = Wait("mkfs /dev/sda", None, began=clock.seconds - 2, thread=1)
    line = StatusLine()
    shifted(line, step)
    line.note_progress("Writing inode tables:\n 3/7")
    assert line.text() == "mkfs /dev/sda: 2 s  Writing inode tables: 3/7"
    # mke2fs(8) goes back by as many columns as it wrote.
    line.note_progress("\b\b\b 4/7\b\b\b\b")
    assert line.text() == "mkfs /dev/sda: 2 s  4/7"
    line.end(step)
    assert line.text() is None
    assert line._progress == ""


@pytest.mark.parametrize(
    ("width", "progress", "shown"),
    [
        (57, "", "waiting for 192.0.2.5:3260 to answer: 5 of at most 60 s"),
        (37, "", "waiting for 192.0.2.5:326…: 5 of 60 s"),
        (37, "3/7", "waiting for 192.0.2.…: 5 of 60 s  3/7"),
        (37, "Writing inode tables: 3/7", "waiting for 192.0.2.5:326…: 5 of 60 s"),
    ],
)
def test_a_narrow_terminal_still_shows_how_long_is_waited(
    clock: FakeClock, width: int, progress: str, shown: str
) -> None:
    line = StatusLine()
    began = clock.seconds - 5.1
    shifted(line, Wait("waiting for 192.0.2.5:3260 to answer", 60.0, began=began))
    line.note_progress(progress)
    assert line.text(width) == shown


#: What sleeps without a wait of its own, and why that is no wait of a second or more.
SHORT_SLEEPS = {
    "engine/coalescing.py: _gather_next_round",  # milliseconds in which more of the same come
    "output/status_line.py: _draw_until_idle",  # the line itself
    "system/block/kernel_events.py: wait",  # `watch` shows its table meanwhile
    "system/block/udev_wait.py: listen",  # `Waiter.wait` has the wait
    "system/host/facts.py: observe_lock",  # `doctor` checks every layer in one wait
    "system/io/host_lock.py: pause_once",  # `_locked_file` has the wait
    "system/io/process.py: _end_on_terminal",  # the end of a program that was stopped
    "system/io/process.py: pty",  # the end of a step, which is shown
    "system/iscsi/nodedb.py: _reread_until_settled",  # RECORD_WAIT: 0.3 s
    "system/iscsi/nodedb_lock.py: _wait_for_turn",  # `__enter__` has the wait
    "system/iscsi/nodedb_lock.py: _wait_for_link",
    "observers/attach.py: observe_host",  # reading the state of this host is one wait
    "observers/prune.py: _down_times",  # it tells its progress there
}


def sleepers() -> Iterator[str]:
    """Every function that sleeps and does not itself say what it waits for."""
    package = Path(process.__file__).parents[2]
    for path in sorted(package.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                calls = {
                    ast.unparse(one.func) for one in ast.walk(function) if isinstance(one, ast.Call)
                }
                if "time.sleep" in calls and "waiting" not in calls:
                    yield f"{path.relative_to(package)}: {function.name}"


def test_whatever_sleeps_says_what_it_waits_for() -> None:
    assert set(sleepers()) - SHORT_SLEEPS == set()


class Told:
    """A display that notes the waits that it is told of."""

    def __init__(self) -> None:
        self.waits: list[tuple[str, float | None]] = []

    def begin(self, what: str, limit: float | None = None) -> None:
        self.waits.append((what, limit))

    def end(self, wait: object) -> None:
        pass


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    display = Told()
    monkeypatch.setattr(waits, "_displays", [display])
    return display


def test_a_wait_for_an_event_is_shown_with_its_end(told: Told) -> None:
    with Waiter() as waiter:
        assert waiter.wait(lambda: 1, time.monotonic() + 7, "waiting for multipathd") == 1
    assert told.waits == [("waiting for multipathd", 7)]


def test_a_wait_for_the_lock_of_open_iscsi_is_shown_and_ends_at_a_signal(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "_asked", [2])
    lock = NodeDbLock(timeout=60, root=tmp_path)
    lock.link.parent.mkdir(parents=True)
    lock.link.touch()
    with pytest.raises(InterruptError), lock:
        pass
    assert told.waits == [("waiting for the lock of the node database", 60)]


def test_a_wait_for_another_iscsictl_is_shown(told: Told, tmp_path: Path) -> None:
    with (
        take_turn("reloading systemd", 0, tmp_path),
        pytest.raises(InUseError),
        take_turn("reloading systemd", 0, tmp_path),
    ):
        pass
    assert told.waits == [("another run is reloading systemd", 0)]


def test_a_terminal_that_is_gone_stops_the_line_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(status_line, "STATUS_LINE_DELAY", 0.0)
    controller, terminal = os.openpty()
    stream = os.fdopen(terminal, "w")
    line = StatusLine()
    line.show_on(stream)
    wait = line.begin("mkfs /dev/sda")
    assert re.search(rb"mkfs /dev/sda: \d+ s", os.read(controller, 100))
    os.close(controller)
    await_until(lambda: line._stream is None)
    line.end(wait)
    with suppress(OSError):  # what could not be written is still in its buffer
        stream.close()
