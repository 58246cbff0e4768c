"""Mount points in directories of other users: no link of theirs is followed, whatever they do."""

import contextlib
import errno
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iscsictl.errors import InUseError, IscsictlError
from iscsictl.system.io.safe_paths import (
    UnsafeLinkError,
    make_directories,
    open_directory,
    open_path,
    resolve_path,
)
from iscsictl.system.mount import mounts
from tests.patience import PATIENCE
from tests.unit.loops import looped

NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="two users need root")


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a directory of another user, who can get there."""
    with tempfile.TemporaryDirectory(prefix="iscsictl-test-") as base:
        Path(base).chmod(0o755)
        path = Path(base, "home/alice")
        path.mkdir(parents=True)
        os.chown(path, NOBODY, NOBODY)
        yield path


def link_of(user: int, path: Path, target: object) -> Path:
    path.symlink_to(str(target))
    os.chown(path, user, user, follow_symlinks=False)
    return path


@contextlib.contextmanager
def filesystem(tmp_path: Path) -> Iterator[str]:
    """Yield a loop device with an ext4 on it."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True, capture_output=True)
    with looped(image) as device:
        yield device


def mounted_paths(device: str) -> list[str]:
    return [line.path for line in mounts.mounted() if line.source == device]


@pytest.mark.fault("F75")
@pytest.mark.parametrize("where", ["the mount point itself", "a directory above it"])
def test_a_link_of_another_user_is_never_mounted_through(
    home: Path, tmp_path: Path, where: str
) -> None:
    victim = tmp_path / "etc"
    (victim / "sub").mkdir(parents=True)
    path = link_of(NOBODY, home / "mnt", victim)
    if where == "a directory above it":
        path = path / "sub"
    with filesystem(tmp_path) as device:
        with pytest.raises(UnsafeLinkError, match=rf"{home}/mnt is a symbolic link that another"):
            mounts.mount(device, str(path), "ext4", ())
        assert mounted_paths(device) == []
    with pytest.raises(UnsafeLinkError):
        make_directories(str(path / "new"))
    with pytest.raises(UnsafeLinkError):
        mounts.set_owner(str(path), NOBODY, NOBODY, 0o777)
    with pytest.raises(UnsafeLinkError):
        mounts.unmount(str(path))
    with pytest.raises(UnsafeLinkError):
        mounts.read_mount_point(str(path))
    assert [entry.name for entry in victim.iterdir()] == ["sub"]
    assert (victim.stat().st_uid, stat.S_IMODE(victim.stat().st_mode)) == (0, 0o755)


@pytest.mark.fault("F75")
def test_a_link_that_root_made_where_only_root_writes_is_followed(tmp_path: Path) -> None:
    (tmp_path / "data/x").mkdir(parents=True)
    link = tmp_path / "srv"
    link.symlink_to("data/../data")
    assert resolve_path(f"{link}/x") == f"{tmp_path}/data/x"
    assert resolve_path(f"{link}/not-there/yet") == f"{tmp_path}/data/not-there/yet"
    with filesystem(tmp_path) as device:
        assert mounts.mount(device, f"{link}/x", "ext4", ())
        assert mounted_paths(device) == [f"{tmp_path}/data/x"]
        mounts.unmount(f"{link}/x")
        assert mounted_paths(device) == []


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775])
def test_a_link_of_root_where_others_write_is_not_followed(tmp_path: Path, mode: int) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(mode)
    (shared / "link").symlink_to("/etc")
    with pytest.raises(UnsafeLinkError):
        resolve_path(f"{shared}/link")


def test_a_link_below_a_directory_of_another_user_is_not_followed_whoever_owns_it(
    home: Path,
) -> None:
    inner = home / "root"
    inner.mkdir()
    (inner / "link").symlink_to("/etc")
    with pytest.raises(UnsafeLinkError):
        resolve_path(f"{inner}/link/cron.d")


@pytest.mark.fault("F75")
def test_a_link_of_another_user_is_not_followed_where_only_root_writes_by_now(
    tmp_path: Path,
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    link = link_of(NOBODY, shared / "link", "/etc")
    with pytest.raises(UnsafeLinkError):
        resolve_path(f"{link}/cron.d")


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="levels of symbolic links"), open_path(f"{tmp_path}/a"):
        pass


def test_the_directories_that_others_can_write_are_named(home: Path, tmp_path: Path) -> None:
    (home / "mnt").mkdir()
    assert mounts.read_mount_point(f"{home}/mnt").exposed == (str(home),)
    assert mounts.read_mount_point(f"{home}/new/mnt").exposed == (str(home),)
    assert mounts.read_mount_point(str(home)).exposed == ()
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "mine").mkdir()
    # With the sticky bit nobody else can replace what root made; what is not there anybody makes.
    assert mounts.read_mount_point(f"{shared}/mine").exposed == ()
    assert mounts.read_mount_point(f"{shared}/new").exposed == (str(shared),)


@pytest.mark.fault("F80")
@pytest.mark.parametrize("umask", [0o077, 0o022, 0o000])
def test_directories_made_for_a_mount_point_are_0755_whatever_the_umask(
    tmp_path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        assert make_directories(f"{tmp_path}/a/b/c")
        assert not make_directories(f"{tmp_path}/a/b/c")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b", "a/b/c")}
    assert modes == {0o755}


def test_what_is_in_the_way_of_a_mount_point_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IscsictlError, match=f"cannot create {tmp_path}/file/x: Not a directory"):
        make_directories(f"{tmp_path}/file/x")
    assert not mounts.read_mount_point(f"{tmp_path}/file").directory


