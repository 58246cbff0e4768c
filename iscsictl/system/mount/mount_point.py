"""Paths of mount points, opened so that no other user decides where they lead.

Who owns a directory above a mount point can put a symbolic link in its place at any moment, also
between a check and the mount. So a path is never handed to the kernel as text: it is opened one
component at a time (O_PATH with O_NOFOLLOW, open(2)), and what follows is done to the descriptor.
openat2(2) with RESOLVE_NO_SYMLINKS would refuse every link; here /srv may be a link that root
made, and the walk also learns which directories other users can write.
"""

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from iscsictl.errors import IscsictlError, RefusedError

# A directory is entered for its own sake (O_DIRECTORY), which has autofs mount what belongs there.
_ENTER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
#: As many links as the kernel follows in one path (path_resolution(7)).
_MAX_LINKS = 40
_MODE = 0o755
# The umask belongs to the whole process.
_umask_lock = threading.Lock()


class UnsafeLinkError(RefusedError):
    """A path leads through a symbolic link that another user could have made."""


@dataclass
class OpenedPath:
    """A path opened as far as it exists.

    `descriptor` (O_PATH) is the last directory that exists, `path` its name without links, and
    `missing` what follows it in the path and is not there. `exposed` are the directories on the
    way in which other users can replace what the path goes through.
    """

    descriptor: int
    path: str = "/"
    missing: tuple[str, ...] = ()
    exposed: list[str] = field(default_factory=list)

    @property
    def full_path(self) -> str:
        """The whole path without links, the missing part included."""
        return "/".join((self.path.rstrip("/"), *self.missing)) or "/"

    def path_of(self, name: str) -> str:
        """Return the path of an entry of the directory."""
        return f"{self.path.rstrip('/')}/{name}"

    def enter(self, descriptor: int, path: str) -> None:
        """Go on from another directory."""
        os.close(self.descriptor)
        self.descriptor, self.path = descriptor, path


@contextlib.contextmanager
def open_path(path: str) -> Iterator[OpenedPath]:
    """Open an absolute path component by component, following no link of another user.

    A link is followed only if it belongs to root, or to whoever runs this, and stands in a
    directory that nobody else can write, as do all directories above it. Raises UnsafeLinkError
    for any other link, NotADirectoryError, OSError.
    """
    opened = OpenedPath(os.open("/", _ENTER))
    try:
        _descend(opened, _components(path))
        yield opened
    finally:
        os.close(opened.descriptor)


def fd_path(descriptor: int) -> str:
    """Return the path of what a descriptor has open, whatever became of its name (proc(5)).

    It is for this process, and for a child that is given the descriptor.
    """
    return f"/proc/self/fd/{descriptor}"


def resolve_path(path: str) -> str:
    """Return a path as the kernel will name it once something is mounted there: without links.

    What is not a directory ends the walk: the rest of the path is taken as it is. Raises
    UnsafeLinkError.
    """
    try:
        with open_path(path) as opened:
            return opened.full_path
    except UnsafeLinkError:
        raise
    except OSError:
        return os.path.normpath(path)


def exposed_above(path: str) -> tuple[str, ...]:
    """Return the directories above a path in which other users can replace what it goes through.

    Raises UnsafeLinkError, IscsictlError.
    """
    try:
        with open_path(path) as opened:
            return tuple(opened.exposed)
    except OSError as error:
        raise IscsictlError(f"cannot open {path}: {error.strerror}") from None


@contextlib.contextmanager
def open_parent(path: str) -> Iterator[tuple[int, str]]:
    """Open the directory above a path; yield its descriptor and the path's last component.

    That component is not a link that may be followed. Raises UnsafeLinkError, OSError.
    """
    above, _, name = resolve_path(path).rpartition("/")
    with open_path(above or "/") as opened:
        if opened.missing:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        yield opened.descriptor, name


@contextlib.contextmanager
def open_directory(path: str) -> Iterator[int]:
    """Open an existing directory (O_PATH). Raises UnsafeLinkError, FileNotFoundError, OSError."""
    with open_path(path) as opened:
        if opened.missing:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        yield opened.descriptor


def make_directories(path: str) -> bool:
    """Create a mount point and its parents, mode 0755 whatever the umask; False if it existed.

    Raises IscsictlError, UnsafeLinkError.
    """
    try:
        with open_path(path) as opened:
            for name in opened.missing:
                _make_directory(name, opened.descriptor)
                opened.enter(os.open(name, _ENTER, dir_fd=opened.descriptor), path)
            return bool(opened.missing)
    except OSError as error:
        raise IscsictlError(
            f"cannot create {path}: {error.strerror}", hint=f"see what is there: ls -ld {path}"
        ) from None


def _make_directory(name: str, parent: int) -> None:
    with _umask_lock, contextlib.suppress(FileExistsError):
        before = os.umask(0o777 & ~_MODE)
        try:
            os.mkdir(name, _MODE, dir_fd=parent)
        finally:
            os.umask(before)


def _components(path: str) -> list[str]:
    """Return the names in a path, the first one last."""
    return [name for name in reversed(path.split("/")) if name not in {"", "."}]


def _descend(opened: OpenedPath, pending: list[str]) -> None:
    links = 0
    while pending:
        name = pending.pop()
        above = os.fstat(opened.descriptor)
        try:
            child = os.open(name, _ENTER, dir_fd=opened.descriptor)
        except FileNotFoundError:
            if _is_exposed(above, None):
                opened.exposed.append(opened.path)
            rest = os.path.normpath("/".join([name, *reversed(pending)]))
            opened.missing = tuple(rest.split("/"))
            return
        except NotADirectoryError:
            target = _read_link(opened, name, above)
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), opened.path) from None
            pending += _components(target)
            if target.startswith("/"):
                opened.enter(os.open("/", _ENTER), "/")
            continue
        if name != ".." and _is_exposed(above, os.fstat(child)):
            opened.exposed.append(opened.path)
        opened.enter(child, os.path.normpath(opened.path_of(name)))


def _read_link(opened: OpenedPath, name: str, above: os.stat_result) -> str:
    """Return the target of a link; raise unless nobody else could have made it."""
    path = opened.path_of(name)
    descriptor = os.open(name, _LOOK, dir_fd=opened.descriptor)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISLNK(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        target = os.readlink("", dir_fd=descriptor)
    finally:
        os.close(descriptor)
    if opened.exposed or status.st_uid not in _own_ids() or _others_can_write(above):
        raise UnsafeLinkError(
            f"{path} is a symbolic link that another user could have made: it leads to {target}",
            hint="name the directory itself, or have root make the link, in a directory that only "
            "root can write",
        )
    return target


def _is_exposed(above: os.stat_result, entry: os.stat_result | None) -> bool:
    """Tell whether other users can replace an entry of a directory, or make it if there is none.

    In a directory with the sticky bit only its owner and that of the entry can (unlink(2)).
    """
    if not _others_can_write(above):
        return False
    sticky = above.st_mode & stat.S_ISVTX and above.st_uid in _own_ids()
    return not (sticky and entry is not None and entry.st_uid in _own_ids())


def _others_can_write(status: os.stat_result) -> bool:
    # With an ACL the bits of the group are those of its mask (acl(5)).
    return status.st_uid not in _own_ids() or bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _own_ids() -> tuple[int, int]:
    return 0, os.geteuid()
