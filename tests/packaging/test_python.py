"""The source archive and the wheel of `python3 -m build`, installed where there is nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from iscsictl import __version__

ROOT = Path(__file__).parents[2]
LISTING = "tcp: [1] 192.0.2.5:3260,1 iqn.2001-04.com.example:mail (non-flash)\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both from a copy; the wheel is made from the source archive, which must be whole."""
    directory = tmp_path_factory.mktemp("python")
    subprocess.run([ROOT / "packaging/copy-sources", directory / "tree"], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", directory, directory / "tree"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


@pytest.mark.parametrize(
    "name", [f"iscsictl-{__version__}.tar.gz", f"iscsictl-{__version__}-py3-none-any.whl"]
)
def test_it_installs_and_runs_from_an_empty_environment(
    built: Path, tmp_path: Path, name: str
) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    done = subprocess.run(
        [tmp_path / "env/bin/pip", "install", "-q", "--disable-pip-version-check", built / name],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    def call(*words: str) -> str:
        # Another directory and no PYTHONPATH: only what was installed can be found.
        run = subprocess.run(
            [tmp_path / "env/bin/iscsictl", *words],
            input=LISTING, capture_output=True, text=True, check=True, cwd=tmp_path, env={},
        )  # fmt: skip
        return run.stdout

    assert __version__ in call("--version")
    assert "iqn.2001-04.com.example:mail" in call("ls", "--from", "-")
    share = tmp_path / "env/share"
    for page in (ROOT / "docs/man").iterdir():
        assert (share / f"man/man{page.suffix[1:]}" / page.name).read_bytes() == page.read_bytes()
    for shell, file in {
        "bash": "bash-completion/completions/iscsictl.bash",
        "zsh": "zsh/site-functions/_iscsictl",
        "fish": "fish/vendor_completions.d/iscsictl.fish",
    }.items():
        assert (share / file).read_text() == call("completion", shell)