def test_a_mount_point_that_is_busy_is_in_use_and_one_not_mounted_is_unmounted(
    tmp_path: Path,
) -> None:
    place = tmp_path / "a place"
    place.mkdir()
    mounts.unmount(str(place))
    mounts.unmount(f"{tmp_path}/nowhere/at all")
    with filesystem(tmp_path) as device:
        assert mounts.mount(device, str(place), "ext4", ("noatime", "_netdev", "x-note"))
        try:
            options = subprocess.run(
                ["findmnt", "--mtab", "-no", "OPTIONS", place],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            assert {"noatime", "_netdev"} <= set(options.split(","))
            with (place / "file").open("w"), pytest.raises(InUseError, match="is in use"):
                mounts.unmount(str(place))
        finally:
            mounts.unmount(str(place))
        assert mounted_paths(device) == []
        assert "a\\040place" not in Path("/run/mount/utab").read_text()
        # Of two mounts on one directory the innermost goes, and a lazy unmount asks nobody.
        assert mounts.mount(device, str(place), "ext4", ())
        with (place / "file").open("w"):
            mounts.unmount(str(place), lazy=True)
            assert mounted_paths(device) == []


# Exchanges a directory and a link to a directory of root for as long as it lives: renameat2(2).
SWAPPER = """\
import ctypes, os, sys
os.setgid(65534); os.setuid(65534)
libc = ctypes.CDLL(None)
one, other = (os.fsencode(name) for name in sys.argv[1:])
print("ready", flush=True)
while True:
    libc.renameat2(-100, one, -100, other, 2)
"""


@contextlib.contextmanager
def swapped(one: Path, other: Path) -> Iterator[None]:
    """Have another user exchange two names all the time."""
    with subprocess.Popen(
        [sys.executable, "-c", SWAPPER, one, other], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield
        finally:
            process.kill()


@pytest.mark.fault("F75")
def test_nothing_is_made_chowned_or_mounted_elsewhere_while_a_user_swaps_a_link_in(
    home: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "etc"
    (victim / "mnt").mkdir(parents=True)
    for name in ("here", "here/mnt"):
        (home / name).mkdir()
        os.chown(home / name, NOBODY, NOBODY)
    link_of(NOBODY, home / "there", victim)
    refused = done = 0
    with filesystem(tmp_path) as device, swapped(home / "here", home / "there"):
        end = time.monotonic() + 4
        # Both outcomes are met, however seldom the other user gets the processor.
        while time.monotonic() < end or not (refused and done):
            assert time.monotonic() < end + PATIENCE, (refused, done)
            for attempt in (
                lambda: mounts.set_owner(f"{home}/here/mnt", NOBODY, NOBODY, 0o700),
                lambda: make_directories(f"{home}/here/new"),
                lambda: mounts.mount(device, f"{home}/here/mnt", "ext4", ()),
            ):
                try:
                    attempt()
                    done += 1
                except IscsictlError:
                    refused += 1
            while paths := mounted_paths(device):
                assert all(path.startswith(f"{home}/") for path in paths), paths
                # It has whichever of the two names the directory has at this moment.
                subprocess.run(["umount", "-l", *paths], check=False, capture_output=True)
    assert [entry.name for entry in victim.iterdir()] == ["mnt"]
    for path in (victim, victim / "mnt"):
        assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (0, 0o755)


NAMES = st.sampled_from(["a", "b", "..", "."])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@given(st.data())
def test_what_is_opened_is_what_the_path_means_when_all_links_are_of_root(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    base = tmp_path_factory.mktemp("tree")
    for number in range(data.draw(st.integers(0, 6))):
        path = base / data.draw(PATHS)
        with contextlib.suppress(OSError):
            if number % 2 and os.path.realpath(path.parent).startswith(str(base)):
                path.symlink_to(data.draw(PATHS))
            elif os.path.realpath(path).startswith(str(base)):
                path.mkdir(parents=True)
    wanted = f"{base}/{data.draw(PATHS)}"
    try:
        expected = os.path.realpath(wanted, strict=True)
    except OSError:
        return
    if not Path(expected).is_dir():
        return
    with open_directory(wanted) as descriptor:
        assert str(Path(f"/proc/self/fd/{descriptor}").readlink()) == expected


def test_a_directory_that_cannot_be_examined_is_not_kept_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """xfs that has shut down answers stat(2) with EIO; an open descriptor would keep it mounted."""
    (tmp_path / "dead").mkdir()
    examine, dead = os.fstat, (tmp_path / "dead").stat()

    def refuse_dead(descriptor: int) -> os.stat_result:
        status = examine(descriptor)
        if os.path.samestat(status, dead):
            raise OSError(errno.EIO, "Input/output error")
        return status

    before = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", refuse_dead)
        assert resolve_path(f"{tmp_path}/dead") == f"{tmp_path}/dead"
        with pytest.raises(OSError, match="Input/output error"), open_path(f"{tmp_path}/dead"):
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
