"""The rpm: it builds on Debian, rpmlint finds nothing, and it holds what the wheel holds."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from iscsictl import __version__

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs a Debian system")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("rpm")
    done = subprocess.run(
        [ROOT / "packaging/build-rpm", directory], capture_output=True, text=True, check=False
    )
    # build-rpm fails on any warning of rpmlint.
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 errors, 0 warnings" in done.stdout
    return directory / f"iscsictl-{__version__}-1.noarch.rpm"


def query(package: Path, *options: str) -> set[str]:
    """Ask rpm about a package file."""
    done = subprocess.run(
        ["rpm", "--query", "--package", *options, package],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.split("\n"))


def test_it_holds_the_program_its_units_pages_and_completions(package: Path) -> None:
    pages = {
        f"/usr/share/man/man{page.suffix[1:]}/{page.name}.gz"
        for page in (ROOT / "docs/man").iterdir()
    }
    expected = {
        "/usr/bin/iscsictl",
        "/usr/lib/systemd/system/iscsictl-reconnect.service",
        "/usr/lib/systemd/system/iscsictl-reconnect.timer",
        "/usr/share/bash-completion/completions/iscsictl.bash",
        "/usr/share/zsh/site-functions/_iscsictl",
        "/usr/share/fish/vendor_completions.d/iscsictl.fish",
    }
    assert expected | pages <= query(package, "--list")


def test_it_requires_what_setup_cfg_requires(package: Path) -> None:
    text = (ROOT / "setup.cfg").read_text()
    block = text.partition("install_requires =")[2].partition("\n\n")[0]
    wanted = {f"python3-{line.strip()}" for line in block.splitlines() if line.strip()}
    assert wanted <= query(package, "--requires")
