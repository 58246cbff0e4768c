"""The Ansible collection: it builds, its modules have documentation, ansible-test finds nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from iscsictl import __version__

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
ARCHIVE = f"iscsictl-iscsictl-{__version__}.tar.gz"


def run(*words: str | Path, **environment: str) -> str:
    """Run a program of the ansible-core beside this Python."""
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env=ENVIRONMENT | environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_builds_installs_and_documents_its_modules(tmp_path: Path) -> None:
    run(ROOT / "packaging/build-collection", tmp_path)
    run("ansible-galaxy", "collection", "install", "-p", tmp_path, tmp_path / ARCHIVE)
    modules = [f"iscsictl.iscsictl.{name}" for name in ("volumes", "info", "initiator")]
    text = run("ansible-doc", "--json", *modules, ANSIBLE_COLLECTIONS_PATH=str(tmp_path))
    assert json.loads(text).keys() == set(modules)


@pytest.mark.torture
def test_ansible_test_sanity_finds_nothing(tmp_path: Path) -> None:
    run(ROOT / "packaging/build-collection", "--sanity", tmp_path)
    assert (tmp_path / ARCHIVE).is_file()
