"""Secrets from files, pipes and devices: what is read, how long is waited, what is warned of."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from iscsictl.errors import Exit, UsageError
from iscsictl.system.io.secret_file import MAX_SECRET_FILE, read_secret_file
from tests.commands import call
from tests.patience import PATIENCE

SECRET = "0123456789ab"


def read(path: Path | str, timeout: float = PATIENCE) -> str:
    return read_secret_file(str(path), "CHAP secret", timeout).text


@pytest.mark.fault("F79")
@pytest.mark.parametrize(
    ("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)]
)
def test_a_file_that_others_can_read_is_warned_of(tmp_path: Path, mode: int, warned: bool) -> None:
    path = tmp_path / "a secret"
    path.write_text(SECRET + "\n")
    path.chmod(mode)
    answer = call(["chap", "check", "--secret-file", str(path)], tmp_path)
    text = f"users other than root can read {path} (mode {mode:04o}): chmod 600 '{path}'"
    assert (text in answer.err) == warned
    quiet = call(["chap", "check", "-q", "--secret-file", str(path)], tmp_path)
    assert quiet.err == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_one_that_he_can_read(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(SECRET)
    path.chmod(0o600)
    assert read_secret_file(str(path), "", 5).mode is None
    os.chown(path, 65534, 65534)
    assert read_secret_file(str(path), "", 5).mode == 0o600


@pytest.mark.fault("F79")
def test_a_pipe_that_nobody_writes_to_ends_by_the_deadline(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o600)
    began = time.monotonic()
    command = [sys.executable, "-m", "iscsictl", "chap", "check", "--timeout", "1s"]
    done = subprocess.run(
        [*command, "--secret-file", path],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == Exit.UNREACHABLE
    assert f"nothing was read from {path} within 1 s" in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - began > 1


@pytest.mark.fault("F79")
def test_standard_input_that_stays_open_ends_by_the_deadline() -> None:
    command = [sys.executable, "-m", "iscsictl", "chap", "check", "--timeout", "1s"]
    reading, writing = os.pipe()
    try:
        done = subprocess.run(
            [*command, "--secret-file", "-"], stdin=reading, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
    finally:
        os.close(reading)
        os.close(writing)
    assert done.returncode == Exit.UNREACHABLE
    assert done.stderr.startswith("iscsictl: CHAP secret: nothing was read from standard input")


def test_a_pipe_is_read_to_its_end_and_a_device_as_far_as_a_secret_goes(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    script = f"exec 3> {path}; printf 01234 >&3; sleep 0.2; printf '56789ab\\n' >&3"
    with subprocess.Popen(["sh", "-c", script]):
        assert read(path) == SECRET
    assert read("/dev/zero") == "\0" * MAX_SECRET_FILE
    with pytest.raises(UsageError, match=r"CHAP secret: .*/not-there: no such file"):
        read(tmp_path / "not-there")


def test_a_credential_of_systemd_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mail").write_text(SECRET)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read("mail") == SECRET
    with pytest.raises(UsageError):
        read("./mail")


@pytest.mark.fault("F79")
def test_a_run_that_crashes_leaves_no_core(tmp_path: Path) -> None:
    # It waits for a secret with another one in its memory, and is then ended as a fault ends it.
    (tmp_path / "one").write_text(SECRET)
    os.mkfifo(tmp_path / "other")
    command = [
        "prlimit", "--core=unlimited", sys.executable, "-m", "iscsictl", "chap", "check",
        "--secret-file", "one", "--mutual-secret-file", "other",
    ]  # fmt: skip
    run = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    writing = os.open(tmp_path / "other", os.O_WRONLY)
    try:
        run.send_signal(signal.SIGSEGV)
        status = os.waitpid(run.pid, 0)[1]
    finally:
        os.close(writing)
    assert os.WIFSIGNALED(status)
    assert not os.WCOREDUMP(status)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["one", "other"]


@pytest.mark.fault("F79")
def test_a_core_that_is_dumped_all_the_same_holds_no_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    # The limit stays as it is, as where somebody raises that of a running process.
    program = (
        "import os, resource, signal, iscsictl.__main__ as entry; "
        "resource.setrlimit = lambda *_: None; entry._forbid_core_dumps(); "
        "secret = open('secret').read(); os.kill(os.getpid(), signal.SIGSEGV)"
    )
    done = subprocess.run(
        ["prlimit", "--core=unlimited", sys.executable, "-c", program], cwd=tmp_path, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == -signal.SIGSEGV
    cores = [entry for entry in tmp_path.iterdir() if entry.name != "secret"]
    assert [core.name for core in cores if SECRET.encode() in core.read_bytes()] == []


@pytest.mark.fault("F79")
@pytest.mark.parametrize("hard", ["0", "1", "unlimited"])
def test_no_core_is_asked_for_whatever_the_limit_was(hard: str) -> None:
    program = (
        "import resource, iscsictl.__main__ as entry; entry._forbid_core_dumps(); "
        "print(*resource.getrlimit(resource.RLIMIT_CORE), "
        "int(open('/proc/self/coredump_filter').read(), 16))"
    )
    done = subprocess.run(
        ["prlimit", f"--core={hard}", sys.executable, "-c", program],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    limit = "0" if hard == "0" else "1"
    assert done.stdout.split() == [limit, limit, "0"]
