"""What each command loads: nothing that it does not use."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.bench.bench_reconnect import make_records
from tests.bench.make_tree import make

if TYPE_CHECKING:
    from pathlib import Path

# What costs milliseconds to import, and belongs to few commands. (Click takes difflib for -o.)
DEAR = {
    "asyncio", "click", "concurrent.futures", "ctypes", "difflib", "hashlib", "importlib.resources",
    "logging", "pexpect", "pyudev", "rich", "socket", "subprocess", "syslog", "tempfile",
    "tomllib", "iscsictl.cli.completions", "iscsictl.engine.handlers.registry",
    "iscsictl.engine.reconcile",
}  # fmt: skip
PROGRAM = """\
import os, sys
leave = os._exit
os._exit = lambda code: leave(print("\\n@", *sys.modules, file=sys.stderr) or code)
sys.argv = ["iscsictl", *{words}]
from iscsictl.__main__ import main
main()
"""
LOADED = {
    "--version": set[str](),
    "--help": {"click"},
    "ls": {"click"},
    "ls --output=json": {"click"},
    "ls --output=tsv": {"click"},
    "reconnect --quiet": {"click", "subprocess"},
    "schedule status": {"click", "subprocess"},
}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("machine")
    make(root, 2)
    make_records(root, 2)
    return root


def loaded(machine: Path, words: list[str]) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(words=words)], capture_output=True, text=True,
        env={**os.environ, "ISCSICTL_ROOT": str(machine)}, check=True,
    )  # fmt: skip
    return set(done.stderr.rpartition("@")[2].split())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("command", LOADED)
def test_a_command_loads_what_it_uses(machine: Path, command: str) -> None:
    assert loaded(machine, command.split()) & DEAR == LOADED[command]


@pytest.mark.parametrize("command", ["attach", "detach", "login", "disk mkfs", "doctor", "watch"])
def test_help_draws_nothing_and_waits_for_nothing(machine: Path, command: str) -> None:
    found = loaded(machine, [*command.split(), "--help"])
    assert found & {"rich", "pyudev", "pexpect", "asyncio", "iscsictl.cli.completions"} == set()
    assert "click" in found


def test_what_was_said_without_an_end_of_line_is_not_lost_at_the_end() -> None:
    program = (
        "import sys; from iscsictl.cli import main as cli; from iscsictl.__main__ import main; "
        "cli.run_cli = lambda: sys.stderr.write('half') and sys.stdout.write('a line') and 3; "
        "sys.argv = ['iscsictl', 'ls']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (3, "a line", "half")
