"""Files that a user names for reading: what never ends, says nothing or is too large is refused."""

import os
from pathlib import Path

import pytest

from iscsictl.cli import main
from iscsictl.cli.commands import explain, ls
from iscsictl.errors import Exit
from iscsictl.observers import report
from iscsictl.system.iscsi import sosreport
from tests.commands import call

PIPE = ["plan pipe", "apply pipe -n", "apply v.toml --plan pipe -n", "import pipe -n",
        "import fstab.iscsi --bindings pipe -n", "doctor --from pipe",
        "ls --from pipe"]  # fmt: skip
ENDLESS = ["plan /dev/zero", "import /dev/zero -n", "doctor --from /dev/zero", "explain -",
           "ls --from -", "ls --from /dev/zero"]  # fmt: skip


@pytest.mark.parametrize("words", PIPE)
def test_a_pipe_that_nobody_writes_to_ends_the_command(tmp_path: Path, words: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "v.toml").touch()
    (tmp_path / "fstab.iscsi").write_text("/dev/iscsi/bus0/target0/lun0 /a ext3 defaults 0 0\n")
    answer = call([*words.split(), "--timeout", "50ms"], tmp_path, uid=0)
    assert answer.code == Exit.UNREACHABLE
    first, hint = answer.err.splitlines()
    assert first == "iscsictl: pipe: nothing was written to the pipe for 0.05 s"
    assert hint.startswith("hint: start the program that writes to it")


@pytest.mark.parametrize("words", ENDLESS)
def test_what_never_ends_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    for module in (explain, ls, sosreport):
        monkeypatch.setattr(module, "MAX_CAPTURE", 1 << 10)
    monkeypatch.setattr(report, "MAX_FINDINGS", 1 << 10)
    answer = call(words.split(), tmp_path, uid=0, stdin=b"x" * 2048)
    assert answer.code == Exit.USAGE
    first, hint = answer.err.splitlines()
    assert " is larger than " in first
    assert hint.startswith("hint: give a")


def test_more_than_the_memory_holds_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(main.cli, "main", fail)
    answer = call(["ls"], tmp_path)
    assert answer.code == Exit.ERROR
    assert answer.err.startswith("iscsictl: there is not enough memory\nhint: ")
