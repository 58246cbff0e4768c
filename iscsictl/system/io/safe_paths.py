"""Paths opened so that no other user decides where they lead: of mount points, and of files.

The owner of a directory on the way can replace what is in it with a symbolic link at any moment,
even between a check and the use. So the kernel does not get the path as text: it is opened one
component at a time (O_PATH with O_NOFOLLOW, open(2)), and whatever follows uses the descriptor.
openat2(2) with RESOLVE_NO_SYMLINKS would refuse every link; here /srv may be a link that root
created, and the walk also finds the directories that other users can write to.
"""

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from iscsictl.errors import IscsictlError, RefusedError
from iscsictl.model.shell_form import shell_form

# With O_DIRECTORY, opening an automount point mounts what belongs there.
_ENTER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
#: As many links as the kernel follows in one path (path_resolution(7)).
_MAX_LINKS = 40
_MODE = 0o755
# The umask belongs to the whole process.
_umask_lock = threading.Lock()


class UnsafeLinkError(RefusedError):
    """A path leads through a symbolic link that another user could have created."""


@dataclass
class OpenedPath:
    """A path opened as far as it leads through directories.

    `descriptor` (O_PATH) is the last directory, and `path` its name without links. `rest` is what
    follows it in the path: it does not exist, or its first name is no directory, and `entry` is its
    status. `exposed` are the directories on the way in which other users can replace a component of
    the path.
    """

    descriptor: int
    path: str = "/"
    rest: tuple[str, ...] = ()
    entry: os.stat_result | None = None
    exposed: list[str] = field(default_factory=list)

    @property
    def full_path(self) -> str:
        """The whole path without links."""
        return "/".join((self.path.rstrip("/"), *self.rest)) or "/"

    def path_of(self, name: str) -> str:
        """Return the path of an entry of the directory, whether there is one or not."""
        return f"{self.path.rstrip('/')}/{name}"

    def enter(self, descriptor: int, path: str) -> None:
        """Continue from another directory. The descriptor of the previous one is closed."""
        os.close(self.descriptor)
        self.descriptor, self.path = descriptor, path

    def require_directory(self) -> None:
        """Raise FileNotFoundError or NotADirectoryError unless all of the path was entered."""
        if self.entry is not None:
            raise _os_error(errno.ENOTDIR, self.path_of(self.rest[0]))
        if self.rest:
            raise _os_error(errno.ENOENT, self.path_of(self.rest[0]))


def _os_error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)


@contextlib.contextmanager
def open_path(path: str) -> Iterator[OpenedPath]:
    """Open an absolute path component by component, following no link of another user.

    A link is followed only if it belongs to root or to the current user, and if nobody else can
    write to its directory or to any directory above it. Raises UnsafeLinkError for any other link,
    OSError.
    """
    opened = OpenedPath(os.open("/", _ENTER))
    try:
        _open_components(opened, _reversed_components(path))
        yield opened
    finally:
        os.close(opened.descriptor)


def fd_path(descriptor: int) -> str:
    """Return the path of an open file by its descriptor, even if it was renamed (proc(5)).

    It is valid in this process, and in a child that inherits the descriptor.
    """
    return f"/proc/self/fd/{descriptor}"


def resolve_path(path: str) -> str:
    """Return a path as the kernel will name it once something is mounted there: without links.

    Raises UnsafeLinkError. A path that cannot be opened is only normalised.
    """
    try:
        with open_path(path) as opened:
            return opened.full_path
    except OSError:
        return os.path.normpath(path)


def exposed_above(path: str) -> tuple[str, ...]:
    """Return the directories above a path in which other users can replace a component.

    Raises UnsafeLinkError, IscsictlError.
    """
    try:
        with open_path(path) as opened:
            return tuple(opened.exposed)
    except OSError as error:
        raise IscsictlError(f"cannot open {path}: {error.strerror}") from None


def replaceable_by(path: str) -> str | None:
    """Return why users other than root can replace what a path names, None if they cannot.

    The reason is a directory on the way that they can write to, a link that they could have
    created, or the file or directory itself.
    """
    try:
        with open_path(path) as opened:
            if opened.exposed:
                return f"users other than root can write to {opened.exposed[0]}"
            status = opened.entry or os.fstat(opened.descriptor)
            if _others_can_write(status):
                return f"users other than root can change {opened.full_path}"
    except UnsafeLinkError as error:
        return error.text
    except OSError as error:
        return f"cannot open {path}: {error.strerror}"
    return None


@contextlib.contextmanager
def open_directory(path: str) -> Iterator[int]:
    """Open an existing directory (O_PATH). Raises UnsafeLinkError, FileNotFoundError, OSError.

    The descriptor can be used as a `dir_fd` and in /proc/self/fd, but not for fchown(2), fchmod(2)
    or reading (open(2), O_PATH). It is closed at the end of the block.
    """
    with open_path(path) as opened:
        opened.require_directory()
        yield opened.descriptor


