"""The handlers for partitions: each checks the whole table before and after."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from iscsictl.engine.handlers.effect import Handler, Inverse, StepResult
from iscsictl.errors import UnreachableError
from iscsictl.model import actions
from iscsictl.model.listing import Disk
from iscsictl.model.partition_table import Entry, Table, partition_node
from iscsictl.model.plan import Action
from iscsictl.planner.disks import layout
from iscsictl.system.block import (
    multipath_conf,
    partition_table,
    probe,
    resize,
    scsi_scan,
)
from iscsictl.system.block.write_tracker import track_writes
from iscsictl.system.context import Context
from iscsictl.system.iscsi.sessions import read_listing

#: Seconds between two requests to multipathd to resize a map.
_ASK_AGAIN = 1.0
# The backup of a GPT stands where the disk ended before; sfdisk grows nothing past it.
_MOVE_BACKUP: Final[tuple[list[str], str | None]] = (["--relocate", "gpt-bak-std", "{}"], None)


def _build_table_check(
    before: Table, number: int, find_mismatch: Callable[[Entry | None], str | None]
) -> Callable[[Table], str | None]:
    """Return a check of a table: `find_mismatch` for the partition, the others as before."""

    def find_problem(after: Table) -> str | None:
        return layout.find_other_change(before, after, number) or find_mismatch(after.entry(number))

    return find_problem


def _add_partition(action: actions.AddPart, context: Context) -> StepResult:
    words = [f"start={action.start}", f"size={action.size}", f"type={action.type}"]
    if action.bootable:
        gpt = action.before.label == "gpt"
        words.append(f"attrs={layout.BOOT_ATTRIBUTE}" if gpt else "bootable")

    def find_mismatch(entry: Entry | None) -> str | None:
        if entry is None:
            return f"partition {action.number} does not exist"
        if (entry.start, entry.size) != (action.start, action.size):
            return f"partition {action.number} is at sector {entry.start} with {entry.size} sectors"
        return None if entry.type == action.type else f"its type is {entry.type}"

    script = f"{action.number} : {', '.join(words)}\n"
    commands: list[tuple[list[str], str | None]] = [(["--append", "{}"], script)]
    last = action.before.last
    if action.before.label == "gpt" and last is not None and action.start + action.size - 1 > last:
        commands.insert(0, _MOVE_BACKUP)
    _reshape_table(action, commands, find_mismatch, context)
    node = partition_node(action.disk.device, action.number)
    with track_writes(started=True):
        partition_table.await_node(node, context.deadline())
    return StepResult()


def _remove_partition(action: actions.RemovePart, context: Context) -> StepResult:
    node = partition_node(action.disk.device, action.number)
    _require_unused(node)

    def find_mismatch(entry: Entry | None) -> str | None:
        return None if entry is None else f"partition {action.number} still exists"

    _reshape_table(action, [(["--delete", "{}", str(action.number)], None)], find_mismatch, context)
    with track_writes(started=True):
        partition_table.await_node(node, context.deadline(), there=False)
    return StepResult()


def _require_unused(node: str) -> None:
    """Raise InUseError if the kernel reports that the partition is in use."""
    try:
        with probe.opened(node, exclusive=True):
            return
    except UnreachableError:
        return


def _set_partition_type(action: actions.SetType, context: Context) -> StepResult:
    def find_mismatch(entry: Entry | None) -> str | None:
        return None if entry is not None and entry.type == action.type else "the type differs"

    command = ["--part-type", "{}", str(action.number), action.type]
    _reshape_table(action, [(command, None)], find_mismatch, context)
    return StepResult()


def _set_bootable(action: actions.SetBootable, context: Context) -> StepResult:
    number = str(action.number)
    if action.before.label == "gpt":
        command = ["--part-attrs", "{}", number, ",".join(action.after.attrs)]
    else:
        command = ["--activate", "{}", number if action.on else "-"]

    def find_mismatch(entry: Entry | None) -> str | None:
        label = action.before.label
        right = entry is not None and layout.is_bootable(entry, label) == action.on
        return None if right else "the boot flag does not have the requested value"

    _reshape_table(action, [(command, None)], find_mismatch, context)
    return StepResult()


def _grow_partition(action: actions.GrowPart, context: Context) -> StepResult:
    old = action.before.entry(action.number)
    start = old.start if old is not None else 0
    script = f"start={start}, size={action.size}\n"
    commands: list[tuple[list[str], str | None]] = [(["-N", str(action.number), "{}"], script)]
    if action.before.label == "gpt":
        commands.insert(0, _MOVE_BACKUP)

    def find_mismatch(entry: Entry | None) -> str | None:
        same = entry is not None and (entry.start, entry.size) == (start, action.size)
        return None if same else f"partition {action.number} does not have the requested size"

    _reshape_table(action, commands, find_mismatch, context)
    return StepResult()


def _reshape_table(
    action: actions.Reshape,
    commands: list[tuple[list[str], str | None]],
    find_mismatch: Callable[[Entry | None], str | None],
    context: Context,
) -> None:
    find_problem = _build_table_check(action.before, action.number, find_mismatch)
    partition_table.reshape(action.disk, action.before, commands, find_problem, context.deadline())


def _reread_capacity(action: actions.Reread, context: Context) -> StepResult:
    def find_disk() -> Disk | None:
        disks = read_listing(context.root, details=False).disks or ()
        return next((disk for disk in disks if disk.wwid == action.disk.wwid), None)

    disk = find_disk()
    before = None if disk is None else disk.block.size
    # Asked over a path: a map without one that works would keep the question for ever.
    wanted = resize.capacity(action.disk.device if disk is None else disk.paths[0].device)
    # Each path has a size of its own in the kernel.
    for hctl in action.hctls:
        scsi_scan.rescan(hctl, context.root)
    asked = 0.0

    def settled_size() -> int | None:
        nonlocal asked
        found = find_disk()
        now = None if found is None else found.block.size
        if found is None or now is None or now == wanted or wanted is None:
            return now
        if found.block.kind == "mpath" and time.monotonic() - asked > _ASK_AGAIN:
            asked = time.monotonic()
            multipath_conf.resize_map(found.block.device.removeprefix("/dev/mapper/"))
        return None

    after = context.waiter.wait(
        settled_size, context.deadline(), f"waiting for the new size of {action.disk.device}"
    )
    if after is None:
        is_map = action.disk.device.startswith("/dev/mapper/")
        raise UnreachableError(
            f"the kernel does not see the new size of {action.disk.device}: {wanted} bytes",
            # The paths of a map have it by then; multipathd is the one that makes the map larger.
            hint="see multipathd's log: journalctl -u multipathd; then run this again"
            if is_map
            else "see its log: journalctl -k",
        )
    return StepResult(after != before)


HANDLERS: Mapping[type[Action], Handler] = {
    actions.AddPart: _add_partition,
    actions.RemovePart: _remove_partition,
    actions.SetType: _set_partition_type,
    actions.SetBootable: _set_bootable,
    actions.GrowPart: _grow_partition,
    actions.Reread: _reread_capacity,
}
# An older table would hide what was written since.
INVERSES: Mapping[type[Action], Inverse] = {}
