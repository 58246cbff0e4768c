"""What each command loads: nothing that it does not use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.bench.bench_reconnect import make_records
from tests.bench.make_tree import make

if TYPE_CHECKING:
    from pathlib import Path

# Libraries that take longer to import than most commands take to run.
LARGE = {
    "asyncio",
    "pexpect",
    "pyudev",
    "rich",
    "iscsictl.cli.completions",
    "zxcvbn",
}
PROGRAM = """\
import atexit, sys
atexit.register(lambda: print("\\n@", *sys.modules, file=sys.stderr))
sys.argv = ["iscsictl", *{words}]
from iscsictl.__main__ import main
main()
"""
COMMANDS = [
    "--version", "--help", "ls", "ls --output=json", "ls --output=tsv", "reconnect --quiet",
    "schedule status",
]  # fmt: skip


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


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_loads_no_large_library_that_it_does_not_use(machine: Path, command: str) -> None:
    found = loaded(machine, command.split())
    assert "click" in found
    assert found & LARGE == set()


def test_ls_reads_sessions_alone(machine: Path) -> None:
    found = loaded(machine, ["ls"])
    assert "iscsictl.system.iscsi.sessions" in found
    unused = {"subprocess", "ctypes", "difflib", "unicodedata", "iscsictl.model.record",
              "iscsictl.system.iscsi.nodedb", "iscsictl.system.io.process"}  # fmt: skip
    assert found & unused == set()
    heavy = ("iscsictl.planner.", "iscsictl.engine.", "iscsictl.checks.", "iscsictl.legacy.")
    assert {name for name in found if name.startswith(heavy)} == {"iscsictl.engine.waits"}


def test_a_reconnect_that_finds_nothing_missing_loads_nothing_to_change_it(machine: Path) -> None:
    found = loaded(machine, ["reconnect", "--quiet"])
    assert "iscsictl.planner.attach.reconnect" in found
    heavy = ("iscsictl.engine.", "iscsictl.checks.", "iscsictl.system.block.blank")
    assert {name for name in found if name.startswith(heavy)} == {"iscsictl.engine.runtime"}
    unused = {"socket", "hashlib", "json", "difflib", "tempfile", "iscsictl.model.actions.disks",
              "iscsictl.model.actions.sessions", "iscsictl.model.host_facts",
              "iscsictl.model.record_settings", "iscsictl.model.record_values",
              "iscsictl.model.crypttab", "iscsictl.model.hold",
              "iscsictl.planner.selection.surviving", "iscsictl.system.iscsi.nodedb_lock",
              "iscsictl.system.mount.udev_rule"}  # fmt: skip
    assert found & unused == set()


def test_an_attach_loads_nothing_of_detach_nor_what_only_errors_and_options_need(
    machine: Path,
) -> None:
    found = loaded(machine, ["attach", "--help"])
    assert "iscsictl.planner.attach.attach" in found
    unused = {
        "iscsictl.cli.commands.detach", "iscsictl.planner.attach.detach",
        "iscsictl.observers.entries", "iscsictl.observers.secret_files",
        "iscsictl.observers.sessions", "iscsictl.errors.codes", "iscsictl.model.boot_units",
        "iscsictl.model.crypttab", "iscsictl.model.hold", "iscsictl.model.services",
        "iscsictl.planner.safety.destroyed_entries", "iscsictl.planner.safety.storage_graph",
        "iscsictl.planner.selection.luns", "iscsictl.planner.selection.records",
        "iscsictl.system.block.path_nexus", "iscsictl.system.io.daemons", "difflib",
    }  # fmt: skip
    assert found & unused == set()


@pytest.mark.parametrize("command", ["attach --help", "nodes", "disk ls", "discover --help"])
def test_a_command_that_changes_nothing_loads_nothing_that_does(
    machine: Path, command: str
) -> None:
    found = loaded(machine, command.split())
    assert "iscsictl.engine.handlers.registry" in found
    handlers = {name for name in found if name.startswith("iscsictl.engine.handlers.")}
    assert handlers == {"iscsictl.engine.handlers.effect", "iscsictl.engine.handlers.registry"}
    # An action is defined when a plan first names it.
    defined = {name for name in found if name.startswith("iscsictl.model.actions.")}
    assert defined <= {"iscsictl.model.actions.disk_id"}
    assert found & {"concurrent.futures", "iscsictl.model.host_facts"} == set()


def test_help_of_the_program_loads_no_command(machine: Path) -> None:
    found = loaded(machine, ["--help"])
    own = {name for name in found if name.startswith("iscsictl.")}
    assert own == {
        "iscsictl.__main__", "iscsictl.cli", "iscsictl.cli.examples", "iscsictl.cli.groups",
        "iscsictl.cli.help", "iscsictl.cli.main", "iscsictl.lazy_import",
    }  # fmt: skip


@pytest.mark.parametrize("command", ["attach", "detach", "login", "disk mkfs", "doctor", "watch"])
def test_help_draws_nothing_and_waits_for_nothing(machine: Path, command: str) -> None:
    found = loaded(machine, [*command.split(), "--help"])
    assert "click" in found
    assert found & LARGE == set()


def test_what_was_said_without_an_end_of_line_is_not_lost_at_the_end() -> None:
    program = (
        "import sys; import iscsictl.__main__ as entry; import iscsictl.cli.main as cli; "
        "cli.run_cli = lambda: sys.stderr.write('half') and sys.stdout.write('a line') and 3; "
        "sys.argv = ['iscsictl', 'ls']; entry.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (3, "a line", "half")


INTERRUPT = """\
import os, signal, sys
if {ignored}:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
class Finder:
    @staticmethod
    def find_spec(name, *_):
        if name == "iscsictl.cli.main" and {loading}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder)
if not {loading}:
    import atexit
    atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
sys.argv = ["iscsictl", "--version"]
from iscsictl.__main__ import main
main()
"""


@pytest.mark.parametrize("loading", [True, False], ids=["loading", "ending"])
@pytest.mark.parametrize("ignored", [True, False], ids=["ignored", "default"])
def test_ctrl_c_at_the_beginning_or_the_end_leaves_no_traceback(
    loading: bool, ignored: bool
) -> None:
    program = INTERRUPT.format(loading=loading, ignored=ignored)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.returncode == (0 if ignored else -signal.SIGINT)
    assert bool(done.stdout) == (ignored or not loading)
