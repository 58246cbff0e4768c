"""The commands that release a disk: swapoff, umount, vgchange, cryptsetup, mdadm, losetup."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from iscsictl.model.shell_form import shell_form
from iscsictl.parse.mountinfo import MountLine
from iscsictl.system.block.block_tree import device_number, device_path, kind_of
from iscsictl.system.io.sysfs_attributes import path_below, read_attribute

# device-mapper's name of a volume is GROUP-VOLUME; hyphens within either are doubled (lvm(8)).
_VOLUME_GROUP = re.compile(r"((?:[^-]|--)+)-(?!-)")


def release_commands(
    root: Path,
    swaps: Iterable[str],
    holders: Iterable[str],
    loops: Iterable[str],
    mounts_on: Callable[[Iterable[str]], Iterable[MountLine]],
) -> tuple[str, ...]:
    """Return the commands that end these uses of a disk, in the order in which they work.

    `holders` are kernel names of what stands on the disk, from the bottom to the top; `loops` are
    devices over files on it. What is mounted from either is unmounted before; `mounts_on` finds it
    by device numbers. There is no command for a driver that needs more than one (DRBD).
    """
    loops = list(loops)
    holders = list(holders)
    names = [*holders, *(loop.rpartition("/")[2] for loop in loops)]
    numbers = [number for name in names if (number := device_number(root, name)) is not None]
    paths = [mount.path for mount in mounts_on(numbers)]
    commands = [f"swapoff {shell_form(swap)}" for swap in swaps]
    commands += [f"umount {shell_form(path)}" for path in reversed(paths)]
    commands += [f"losetup -d {loop}" for loop in loops]
    commands += [command for name in reversed(holders) for command in _stop_commands(root, name)]
    return tuple(dict.fromkeys(commands))


def _stop_commands(root: Path, kname: str) -> Iterator[str]:
    device, kind = device_path(root, kname), kind_of(root, kname)
    if kname.startswith("bcache"):
        yield f"echo 1 > /sys/block/{kname}/bcache/stop"
    elif kind == "md":
        yield f"mdadm --stop {device}"
    elif kind == "loop":
        yield f"losetup -d {device}"
    elif kind == "crypt":
        yield f"cryptsetup close {shell_form(device.rpartition('/')[2])}"
    elif kind == "lvm":
        yield from _device_mapper_commands(root, kname, device)


def _device_mapper_commands(root: Path, kname: str, device: str) -> Iterator[str]:
    """Yield how to deactivate a volume: LVM's through its volume group."""
    own = path_below(root, f"sys/class/block/{kname}/dm")
    name = read_attribute(f"{own}/name") or ""
    group = _VOLUME_GROUP.match(name)
    if not (read_attribute(f"{own}/uuid") or "").startswith("LVM-"):
        if kname.startswith("dm-"):
            yield f"dmsetup remove {shell_form(name)}"
    elif group is None:
        yield f"lvchange -an {shell_form(device)}"
    else:
        yield f"vgchange -an {shell_form(group[1].replace('--', '-'))}"
