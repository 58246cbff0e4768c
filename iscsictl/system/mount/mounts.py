"""Mounts: what is mounted where, in every namespace, and mounting and unmounting."""

import contextlib
import errno
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from iscsictl.errors import InUseError, IscsictlError
from iscsictl.limits import LAZY_UNMOUNT_WAIT
from iscsictl.model.inventory import DISK_GONE, NO_PATHS, MountedSource, MountPointState
from iscsictl.model.shell_form import shell_form
from iscsictl.parse.mountinfo import MountLine, parse_mountinfo
from iscsictl.system.block.disk_states import takes_commands
from iscsictl.system.io.process import ToolError, run, start, wait_until_none_starting
from iscsictl.system.io.safe_paths import (
    UnsafeLinkError,
    fd_path,
    open_directory,
    open_parent,
    open_path,
    resolve_path,
)
from iscsictl.system.io.sysfs_attributes import list_names, read_attribute

# What mount(8) adds to its reason, or says about something else.
_ASIDE = re.compile(r"dmesg\(1\)|\(hint\)")


def mounted(root: Path = Path("/")) -> tuple[MountLine, ...]:
    """Return the mounts of our own namespace, in the order in which they were mounted.

    The later of two on one path is on top. Empty below a root directory without /proc.
    """
    try:
        return parse_mountinfo((root / "proc/self/mountinfo").read_bytes())
    except FileNotFoundError:
        return ()


def mounts_in_other_namespaces(root: Path = Path("/")) -> Iterator[tuple[int, str, MountLine]]:
    """Yield (pid, command, mount) of each mount namespace that is not ours, once each.

    The process is the first that is in it. Namespaces that cannot be read, those of other users
    without root, are left out.
    """
    seen = set()
    with contextlib.suppress(OSError):
        seen.add(os.readlink(f"{root}/proc/self/ns/mnt"))
    for process in processes(root):
        with contextlib.suppress(OSError):
            namespace = os.readlink(f"{process}/ns/mnt")
            if namespace in seen:
                continue
            lines = parse_mountinfo(Path(process, "mountinfo").read_bytes())
            seen.add(namespace)
            command = Path(process, "comm").read_text(errors="replace").strip()
            for line in lines:
                yield int(os.path.basename(process)), command, line


def processes(root: Path = Path("/")) -> Iterator[str]:
    """Yield the directory of each process in /proc, in the order of their numbers.

    It may be gone when it is opened. Raises OSError if /proc is not mounted.
    """
    folder = f"{root}/proc"
    for name in sorted(filter(str.isdigit, os.listdir(folder)), key=int):
        yield f"{folder}/{name}"


def mounted_sources(root: Path = Path("/")) -> dict[str, MountedSource]:
    """Return what is mounted on each path; if there are two on one path, the one on top.

    Empty below a root directory without /proc.
    """
    return {line.path: MountedSource(line.device, line.source) for line in mounted(root)}


def read_mount_point(
    path: str, sources: Mapping[str, MountedSource] | None = None
) -> MountPointState:
    """Return the state of a directory that is to be a mount point; the innermost mount counts.

    `sources` is the result of `mounted_sources`, for callers that ask about many; by default it is
    read. Raises UnsafeLinkError if another user could decide where the path leads, IscsictlError if
    it cannot be read.
    """
    sources = mounted_sources() if sources is None else sources
    try:
        with open_path(path) as opened:
            exposed = tuple(opened.exposed)
            if opened.entry is not None:
                return MountPointState(exists=True, directory=False)
            if opened.rest:
                return MountPointState(exposed=exposed)
            on_top = sources.get(opened.path)
            status = os.fstat(opened.descriptor)
            if on_top is not None:
                return MountPointState(
                    exists=True,
                    mounted=on_top.device,
                    source=on_top.source,
                    uid=status.st_uid,
                    gid=status.st_gid,
                    mode=stat.S_IMODE(status.st_mode),
                    exposed=exposed,
                )
            return MountPointState(
                exists=True, empty=_is_empty_directory(opened.descriptor), exposed=exposed
            )
    except OSError as error:
        on_top = sources.get(path)
        if on_top is not None:
            raise IscsictlError(
                f"{path} is mounted from {on_top.source} but does not answer: {error.strerror}",
                hint="see what happened: iscsictl doctor",
            ) from None
        raise IscsictlError(f"cannot read {path}: {error.strerror}") from None


