"""Partition tables on the disk: changed one partition at a time under the lock.

sfdisk is run with --no-reread, because other partitions of the disk may be mounted: it tells the
kernel only about the partition that changed (BLKPG), and if it does not, partx does.
"""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from iscsictl.errors import IscsictlError, MissingError, RefusedError, UnreachableError
from iscsictl.limits import DISK_TOOL_WAIT
from iscsictl.model.actions import DiskId
from iscsictl.model.disk_content import Content, refuse_beside_table, signatures_beside_table
from iscsictl.model.multipath import kpartx_command
from iscsictl.model.packages import install_command
from iscsictl.model.partition_table import Table, Topology
from iscsictl.model.shell_form import shell_form
from iscsictl.parse.sfdisk import parse_types
from iscsictl.system.block import disk_writer as writer
from iscsictl.system.block import multipath, probe
from iscsictl.system.block.block_tree import partitions
from iscsictl.system.block.disk_guards import verify_writable
from iscsictl.system.block.table_reader import read_table
from iscsictl.system.block.write_tracker import track_writes
from iscsictl.system.io.package_manager import find_package_manager
from iscsictl.system.io.process import find, run
from iscsictl.system.io.sysfs_attributes import path_below, read_attribute, to_integer
from iscsictl.system.io.waits import waiting

# By default sfdisk erases signatures that it finds; here only wipefs does that, after a
# confirmation. While a partition is mounted, the kernel does not read the whole table again.
_QUIET = ("--quiet", "--no-reread", "--wipe", "never", "--wipe-partitions", "never")


def type_names(label: str) -> dict[str, str]:
    """Return sfdisk's names of the partition types in one kind of table.

    The keys are types in the form that is compared, see `normal_type`. Empty for a kind that sfdisk
    does not know.
    """
    result = run(["sfdisk", "--label", label, "--list-types"], ok=None)
    return parse_types(result.out)


def verify(device: str) -> tuple[str, ...]:
    """Return what sfdisk finds wrong with a table (it exits 0 all the same), a line for each.

    Gaps, and partitions that do not end at a cylinder boundary, are no faults. Empty if all is
    well.
    """
    result = run(["sfdisk", "--verify", device], timeout=DISK_TOOL_WAIT, idle_only=True, ok=(0, 1))
    if "No errors detected" in result.out and not result.err.strip():
        return ()
    lines = [*result.err.splitlines(), *result.out.splitlines()]
    noise = re.compile(
        r".*:|[0-9]+ errors? detected\.|No errors detected\.|Header version.*|Using [0-9]+ out of.*"
        r"|A total of .*|Remaining [0-9]+ unallocated.*|Unused gap .*|.*cylinder boundary\.|\s*"
    )
    return tuple(line.strip() for line in lines if not noise.fullmatch(line.strip()))


def topology(kname: str, root: Path = Path("/")) -> Topology:
    """Return the sector and I/O sizes of a disk (Documentation/ABI/stable/sysfs-block).

    In bytes. A size that the disk does not report is its logical sector size, by default 512; the
    optimal I/O size is 0 then.
    """
    base = path_below(root, f"sys/class/block/{kname}")

    def read_number(name: str, otherwise: int) -> int:
        found = to_integer(read_attribute(f"{base}/{name}"))
        return otherwise if found is None else found

    logical = read_number("queue/logical_block_size", 512) or 512
    return Topology(
        logical,
        read_number("queue/physical_block_size", logical) or logical,
        read_number("queue/minimum_io_size", logical) or logical,
        read_number("queue/optimal_io_size", 0),
        # -1 is not an offset: the kernel uses it for limits that do not fit together, such as those
        # of a map whose paths differ (block/blk-settings.c).
        max(0, read_number("alignment_offset", 0)),
    )


