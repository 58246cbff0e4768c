"""promtool, which reads metrics and alert rules as Prometheus does; tests/install-deps has it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FETCHED = Path(__file__).parents[1] / "build/promtool"


def promtool(*words: str | Path, stdin: str = "") -> tuple[int, str]:
    """Run promtool; return its exit code and all that it prints. Skips where it is missing."""
    program = FETCHED if FETCHED.exists() else shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is missing: tests/install-deps")
    done = subprocess.run(
        [program, *words], input=stdin, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr
