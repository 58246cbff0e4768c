"""The mount namespace in which iscsiadm sees only some sessions: what it has of the host."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iscsictl.system.io import process, runtime_dir
from iscsictl.system.iscsi import session_view
from tests.patience import PATIENCE

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")

# What runs in the view in place of iscsiadm, for as long as a login may take.
PROGRAM = """\
#!/bin/sh
touch "$2/begun"
for _ in $(seq 2400); do
  [ -e "$2/unmounted" ] && break
  sleep 0.05
done
grep -c " $2/shared/srv " /proc/self/mountinfo
mount -t tmpfs none "$2/shared/own" && echo mounted
exit 0
"""


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A filesystem on a directory whose mounts are shared, as systemd has all of them."""
    shared = tmp_path / "shared"
    shared.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", shared], check=True)
    subprocess.run(["mount", "--make-shared", shared], check=True)
    for name in ("srv", "own"):
        (shared / name).mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", shared / "srv"], check=True)
    yield shared / "srv"
    subprocess.run(["umount", "-R", shared], check=True)


def test_what_is_unmounted_meanwhile_is_unmounted_in_the_view_too(
    mounted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Otherwise the filesystem stays mounted there: nothing is written out, and the disk is in use.
    program = tmp_path / "bin/iscsiadm"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setattr(process, "PATH", f"{program.parent}:{process.PATH}")
    monkeypatch.setattr(session_view, "is_possible", lambda: True)
    monkeypatch.setattr(runtime_dir, "made", lambda: tmp_path)
    results: list[process.Result | None] = []

    def run_in_view() -> None:
        words = ("-m", str(tmp_path))
        results.append(session_view.run_iscsiadm(words, (), timeout=2 * PATIENCE, doing="a login"))

    thread = threading.Thread(target=run_in_view)
    thread.start()
    while not (tmp_path / "begun").exists() and thread.is_alive():
        time.sleep(0.01)
    subprocess.run(["umount", mounted], check=True)
    (tmp_path / "unmounted").touch()
    thread.join()
    (result,) = results
    assert result is not None
    assert result.out == "0\nmounted\n"
    # What is mounted in the view is seen nowhere else.
    assert f" {tmp_path}/shared/own " not in Path("/proc/self/mountinfo").read_text()
