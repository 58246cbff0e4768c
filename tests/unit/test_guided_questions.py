"""The questions of `attach`: who is asked, how they look, and what ends them."""

import os
import signal
import sys
from pathlib import Path

import click
import pexpect
import pytest

from iscsictl.cli.commands import guided
from iscsictl.cli.options import Settings
from iscsictl.cli.runner import ask
from iscsictl.errors import Exit, InterruptError, UnansweredError
from iscsictl.system.io import signals
from tests.commands import call
from tests.patience import PATIENCE


def test_a_prompt_that_ends_says_that_nothing_was_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(*_: object, **__: object) -> str:
        raise click.Abort

    monkeypatch.setattr(click, "prompt", ends)
    with pytest.raises(InterruptError, match="nothing was changed") as told:
        guided.prompt("Portal", None, hide=False)
    assert told.value.exit is Exit.INTERRUPTED


@pytest.mark.usefixtures("default_hangup")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_a_question_has_its_own_exit_code(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "_asked", [])
    monkeypatch.setattr(signals, "_terminals", [])
    monkeypatch.setattr(click, "prompt", lambda *_, **__: signal.raise_signal(number))
    with pytest.raises(InterruptError, match="nothing was changed") as told:
        guided.prompt("Portal", None, hide=False)
    assert told.value.exit == 128 + number


@pytest.mark.parametrize("ended_by", [click.Abort(), InterruptError("stopped", signal=2)])
def test_a_question_of_a_run_that_is_not_answered_is_told_apart_from_other_stops(
    ended_by: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object, **__: object) -> bool:
        raise ended_by

    monkeypatch.setattr(Settings, "interactive", property(lambda _: True))
    monkeypatch.setattr(click, "confirm", end)
    with pytest.raises(UnansweredError) as told:
        ask(Settings(), "Mount it as it is?")
    assert told.value.exit is Exit.INTERRUPTED


@pytest.mark.parametrize("words", [["attach"], ["attach", "-y"], ["attach", "-J"]])
def test_off_a_terminal_the_portal_has_to_be_named(words: list[str], tmp_path: Path) -> None:
    answer = call(words, tmp_path, uid=0)
    assert answer.code == Exit.USAGE
    assert "-p ADDR" in answer.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="attach needs root")
def test_on_a_terminal_the_portal_is_asked_for_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    child = pexpect.spawn(
        sys.executable, ["-m", "iscsictl", "attach"],
        env={**os.environ, "ISCSICTL_ROOT": str(tmp_path)}, encoding="utf-8", timeout=PATIENCE,
    )  # fmt: skip
    child.expect("Portal of the array")
    child.sendline("127.0.0.1:1")
    child.expect("portal 127.0.0.1:1 does not answer: connection refused")
    child.expect("Portal of the array")
    child.sendintr()
    child.expect("stopped; nothing was changed")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == Exit.INTERRUPTED
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="attach needs root")
def test_a_question_fits_a_terminal_of_40_columns(tmp_path: Path) -> None:
    child = pexpect.spawn(
        sys.executable, ["-m", "iscsictl", "attach"], dimensions=(24, 40),
        env={**os.environ, "ISCSICTL_ROOT": str(tmp_path), "COLUMNS": ""}, encoding="utf-8",
        timeout=PATIENCE,
    )  # fmt: skip
    child.expect(r"\): ")
    assert (child.before or "").splitlines() == [
        "Portal of the array (address, or",
        "address:port",
    ]
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
