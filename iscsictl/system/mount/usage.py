"""Who uses a disk, according to the kernel: mounts in any namespace, swap, holders, open files."""

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from iscsictl.model.inventory import DiskUsage
from iscsictl.model.listing import Disk
from iscsictl.parse.mountinfo import MountLine
from iscsictl.system.block.block_index import loops
from iscsictl.system.block.block_tree import (
    device_number,
    device_path,
    holders,
    kind_of,
    partitions,
)
from iscsictl.system.io.sysfs_attributes import list_names, path_below, read_all, read_attribute
from iscsictl.system.mount import mounts
from iscsictl.system.mount.release import release_commands
from iscsictl.system.mount.swaps import swap_areas

_WHAT = {"lvm": "LVM volume", "md": "md array", "crypt": "dm-crypt volume", "mpath": "map",
         "loop": "loop device"}  # fmt: skip
#: Drivers whose devices look like plain disks except for their names.
_BY_NAME = {"drbd": "DRBD volume", "bcache": "bcache volume", "nbd": "NBD volume"}
# In `info` of a storage object of LIO: "File: /dev/sdb  Size: ..." (target_core_file.c).
_LIO_FILE = re.compile(r"\bFile: (\S+)")


def _kernel_name(device: str) -> str:
    return os.path.basename(os.path.realpath(device))


def _device_and_dependents(root: Path, kname: str, over: Mapping[str, list[str]]) -> list[str]:
    """Return a device, its partitions and all that stands on any of them; `over` are the loops."""
    found, waiting = [], [kname]
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            waiting += [*partitions(root, name), *holders(root, name)]
            waiting += over.get(device_path(root, name), [])
    return found


def open_devices(sids: Iterable[int], root: Path = Path("/")) -> dict[int, tuple[str, ...]]:
    """Return who has character devices of each session open: a tape, a changer, a LUN's sg(4).

    By session id; empty if nobody has. Without root, other users' processes are not visible.
    """
    opened = [
        (_sysfs_path_of(root, number), who) for number, who in _find_openers(root, stat.S_ISCHR)
    ]
    found = {}
    for sid in sids:
        session = os.path.realpath(path_below(root, f"sys/class/iscsi_session/session{sid}/device"))
        own = (who for place, who in opened if place.startswith(f"{session}/"))
        found[sid] = tuple(dict.fromkeys(own))
    return found


def _sysfs_path_of(root: Path, number: int) -> str:
    return os.path.realpath(path_below(root, f"sys/dev/char/{os.major(number)}:{os.minor(number)}"))


