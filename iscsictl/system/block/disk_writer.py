"""Write to a disk: each function first verifies its identity, and what may be overwritten."""

import contextlib
import errno
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from iscsictl.errors import (
    InUseError,
    IscsictlError,
    RefusedError,
    UnexpectedContentError,
    UnreachableError,
)
from iscsictl.model.actions import DiskId
from iscsictl.model.disk_content import Content
from iscsictl.model.multipath import kpartx_command
from iscsictl.model.partition_table import partition_node
from iscsictl.model.shell_form import shell_form
from iscsictl.system.block import multipath, probe
from iscsictl.system.block.blank_proof import read_shape, search_again
from iscsictl.system.block.block_tree import partitions
from iscsictl.system.block.disk_guards import (
    require_same_disk,
    require_same_paths,
    require_unreserved,
    verify_writable,
)
from iscsictl.system.block.known_partitions import forget_partitions, known_partitions
from iscsictl.system.block.table_reader import read_table
from iscsictl.system.block.write_tracker import track_writes
from iscsictl.system.io import signals
from iscsictl.system.io.process import Result, ToolError, find, pty, run
from iscsictl.system.io.waits import waiting


def _lock_whole_disk(fd: int, device: str, deadline: float) -> None:
    """Wait for the flock of a disk. Nothing is written yet, so a signal ends the wait at once."""
    doing = f"waiting for another program to unlock {device}"
    with waiting(doing, round(max(0.0, deadline - time.monotonic()))):
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno != errno.EWOULDBLOCK:
                    raise UnreachableError(
                        f"{device} cannot be locked: {error.strerror}",
                        hint="see the kernel's log: journalctl -k -n 20",
                    ) from None
                if time.monotonic() > deadline:
                    raise InUseError(
                        f"{device} is locked by another program",
                        hint="wait for it to end; to see which: iscsictl disk show "
                        + shell_form(device),
                    ) from None
                signals.check()
                time.sleep(0.05)
            else:
                return


@contextlib.contextmanager
def locked_disk(disk: DiskId, deadline: float) -> Iterator[None]:
    """Lock the whole disk with flock(2), as udev and systemd expect of programs that change it.

    Under the lock, its identity and its reservations are checked. `deadline` is in time.monotonic()
    seconds. Raises RefusedError if it is another disk or another host holds it, InUseError if
    another program has the lock, UnreachableError if flock(2) fails, InterruptError after a signal.
    """
    device = disk.device
    with probe.opened(device, exclusive=False) as fd:
        _lock_whole_disk(fd, device, deadline)
        require_same_paths(disk)
        require_same_disk(fd, disk)
        require_unreserved(fd, disk)
        yield


def verify_unchanged(
    disk: DiskId, node: str, fine: Callable[[Content], bool], *, reserved: bool = False
) -> Content:
    """Verify under O_EXCL that what will be overwritten has not changed since it was planned.

    Zeroes in all places of signatures and in a new part of the grid are proof enough; otherwise the
    whole disk is probed again. Then its identity is checked once more, and with `reserved` also
    that the reservation made by this run still exists. Raises RefusedError, UnexpectedContentError.
    """
    device = disk.device
    with probe.opened(node, exclusive=True) as fd:
        shape = read_shape(fd)
        content = Content(disk.wwid, shape.size, shape.sector)
        known = known_partitions(node)
        if search_again(fd, shape, [(part.start, part.size) for part in known]) is not None:
            content = probe.probe(device, disk.wwid)
        if not fine(content):
            raise UnexpectedContentError(
                f"{device} has changed: it carries {content.description}",
                hint="run the command again to check anew",
            )
        verify_writable(disk, reserved=reserved)
    return content


def wipe(disk: DiskId, deadline: float, *, reserved: bool = False) -> None:
    """Erase all signatures of the disk and its partitions; the user has confirmed the WWID.

    wipefs(8) erases only the magic bytes; the data itself can be recovered. With `reserved`,
    nothing is written unless the reservation made by this run still exists. Raises RefusedError,
    InUseError, UnreachableError, MissingError, ToolError.
    """
    device = disk.device
    with locked_disk(disk, deadline):
        ends = multipath.ends(device)
        for end in ends:
            verify_unchanged(disk, end, lambda _: True, reserved=reserved)
        with track_writes() as writes:
            if ends != (device,):
                for end in ends:
                    writes.run(["wipefs", "--all", "--quiet", end])
                multipath.drop_parts(device)
                verify_unchanged(disk, device, lambda _: True, reserved=reserved)
            # Signatures in partitions go first: without the table their position is unknown.
            table = read_table(device)
            for entry in () if table is None else table.entries:
                node = partition_node(device, entry.number)
                if Path(node).exists():
                    writes.run(["wipefs", "--all", "--quiet", node])
            writes.run(["wipefs", "--all", "--quiet", device])
            forget_old_parts(device)


