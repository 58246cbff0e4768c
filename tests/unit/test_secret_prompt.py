"""A secret that a login tries at once is typed once; one that is only stored is typed twice."""

import os
import signal
import sys
from pathlib import Path

import pexpect
import pytest

from iscsictl.errors import Exit
from tests.patience import PATIENCE

SECRET = "a-secret-of-16-b"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="these commands need root")


def on_terminal(root: Path, line: str) -> "pexpect.spawn[str]":
    return pexpect.spawn(
        sys.executable, ["-m", "iscsictl", *line.split()],
        env={**os.environ, "ISCSICTL_ROOT": str(root)}, encoding="utf-8", timeout=PATIENCE,
    )  # fmt: skip


@pytest.mark.parametrize("command", ["attach -n -p 127.0.0.1:1", "discover 127.0.0.1:1"])
def test_a_secret_for_a_login_is_asked_for_once_and_not_shown(tmp_path: Path, command: str) -> None:
    child = on_terminal(tmp_path, f"{command} --user me --secret-prompt")
    child.expect("CHAP secret: ")
    child.sendline(SECRET)
    child.expect("connection refused")
    said = child.before or ""
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == Exit.UNREACHABLE
    assert "Repeat" not in said
    assert SECRET not in said


def test_a_secret_that_is_stored_is_asked_for_twice(tmp_path: Path) -> None:
    child = on_terminal(tmp_path, "chap set --default --user me --secret-prompt --dry-run")
    child.expect("CHAP secret: ")
    child.sendline(SECRET)
    child.expect("Repeat for confirmation: ")
    child.sendline(SECRET)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == Exit.PENDING


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_the_question_ends_it_and_the_terminal_shows_again_what_is_typed(
    tmp_path: Path, number: signal.Signals
) -> None:
    child = on_terminal(tmp_path, "discover 127.0.0.1:1 --user me --secret-prompt")
    child.expect("CHAP secret: ")
    child.waitnoecho(PATIENCE)
    assert not child.getecho()
    child.kill(number)
    child.expect(f"\r\n\r?iscsictl: stopped by {number.name}")
    assert child.getecho()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 128 + number


def test_what_follows_ctrl_c_at_a_question_is_on_a_line_of_its_own(tmp_path: Path) -> None:
    child = on_terminal(tmp_path, "attach")
    child.expect("Portal of the array")
    child.expect(": ")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == Exit.INTERRUPTED
    said = (child.before or "").replace("\r", "").splitlines()
    assert said[-1] == "iscsictl: stopped; nothing was changed"
