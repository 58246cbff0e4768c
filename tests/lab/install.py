"""The project's wheel, made here and installed in a guest as an admin would."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.lab.guest import Guest

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = ("iscsictl", "completions", "docs", "setup.cfg", "pyproject.toml", "README.md",
           "LICENSE", "CHANGELOG.md", "MANIFEST.in")  # fmt: skip


def wheel(directory: Path) -> Path:
    """Build the wheel in a copy of the sources: nothing is left in the tree."""
    tree = directory / "tree"
    tree.mkdir()
    for name in SOURCES:
        source = PROJECT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source, tree / name, ignore=ignored)
        elif source.exists():
            shutil.copy2(source, tree / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
               "--no-index", "-w", str(directory), str(tree)]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"the wheel cannot be built:\n{result.stdout}{result.stderr}")
    return next(directory.glob("*.whl"))


def install(host: Guest) -> None:
    """Install the project over the distribution's own click, rich, pyudev and pexpect."""
    with tempfile.TemporaryDirectory(prefix="iscsictl-wheel-") as name:
        made = wheel(Path(name))
        target = f"/root/{made.name}"
        host.put(target, made.read_bytes())
    pip = "pip install -q --no-index --no-deps --break-system-packages --root-user-action=ignore"
    # It compiles each module: a minute in an emulated guest, several on a busy machine.
    host.run(f"{pip} --force-reinstall {target} && rm {target}", check=True, timeout=600)


def install_package(host: Guest, package: Path, *options: str) -> None:
    """Install a Debian package with what it needs from the image: a guest reaches no mirror."""
    target = f"/root/{package.name}"
    host.put(target, package.read_bytes())
    command = f"apt-get install -y {' '.join(options)} {target} && rm {target}"
    # Its scripts compile each module, which takes minutes in an emulated guest on a busy machine.
    host.run(command, check=True, timeout=600, env={"DEBIAN_FRONTEND": "noninteractive"})


def build_collection(directory: Path) -> Path:
    """Build the Ansible collection as `make collection` does; return its archive."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [PROJECT / "packaging/build-collection", directory],
        capture_output=True, text=True, check=False, env=os.environ | {"PATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return next(directory.glob("*.tar.gz"))
