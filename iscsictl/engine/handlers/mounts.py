"""The handlers for mount points and mounts."""

from collections.abc import Mapping
from dataclasses import replace

from iscsictl.engine.handlers.effect import Handler, Inverse, StepResult
from iscsictl.errors import IscsictlError, RefusedError, UnreachableError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.fstab import is_read_only_mount
from iscsictl.model.listing import Block
from iscsictl.model.plan import Action
from iscsictl.planner.safety.lost_disks import require_unreachable
from iscsictl.system.block import probe, scsi_commands
from iscsictl.system.block.block_tree import read_block
from iscsictl.system.block.disk_guards import require_same_paths
from iscsictl.system.block.udev_db import is_known_uuid
from iscsictl.system.context import Context
from iscsictl.system.io.safe_paths import make_directories
from iscsictl.system.iscsi.sessions import read_listing
from iscsictl.system.mount import mounts


def _make_directory(action: actions.MakeDirectory, _: Context) -> StepResult:
    return StepResult(make_directories(action.path))


def _remove_directory(action: actions.RemoveDirectory, _: Context) -> StepResult:
    mounts.remove_directory(action.path)
    return StepResult()


def _find_by_uuid(block: Block, uuid: str) -> Block | None:
    if block.uuid is not None and block.uuid.lower() == uuid.lower():
        return block
    return next((b for child in block.children if (b := _find_by_uuid(child, uuid))), None)


def _read_block_of_disk(disk: DiskId, context: Context) -> Block | None:
    """Return what udev shows for a disk: by its device if that is known, else by its WWID."""
    if disk.device:
        return read_block(context.root, disk.device)
    disks = read_listing(context.root).disks or ()
    return next((d.block for d in disks if d.wwid == disk.wwid), None)


def await_filesystem(disk: DiskId, uuid: str, context: Context) -> tuple[DiskId, Block]:
    """Wait until udev shows a filesystem on a disk; return the disk with its device, and the block.

    Raises UnreachableError at the deadline.
    """

    # Also what was just made waits for udev: when it comes late to a partition that was taken away
    # before, systemd ends a mount on the new one of that name.
    def find_filesystem() -> tuple[str, Block] | None:
        # udev makes the link before it says what else it found, and a link is cheap to look for.
        if not is_known_uuid(context.root, uuid):
            return None
        top = _read_block_of_disk(disk, context)
        block = None if top is None else _find_by_uuid(top, uuid)
        return None if top is None or block is None else (top.device, block)

    found = context.waiter.wait(
        find_filesystem, context.deadline(), f"waiting for udev to report the filesystem {uuid}"
    )
    if found is None:
        raise UnreachableError(
            f"udev does not report a filesystem {uuid} on {disk.wwid}",
            hint="check whether the disk exists: iscsictl ls; and what udev does: journalctl -u "
            "systemd-udevd",
        )
    device, block = found
    return replace(disk, device=device), block


def _mount_filesystem(action: actions.Mount, context: Context) -> StepResult:
    named, block = await_filesystem(action.disk, action.uuid, context)
    device = named.device
    # Of a map each path is asked, and none that is dead can be; the others must agree.
    require_same_paths(named, context.root, with_dead_paths=True)
    with probe.opened(device, exclusive=False) as fd:
        if action.disk.wwid not in scsi_commands.wwids(fd):
            raise RefusedError(f"{device} is no longer the disk {action.disk.wwid}")
    made = mounts.mount(block.device, action.path, action.fs, action.options)
    # An array that is out of space, or a disk that is write-protected, shows only when it is
    # written.
    if not is_read_only_mount(action.options):
        why = mounts.takes_writes(action.path)
        if why is not None:
            error = IscsictlError(f"{action.path} is mounted but accepts no writes: {why}")
            error.wrote = made
            raise error
    return StepResult(made)


def _set_owner_and_mode(action: actions.Own, _: Context) -> StepResult:
    mounts.set_owner(action.path, action.uid, action.gid, action.mode)
    return StepResult()


def _unmount_filesystem(action: actions.Unmount, context: Context) -> StepResult:
    if action.lost and action.disk is not None:
        # The array may have come back while the user was asked.
        listing = read_listing(context.root, details=False)
        for disk in listing.disks or ():
            if disk.wwid == action.disk.wwid:
                require_unreachable(disk, listing.sessions)
    mounts.unmount(action.path, lazy=action.lost)
    return StepResult()


HANDLERS: Mapping[type[Action], Handler] = {
    actions.MakeDirectory: _make_directory,
    actions.RemoveDirectory: _remove_directory,
    actions.Mount: _mount_filesystem,
    actions.Own: _set_owner_and_mode,
    actions.Unmount: _unmount_filesystem,
}
INVERSES: Mapping[type[Action], Inverse] = {
    actions.MakeDirectory: lambda action, _: actions.RemoveDirectory(action.path),
    actions.Mount: lambda action, _: actions.Unmount(action.path),
}
