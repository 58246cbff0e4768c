"""Replace files atomically; the only module that writes configuration.

The new content is written to a temporary file on the same filesystem, flushed and renamed over the
old file (rename(2)), so that at any moment, even after a power failure, one of the two is there and
complete.
"""

import errno
import fcntl
import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from iscsictl.errors import InUseError, IscsictlError, NeedsRootError, RefusedError
from iscsictl.model.shell_form import shell_form
from iscsictl.system.io.safe_paths import fd_path, open_file_parent, open_parent, own_ids

PRIVATE = 0o600
_TRIES = 8


class FileChangedError(InUseError):
    """Somebody else edited the file between our reading and our writing."""


def read_file(path: Path) -> bytes | None:
    """Return the bytes of a file, None if there is none.

    Raises NeedsRootError if only root may read it, IscsictlError with one line for any other error.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise explained(error, "read", path) from error


def replace_file(
    path: Path,
    data: bytes,
    *,
    mode: int | None = None,
    expect: bytes | None = None,
    scratch: Path | None = None,
) -> bool:
    """Replace the content of `path` with `data`; return False if it was the same already.

    Mode, owner and extended attributes of the old file are kept, unless `mode` is given; a new file
    is 0600. If `path` is a symbolic link, its target is replaced and the link stays, unless another
    user could have created the link (UnsafeLinkError). `expect` is what the caller read before (b""
    for no file): if the file has changed since, nothing is written. `scratch` is a directory for
    the temporary file, for a `path` in a directory where every file has a meaning; if it is on
    another mount, the temporary file is created beside the old one.

    Raises FileChangedError if `expect` does not match, NeedsRootError, and IscsictlError for a full
    or read-only filesystem: the old file is unchanged then, and no temporary file is left.
    """
    try:
        with open_file_parent(path) as (descriptor, name):
            return _replace_real_file(
                path, Path(fd_path(descriptor), name), data, mode, expect, scratch
            )
    except OSError as error:
        raise explained(error, "write", path) from error


def _replace_real_file(
    path: Path,
    real: Path,
    data: bytes,
    mode: int | None,
    expect: bytes | None,
    scratch: Path | None,
) -> bool:
    """Replace `real`, which messages call `path`. Raises OSError, FileChangedError."""
    old, status = _read_with_status(real)
    if expect is not None and (old or b"") != expect:
        raise _file_changed_error(path)
    if old == data and (mode is None or status is None or _permission_bits(status) == mode):
        return False
    for place in dict.fromkeys((scratch or real.parent, real.parent)):
        try:
            if not _write_and_rename(place, real, data, mode, status, checked=expect is not None):
                raise _file_changed_error(path)
            break
        except OSError as error:
            if error.errno != errno.EXDEV or place == real.parent:
                raise
    # The rename is durable only once its directory has been flushed (fsync(2), NOTES).
    _sync_directory(real.parent)
    return True


def save_output(path: Path, data: bytes, mode: int) -> None:
    """Write a file that the user named for output, whole or not at all.

    No link at `path` is followed, not even the user's own, and a file of another user is not
    replaced: its owner could change what is written. Raises RefusedError, IscsictlError.
    """
    try:
        with open_parent(path) as (descriptor, name):
            real = Path(fd_path(descriptor), name)
            _refuse_foreign_file(path, real)
            _replace_real_file(path, real, data, mode, None, None)
    except OSError as error:
        raise explained(error, "write", path) from error


def require_output(path: Path) -> None:
    """Raise now what `save_output` would raise for a file that is to be written later.

    Nothing is written. Raises RefusedError, IscsictlError.
    """
    try:
        with open_parent(path) as (descriptor, name):
            place = Path(fd_path(descriptor))
            _refuse_foreign_file(path, place / name)
            _read_with_status(place / name)
            _require_writable_directory(place)
    except OSError as error:
        raise explained(error, "write", path) from error


def _require_writable_directory(place: Path) -> None:
    # Also False, even for root, on a filesystem that is read-only (access(2), EROFS).
    if not os.access(place, os.W_OK | os.X_OK):
        read_only = os.statvfs(place).f_flag & os.ST_RDONLY
        number = errno.EROFS if read_only else errno.EACCES
        raise OSError(number, os.strerror(number))


def read_output(path: Path) -> bytes | None:
    """Return what an earlier `save_output` wrote; None if nothing there can be from it.

    A link, a pipe and a file of another user are not read: only `save_output` refuses them.
    """
    try:
        with open_parent(path) as (descriptor, name):
            data, status = _read_with_status(Path(fd_path(descriptor), name))
    except OSError:
        return None
    return data if status is not None and status.st_uid in own_ids() else None


def _refuse_foreign_file(path: Path, real: Path) -> None:
    try:
        status = real.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(status.st_mode):
        raise RefusedError(
            f"{path} is a symbolic link to {real.readlink()}, and output never follows links",
            hint="name the file itself, or remove the link",
        )
    if status.st_uid not in own_ids():
        raise RefusedError(
            f"{path} belongs to user {status.st_uid}, who could change what is written to it",
            hint="choose another name, or remove the file first",
        )


def create_file(path: Path, data: bytes) -> None:
    """Write a new file, mode 0600, durably. Raises RefusedError if anything has that name.

    The file and its name are on the disk when it returns (fsync(2) of both). A file that could not
    be written whole is removed. Raises UnsafeLinkError, NeedsRootError, IscsictlError.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with open_parent(path) as (parent, name):
            descriptor = os.open(name, flags, PRIVATE, dir_fd=parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError:
                os.unlink(name, dir_fd=parent)
                raise
            _sync_directory(Path(fd_path(parent)))
    except FileExistsError:
        raise RefusedError(
            f"{path} already exists and is not overwritten",
            hint="choose another name, or remove it first",
        ) from None
    except OSError as error:
        raise explained(error, "create", path) from error


def protect(path: Path) -> bool:
    """Let only root read a file; return False if that was so already, or if it is gone.

    The mode becomes 0600, the owner stays. Raises UnsafeLinkError if another user could decide
    where the path leads, NeedsRootError, IscsictlError.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open_file_parent(path) as (parent, name):
            descriptor = os.open(name, flags, dir_fd=parent)
        try:
            if not os.fstat(descriptor).st_mode & 0o077:
                return False
            os.fchmod(descriptor, PRIVATE)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise explained(error, "protect", path) from error
    return True


def remove_file(path: Path, *, durable: bool = True) -> bool:
    """Remove a file (a link itself, not its target); False if there was none.

    Unless `durable`, the caller must flush the directory, once for many files. Raises
    UnsafeLinkError, NeedsRootError, IscsictlError.
    """
    try:
        with open_parent(path) as (parent, name):
            os.unlink(name, dir_fd=parent)
            if durable:
                _sync_directory(Path(fd_path(parent)))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise explained(error, "remove", path) from error
    return True


def flush(path: Path, above: Path) -> None:
    """Flush what another program did to a file, and its directories up to `above`, to the disk.

    What no longer exists is skipped: flushing its directory makes the removal durable.
    """
    try:
        for place in (path, *path.parents):
            with suppress(FileNotFoundError):
                _sync_directory(place)
            if place == above:
                break
    except OSError as error:
        raise explained(error, "flush", path) from error


def explained(error: OSError, verb: str, path: Path) -> IscsictlError:
    """Turn an OSError about `path` into the one line and the hint that a user needs.

    It is a NeedsRootError if the kernel refused a user other than root; for root, the same refusal
    has another cause and another hint.
    """
    text = f"cannot {verb} {path}: {(error.strerror or str(error)).lower()}"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return IscsictlError(text, hint="free some space there and run this again")
    if error.errno == errno.EROFS:
        return IscsictlError(text, hint="make it writable: mount -o remount,rw, or see why it is")
    if error.errno in {errno.EACCES, errno.EPERM}:
        if os.geteuid() != 0:
            return NeedsRootError(text)
        return IscsictlError(
            text,
            hint=(
                f"check whether it is immutable or on a network mount: lsattr {shell_form(path)}"
            ),
        )
    if error.errno == errno.EISDIR:
        return IscsictlError(text, hint="name a file, or move the directory of that name away")
    if error.errno == errno.ENOENT and not path.is_symlink():
        return IscsictlError(
            text, hint=f"create its directory first: mkdir -p {shell_form(path.parent)}"
        )
    return IscsictlError(text, hint=f"see what it is: ls -ld {shell_form(path)}")


def _file_changed_error(path: Path) -> FileChangedError:
    return FileChangedError(
        f"{path} was changed by another program meanwhile; nothing was written",
        hint="run it again",
    )


def _permission_bits(status: os.stat_result) -> int:
    return stat.S_IMODE(status.st_mode)


def _read_with_status(real: Path) -> tuple[bytes | None, os.stat_result | None]:
    try:
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None, None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(), status
    finally:
        os.close(descriptor)


def _temporary_prefix(real: Path) -> str:
    # The name is shortened, because it may already be as long as the filesystem allows.
    return f".{os.fsdecode(os.fsencode(real.name)[:200])}.iscsictl-"


def _remove_leftovers(place: Path, prefix: str) -> None:
    """Remove what killed runs left; a running writer holds a flock on its own file."""
    ours = re.compile(re.escape(prefix) + "[0-9a-f]{8}")
    for name in os.listdir(place):
        if not ours.fullmatch(name):
            continue
        with suppress(OSError):
            descriptor = os.open(place / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                (place / name).unlink()
            finally:
                os.close(descriptor)


def _create_temporary(place: Path, prefix: str) -> tuple[int, Path]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    for _ in range(_TRIES):
        temporary = place / f"{prefix}{os.urandom(4).hex()}"
        descriptor = None
        try:
            descriptor = os.open(temporary, flags, PRIVATE)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Another run may have removed it before we had the flock.
            if os.fstat(descriptor).st_nlink:
                return descriptor, temporary
            os.close(descriptor)
        except FileExistsError:
            continue
        except BaseException:
            if descriptor is not None:
                temporary.unlink(missing_ok=True)
                os.close(descriptor)
            raise
    raise OSError(errno.EEXIST, "there is no free name for a temporary file")


def _write_and_rename(
    place: Path,
    real: Path,
    data: bytes,
    mode: int | None,
    old: os.stat_result | None,
    *,
    checked: bool,
) -> bool:
    """Write a temporary file in `place` and rename it to `real`.

    Returns False, with nothing left behind, if `checked` and the file is no longer `old`.
    """
    prefix = _temporary_prefix(real)
    _remove_leftovers(place, prefix)
    descriptor, temporary = _create_temporary(place, prefix)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            if old is not None:
                _copy_identity(real, descriptor, old)
            wanted = mode if mode is not None else PRIVATE if old is None else _permission_bits(old)
            # After setting the owner: fchown(2) clears the set-user-ID bits.
            os.fchmod(descriptor, wanted)
            os.fsync(descriptor)
            if checked and _has_changed(real, old):
                temporary.unlink()
                return False
            temporary.replace(real)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    finally:
        os.close(descriptor)
    return True


def _has_changed(real: Path, old: os.stat_result | None) -> bool:
    try:
        now = _identity_and_times(real.lstat())
    except FileNotFoundError:
        now = None
    return now != (None if old is None else _identity_and_times(old))


# The inode shows that a file was replaced, the times that it was written in place.
def _identity_and_times(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _copy_identity(real: Path, descriptor: int, old: os.stat_result) -> None:
    fresh = os.fstat(descriptor)
    if (fresh.st_uid, fresh.st_gid) != (old.st_uid, old.st_gid):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    try:
        names = os.listxattr(real, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        return
    for name in names:
        os.setxattr(descriptor, name, os.getxattr(real, name, follow_symlinks=False))


def _sync_directory(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and FUSE filesystems do not support fsync(2) on directories.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)
