"""Mounts: what is mounted where, in every namespace, and mounting and unmounting."""

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from iscsictl.errors import InUseError, IscsictlError
from iscsictl.model.inventory import MountPointState
from iscsictl.parse.mountinfo import MountLine, parse_mountinfo
from iscsictl.system.io.process import ToolError, run, wait_until_none_starting

_BUSY = 32
# What mount(8) adds to its reason, or says of something else.
_ASIDE = re.compile(r"dmesg\(1\)|\(hint\)")


def mounted(root: Path = Path("/")) -> tuple[MountLine, ...]:
    """Return the mounts of our own namespace, in the order they were made."""
    try:
        return parse_mountinfo((root / "proc/self/mountinfo").read_bytes())
    except FileNotFoundError:
        return ()


def elsewhere(root: Path = Path("/")) -> Iterator[tuple[int, str, MountLine]]:
    """Yield (pid, command, mount) of each mount namespace that is not ours, once each."""
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
    """Yield the directory of each process in /proc, in the order of their numbers."""
    folder = f"{root}/proc"
    for name in sorted(filter(str.isdigit, os.listdir(folder)), key=int):
        yield f"{folder}/{name}"


def real(path: str) -> str:
    """Return a directory as the kernel will name it once it is mounted on: without links."""
    return os.path.realpath(path)


def place(path: str, root: Path = Path("/")) -> MountPointState:
    """Look at a directory that is to be a mount point.

    The innermost mount at the path counts. Raises IscsictlError where it cannot be read.
    """
    on_top = next((m for m in reversed(mounted(root)) if m.path == path), None)
    if on_top is not None:
        try:
            status = os.stat(path)
        except OSError as error:
            raise IscsictlError(
                f"{path} is mounted from {on_top.source} but does not answer: {error.strerror}",
                hint="see what happened: iscsictl doctor",
            ) from None
        return MountPointState(
            exists=True,
            mounted=on_top.device,
            source=on_top.source,
            uid=status.st_uid,
            gid=status.st_gid,
            mode=stat.S_IMODE(status.st_mode),
        )
    try:
        status = os.stat(path)
        directory = stat.S_ISDIR(status.st_mode)
        return MountPointState(
            exists=True, directory=directory, empty=not directory or _empty(path)
        )
    except FileNotFoundError:
        return MountPointState()
    except OSError as error:
        raise IscsictlError(f"{path} cannot be looked at: {error.strerror}") from None


def _empty(path: str) -> bool:
    with os.scandir(path) as entries:
        return next(entries, None) is None


def make_directory(path: str) -> bool:
    """Make a mount point with its parents, 0755 as far as umask allows. False if it was there."""
    try:
        Path(path).mkdir(mode=0o755, parents=True)
    except FileExistsError:
        return False
    except OSError as error:
        raise IscsictlError(f"{path} cannot be made: {error.strerror}") from None
    return True


def remove_directory(path: str) -> None:
    """Remove an empty directory."""
    try:
        os.rmdir(path)
    except OSError as error:
        raise IscsictlError(f"{path} cannot be removed: {error.strerror}") from None


def mount(device: str, path: str, fs: str, options: tuple[str, ...]) -> bool:
    """Mount a device, unless it is mounted there; return whether that was to be done.

    The mount helper gets none of the options that are only for fstab. At boot systemd may be
    mounting the same line.
    """
    if _is_mounted(device, path):
        return False
    given = [o for o in options if not o.startswith("x-")]
    flags = ["-o", ",".join(given)] if given else []
    try:
        run(["mount", "-t", fs, *flags, device, path], timeout=None)
    except ToolError as error:
        if _is_mounted(device, path):
            return False
        said = [line.strip() for line in error.result.err.splitlines() if line.strip()]
        why = next((line for line in said if not _ASIDE.search(line)), error.result.last_line)
        why = why.removeprefix("mount: ").removeprefix(f"{path}: ")
        raise IscsictlError(
            f"{device} cannot be mounted on {path}: {why}",
            hint=f"see what the kernel says: journalctl -k -n 20; and whether the filesystem is "
            f"whole: fsck -n {device}",
            tool_exit=error.tool_exit,
        ) from None
    return True


