"""CI hides nothing: a skipped test is a failure there, and the lab is required."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPS = {
    "call": "def test_x():\n    pytest.skip('no loop device')\n",
    "mark": "@pytest.mark.skipif(True, reason='no loop device')\ndef test_x():\n    pass\n",
    "fixture": "@pytest.fixture\ndef disk():\n    pytest.skip('no loop device')\n"
               "def test_x(disk):\n    pass\n",
    "expected": "@pytest.mark.xfail\n"
                "def test_x():\n    assert False, 'no loop device'\n",
    "module": "pytest.skip('no loop device', allow_module_level=True)\n",
    "imported": "pytest.importorskip('no_such_module', reason='no loop device')\n",
}  # fmt: skip


def run_pytest(
    directory: Path, sources: dict[str, str], *options: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the tests of some files with the project's settings and the hook of CI."""
    for name, source in sources.items():
        (directory / f"test_{name}.py").write_text(f"import pytest\n{source}")
    env = {k: v for k, v in os.environ.items() if k not in {"CI", "LAB_REQUIRED"}} | environment
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.no_skips", "-p", "no:hypothesispytest",
         "-p", "no:xdist", "-c", ROOT / "pyproject.toml", "--rootdir", directory, *options,
         directory],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("variable", ["CI", "LAB_REQUIRED"])
def test_a_skipped_test_fails_in_ci_and_says_what_is_missing(tmp_path: Path, variable: str) -> None:
    done = run_pytest(tmp_path, SKIPS, "--continue-on-collection-errors", **{variable: "1"})
    assert "2 failed, 4 errors" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1
    for name in SKIPS:
        assert re.search(rf"^(FAILED|ERROR) \S*test_{name}\.py", done.stdout, re.MULTILINE)
    reasons = re.findall(r"^skipped, which is a failure in CI: (.*)$", done.stdout, re.MULTILINE)
    assert len(reasons) == len(SKIPS)
    assert reasons.count("Skipped: no loop device") == len(SKIPS) - 1


@pytest.mark.parametrize("name", ["expected", "module"])
def test_one_skip_alone_makes_the_run_red(tmp_path: Path, name: str) -> None:
    sources = {name: SKIPS[name], "sound": "def test_x():\n    pass\n"}
    assert run_pytest(tmp_path, sources, CI="1").returncode != 0


def test_a_skipped_test_is_no_failure_elsewhere(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, SKIPS, CI="0")
    assert "5 skipped, 1 xfailed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


def test_a_test_without_any_parameter_is_an_error(tmp_path: Path) -> None:
    empty = "@pytest.mark.parametrize('n', [])\ndef test_x(n):\n    pass\n"
    done = run_pytest(tmp_path, {"empty": empty, "sound": "def test_y():\n    pass\n"})
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Empty parameter set" in done.stdout


def test_ci_requires_the_lab_and_runs_the_whole_suite() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    exported = " ".join(re.findall(r"^export (.+)$", script, re.MULTILINE)).split()
    assert {"CI=1", "LAB_REQUIRED=1", "HYPOTHESIS_PROFILE=ci"} <= set(exported)
    assert "LAB_SUITES" not in script
    assert script.endswith("exec make test\n")


def test_no_command_of_the_makefile_may_fail_unnoticed() -> None:
    recipes = re.findall(r"^\t(.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert len(recipes) > 20
    assert [line for line in recipes if line.lstrip("@").startswith("-")] == []
    assert [line for line in recipes if re.search(r"\|\|\s*(true|:)", line)] == []


def test_properties_in_ci_get_a_seed_of_their_own_in_each_run_and_print_it() -> None:
    seeds = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--co", "tests/property/test_login_any.py"],
            cwd=ROOT, env=os.environ | {"HYPOTHESIS_PROFILE": "ci"},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        seeds += re.findall(r"properties: profile ci, --hypothesis-seed=(\d+)\n", done.stdout)
    assert len(set(seeds)) == 2


def test_make_mutants_names_files_that_exist() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    named = [*settings["only_mutate"], *settings["pytest_add_cli_args_test_selection"]]
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_sigterm_ends_a_run_of_lab_tests_instead_of_failing_one_of_them(tmp_path: Path) -> None:
    fixture = "from tests.lab.conftest import end_session_on_sigterm\n"
    first = "import os, signal\ndef test_x():\n    os.kill(os.getpid(), signal.SIGTERM)\n"
    second = f"def test_x():\n    open({str(tmp_path / 'ran')!r}, 'w')\n"
    done = run_pytest(tmp_path, {"first": fixture + first, "second": second})
    assert done.returncode == 143, done.stdout + done.stderr
    assert not (tmp_path / "ran").exists()
