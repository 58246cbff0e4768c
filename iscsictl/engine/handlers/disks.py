"""The hands of the disk and fstab actions: each proves again what it was planned on."""

from collections.abc import Callable, Mapping
from typing import Any

from iscsictl.engine.handlers.effect import StepResult
from iscsictl.errors import IscsictlError, RefusedError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId, OverwriteGround
from iscsictl.model.disk_content import Content
from iscsictl.model.fstab import Fstab
from iscsictl.model.partition_table import Entry, Table
from iscsictl.model.plan import Action
from iscsictl.parse import fstab as edit
from iscsictl.planner.disks import layout
from iscsictl.planner.safety import overwrite
from iscsictl.system.block import disk_writer as writer
from iscsictl.system.block import (
    partition_table,
    probe,
    resize,
    scsi_commands,
    scsi_scan,
)
from iscsictl.system.context import Context
from iscsictl.system.host import systemd
from iscsictl.system.io.process import ToolError, run
from iscsictl.system.iscsi.sessions import read_listing
from iscsictl.system.mount import fstab_file


def _wipe(action: actions.Wipe, context: Context) -> StepResult:
    writer.wipe(action.disk, context.deadline())
    return StepResult()


def _label(action: actions.Label, context: Context) -> StepResult:
    writer.label(
        action.disk,
        action.table,
        lambda content: overwrite.may_write(content, action.right, action.uuid, action.table),
        context.deadline(),
    )
    return StepResult()


def _mkfs(action: actions.Mkfs, context: Context) -> StepResult:
    writer.mkfs(
        action.disk,
        action.part,
        writer.mkfs_command(action.fs, action.uuid, action.label),
        lambda content: overwrite.may_write(content, action.right, action.uuid, action.table),
        context.deadline(),
        watch=context.watch,
    )
    return StepResult()


def _remove_map(action: actions.RemoveMap, context: Context) -> StepResult:
    run(["multipath", "-f", action.disk.device.removeprefix("/dev/mapper/")], timeout=context.wait)
    return StepResult()


def _new_table(action: actions.NewTable, context: Context) -> StepResult:
    def fine(content: Content) -> bool:
        return overwrite.may_write(content, action.right, "", "none")

    partition_table.write_label(action.disk, action.table, fine, context.deadline())
    return StepResult()


def _judge(
    before: Table, number: int, wanted: Callable[[Entry | None], str | None]
) -> Callable[[Table], str | None]:
    """Return a judge of a table: the named partition as `wanted`, all others as before."""

    def judge(after: Table) -> str | None:
        return layout.same_but(before, after, number) or wanted(after.entry(number))

    return judge


def _add(action: actions.AddPart, context: Context) -> StepResult:
    words = [f"start={action.start}", f"size={action.size}", f"type={action.type}"]
    if action.bootable:
        gpt = action.before.label == "gpt"
        words.append(f"attrs={layout.BOOT_ATTRIBUTE}" if gpt else "bootable")

    def wanted(entry: Entry | None) -> str | None:
        if entry is None:
            return f"partition {action.number} is not there"
        if (entry.start, entry.size) != (action.start, action.size):
            return f"partition {action.number} is at sector {entry.start} with {entry.size} sectors"
        return None if entry.type == action.type else f"its type is {entry.type}"

    script = f"{action.number} : {', '.join(words)}\n"
    _reshape(action, [(["--append", "{}"], script)], wanted, context)
    partition_table.await_node(
        probe.part_device(action.disk.device, action.number), context.deadline()
    )
    return StepResult()


def _remove(action: actions.RemovePart, context: Context) -> StepResult:
    node = probe.part_device(action.disk.device, action.number)
    _require_unused(node)

    def wanted(entry: Entry | None) -> str | None:
        return None if entry is None else f"partition {action.number} is still there"

    _reshape(action, [(["--delete", "{}", str(action.number)], None)], wanted, context)
    partition_table.await_node(node, context.deadline(), there=False)
    return StepResult()


def _require_unused(node: str) -> None:
    """Raise InUseError if the kernel says that somebody has the partition."""
    try:
        with probe.opened(node, exclusive=True):
            return
    except UnreachableError:
        return


def _set_type(action: actions.SetType, context: Context) -> StepResult:
    def wanted(entry: Entry | None) -> str | None:
        return None if entry is not None and entry.type == action.type else "the type is another"

    command = ["--part-type", "{}", str(action.number), action.type]
    _reshape(action, [(command, None)], wanted, context)
    return StepResult()


def _set_bootable(action: actions.SetBootable, context: Context) -> StepResult:
    number = str(action.number)
    if action.before.label == "gpt":
        command = ["--part-attrs", "{}", number, ",".join(action.after.attrs)]
    else:
        command = ["--activate", "{}", number if action.on else "-"]

    def wanted(entry: Entry | None) -> str | None:
        label = action.before.label
        right = entry is not None and layout.is_bootable(entry, label) == action.on
        return None if right else "the boot flag is not as wished"

    _reshape(action, [(command, None)], wanted, context)
    return StepResult()


def _grow_part(action: actions.GrowPart, context: Context) -> StepResult:
    old = action.before.entry(action.number)
    start = old.start if old is not None else 0
    script = f"start={start}, size={action.size}\n"
    commands: list[tuple[list[str], str | None]] = [(["-N", str(action.number), "{}"], script)]
    if action.before.label == "gpt":
        commands.insert(0, (["--relocate", "gpt-bak-std", "{}"], None))

    def wanted(entry: Entry | None) -> str | None:
        same = entry is not None and (entry.start, entry.size) == (start, action.size)
        return None if same else f"partition {action.number} has not the size that was wished"

    _reshape(action, commands, wanted, context)
    return StepResult()