@contextlib.contextmanager
def open_parent(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """Open the directory above a path; yield its descriptor and the name of the path's end.

    The end may be anything, a link too: it is not followed. Raises UnsafeLinkError, OSError.
    """
    above, _, name = os.path.join(os.getcwd(), path).rstrip("/").rpartition("/")
    if name in {"", ".", ".."}:
        raise _os_error(errno.EINVAL, os.fspath(path))
    with open_directory(above or "/") as descriptor:
        yield descriptor, name


@contextlib.contextmanager
def open_file_parent(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """Open the directory of a file that may not exist yet; yield its descriptor and its name.

    A link at the end that nobody else could have created is followed; a dangling one is an error.
    Raises UnsafeLinkError, IsADirectoryError, OSError.
    """
    with open_path(os.path.join(os.getcwd(), path)) as opened:
        if not opened.rest:
            raise _os_error(errno.EISDIR, os.fspath(path))
        if len(opened.rest) > 1:
            opened.require_directory()
        if opened.entry is None and os.path.islink(path):
            raise OSError(errno.ENOENT, "a symbolic link to nowhere")
        yield opened.descriptor, opened.rest[0]


def make_directories(path: str) -> bool:
    """Create a mount point and its parents, mode 0755 whatever the umask; False if it existed.

    Raises IscsictlError, UnsafeLinkError.
    """
    try:
        with open_path(path) as opened:
            if opened.entry is not None:
                opened.require_directory()
            for name in opened.rest:
                _make_directory(name, opened.descriptor)
                child = os.open(name, _ENTER, dir_fd=opened.descriptor)
                opened.enter(child, opened.path_of(name))
            return bool(opened.rest)
    except OSError as error:
        raise IscsictlError(
            f"cannot create {path}: {error.strerror}",
            hint=f"see what it is: ls -ld {shell_form(path)}",
        ) from None


def _make_directory(name: str, parent: int) -> None:
    with _umask_lock, contextlib.suppress(FileExistsError):
        before = os.umask(0o777 & ~_MODE)
        try:
            os.mkdir(name, _MODE, dir_fd=parent)
        finally:
            os.umask(before)


def _reversed_components(path: str) -> list[str]:
    """Return the components of a path in reverse order."""
    return [name for name in reversed(path.split("/")) if name not in {"", "."}]


def _open_components(opened: OpenedPath, pending: list[str]) -> None:
    links = 0
    while pending:
        name = pending.pop()
        above = os.fstat(opened.descriptor)
        try:
            child = os.open(name, _ENTER, dir_fd=opened.descriptor)
        except (FileNotFoundError, NotADirectoryError):
            target = _read_link(opened, name, above)
        else:
            parent = opened.path
            # First, so that the descriptor is closed even if fstat(2) fails, as on xfs that has
            # shut down: while it is open, nothing can be unmounted there.
            opened.enter(child, os.path.normpath(opened.path_of(name)))
            if name != ".." and _is_exposed(above, os.fstat(child)):
                opened.exposed.append(parent)
            continue
        if target is None:
            if _is_exposed(above, opened.entry):
                opened.exposed.append(opened.path)
            opened.rest = _normalize_components([name, *reversed(pending)])
            return
        links += 1
        if links > _MAX_LINKS:
            raise _os_error(errno.ELOOP, opened.path_of(name))
        pending += _reversed_components(target)
        if target.startswith("/"):
            opened.enter(os.open("/", _ENTER), "/")


def _normalize_components(names: list[str]) -> tuple[str, ...]:
    return tuple(os.path.normpath("/".join(names)).split("/"))


def _read_link(opened: OpenedPath, name: str, above: os.stat_result) -> str | None:
    """Return the target of a link; if it is no link, None, with its status in `opened.entry`.

    Raises UnsafeLinkError if another user could have created the link.
    """
    try:
        descriptor = os.open(name, _LOOK, dir_fd=opened.descriptor)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISLNK(status.st_mode):
            opened.entry = status
            return None
        target = os.readlink("", dir_fd=descriptor)
    finally:
        os.close(descriptor)
    if opened.exposed or status.st_uid not in own_ids() or _others_can_write(above):
        raise UnsafeLinkError(
            f"{opened.path_of(name)} is a symbolic link that another user could have created: it "
            f"leads to {target}",
            hint="name its target instead, or let root create the link in a directory that only "
            "root can write to",
        )
    return target


def _is_exposed(above: os.stat_result, entry: os.stat_result | None) -> bool:
    """Return whether other users can replace an entry of a directory, or create a missing one.

    In a directory with the sticky bit, only its owner and the owner of the entry can (unlink(2)).
    """
    if not _others_can_write(above):
        return False
    sticky = above.st_mode & stat.S_ISVTX and above.st_uid in own_ids()
    return not (sticky and entry is not None and entry.st_uid in own_ids())


def _others_can_write(status: os.stat_result) -> bool:
    # With an ACL, the group bits are those of its mask (acl(5)).
    return status.st_uid not in own_ids() or bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def own_ids() -> tuple[int, int]:
    """Return the users whose files are trusted: root and the current user."""
    return 0, os.getuid()
