"""`replace_file`: what is kept, what is refused, what is said."""

import errno
import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from iscsictl.errors import IscsictlError
from iscsictl.system.io.files import FileChangedError, explained, flush, remove_file, replace_file
from tests.patience import PATIENCE


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_private_unless_a_mode_is_given(tmp_path: Path) -> None:
    assert replace_file(tmp_path / "a", b"x")
    assert replace_file(tmp_path / "b", b"x", mode=0o644)
    assert (_mode(tmp_path / "a"), _mode(tmp_path / "b")) == (0o600, 0o644)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o4755])
def test_the_mode_of_the_old_file_is_kept(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    assert replace_file(path, b"new")
    assert (path.read_bytes(), _mode(path)) == (b"new", mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_of_the_old_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    os.chown(path, 12, 34)
    replace_file(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (12, 34)


def test_extended_attributes_of_the_old_file_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    try:
        os.setxattr(path, "user.note", b"kept")
    except OSError:
        pytest.skip("this filesystem has no extended attributes")
    replace_file(path, b"new")
    assert os.getxattr(path, "user.note") == b"kept"


def test_the_same_bytes_again_are_unchanged_and_not_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, b"x")
    before = path.stat()
    assert not replace_file(path, b"x")
    assert path.stat().st_ino == before.st_ino


def test_the_same_bytes_with_another_mode_are_a_change(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, b"x", mode=0o644)
    assert replace_file(path, b"x", mode=0o600)
    assert _mode(path) == 0o600


@pytest.mark.fault("F43")
def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "fstab"
    target.write_bytes(b"old")
    link = tmp_path / "fstab"
    link.symlink_to("real/fstab")
    replace_file(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_link_to_nowhere_is_refused_and_stays(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("nowhere")
    with pytest.raises(IscsictlError, match="link to nowhere"):
        replace_file(link, b"new")
    assert link.is_symlink()


def test_a_directory_and_a_pipe_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("dir", "is a directory"), ("pipe", "not a regular file")):
        with pytest.raises(IscsictlError, match=why):
            replace_file(tmp_path / name, b"new")


def test_a_file_that_somebody_edited_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"theirs")
    with pytest.raises(FileChangedError):
        replace_file(path, b"ours", expect=b"what we read")
    assert path.read_bytes() == b"theirs"
    with pytest.raises(FileChangedError):
        replace_file(path, b"ours", expect=b"")
    assert replace_file(path, b"ours", expect=b"theirs")


def test_what_a_killed_run_left_is_swept_and_a_living_one_is_not(tmp_path: Path) -> None:
    dead, alive = tmp_path / ".file.iscsictl-0123abcd", tmp_path / ".file.iscsictl-89abcdef"
    foreign = tmp_path / ".other.iscsictl-0123abcd"
    for path in (dead, alive, foreign):
        path.write_bytes(b"half")
    with alive.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        replace_file(tmp_path / "file", b"new")
        assert sorted(p.name for p in tmp_path.iterdir()) == [alive.name, foreign.name, "file"]


def test_a_scratch_directory_on_another_filesystem_is_done_without(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")
    if elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("one filesystem is all there is")
    before = set(elsewhere.iterdir())
    path = tmp_path / "f"
    path.write_bytes(b"old")
    assert replace_file(path, b"new", scratch=elsewhere)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
    assert not {p for p in set(elsewhere.iterdir()) - before if "iscsictl" in p.name}


def test_what_a_killed_run_left_in_the_scratch_directory_is_swept(tmp_path: Path) -> None:
    place = tmp_path / "nodes"
    place.mkdir()
    left = tmp_path / ".f.iscsictl-0badcafe"
    left.write_bytes(b"ne")
    assert replace_file(place / "f", b"new", scratch=tmp_path)
    assert not left.exists()
    assert [p.name for p in place.iterdir()] == ["f"]


def test_a_name_as_long_as_the_filesystem_allows_can_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    path.write_bytes(b"old")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"


def test_removing_twice_is_removing_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    assert remove_file(path)
    assert not remove_file(path)


@pytest.mark.fault("F44")
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_on_a_full_and_on_a_read_only_filesystem_the_old_file_is_intact(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no tmpfs can be mounted here")
    try:
        path = tmp_path / "fstab"
        path.write_bytes(b"old")
        with pytest.raises(IscsictlError, match="no space left") as full:
            replace_file(path, b"x" * 200_000)
        assert full.value.hint == "free some space there and run this again"
        assert [p.name for p in tmp_path.iterdir()] == ["fstab"]
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        with pytest.raises(IscsictlError, match="read-only file system"):
            replace_file(path, b"new")
        assert path.read_bytes() == b"old"
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_an_error_is_one_line_with_the_place(tmp_path: Path) -> None:
    error = explained(OSError(28, "No space left on device"), "write", tmp_path / "x")
    assert error.text == f"cannot write {tmp_path / 'x'}: no space left on device"
    assert "\n" not in error.text


def test_many_writers_at_once_leave_one_whole_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "file"
    code = (
        "import sys; from pathlib import Path; from iscsictl.system.io.files import replace_file\n"
        "path, letter = Path(sys.argv[1]), sys.argv[2].encode()\n"
        "for n in range(30): replace_file(path, letter * 5000 + b'%d' % n)"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), letter]) for letter in "abc"
    ]
    assert [writer.wait(PATIENCE) for writer in writers] == [0, 0, 0]
    content = path.read_bytes()
    assert content[:5000] in {b"a" * 5000, b"b" * 5000, b"c" * 5000}
    assert content[5000:] == b"29"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_what_another_program_wrote_is_flushed_with_its_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "nodes/target/portal/default"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a record")
    flushed: list[Path] = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: flushed.append(Path(f"/proc/self/fd/{fd}").readlink())
    )
    flush(path, tmp_path)
    assert flushed == [path, *list(path.parents)[:4]]
    flushed.clear()
    flush(tmp_path / "nodes/target/gone/default", tmp_path)
    assert flushed == [tmp_path / "nodes/target", tmp_path / "nodes", tmp_path]


def test_a_file_that_cannot_be_flushed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(IscsictlError, match=r"cannot flush .*: input/output error"):
        flush(tmp_path / "file", tmp_path)