def label(
    disk: DiskId,
    script: str,
    fine: Callable[[Content], bool],
    deadline: float,
    *,
    reserved: bool = False,
) -> None:
    """Write the table of an sfdisk script; sfdisk aligns its one partition by the topology.

    `fine` judges what is there now; `deadline` is in time.monotonic() seconds. Raises
    UnexpectedContentError if it says no, RefusedError, InUseError, UnreachableError, ToolError.
    """
    device = disk.device
    with locked_disk(disk, deadline):
        verify_unchanged(disk, device, fine, reserved=reserved)
        forget_old_parts(device)
        # Otherwise sfdisk has the kernel read the whole table again, which a map refuses.
        command = ["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel"]
        command += ["--wipe", "never", "--wipe-partitions", "never", device]
        with track_writes() as writes:
            writes.run(command, stdin=script.encode(), timeout=None)
            create_partition_node(device, 1, deadline)


def _is_mapper_device(device: str) -> bool:
    return device.startswith("/dev/mapper/")


def forget_old_parts(device: str) -> None:
    """Forget the partitions of a disk whose table is new or gone; those of a map are of its paths.

    Raises InUseError if one of them is in use.
    """
    if not _is_mapper_device(device):
        forget_parts(device)
    for path in multipath.paths_of(device):
        forget_parts(path)
        forget_partitions(path)


def forget_parts(device: str) -> None:
    """Have the kernel forget the partitions of a disk whose table is new or gone.

    They may be those of a table that was changed without its knowledge; a filesystem created on one
    of them would not be where the new table says. Raises InUseError if one of them is in use.
    """
    kname = os.path.basename(os.path.realpath(device))
    if partitions(Path("/"), kname):
        run(["partx", "--delete", device], ok=None)
    for name in partitions(Path("/"), kname):
        raise InUseError(
            f"the kernel does not release /dev/{name}, which belongs to an older table of {device}",
            hint=f"see what uses it: iscsictl disk show {shell_form(device)}",
        )


def verify_kernel_partition(device: str, part: int) -> None:
    """Raise RefusedError unless the kernel has a partition where the table says that it is.

    Before that, the kernel is told once more. Maps are not checked, since kpartx created them from
    this table, nor BSD labels, whose partitions are not read.
    """
    table = read_table(device)
    if table is None or table.label == "bsd" or _is_mapper_device(device):
        return
    node = partition_node(device, part)
    entry = table.entry(part)
    wanted = None if entry is None else (entry.start * table.sector, entry.size * table.sector)
    for _ in range(2):
        if wanted == _extent_of_partition(node):
            return
        run(["partx", "--update", "--nr", str(part), device], ok=None)
    raise RefusedError(
        f"the kernel has {node} at another place than the table of {device}",
        hint=f"unmount what is on the disk, then: blockdev --rereadpt {shell_form(device)}",
    )


def _extent_of_partition(node: str) -> tuple[int, int] | None:
    """Return start and size, in bytes, of a partition as the kernel has it (sysfs-block)."""
    base = Path("/sys/class/block", os.path.basename(os.path.realpath(node)))
    try:
        start, size = (int((base / name).read_text(encoding="ascii")) for name in ("start", "size"))
    except (OSError, ValueError):
        return None
    return start * 512, size * 512


def create_partition_node(device: str, part: int, deadline: float) -> None:
    """Have the kernel create the device of a partition that is in the table.

    Only this partition is announced: if the kernel read the whole table again, udev would handle
    the disk and the partition twice. The partitions of a map are created by kpartx(8); udev would
    run it, too, but only after all earlier events.
    """
    node = partition_node(device, part)
    if not Path(node).exists():
        if not _is_mapper_device(device):
            added = run(["partx", "--add", "--nr", str(part), device], ok=None)
            if added.code:
                run(["blockdev", "--rereadpt", device], ok=None)
        elif find("kpartx") is not None:
            run(kpartx_command(device), ok=None)
    with waiting(f"waiting for {node}", round(max(0.0, deadline - time.monotonic()))):
        while not Path(node).exists():
            if time.monotonic() > deadline:
                raise UnreachableError(f"{node} did not appear after partitioning")
            time.sleep(0.02)