class UsageScan:
    """What was mounted, open, swapped to and exported at one moment, for any number of disks.

    Everything is read once, and mounts are indexed by device: for each of a thousand disks there
    would otherwise be a thousand mounts to search.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self.mounted = mounts.mounted(root)
        self.innermost = {mount.path: mount for mount in self.mounted}
        self.elsewhere = tuple(mounts.mounts_in_other_namespaces(root))
        self.openers = tuple(_find_openers(root))
        self.loops = loops(str(root).rstrip("/"))
        self.backstores = tuple((n, p, os.path.realpath(p)) for n, p in _lio_backstores(root))
        self.swaps = tuple(
            (swap, os.path.realpath(swap), _mount_of_path(swap, self.mounted))
            for swap in swap_areas(root)
        )
        self._mounted_on = _positions_by_device(self.mounted)
        self._elsewhere_on = _positions_by_device([mount for _, _, mount in self.elsewhere])

    def mounts_on(self, devices: Iterable[str]) -> list[MountLine]:
        """Return the mounts of these devices (8:16, or a path), in the order of mounting."""
        return [self.mounted[at] for at in _positions_of_devices(self._mounted_on, devices)]

    def mounts_elsewhere_on(self, devices: Iterable[str]) -> list[tuple[int, str, MountLine]]:
        """Return the mounts of these devices in other namespaces, with a process and its name."""
        return [self.elsewhere[at] for at in _positions_of_devices(self._elsewhere_on, devices)]


def _positions_by_device(found: Sequence[MountLine]) -> dict[str, list[int]]:
    """Return the positions of mounts in a sequence, by number and by path of the device."""
    index: dict[str, list[int]] = {}
    for at, mount in enumerate(found):
        index.setdefault(mount.device, []).append(at)
        # A filesystem such as btrfs has a number of its own, and names its device as source.
        if mount.source.startswith("/dev/"):
            index.setdefault(os.path.realpath(mount.source), []).append(at)
    return index


def _positions_of_devices(index: Mapping[str, list[int]], devices: Iterable[str]) -> list[int]:
    return sorted({at for device in devices for at in index.get(device, ())})


def disk_usage(
    disk: Disk, root: Path = Path("/"), *, open_files: bool = False, answers: bool = True,
    scan: UsageScan | None = None,
) -> DiskUsage:  # fmt: skip
    """Return who uses a disk over any of its paths, and who works in its mounts (`open_files`).

    `answers` says whether the disk does: nothing is read from a filesystem on one that does not.
    `scan` is one scan for several disks.
    """
    scan = scan or UsageScan(root)
    # A map may have lost all of its paths.
    own = [_kernel_name(path.device) for path in disk.paths] or [_kernel_name(disk.block.device)]
    names: list[str] = []
    for kname in own:
        names += [
            name for name in _device_and_dependents(root, kname, scan.loops) if name not in names
        ]
    numbers = {n: name for name in names if (n := device_number(root, name)) is not None}
    nodes = {device_path(root, name) for name in names} | {f"/dev/{name}" for name in names}
    ours = scan.mounts_on([*numbers, *nodes])
    places = [m.path for m in ours]
    covered = [(p, scan.innermost[p].source) for p in places if scan.innermost[p] not in ours]
    others = [
        f"the mount on {m.path} in the namespace of process {pid} ({command})"
        for pid, command, m in scan.mounts_elsewhere_on([*numbers, *nodes])
        if not _is_unmounted_too(m, ours)
    ]
    swaps = [swap for swap, device, mount in scan.swaps if device in nodes or mount in ours]
    others += [f"swap on {swap}" for swap in swaps]
    maps = {_kernel_name(disk.block.device)} if disk.block.kind == "mpath" else set()
    above = [n for n in names if n not in {*own, *maps} and kind_of(root, n) != "part"]
    others += [_describe_holder(root, name) for name in above]
    images = _loops_over_images(scan.loops, places)
    others += [f"loop device {loop} of {file}" for file, loop in images]
    others += [f"bcache on /dev/{name}" for name in names if _is_in_bcache(root, name)]
    others += [
        f"the LIO backstore {name} on {path}"
        for name, path, device in scan.backstores
        if device in nodes or any(path.startswith(f"{p}/") for p in places)
    ]
    wanted = {os.makedev(*map(int, number.split(":"))) for number in numbers}
    others += [who for number, who in scan.openers if number in wanted]
    places = list(dict.fromkeys(places))
    workers = (
        [who for path in places for who in working_in(path, root, answers=answers)]
        if open_files
        else []
    )
    return DiskUsage(
        tuple(places),
        tuple(dict.fromkeys(others)),
        tuple(dict.fromkeys(workers)),
        tuple(dict.fromkeys(covered)),
        release_commands(root, swaps, above, [loop for _, loop in images], scan.mounts_on),
    )


def _mount_of_path(path: str, mounted: Iterable[MountLine]) -> MountLine | None:
    """Return the mount that a file is on: the last mount on the nearest directory above it."""
    above = [m for m in mounted if path.startswith(f"{m.path.rstrip('/')}/")]
    return max(reversed(above), key=lambda mount: len(mount.path), default=None)


def _loops_over_images(
    backing: Mapping[str, list[str]], places: Iterable[str]
) -> list[tuple[str, str]]:
    """Return the loop devices over files below these mount points: file and device."""
    starts = tuple(f"{place.rstrip('/')}/" for place in places)
    return [
        (file, f"/dev/{name}")
        for file, names in backing.items()
        if file.startswith(starts) and not file.startswith("/dev/")
        for name in names
    ]


def _is_unmounted_too(mount: MountLine, ours: Iterable[MountLine]) -> bool:
    """Return whether unmounting ours also unmounts this one (mount_namespaces(7), propagation).

    A bind mount on another directory has the same peers, but stays.
    """
    peers = {word.replace("master:", "shared:") for word in mount.groups}
    return any(m.path == mount.path and peers & set(m.groups) for m in ours)


def _is_in_bcache(root: Path, kname: str) -> bool:
    """Return whether a device is in a cache set, which holds it without a link in `holders`."""
    return os.path.isdir(path_below(root, f"sys/class/block/{kname}/bcache"))


def _lio_backstores(root: Path) -> Iterator[tuple[str, str]]:
    """Yield name and device or file of each backstore that this host exports (LIO, in configfs).

    The kernel opens a fileio backstore like a file, so neither `holders` nor a process shows it.
    """
    core = path_below(root, "sys/kernel/config/target/core")
    for plugin in sorted(list_names(core)):
        for name in sorted(list_names(f"{core}/{plugin}")):
            own = f"{core}/{plugin}/{name}"
            files = _LIO_FILE.findall(read_all(f"{own}/info").decode("utf-8", "replace"))
            for path in dict.fromkeys((read_attribute(f"{own}/udev_path"), *files)):
                if path is not None and path.startswith("/"):
                    yield f"{plugin.rpartition('_')[0]}/{name}", path


def _describe_holder(root: Path, kname: str) -> str:
    by_name = next((what for name, what in _BY_NAME.items() if kname.startswith(name)), "device")
    return f"{_WHAT.get(kind_of(root, kname), by_name)} {device_path(root, kname)}"


def _find_openers(
    root: Path, is_meant: Callable[[int], bool] = stat.S_ISBLK
) -> Iterator[tuple[int, str]]:
    """Yield the processes, other than ours and udev's, that have block devices open.

    Each is yielded with the number of the device. `is_meant` gets a file mode, and may select
    character devices instead.

    What a udev rule runs (`multipath -u`, `blkid`) only reads and ends in a moment; programs that
    write keep it away with flock (systemd's Locking Block Device Access).
    """
    own = str(os.getpid())
    for process in mounts.processes(root):
        if process.endswith(f"/{own}"):
            continue
        try:
            opened = dict(_open_devices(process, is_meant))
            if not opened or _belongs_to_udev(process) or _was_started_by_us(process):
                continue
            command = Path(process, "comm").read_text(errors="replace").strip()
        except OSError:
            continue
        if command != "multipathd":
            for number, node in opened.items():
                name = os.path.basename(process)
                yield number, f"process {name} ({command}) that has {node} open"


def _was_started_by_us(process: str) -> bool:
    """Return whether we started it: for another volume, or to read (findmnt opens all disks)."""
    fields = Path(process, "stat").read_bytes().rpartition(b") ")[2].split()
    return int(fields[1]) == os.getpid()


def _open_devices(process: str, is_meant: Callable[[int], bool]) -> Iterator[tuple[int, str]]:
    """Yield number and name of each device in /dev that a process has open and that is meant.

    stat(2) is called on nothing else: for a file on a server that is down, it would hang.
    """
    for fd in os.listdir(f"{process}/fd"):
        link = f"{process}/fd/{fd}"
        with contextlib.suppress(OSError):
            node = os.readlink(link)
            number = _open_device(link, is_meant) if node.startswith("/dev/") else None
            if number is not None:
                yield number, node


def _open_device(fd: str, is_meant: Callable[[int], bool]) -> int | None:
    """Return the number of the device that a descriptor refers to, if it is meant."""
    status = os.stat(fd)
    return status.st_rdev if is_meant(status.st_mode) else None


def _belongs_to_udev(process: str) -> bool:
    return b"/systemd-udevd.service" in Path(process, "cgroup").read_bytes()


def working_in(path: str, root: Path = Path("/"), *, answers: bool = True) -> tuple[str, ...]:
    """Return the processes that work in a mounted filesystem, or have a file of it open.

    If its disk does not answer, they are found only by the names of their files.
    """
    try:
        number = next(m.device for m in reversed(mounts.mounted(root)) if m.path == path)
    except StopIteration:
        return ()
    major, minor = map(int, number.split(":"))
    wanted, found = os.makedev(major, minor), []
    remote = _remote_directories(root) if answers else ()

    def is_inside(link: Path, where: str) -> bool:
        return os.stat(link).st_dev == wanted if answers else f"{where}/".startswith(f"{path}/")

    for process in (root / "proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        reason = _find_use_by_process(process, remote, is_inside)
        if reason is not None:
            found.append(reason)
    return tuple(found)


def _remote_directories(root: Path) -> tuple[str, ...]:
    """Return the mount points whose files may not answer: those of a server or a daemon."""
    return tuple(
        f"{m.path}/" for m in mounts.mounted(root) if m.fstype.partition(".")[0] in _REMOTE
    )


_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "ceph", "fuse", "9p", "afs"})


def _find_use_by_process(
    process: Path, remote: tuple[str, ...], is_inside: Callable[[Path, str], bool]
) -> str | None:
    try:
        command = (process / "comm").read_text(errors="replace").strip()
        links = [(process / "cwd", "works in"), (process / "root", "has as root")]
        links += [(fd, "has open") for fd in (process / "fd").iterdir()]
    except OSError:
        return None
    for link, verb in links:
        try:
            where = os.readlink(link)
            if not f"{where}/".startswith(remote) and is_inside(link, where):
                return f"process {process.name} ({command}) {verb} {where}"
        except OSError:
            continue
    return None
