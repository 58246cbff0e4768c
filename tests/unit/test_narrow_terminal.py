"""On a terminal of 40 columns, what a command shows ends its lines at blanks, not within words."""

import os
import re
import sys
from pathlib import Path

import pexpect
import pytest

from iscsictl.output.text import cell_width
from tests.bench.bench_reconnect import make_records
from tests.bench.make_tree import make
from tests.patience import PATIENCE

COLUMNS = 40
#: What shows the state of a host; a label, an indentation or a level stands before each text.
SHOWING = (
    "", "ls", "ls -l", "ls --tree", "nodes", "nodes show array.lun00000", "disk", "disk ls",
    "disk show /dev/sda", "fstab", "fstab check", "iface", "iface show", "chap", "hold", "doctor",
    "doctor --all", "schedule", "boot", "initiator", "prune -n", "reconnect -n",
    "detach /srv/lun0 -n", "logout --all -n", "help", "help attach", "explain 8",
)  # fmt: skip
_SGR = re.compile(r"\x1b\[[0-9;]*m")
#: The widest thing that stands before a text on its line.
_BEFORE = 26


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("host")
    make(root, 2)
    make_records(root, 2)
    return root


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("command", SHOWING)
def test_lines_fit_unless_a_single_word_does_not(command: str, machine: Path) -> None:
    environment = {"ISCSICTL_ROOT": str(machine), "PAGER": "cat", "TERM": "xterm-256color",
                   "LANG": "C.UTF-8", "PATH": os.environ["PATH"]}  # fmt: skip
    child = pexpect.spawn(
        sys.executable, ["-m", "iscsictl", *command.split()], env=environment, encoding="utf-8",
        dimensions=(24, COLUMNS), timeout=PATIENCE,
    )  # fmt: skip
    child.expect(pexpect.EOF)
    child.close()
    said = _SGR.sub("", str(child.before))
    assert "Traceback" not in said
    lines = [line.rpartition("\r")[2].rstrip() for line in said.replace("\r\n", "\n").split("\n")]
    assert [line for line in lines if is_too_wide(line)] == []


def is_too_wide(line: str) -> bool:
    """Tell whether a line could have ended earlier.

    A message is one line, and so is a command, so that they can be copied whole.
    """
    whole = ("iscsictl: ", "hint: ", "next  ", "  iscsictl ", "      fix: ")
    if cell_width(line) <= COLUMNS or line.startswith(whole):
        return False
    return max(map(cell_width, line.split())) <= COLUMNS - _BEFORE