def _is_empty_directory(descriptor: int) -> bool:
    with os.scandir(f"{fd_path(descriptor)}/.") as entries:
        return next(entries, None) is None


def remove_directory(path: str) -> None:
    """Remove an empty directory.

    Raises IscsictlError if it is not empty, is a mount point or is gone, UnsafeLinkError.
    """
    try:
        with open_parent(path) as (parent, name):
            os.rmdir(name, dir_fd=parent)
    except OSError as error:
        raise IscsictlError(f"cannot remove {path}: {error.strerror}") from None


def mount(device: str, path: str, fs: str, options: tuple[str, ...]) -> bool:
    """Mount a device on a directory; return False if it was mounted there already.

    Options that are only for fstab are left out. The directory is opened without following links,
    and what was opened is mounted on. Raises UnsafeLinkError, IscsictlError.
    """
    given = [option for option in options if not option.startswith("x-")]
    flags = ["-o", ",".join(given)] if given else []
    with _opened_mount_point(path) as (descriptor, real):
        if _is_mounted(device, real):
            return False
        # The final "/." makes the link in /proc a directory on the way, which is always followed; a
        # link at the end is not, if mount(8) uses move_mount(2). Without -c, mount(8) would replace
        # it with the name of the directory, which the kernel would look up again.
        target = f"{fd_path(descriptor)}/."
        command = ["mount", "-n", "-c", "-t", fs, *flags, device, target]
        shown = ["mount", "-t", fs, *flags, device, real]
        try:
            run(command, timeout=None, pass_fds=(descriptor,), shown=shown)
        except ToolError as error:
            # At boot systemd may be mounting the same entry.
            if _is_mounted(device, real):
                return False
            text = error.result.err.replace(target, path)
            raise _mount_error(device, path, text, error) from None
        if "_netdev" in given:
            _record_mount(device, real, fs, flags)
    return True


@contextlib.contextmanager
def _opened_mount_point(path: str) -> Iterator[tuple[int, str]]:
    try:
        with open_path(path) as opened:
            opened.require_directory()
            yield opened.descriptor, opened.path
    except OSError as error:
        raise IscsictlError(
            f"cannot open the mount point {path}: {error.strerror}",
            hint=f"create it: mkdir -p {shell_form(path)}",
        ) from None


def _mount_error(device: str, path: str, text: str, error: ToolError) -> IscsictlError:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    why = next((line for line in lines if not _ASIDE.search(line)), error.result.last_line)
    why = why.removeprefix("mount: ").removeprefix(f"{path}: ")
    return IscsictlError(
        f"{device} cannot be mounted on {path}: {why}",
        hint="see the kernel's log: journalctl -k -n 20; and whether the filesystem is intact: "
        f"fsck -n {device}",
        tool_exit=error.tool_exit,
    )


def _record_mount(device: str, path: str, fs: str, flags: list[str]) -> None:
    """Have libmount record `_netdev`, which the kernel does not keep, for the mount point.

    Because of it, systemd unmounts it before the network goes down. Nothing is mounted (mount(8),
    -f).
    """
    with contextlib.suppress(IscsictlError):
        run(["mount", "-f", "-c", "-t", fs, *flags, device, path])


def _is_mounted(device: str, path: str) -> bool:
    """Return whether this device is the innermost mount at a path without links."""
    on_top = mounted_sources().get(path)
    if on_top is None:
        return False
    # btrfs has a device number of its own, so its source is compared.
    number = os.stat(device).st_rdev
    own = f"{os.major(number)}:{os.minor(number)}"
    return on_top.device == own or on_top.source == device


# umount(8) would follow a link in the last component, and no tool supports the flag. The call may
# hang for as long as a disk does not answer, so a separate process makes it.
_UMOUNT = """\
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
failed = libc.umount2(os.fsencode(sys.argv[1]), int(sys.argv[2]))
sys.exit(ctypes.get_errno() if failed else 0)
"""
# Flags of the call, in umount(2).
_MNT_DETACH = 2
_UMOUNT_NOFOLLOW = 8


