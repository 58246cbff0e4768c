"""A file of metrics that no run could write is refused when the schedule is installed."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from iscsictl.errors import Exit
from tests.commands import call
from tests.unit.fake_root import put

READ_ONLY = """
mount -t tmpfs -o ro tmpfs "$1"
exec "$2" -m iscsictl schedule install --metrics "$1/iscsi.prom"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with systemd."""
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    put(tmp_path, "iscsictl").chmod(0o755)
    return tmp_path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize(
    ("make", "code", "said"),
    [
        (lambda file: file.symlink_to("/etc/passwd"), Exit.REFUSED, "is a symbolic link to"),
        (lambda file: os.chown(put(file.parent, file.name), 1234, -1), Exit.REFUSED, "belongs to"),
        (lambda file: file.mkdir(), Exit.ERROR, "not a regular file"),
    ],
)
def test_what_reconnect_would_not_write_to_is_refused_in_the_same_words(
    root: Path, make: Callable[[Path], object], code: Exit, said: str
) -> None:
    file = root / "iscsi.prom"
    make(file)
    answer = call(["schedule", "install", "--metrics", str(file)], root, uid=0)
    assert answer.code == code
    assert said in answer.err
    assert answer.err == call(["reconnect", "-q", "--metrics", str(file)], root, uid=0).err
    assert list((root / "etc/systemd/system").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a mount namespace")
def test_so_is_a_filesystem_that_is_read_only(root: Path) -> None:
    (root / "metrics").mkdir()
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", READ_ONLY, "sh", root / "metrics", sys.executable],
        capture_output=True, text=True, check=False,
        env=os.environ | {"ISCSICTL_ROOT": str(root)},
    )  # fmt: skip
    said = f"iscsictl: cannot write {root}/metrics/iscsi.prom: read-only file system\n"
    assert (done.returncode, done.stdout) == (Exit.ERROR, "")
    assert done.stderr.startswith(said)
