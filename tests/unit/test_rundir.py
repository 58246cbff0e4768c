"""Our directory in /run is for everybody to look at, whoever made it and with what umask."""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from iscsictl.errors import InUseError, IscsictlError
from iscsictl.model.hold import Hold
from iscsictl.system.io.host_lock import FilesLock, Scope, host_lock, take_turn
from iscsictl.system.io.runtime_dir import made, place
from iscsictl.system.iscsi.holds import add_hold, directory_of

HOLD = Hold(mount_point="/srv")


@pytest.fixture(params=[0o077, 0o027, 0o000], ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("_umask")
def test_whatever_the_umask_is(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o755)
    with host_lock(0, print, tmp_path):
        assert mode(place(tmp_path)) == 0o755
    add_hold(HOLD, tmp_path)
    holds = directory_of(tmp_path)
    (file,) = holds.iterdir()
    assert (mode(place(tmp_path)), mode(holds), mode(file)) == (0o755, 0o755, 0o644)


def test_one_that_was_closed_is_opened(tmp_path: Path) -> None:
    add_hold(HOLD, tmp_path)
    for directory in (directory_of(tmp_path), place(tmp_path)):
        directory.chmod(0o700)
    with host_lock(0, print, tmp_path):
        assert mode(place(tmp_path)) == 0o755
    add_hold(HOLD, tmp_path)
    assert mode(directory_of(tmp_path)) == 0o755


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (tmp_path / "run").mkdir()
    place(tmp_path).symlink_to(elsewhere)
    with pytest.raises(NotADirectoryError):
        made(tmp_path)
    with pytest.raises(IscsictlError, match="cannot create"):
        add_hold(HOLD, tmp_path)
    assert mode(elsewhere) == 0o700


SCOPE = Scope(frozenset({"iqn.2026-01.example:a"}))


@pytest.mark.fault("F76")
@pytest.mark.parametrize(
    ("take", "pattern"),
    [
        (lambda root: FilesLock(0, root), "lock.files"),
        (lambda root: host_lock(0, print, root, SCOPE), "names/*"),
        (lambda root: host_lock(0, print, root, SCOPE), "lock.queue"),
        (lambda root: take_turn("reloading systemd", 0, root), "turns/*"),
    ],
)
def test_no_lock_of_any_kind_can_be_held_by_another_user(
    tmp_path: Path, take: Callable[[Path], AbstractContextManager[object]], pattern: str
) -> None:
    with take(tmp_path):
        pass
    (path,) = made(tmp_path).glob(pattern)
    assert mode(path) == 0o600
    # An earlier release, or a careless umask, left it open: somebody has it.
    path.unlink()
    path.touch()
    path.chmod(0o644)
    with path.open() as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with take(tmp_path):
            assert mode(path) == 0o600


@pytest.mark.fault("F76")
@pytest.mark.parametrize("left", ["a file for everybody", "a link", "a file of another user"])
def test_a_lock_that_others_can_take_is_replaced(tmp_path: Path, left: str) -> None:
    path = made(tmp_path) / "lock"
    if left == "a link":
        (tmp_path / "elsewhere").touch(mode=0o600)
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.touch()
        path.chmod(0o644 if left == "a file for everybody" else 0o600)
    if left == "a file of another user":
        if os.geteuid() != 0:
            pytest.skip("only root can give files away")
        os.chown(path, 65534, 65534)
    with path.open() as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with host_lock(0, print, tmp_path):
            assert not path.is_symlink()
            assert (mode(path), path.stat().st_uid) == (0o600, os.getuid())
            with pytest.raises(InUseError, match=rf"\(pid {os.getpid()}\)"):
                host_lock(0, print, tmp_path).__enter__()


@pytest.mark.fault("F76")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give directories away")
def test_a_directory_of_another_user_is_not_used(tmp_path: Path) -> None:
    os.chown(made(tmp_path), 65534, 65534)
    with pytest.raises(PermissionError, match="belongs to another user"):
        host_lock(0, print, tmp_path).__enter__()