def mkfs(
    disk: DiskId,
    part: int | None,
    command: list[str],
    fine: Callable[[Content], bool],
    deadline: float,
    *,
    before_write: Callable[[], None] = lambda: None,
    leftovers: bool = False,
    reserved: bool = False,
    watch: Callable[[str], None] | None = None,
) -> None:
    """Run mkfs (`command` without the device) under a pty, for as long as it takes.

    `before_write` is called after all is verified, before anything is written. Signatures that an
    interrupted mkfs left (`leftovers`) are erased first. If mkfs itself asks whether to overwrite
    something, the answer is no: a second safeguard.
    """
    node = disk.device if part is None else partition_node(disk.device, part)
    with locked_disk(disk, deadline):
        if part is not None:
            create_partition_node(disk.device, part, deadline)
            verify_kernel_partition(disk.device, part)
        verify_unchanged(disk, node, fine, reserved=reserved)
        before_write()
        verify_writable(disk, reserved=reserved)
        with track_writes() as writes:
            if leftovers:
                writes.run(["wipefs", "--all", "--quiet", node])
            with writes.tool():
                _run_mkfs(command, node, watch)
            _flush_to_disk(node)


def _run_mkfs(command: list[str], node: str, watch: Callable[[str], None] | None) -> None:
    """Run mkfs on a terminal; raise RefusedError if its question was answered with no."""
    try:
        pty(
            [*command, node],
            answers=[(r"\(y,N\) ?", "n"), (r"\(y/N\) ?", "n")],
            watch=watch,
            stop=signals.asked,
        )
    except ToolError as error:
        raise _mkfs_error(node, error.result) from None


def _flush_to_disk(node: str) -> None:
    """Flush everything that was written to the disk. Raises UnreachableError."""
    try:
        with open(node, "rb") as device:
            os.fsync(device.fileno())
    except OSError as error:
        raise UnreachableError(f"{node} did not store the written data: {error.strerror}") from None


def _mkfs_error(node: str, result: Result) -> IscsictlError:
    if re.search(r"Proceed anyway|appears to contain|already contains", result.out):
        return RefusedError(
            f"{result.argv[0]} found something on {node} that it would overwrite",
            hint=f"inspect it: iscsictl disk show {shell_form(node)}",
            tool_exit=result.code,
        )
    return IscsictlError(
        f"{result.argv[0]} {node} failed: {result.last_line}", tool_exit=result.code
    )


def mkfs_command(
    fs: str, uuid: str, label: str | None, extra: tuple[str, ...] = (), *, discard: bool = False
) -> list[str]:
    """Return the command that creates a filesystem with this UUID, without the device.

    mke2fs, mkfs.xfs and mkfs.btrfs discard the whole device unless they are told not to.
    """
    named = ("-L", label) if label else ()
    if fs in {"ext2", "ext3", "ext4"}:
        options = extra if discard else _never_discarding(extra)
        return [f"mkfs.{fs}", "-U", uuid, *named, *options]
    keep = () if discard else ("-K",)
    if fs == "xfs":
        return ["mkfs.xfs", "-m", f"uuid={uuid}", *named, *keep, *extra]
    if fs == "btrfs":
        return ["mkfs.btrfs", "-U", uuid, *named, *keep, *extra]
    if fs == "vfat":
        volume = uuid.replace("-", "")
        return ["mkfs.vfat", "-i", volume, *(("-n", label) if label else ()), *extra]
    return ["mkswap", "-U", uuid, *named, *extra]


def _never_discarding(extra: tuple[str, ...]) -> tuple[str, ...]:
    """Return the options of mke2fs with nodiscard added as the last extended option.

    mke2fs uses only the last of several -E, so those of the user are joined into one.
    """
    extended, others = [], []
    words = iter(extra)
    for word in words:
        if word == "-E":
            extended.append(next(words, ""))
        elif word.startswith("-E"):
            extended.append(word[2:])
        else:
            others.append(word)
    return ("-E", ",".join([*filter(None, extended), "nodiscard"]), *others)
