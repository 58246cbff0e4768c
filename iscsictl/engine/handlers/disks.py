"""The handlers for whole disks and filesystems: each verifies again what its plan relied on."""

from collections.abc import Mapping

from iscsictl.engine.handlers import fstab
from iscsictl.engine.handlers.effect import Handler, Inverse, StepResult
from iscsictl.errors import IscsictlError
from iscsictl.model import actions
from iscsictl.model.actions import OverwriteGround
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.disk_content import Content
from iscsictl.model.partition_table import partition_node
from iscsictl.model.plan import Action
from iscsictl.planner.safety import overwrite
from iscsictl.system.block import disk_writer as writer
from iscsictl.system.block import (
    partition_table,
    probe,
    resize,
)
from iscsictl.system.block.device_nodes import refresh_udev
from iscsictl.system.block.disk_guards import verify_writable
from iscsictl.system.block.table_reader import read_table
from iscsictl.system.context import Context
from iscsictl.system.io.process import ToolError


def _wipe_disk_or_partition(action: actions.Wipe, context: Context) -> StepResult:
    disk, reserved = action.disk, action.disk.wwid in context.reserved
    if action.part is None:
        writer.wipe(disk, context.deadline(), reserved=reserved)
    else:
        node = partition_node(disk.device, action.part)
        # The user confirmed the WWID, which is asked again under the lock: any content may go.
        partition_table.wipe_node(disk, node, lambda _: True, context.deadline(), reserved=reserved)
    return StepResult()


def _write_partition_table(action: actions.Label, context: Context) -> StepResult:
    def is_fine(content: Content) -> bool:
        return overwrite.may_label(content, action.ground)

    disk, reserved = action.disk, action.disk.wwid in context.reserved
    if action.claim is None:
        partition_table.write_label(
            disk, action.table, is_fine, context.deadline(), reserved=reserved
        )
    else:
        script = _sfdisk_script(action.claim)
        writer.label(disk, script, is_fine, context.deadline(), reserved=reserved)
    return StepResult()


def _sfdisk_script(claim: FilesystemClaim) -> str:
    """Return the script (sfdisk(8), "Input formats") of a table with the one claimed partition."""
    words = [f"type={claim.partition_type}"]
    if claim.partition_id is not None:
        words.append(f"uuid={claim.partition_id}")
    return f"label: {claim.table}\nlabel-id: {claim.table_id}\n{', '.join(words)}\n"


def _make_filesystem(action: actions.Mkfs, context: Context) -> StepResult:
    disk, claim = action.disk, action.claim
    marked: list[bool] = []

    def is_fine(content: Content) -> bool:
        """Judge what will be overwritten: the disk, or the partition that the claim names."""
        # The number of a partition names another one as soon as somebody has written the table
        # anew.
        if not overwrite.claim_fits_table(read_table(disk.device), claim):
            return False
        chosen = content
        if claim.part is not None and not claim.owns_disk and not content.blank:
            node = partition_node(disk.device, claim.part)
            chosen = probe.probe(node, disk.wwid)
        return overwrite.may_make_filesystem(chosen, action.ground, claim)

    def mark_claim_begun() -> None:
        fstab.mark_begun(disk, claim, context, begun=True)
        marked.append(True)

    options = action.options
    if claim.fs == "vfat" and claim.part is None:
        # mkfs.vfat refuses a whole disk without -I (mkfs.fat(8)).
        options = ("-I", *options)
    try:
        writer.mkfs(
            disk,
            claim.part,
            writer.mkfs_command(
                claim.fs, claim.uuid, action.label, options, discard=action.discard
            ),
            is_fine,
            context.deadline(),
            before_write=mark_claim_begun,
            leftovers=action.ground is not OverwriteGround.BLANK,
            reserved=disk.wwid in context.reserved,
            watch=context.watch,
        )
    except IscsictlError as error:
        # Left standing, the mark would explain data that is not this mkfs's.
        if marked and not error.wrote:
            fstab.mark_begun(disk, claim, context, begun=claim.begun)
        raise
    if action.ground is not OverwriteGround.BLANK:
        # udev may still know the filesystem of the same UUID that an interrupted run made here. It
        # would forget it in the middle of the mount, because it does not wait for the lock of a map
        # (systemd's udev-worker.c).
        refresh_udev(disk.device if claim.part is None else partition_node(disk.device, claim.part))
    return StepResult()


def _grow_filesystem(action: actions.GrowFs, _: Context) -> StepResult:
    verify_writable(action.disk)
    try:
        return StepResult(resize.grow(action.node, action.fs, action.path))
    except ToolError as error:
        failure = IscsictlError(
            f"the {action.fs} on {action.path} did not grow: {error.result.last_line}",
            hint="see: journalctl -k; the partition is larger, nothing is lost",
            tool_exit=error.result.code,
        )
        failure.wrote = error.wrote
        raise failure from None


HANDLERS: Mapping[type[Action], Handler] = {
    actions.Wipe: _wipe_disk_or_partition,
    actions.Label: _write_partition_table,
    actions.Mkfs: _make_filesystem,
    actions.GrowFs: _grow_filesystem,
}
# Data is never destroyed by an undo.
INVERSES: Mapping[type[Action], Inverse] = {}
