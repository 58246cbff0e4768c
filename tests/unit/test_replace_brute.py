"""`replace_file`, failed and killed from outside at each of its system calls in turn."""

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.patience import PATIENCE

SCRIPT = """
import os, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from iscsictl.errors import IscsictlError
from iscsictl.system.io.files import replace_file

def mark(name):
    try:
        os.stat("/iscsictl-mark-" + name)
    except OSError:
        pass

path = Path(sys.argv[1])
scratch = Path(sys.argv[3]) if len(sys.argv) > 3 else None
mark("begin")
try:
    replace_file(path, b"new" * 2000, scratch=scratch)
except IscsictlError as error:
    os._exit(10 if "\\n" not in error.text else 11)
except MemoryError:
    os._exit(12)
mark("end")
os._exit(0)
"""
OLD = b"old" * 1000
NEW = b"new" * 2000
REPOSITORY = Path(__file__).resolve().parents[2]

#: The interpreter's own: without memory it may end as it likes.
MEMORY = {"brk", "mmap", "munmap", "mprotect"}


def _trace(
    directory: Path, inject: str | None, scratch: Path | None = None
) -> tuple[int, list[str]]:
    directory.mkdir()
    (directory / "file").write_bytes(OLD)
    script = directory.with_suffix(".py")
    script.write_text(SCRIPT)
    log = directory.with_suffix(".log")
    argv = ["strace", "-o", str(log), *(["-e", f"inject={inject}"] if inject else [])]
    python = [sys.executable, "-I", "-S", str(script), str(directory / "file"), str(REPOSITORY)]
    python += [str(scratch)] if scratch is not None else []
    done = subprocess.run([*argv, *python], capture_output=True, timeout=PATIENCE, check=False)
    return done.returncode, log.read_text(errors="replace").splitlines()


def _calls(tmp_path: Path, scratch: Path | None = None) -> list[tuple[str, int]]:
    """Return the system calls of `replace_file`, each with its number among those of its name."""
    for name in ("warm", "count"):
        code, log = _trace(tmp_path / name, None, scratch)
        assert code == 0
    seen: Counter[str] = Counter()
    calls, inside = [], False
    for line in log:
        name = line.partition("(")[0]
        seen[name] += 1
        if "/iscsictl-mark-end" in line:
            break
        if inside:
            calls.append((name, seen[name]))
        inside = inside or '"/iscsictl-mark-begin"' in line
    assert 20 < len(calls) < 100
    return calls


def _hit(log: list[str], sign: str) -> bool:
    """Tell whether the call that was hit lay between the marks."""
    inside = False
    for line in log:
        inside = (inside or '"/iscsictl-mark-begin"' in line) and "/iscsictl-mark-end" not in line
        if inside and sign in line:
            return True
    return False


@pytest.mark.fault("F44")
def test_a_failure_at_any_system_call_leaves_one_whole_file_and_no_litter(tmp_path: Path) -> None:
    hit = set()

    def one(call: tuple[str, int]) -> None:
        name, number = call
        directory = tmp_path / f"{name}{number}"
        code, log = _trace(directory, f"{name}:error=ENOSPC:when={number}")
        if not _hit(log, "(INJECTED)"):
            return
        hit.add(name)
        content = (directory / "file").read_bytes()
        assert content in {OLD, NEW}, call
        if name in MEMORY:
            return
        assert code in {0, 10, 12}, (call, code)
        assert code != 0 or content == NEW, call
        assert [p.name for p in directory.iterdir()] == ["file"], call

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, _calls(tmp_path)))
    assert {"openat", "write", "fchmod", "fsync", "rename", "close", "flock"} <= hit


@pytest.mark.parametrize("apart", [False, True])
def test_a_kill_at_any_system_call_leaves_one_whole_file(tmp_path: Path, apart: bool) -> None:
    hit = set()
    scratch = tmp_path if apart else None

    def one(call: tuple[str, int]) -> None:
        name, number = call
        directory = tmp_path / f"{name}{number}"
        _, log = _trace(directory, f"{name}:signal=KILL:when={number}", scratch)
        if _hit(log, "+++ killed by SIGKILL"):
            hit.add(name)
        assert (directory / "file").read_bytes() in {OLD, NEW}, call
        if apart:
            assert [p.name for p in directory.iterdir()] == ["file"], call

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, _calls(tmp_path, scratch)))
    assert {"openat", "write", "fchmod", "fsync", "rename", "close"} <= hit
