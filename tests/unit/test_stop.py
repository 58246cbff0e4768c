"""A signal reaches what is at work, in every thread, and is never taken for an answer."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pexpect
import pytest

from iscsictl.errors import Exit, InterruptError, RefusedError
from iscsictl.model.inventory import ReadFailed, observe_value
from iscsictl.system.io import signals
from tests.patience import PATIENCE


def test_an_interrupt_reaches_the_threads_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_asked", [])
    before = signal.getsignal(signal.SIGINT)
    heard: list[InterruptError] = []
    there = threading.Event()

    def work() -> None:
        there.wait(PATIENCE)
        try:
            signals.check()
        except InterruptError as error:
            heard.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        signals.in_threads()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
        there.set()
        thread.join()
    assert [int(error.exit) for error in heard] == [128 + signal.SIGINT]


def test_an_observation_that_was_interrupted_saw_nothing() -> None:
    def refused() -> int:
        raise RefusedError("no")

    def interrupted() -> int:
        raise InterruptError("stopped", signal=2)

    answer = observe_value(refused)
    assert isinstance(answer, ReadFailed)
    assert answer.error.text == "no"
    with pytest.raises(InterruptError):
        observe_value(interrupted)


# A step that is at work when the terminal goes: it ends, and what it prints breaks nothing.
STEP = """\
import sys, time
from pathlib import Path
from iscsictl.errors import InterruptError
from iscsictl.system.io import signals
signals.defer()
Path(sys.argv[1]).touch()
end = time.monotonic() + float(sys.argv[2])
while not signals.asked() and time.monotonic() < end:
    time.sleep(0.01)
for stream in (sys.stdout, sys.stderr):
    print("done", file=stream, flush=True)
Path(sys.argv[1]).write_text("ended")
try:
    signals.check()
except InterruptError as error:
    sys.exit(int(error.exit))
"""


def on_a_terminal_that_goes(path: Path) -> int:
    """Run the step on a terminal, close that, and return the exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", STEP, str(path), "60"])
    while not path.exists():
        time.sleep(0.01)
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.usefixtures("default_hangup")
@pytest.mark.fault("F80")
def test_a_step_ends_before_a_lost_terminal_stops_the_run(tmp_path: Path) -> None:
    path = tmp_path / "step"
    assert on_a_terminal_that_goes(path) == Exit.HANGUP
    assert path.read_text() == "ended"


@pytest.mark.fault("F80")
def test_below_nohup_a_lost_terminal_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "step"
    command = ["nohup", sys.executable, "-c", STEP, str(path), "0.5"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as step:
        while not path.exists():
            time.sleep(0.01)
        step.send_signal(signal.SIGHUP)
        assert step.wait(PATIENCE) == 0


# PyOS_InputHook runs in input() before the read: its exception is lost, as a signal can be there.
ASKS = """\
import ctypes, os, signal
from iscsictl.errors import InterruptError
from iscsictl.system.io import signals

sent = []

def send_one():
    if not sent:
        sent.append(os.kill(os.getpid(), signal.SIGINT))
    return 0

hook = ctypes.CFUNCTYPE(ctypes.c_int)(send_one)
place = ctypes.c_void_p.in_dll(ctypes.pythonapi, "PyOS_InputHook")
place.value = ctypes.cast(hook, ctypes.c_void_p).value
earlier = signal.getsignal(signal.SIGINT)
try:
    with signals.at_once():
        input("Portal? ")
except InterruptError:
    print("noticed", signal.getsignal(signal.SIGINT) is earlier)
"""


def test_ctrl_c_just_before_a_question_waits_is_noticed_without_another_key() -> None:
    child = pexpect.spawn(sys.executable, ["-c", ASKS], encoding="utf-8", timeout=PATIENCE)
    child.expect("noticed True")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_signal_that_comes_while_a_wait_is_prepared_is_not_repeated_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signals, "_asked", [])
    started = threading.Thread.start

    def start_and_interrupt(thread: threading.Thread) -> None:
        started(thread)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(threading.Thread, "start", start_and_interrupt)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    threads = set(threading.enumerate())
    with pytest.raises(InterruptError), signals.at_once():
        pytest.fail("the wait began")
    # What stayed would send the signal to all that comes after, to its end.
    assert set(threading.enumerate()) <= threads
    assert signal.set_wakeup_fd(-1) == -1
    assert {number: signal.getsignal(number) for number in handlers} == handlers