def unmount(path: str, *, lazy: bool = False) -> None:
    """Unmount a path without following links; it is no error if nothing is mounted there.

    `lazy` detaches it at once, for a disk that is gone for good. Raises InUseError while it is
    in use, UnsafeLinkError, IscsictlError.
    """
    flags = _UMOUNT_NOFOLLOW | (_MNT_DETACH if lazy else 0)
    try:
        place = resolve_path(path)
        with open_parent(place) as (parent, name):
            code = _call_umount2(parent, name, flags, place)
    except FileNotFoundError:
        return
    except OSError as error:
        raise IscsictlError(f"cannot unmount {path}: {error.strerror}") from None
    if code == errno.EBUSY:
        raise InUseError(
            f"{path} is in use",
            hint=f"see what uses it: iscsictl umount {shell_form(path)} --dry-run",
        )
    if code not in {0, errno.EINVAL, errno.ENOENT}:
        raise IscsictlError(f"cannot unmount {path}: {os.strerror(code).lower()}")
    with contextlib.suppress(IscsictlError):
        # Also remove libmount's record of the mount, if there is one.
        run(["umount", "--fake", "-c", path], ok=None)


def _call_umount2(parent: int, name: str, flags: int, path: str) -> int:
    """Call umount2(2) in a separate process; return the error number, 0 for success.

    A detached mount leaves the mount table at once. If nothing else holds its filesystem, the call
    then continues to write what is in memory, which on a lost disk lasts until its session ends:
    the process is left running. Raises UnreachableError, ToolError.
    """
    command = [sys.executable, "-I", "-S", "-c", _UMOUNT, f"{fd_path(parent)}/{name}", str(flags)]
    if not flags & _MNT_DETACH:
        shown = ["umount", path]
        return run(command, timeout=None, ok=None, pass_fds=(parent,), shown=shown).code
    before = _count_mounts(path)
    try:
        start(
            command,
            lambda: _count_mounts(path) < before,
            timeout=LAZY_UNMOUNT_WAIT,
            pass_fds=(parent,),
            shown=["umount", "-l", path],
        )
    except ToolError as error:
        return error.result.code
    return 0


def _count_mounts(path: str) -> int:
    """Count the mounts that are stacked at a path without links."""
    return sum(line.path == path for line in mounted())


def find_mount_problem(line: MountLine, root: Path = Path("/")) -> str | None:
    """Return why a mounted filesystem cannot be used, as far as stat() and its options show.

    Kernels since 6.12 do not show that an ext4 has shut down; if it has recorded errors, a write is
    tried. Otherwise nothing is read from the disk or written to it.
    """
    if line.fstype == "autofs":
        return None  # stat() would have autofs mount it
    if (reason := missing_disk(line, root)) is not None:
        return reason
    if root != Path("/") or "ro" in line.options:
        return None
    try:
        # An XFS that has shut down fails here.
        os.close(os.open(line.path, os.O_RDONLY | os.O_DIRECTORY))
    except OSError as error:
        return f"does not answer: {(error.strerror or 'unknown error').lower()}"
    if line.fstype.startswith("ext") and _noted_errors(line, root) and _has_usable_disk(line, root):
        why = takes_writes(line.path)
        return None if why is None else f"accepts no writes: {why}"
    return None


def missing_disk(line: MountLine, root: Path = Path("/")) -> str | None:
    """Return why a mounted filesystem has no disk: it was deleted, or a map has no path left.

    A filesystem on several disks has none if all of them are gone.

    The kernel keeps the number of a deleted disk until its last holder is gone, so a disk that
    comes back gets another one (sd_probe() and scsi_disk_release() in drivers/scsi/sd.c).
    """
    place = _sysfs_path_of_device(line, root)
    if line.device.startswith("0:"):
        # Filesystems that span disks (btrfs) have a device number of their own, with major 0.
        if not line.source.startswith("/dev/"):
            return None
        place = f"{root}/sys/class/block/{os.path.basename(os.path.realpath(line.source))}"
    if _is_gone(place):
        return DISK_GONE
    return NO_PATHS if _has_no_paths(place) else None