def _is_mounted(device: str, path: str) -> bool:
    """Tell whether it is this device that one sees at the path."""
    on_top = next((m for m in reversed(mounted()) if m.path == os.path.realpath(path)), None)
    if on_top is None:
        return False
    # btrfs has a device number of its own, and names its device.
    number = os.stat(device).st_rdev
    own = f"{os.major(number)}:{os.minor(number)}"
    return on_top.device == own or on_top.source == device


def unmount(path: str, *, lazy: bool = False) -> None:
    """Unmount a path. `lazy` detaches it at once, for a disk that is gone for ever.

    Raises InUseError while somebody works in it.
    """
    try:
        run(["umount", *(("-l",) if lazy else ()), path], timeout=None if not lazy else 30)
    except ToolError as error:
        if "not mounted" in error.result.err or "no mount point" in error.result.err:
            return
        if error.result.code == _BUSY and "busy" in error.result.err:
            raise InUseError(
                f"{path} is in use", hint=f"see who is in it: fuser -vm {path}", tool_exit=_BUSY
            ) from None
        raise


def problem(line: MountLine, root: Path = Path("/")) -> str | None:
    """Tell why a mounted filesystem cannot be worked with, as far as a look at it shows.

    A kernel from 6.12 on does not show that an ext4 gave up; where it has noted errors, a write
    is tried. Nothing else is written or read from the disk.
    """
    if line.fstype == "autofs":
        return None  # a look would have it mounted
    # Filesystems that span disks (btrfs) have a device number of their own, with major 0.
    if not line.device.startswith("0:") and not os.path.exists(_device(line, root)):
        return "its disk is gone"
    if root != Path("/") or "ro" in line.options:
        return None
    try:
        # An XFS that shut down answers here.
        os.close(os.open(line.path, os.O_RDONLY | os.O_DIRECTORY))
    except OSError as error:
        return f"does not answer: {(error.strerror or 'unknown error').lower()}"
    if line.fstype.startswith("ext") and _noted_errors(line, root) and _answers(line, root):
        why = takes_writes(line.path)
        return None if why is None else f"takes no writes: {why}"
    return None


def _device(line: MountLine, root: Path) -> str:
    return f"{root}/sys/dev/block/{line.device}"


def _answers(line: MountLine, root: Path) -> bool:
    """Tell whether a write would not just wait: some disk under the filesystem is in use."""
    block = os.path.realpath(_device(line, root))
    disks = [block, os.path.dirname(block), *map(str, Path(block, "slaves").glob("*"))]
    states = []
    for disk in disks:
        with contextlib.suppress(OSError):
            states.append(Path(disk, "device/state").read_text(encoding="ascii").strip())
    return "running" in states or not states


def _noted_errors(line: MountLine, root: Path) -> bool:
    kname = os.path.basename(os.path.realpath(_device(line, root)))
    try:
        with open(f"{root}/sys/fs/ext4/{kname}/errors_count", "rb") as file:
            return file.read().strip() != b"0"
    except OSError:
        return False


def takes_writes(path: str) -> str | None:
    """Tell why a mounted filesystem cannot be written, or None if it can.

    A nameless file is written and synced (O_TMPFILE); where the filesystem has no such files,
    its flags must do. One that is full can be written.
    """
    try:
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            return "it is mounted read-only"
        fd = os.open(path, os.O_TMPFILE | os.O_WRONLY, 0o600)
    except OSError as error:
        return _why(error)
    try:
        os.write(fd, b"\0")
        os.fsync(fd)
    except OSError as error:
        return _why(error)
    finally:
        os.close(fd)
        wait_until_none_starting()
    return None


# Where there are no nameless files, and where all is full: neither says that writes fail.
_NO_REASON = frozenset({errno.EISDIR, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSPC, errno.EDQUOT})


def _why(error: OSError) -> str | None:
    return None if error.errno in _NO_REASON else (error.strerror or "unknown error").lower()


def set_owner(path: str, uid: int | None, gid: int | None, mode: int | None) -> None:
    """Set owner, group and mode; None leaves one as it is."""
    try:
        if uid is not None or gid is not None:
            os.chown(path, -1 if uid is None else uid, -1 if gid is None else gid)
        if mode is not None:
            os.chmod(path, mode)
    except OSError as error:
        raise IscsictlError(f"owner and mode of {path}: {error.strerror}") from None
