"""Programs on a terminal of ours: their end is theirs, and ours when the user asks to stop."""

from __future__ import annotations

import mmap
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from iscsictl.errors import MissingError
from iscsictl.system.io import process
from iscsictl.system.io.process import StoppedError, ToolError
from tests.patience import await_until

DEAF = "trap '' HUP INT TERM CONT; "


def test_a_program_that_closed_its_terminal_ends_in_its_own_time() -> None:
    began = time.monotonic()
    with pytest.raises(ToolError) as told:
        process.pty(["sh", "-c", "echo done; exec < /dev/null > /dev/null 2>&1; sleep 0.5; exit 3"])
    assert told.value.result.code == 3
    assert told.value.result.out.strip() == "done"
    assert time.monotonic() - began >= 0.5


@pytest.mark.fault("F42")
@pytest.mark.parametrize(
    "script",
    [
        DEAF + "echo pid $$; while :; do sleep 0.1; done",
        DEAF + "echo pid $$; exec < /dev/null > /dev/null 2>&1; while :; do sleep 0.1; done",
    ],
)
def test_a_program_that_heeds_no_signal_is_ended_when_the_user_asks(script: str) -> None:
    said: list[str] = []
    with pytest.raises(StoppedError, match="sh was stopped before it finished"):
        process.pty(["sh", "-c", script], watch=said.append, stop=lambda: bool(said))
    with pytest.raises(ProcessLookupError):
        os.kill(int("".join(said).split()[1]), 0)


@pytest.mark.fault("F42")
def test_so_is_one_that_closed_its_terminal_long_ago(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    script = f"{DEAF} echo pid $$; exec < /dev/null > /dev/null 2>&1; touch '{closed}'"
    said: list[str] = []
    asked_at: list[float] = []

    def stop() -> bool:
        if closed.exists():
            asked_at.append(time.monotonic())
        return bool(asked_at) and asked_at[-1] > asked_at[0] + 1

    with pytest.raises(StoppedError):
        process.pty(
            ["sh", "-c", f"{script}; while :; do sleep 0.1; done"], watch=said.append, stop=stop
        )
    with pytest.raises(ProcessLookupError):
        os.kill(int("".join(said).split()[1]), 0)


@pytest.mark.fault("F42")
@pytest.mark.usefixtures("default_hangup")
@pytest.mark.parametrize("below", [[], ["nohup"]])
def test_it_is_hung_up_when_this_process_is_killed(tmp_path: Path, below: list[str]) -> None:
    """Nothing goes on writing to a disk that a later run takes for abandoned."""
    said = tmp_path / "said"
    script = f"echo $$ > {said}.new; mv {said}.new {said}; while :; do sleep 0.1; done"
    code = (
        "from iscsictl.system.io import process, signals; signals.defer(); "
        f"process.pty(['sh', '-c', {script!r}])"
    )
    ours = subprocess.Popen([*below, sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    try:
        await_until(said.exists)
    finally:
        ours.kill()
        ours.wait()
    program = Path(f"/proc/{int(said.read_text())}")
    await_until(lambda: not program.exists())


def test_no_page_of_this_process_is_copied_for_it() -> None:
    """After a fork(2), every page that is written costs a page fault."""
    process.pty(["true"])
    pages = bytearray(64 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        process.pty(["true"])
        pages[:: mmap.PAGESIZE] = bytes(len(pages) // mmap.PAGESIZE)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert faults < len(pages) // mmap.PAGESIZE


def test_a_program_that_ctrl_c_ended_before_it_had_its_own_session_was_stopped(
    tmp_path: Path,
) -> None:
    started = tmp_path / "started"

    def stop() -> bool:
        return started.exists() and not Path(f"/proc/{started.read_text().strip()}").exists()

    with pytest.raises(StoppedError):
        process.pty(["sh", "-c", f"echo $$ > {started}; kill -INT $$"], stop=stop)


def test_without_setsid_the_error_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mkfs.ext4").symlink_to("/bin/true")
    monkeypatch.setattr(process, "PATH", str(tmp_path))
    with pytest.raises(MissingError, match="setsid is not installed"):
        process.pty(["mkfs.ext4"])


def test_a_program_that_fails_is_noticed_where_sigchld_was_ignored() -> None:
    """exec(2) keeps that; waitpid(2) then tells no exit code, and Python takes it for 0."""
    program = (
        "import atexit, sys; from iscsictl.system.io import process; import iscsictl.__main__; "
        "atexit.register(lambda: print(process.run(['false'], ok=None).code)); "
        "sys.argv[1:] = ['--version']; iscsictl.__main__.main()"
    )
    done = subprocess.run(
        ["sh", "-c", "trap '' CHLD; exec \"$@\"", "sh", sys.executable, "-c", program],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split()[-1] == "1"


def test_no_signal_is_blocked_where_whoever_started_this_process_blocked_it() -> None:
    program = (
        "import atexit, sys; from iscsictl.system.io import process; import iscsictl.__main__; "
        "atexit.register(lambda: print(process.run(['grep', 'SigBlk', '/proc/self/status']).out)); "
        "sys.argv[1:] = ['--version']; iscsictl.__main__.main()"
    )
    blocking = (
        "import os, signal, sys; "
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM}); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", blocking, sys.executable, "-c", program],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout.split()[-1], 16) == 0