def _reshape(
    action: actions.Reshape,
    commands: list[tuple[list[str], str | None]],
    wanted: Callable[[Entry | None], str | None],
    context: Context,
) -> None:
    judge = _judge(action.before, action.number, wanted)
    partition_table.reshape(action.disk, action.before, commands, judge, context.deadline())


def _reread(action: actions.Reread, context: Context) -> StepResult:
    def size() -> int | None:
        disks = read_listing(context.root, details=False).disks or ()
        return next((d.block.size for d in disks if d.wwid == action.disk.wwid), None)

    before, wanted = size(), resize.capacity(action.disk.device)
    for hctl in action.hctls:
        scsi_scan.rescan(hctl, context.root)

    def settled() -> int | None:
        now = size()
        return now if now is not None and (wanted is None or now == wanted) else None

    after = context.waiter.wait(settled, context.deadline())
    if after is None:
        raise UnreachableError(
            f"the kernel does not see the size of {action.disk.device}: {wanted} bytes",
            hint="see what it says: journalctl -k",
        )
    return StepResult(after != before)


def _grow_fs(action: actions.GrowFs, _: Context) -> StepResult:
    _require_disk(action.disk)
    try:
        return StepResult(resize.grow(action.node, action.fs, action.path))
    except ToolError as error:
        raise IscsictlError(
            f"the {action.fs} on {action.path} did not grow: {error.result.last_line}",
            hint="look at it: journalctl -k; the partition is larger, nothing is lost",
            tool_exit=error.result.code,
        ) from None


def _require_disk(disk: DiskId) -> None:
    """Raise RefusedError unless the disk says itself that it is the one that is meant."""
    with probe.opened(disk.device, exclusive=False) as fd:
        if disk.wwid not in scsi_commands.wwids(fd):
            raise RefusedError(f"{disk.device} is not the disk {disk.wwid} any more")


def _edit_fstab(context: Context, change: Callable[[Fstab], Fstab]) -> StepResult:
    old = fstab_file.read_fstab(context.root)
    changed = fstab_file.save_fstab(context.root, change(old), old)
    if changed:
        systemd.daemon_reload()
    return StepResult(changed, old)


def _claim(action: actions.ClaimPart, context: Context) -> StepResult:
    disk = action.disk
    line = edit.claim_line(
        action.uuid, action.directory, action.fs,
        wwid=disk.wwid, target=disk.target, lun=disk.lun, part=action.part,
    )  # fmt: skip

    def change(fstab: Fstab) -> Fstab:
        same = any(x.is_claim and x.uuid == action.uuid for x in fstab.by_wwid(disk.wwid))
        return fstab if same else edit.append_line(fstab, line)

    return _edit_fstab(context, change)


def _note(action: actions.NoteFs, context: Context) -> StepResult:
    disk = action.disk
    line = actions.PutLine(
        disk.target, disk.lun, disk.wwid, action.uuid, None, action.fs, boot=False
    )
    return _put_line(line, context)


def _put_line(action: actions.PutLine, context: Context) -> StepResult:
    line = edit.mount_line(
        action.uuid, action.path or "none", action.fs, action.options,
        login_service=systemd.login_service(context.root),
        wwid=action.wwid, target=action.target, lun=action.lun, boot=action.boot,
    )  # fmt: skip

    def change(fstab: Fstab) -> Fstab:
        for old in fstab.by_wwid(action.wwid):
            if old.uuid == action.uuid:
                return edit.replace_line(fstab, old.number, line)
        return edit.append_line(fstab, line)

    return _edit_fstab(context, change)


def _drop_line(action: actions.DropLine, context: Context) -> StepResult:
    def change(fstab: Fstab) -> Fstab:
        for line in reversed(fstab.ours):
            if line.raw == action.raw:
                return edit.without_line(fstab, line.number)
        return fstab

    return _edit_fstab(context, change)


def _wipe_node(action: actions.WipeNode, context: Context) -> StepResult:
    def fine(content: Content) -> bool:
        confirmed = action.right is OverwriteGround.CONFIRMED
        return confirmed or overwrite.matches_claim(content, action.uuid, "none")

    partition_table.wipe_node(action.disk, action.node, fine, context.deadline())
    return StepResult()


def _make_fs(action: actions.MakeFs, context: Context) -> StepResult:
    extra = action.extra
    if action.fs == "vfat" and action.part is None:
        extra = ("-I", *extra)

    def fine(whole: Content) -> bool:
        """Look at what will be overwritten: the disk, or within it the partition."""
        content = whole
        if action.part is not None and not whole.blank:
            content = probe.probe(action.node, action.disk.wwid)
        return overwrite.may_write(content, action.right, action.uuid, "none")

    writer.mkfs(
        action.disk,
        action.part,
        writer.mkfs_command(action.fs, action.uuid, action.label, extra),
        fine,
        context.deadline(),
        watch=context.watch,
    )
    return StepResult()


HANDLERS: Mapping[type[Action], Callable[[Any, Context], StepResult]] = {
    actions.Wipe: _wipe,
    actions.Label: _label,
    actions.Mkfs: _mkfs,
    actions.RemoveMap: _remove_map,
    actions.NewTable: _new_table,
    actions.AddPart: _add,
    actions.RemovePart: _remove,
    actions.SetType: _set_type,
    actions.SetBootable: _set_bootable,
    actions.GrowPart: _grow_part,
    actions.Reread: _reread,
    actions.GrowFs: _grow_fs,
    actions.ClaimPart: _claim,
    actions.WipeNode: _wipe_node,
    actions.MakeFs: _make_fs,
    actions.NoteFs: _note,
    actions.PutLine: _put_line,
    actions.DropLine: _drop_line,
}