def kernel_view(kname: str, sector: int, root: Path = Path("/")) -> dict[int, tuple[int, int]]:
    """Return start and size, in sectors of the disk, of the partitions that the kernel has.

    By number. sysfs counts in units of 512 bytes; `sector` is the sector size of the disk, in
    bytes.
    """
    base = path_below(root, f"sys/class/block/{kname}")
    found = {}
    for name in partitions(root, kname):
        values = [
            to_integer(read_attribute(f"{base}/{name}/{what}"))
            for what in ("partition", "start", "size")
        ]
        number, start, size = values
        if number is not None and start is not None and size is not None:
            found[number] = (start * 512 // sector, size * 512 // sector)
    return found


def write_label(
    disk: DiskId,
    kind: str,
    fine: Callable[[Content], bool],
    deadline: float,
    *,
    reserved: bool = False,
) -> None:
    """Write an empty table on a disk whose content, probed under O_EXCL, is `fine`.

    Raises RefusedError if it is not, InUseError, UnreachableError, ToolError, and IscsictlError if
    the table does not read back.
    """
    device = disk.device
    with writer.locked_disk(disk, deadline):
        _verify_before_write(disk, device, fine, reserved=reserved)
        if multipath.drop_parts(device):
            _verify_before_write(disk, device, fine, reserved=reserved)
        with track_writes() as writes:
            if kind == "bsd":
                writes.run(["parted", "--script", device, "mklabel", "bsd"], timeout=None)
            else:
                script = f"label: {kind}\n".encode()
                writes.run(["sfdisk", *_QUIET, device], stdin=script, timeout=None)
            written = read_table(device)
            if written is None or written.label != kind:
                raise IscsictlError(
                    f"the {kind} table was written to {device} but does not read back"
                )


def wipe_node(
    disk: DiskId,
    node: str,
    fine: Callable[[Content], bool],
    deadline: float,
    *,
    reserved: bool = False,
) -> None:
    """Erase the signatures of one partition.

    `fine` judges what is in it now. Raises RefusedError if it says no, InUseError,
    UnreachableError, ToolError.
    """
    with writer.locked_disk(disk, deadline):
        _verify_before_write(disk, node, fine, reserved=reserved)
        with track_writes() as writes:
            writes.run(["wipefs", "--all", "--quiet", node], timeout=None)


def _verify_before_write(
    disk: DiskId, node: str, fine: Callable[[Content], bool], *, reserved: bool
) -> None:
    with ExitStack() as alone:
        for end in multipath.ends(node):
            alone.enter_context(probe.opened(end, exclusive=True))
        content = probe.probe(node, disk.wwid)
        verify_writable(disk, reserved=reserved)
    if content.wwid != disk.wwid or not fine(content):
        raise RefusedError(
            f"{node} has changed: it carries {content.description}",
            hint="run the command again to check anew",
        )


def reshape(
    disk: DiskId,
    before: Table,
    commands: Sequence[tuple[Sequence[str], str | None]],
    judge: Callable[[Table], str | None],
    deadline: float,
) -> None:
    """Run sfdisk's `commands` (options with {} for the disk, and script) on a table still `before`.

    `judge` returns what is wrong with the table that is read back, None if nothing is. Raises
    RefusedError, before anything is written, if the table has changed since it was planned.
    """
    device = disk.device
    with writer.locked_disk(disk, deadline):
        now = read_table(device)
        if now is None or now != before:
            raise RefusedError(
                f"the partition table of {device} has changed since this was planned",
                hint="run the command again to check anew",
            )
        refuse_beside_table(device, signatures_beside_table(probe.read_signatures(device), now))
        verify_writable(disk)
        with track_writes() as writes:
            for options, script in commands:
                data = None if script is None else script.encode()
                argv = ["sfdisk", *_QUIET, *(device if word == "{}" else word for word in options)]
                writes.run(argv, stdin=data, timeout=None)
            after = read_table(device)
            wrong = "the table is gone" if after is None else judge(after)
            if after is None or wrong is not None:
                raise IscsictlError(
                    f"{device} was changed, but not as intended: {wrong}",
                    hint=f"check it: iscsictl disk part verify {shell_form(device)}",
                )
            _tell_kernel(device, before, after)


def _tell_kernel(device: str, before: Table, after: Table) -> None:
    """Have the kernel use the partitions of the new table."""
    if device.startswith("/dev/mapper/"):
        if find("kpartx") is None:
            raise MissingError(
                f"kpartx is not installed, so the kernel does not know the partitions of {device}",
                hint=f"{install_command('kpartx', find_package_manager())} && "
                f"{shell_form(*kpartx_command(device))}",
            )
        run(kpartx_command(device), timeout=DISK_TOOL_WAIT, idle_only=True)
        return
    kname = device.rsplit("/", 1)[-1]
    for _ in range(2):
        wrong = _not_followed(kname, after)
        if not wrong:
            return
        for number in wrong:
            how = "--update" if before.entry(number) and after.entry(number) else "--add"
            how = how if after.entry(number) else "--delete"
            run(["partx", how, "--nr", str(number), device], ok=None)
    raise IscsictlError(
        f"the table of {device} was written, but the kernel did not accept partition {wrong[0]}",
        hint="unmount what is on the disk, then: blockdev --rereadpt " + shell_form(device),
    )


def _not_followed(kname: str, table: Table) -> list[int]:
    """Return the numbers of the partitions that differ between the kernel and the table."""
    kernel = kernel_view(kname, table.sector)
    wanted = {e.number: (e.start, e.size) for e in table.entries}
    inside = {e.number for e in table.entries if table.label == "dos" and e.type in _EXTENDED}
    return sorted(
        number
        for number in {*kernel, *wanted}
        if number not in inside and kernel.get(number) != wanted.get(number)
    )


# DOS types of extended partitions: the kernel has them with a size of two sectors at most.
_EXTENDED = frozenset({"5", "f", "85"})


def await_node(node: str, deadline: float, *, there: bool = True) -> None:
    """Wait until udev has created the node of a partition, or has removed it (not `there`).

    `deadline` is in time.monotonic() seconds. After it, UnreachableError is raised.
    """
    doing = f"waiting for udev to {'make' if there else 'remove'} {node}"
    with waiting(doing, round(max(0.0, deadline - time.monotonic()))):
        while Path(node).exists() != there:
            if time.monotonic() > deadline:
                raise UnreachableError(
                    f"{node} did not {'appear' if there else 'disappear'} in time"
                )
            time.sleep(0.02)