def _is_gone(block: str) -> bool:
    """Return whether a device was deleted, or everything that it stands on.

    A device of LVM, dm-crypt or md outlives its disks: its links to them stay until it is stopped
    (bd_unlink_disk_holder() in block/holder.c), and lead nowhere.
    """
    if not os.path.exists(block):
        return True
    below = list_names(f"{block}/slaves")
    return bool(below) and all(_is_gone(f"{block}/slaves/{name}") for name in below)


def _has_no_paths(block: str) -> bool:
    """Return whether a device stands on multipath maps that all have no path left."""
    below = list_names(f"{block}/slaves")
    if below:
        return all(_has_no_paths(f"{block}/slaves/{name}") for name in below)
    return (read_attribute(f"{block}/dm/uuid") or "").startswith("mpath-")


def find_stranded(paths: Iterable[str], root: Path = Path("/")) -> dict[str, str]:
    """Return the mount points whose mounts no longer have a disk, with the reason.

    Like `stranded_mounts`, by mount point.
    """
    return {line.path: reason for line, reason in stranded_mounts(paths, root)}


def stranded_mounts(
    paths: Iterable[str], root: Path = Path("/")
) -> Iterator[tuple[MountLine, str]]:
    """Yield the mounts on these mount points that no longer have a disk, with the reason.

    Only the innermost mount of each counts; what is not mounted is left out. No disk is accessed.
    """
    innermost = {line.path: line for line in mounted(root)}
    for path in dict.fromkeys(paths):
        if path in innermost:
            reason = missing_disk(innermost[path], root)
            if reason is not None:
                yield innermost[path], reason


def _sysfs_path_of_device(line: MountLine, root: Path) -> str:
    return f"{root}/sys/dev/block/{line.device}"


def _has_usable_disk(line: MountLine, root: Path) -> bool:
    """Return whether a disk under the filesystem accepts commands: otherwise a write would hang."""
    return takes_commands(
        os.path.basename(os.path.realpath(_sysfs_path_of_device(line, root))), root
    )


def _noted_errors(line: MountLine, root: Path) -> bool:
    kname = os.path.basename(os.path.realpath(_sysfs_path_of_device(line, root)))
    try:
        with open(f"{root}/sys/fs/ext4/{kname}/errors_count", "rb") as file:
            return file.read().strip() != b"0"
    except OSError:
        return False


def takes_writes(path: str) -> str | None:
    """Return why a mounted filesystem cannot be written to, None if it can.

    A nameless file is written and synced (O_TMPFILE); if the filesystem does not support such
    files, only its flags count. A full filesystem counts as writable.
    """
    try:
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            return "it is mounted read-only"
        with open_directory(path) as directory:
            fd = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=directory)
    except UnsafeLinkError as error:
        return error.text
    except OSError as error:
        return _reason_of_error(error)
    try:
        os.write(fd, b"\0")
        os.fsync(fd)
    except OSError as error:
        return _reason_of_error(error)
    finally:
        os.close(fd)
        wait_until_none_starting()
    return None


# Nameless files are not supported, or the filesystem is full: neither means that writes fail.
_NO_REASON = frozenset({errno.EISDIR, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSPC, errno.EDQUOT})


def _reason_of_error(error: OSError) -> str | None:
    return None if error.errno in _NO_REASON else (error.strerror or "unknown error").lower()


def set_owner(path: str, uid: int | None, gid: int | None, mode: int | None) -> None:
    """Set owner, group and mode of a directory; None leaves a value unchanged.

    Raises UnsafeLinkError, IscsictlError.
    """
    try:
        with open_directory(path) as descriptor:
            # fchown(2) does not work on an O_PATH descriptor.
            directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor)
        try:
            if uid is not None or gid is not None:
                os.fchown(directory, -1 if uid is None else uid, -1 if gid is None else gid)
            if mode is not None:
                os.fchmod(directory, mode)
        finally:
            os.close(directory)
    except OSError as error:
        raise IscsictlError(f"cannot set owner and mode of {path}: {error.strerror}") from None
