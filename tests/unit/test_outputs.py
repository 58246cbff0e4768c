"""Where the output goes does not matter: a closed pipe, a full device, no stdin, any locale."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.make_tree import make
from tests.patience import PATIENCE

DOOR = f"{sys.executable} -m iscsictl"
COMMANDS = ["ls", "ls --tree", "ls -J", "disk ls", "doctor --timeout 1", "completion bash",
            "--help", "--version"]  # fmt: skip
LOCALES = [{"LANG": "C"}, {"LANG": "ja_JP.UTF-8"}, {"LC_ALL": "POSIX", "COLUMNS": "40"}]
pytestmark = pytest.mark.fault("F46")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("root")
    make(made, 40)
    return made


def shell(root: Path, line: str, **environment: str) -> tuple[int, str, str]:
    env = {"PATH": os.environ["PATH"], "ISCSICTL_ROOT": str(root), **environment}
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, errors="replace", env=env,
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_goes_away_ends_it_quietly(root: Path, command: str) -> None:
    line = f"{DOOR} {command} | head -c 1 >/dev/null; echo ${{PIPESTATUS[0]}}"
    _, out, err = shell(root, line)
    assert err == ""
    assert out.strip() in ({"0", "1"} if "doctor" in command else {"0"})


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_device_is_one_line_and_exit_1(root: Path, command: str) -> None:
    code, _, err = shell(root, f"{DOOR} {command} >/dev/full")
    assert (code, err) == (1, "iscsictl: cannot write the output: No space left on device\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_what_was_closed_before_is_not_missed(root: Path, closed: str) -> None:
    for command in ("ls", "--version", "--help"):
        code, out, err = shell(root, f"{DOOR} {command} {closed}")
        assert code == 0, (command, err)
        assert err == ""
        assert bool(out) == (">&-" not in closed or closed == "2>&-")
    code, out, err = shell(root, f"{DOOR} no-such-command {closed}")
    assert code == 2
    assert "Traceback" not in out + err


@pytest.mark.parametrize("environment", LOCALES, ids=str)
def test_any_locale_and_width_gives_the_same_rows(root: Path, environment: dict[str, str]) -> None:
    for command in ("ls --tree", "disk ls"):
        code, out, err = shell(root, f"{DOOR} {command}", **environment)
        assert (code, err) == (0, "")
        assert out == shell(root, f"{DOOR} {command}", LANG="C.UTF-8")[1]


STEPS = """
import os, sys
from iscsictl.model.actions import EnableService
from iscsictl.model.plan import Outcome, Status, Step
from iscsictl.output.views.plan import StepPrinter
printer = StepPrinter(output="table", quiet=False, color=False)
step = Step(EnableService("a.service"), "a.service", "why")
for number in range(3):
    printer(Outcome(step, 1.0).with_status(Status.DONE))
    print(number, file=sys.stderr)
print("more")
"""


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("| :", ""),
        (">/dev/full", "iscsictl: cannot write the output: No space left on device\n"),
    ],
)
def test_the_steps_go_on_when_nobody_can_read_of_them(root: Path, where: str, said: str) -> None:
    line = f"(sleep 0.1; exec {sys.executable} -c '{STEPS}') {where}; echo ${{PIPESTATUS[0]}}"
    _, out, err = shell(root, line)
    assert out == "0\n"
    assert err == f"{said}0\n1\n2\n"
