"""The handlers for /etc/fstab: the claim, the entry that mounts, and their removal."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from iscsictl.engine.handlers.effect import Handler, Inverse, StepResult
from iscsictl.engine.handlers.services import start_login_service
from iscsictl.errors import IscsictlError, RefusedError
from iscsictl.model import actions
from iscsictl.model.actions import DiskId
from iscsictl.model.claim import FilesystemClaim
from iscsictl.model.fstab import Fstab, FstabLine
from iscsictl.model.plan import Action
from iscsictl.parse import fstab as fstab_edit
from iscsictl.system.context import Context
from iscsictl.system.host import systemd
from iscsictl.system.mount import fstab_file


def _edit_fstab(context: Context, edit: Callable[[Fstab], Fstab]) -> StepResult:
    return StepResult(*context.edit_fstab(edit))


def put_claim(fstab: Fstab, entry: FstabLine, wwid: str) -> Fstab:
    """Return fstab with a claim in the place of those that it supersedes, or at the end.

    A claim supersedes those on the same disk whose space overlaps with its own: what they were
    creating is gone once this one writes. `wwid` is that of the disk.
    """
    claim = entry.claim
    void = [old for old in fstab.by_wwid(wwid) if _covers_same_place(old.claim, claim)]
    if not void:
        return fstab_edit.append_line(fstab, entry)
    # From the end, as the numbers of the lines behind one that goes change.
    for old in reversed(void[1:]):
        fstab = fstab_edit.without_line(fstab, old.number)
    return fstab_edit.replace_line(fstab, void[0].number, entry)


def _covers_same_place(old: FilesystemClaim | None, new: FilesystemClaim | None) -> bool:
    """Tell whether two claims on one disk exclude each other; a whole disk covers every part."""
    if old is None or new is None:
        return False
    return old.owns_disk or new.owns_disk or None in {old.part, new.part} or old.part == new.part


def put_entry(fstab: Fstab, entry: FstabLine, wwid: str) -> Fstab:
    """Return fstab with an entry in the place of the one for the same filesystem or directory.

    Only entries that iscsictl wrote for the same disk are replaced.
    """
    for old in fstab.by_wwid(wwid):
        same_place = old.mount_point is not None and old.mount_point == entry.mount_point
        if same_place or old.uuid == entry.uuid:
            return fstab_edit.replace_line(fstab, old.number, entry)
    return fstab_edit.append_line(fstab, entry)


def _write_claim(action: actions.Claim, context: Context) -> StepResult:
    disk = action.disk
    entry = fstab_edit.claim_line(
        action.claim, action.directory, wwid=disk.wwid, target=disk.target, lun=disk.lun
    )
    return _edit_fstab(context, lambda now: put_claim(now, entry, disk.wwid))


def mark_begun(disk: DiskId, claim: FilesystemClaim, context: Context, *, begun: bool) -> None:
    """Note in the claim on a disk that mkfs is about to start, or that it did not start after all.

    Raises RefusedError if the claim is gone: without it nothing may be written to the disk.
    """

    def replace_claim_line(fstab: Fstab) -> Fstab:
        for old in fstab.by_wwid(disk.wwid):
            if old.claim is not None and (old.uuid, old.claim.place) == (claim.uuid, claim.place):
                entry = fstab_edit.claim_line(
                    replace(claim, begun=begun), old.mount_point,
                    wwid=disk.wwid, target=disk.target, lun=disk.lun,
                )  # fmt: skip
                return fstab_edit.replace_line(fstab, old.number, entry)
        raise RefusedError(
            f"/etc/fstab no longer has a claim on {disk.device}",
            hint="another program edited /etc/fstab meanwhile; run the command again",
        )

    _edit_fstab(context, replace_claim_line)


def _write_fstab(action: actions.WriteFstab, context: Context) -> StepResult:
    disk = action.disk
    entry = fstab_edit.mount_line(
        action.uuid, action.path or "none", action.fs, action.options,
        login_service=context.memoize(
            "login service", lambda: systemd.login_service(context.root)
        ),
        wwid=disk.wwid, target=disk.target, lun=disk.lun, boot=action.boot,
        exclusive=action.exclusive,
    )  # fmt: skip
    effect = _edit_fstab(context, lambda now: put_entry(now, entry, disk.wwid))
    if effect.changed:
        try:
            _notify_systemd(action, context)
        except IscsictlError:
            _restore_lines_of_disk(context, effect.before, disk.wwid)
            raise
    return effect


def complete_fstab(action: actions.WriteFstab, context: Context) -> None:
    """Complete what a run that was killed after writing the entry could not do any more.

    systemd is reloaded only if its generators ran before fstab was changed, so a run that changes
    nothing reloads nothing.
    """
    _notify_systemd(action, context, reload=not systemd.has_read_fstab(context.root))


def _notify_systemd(action: actions.WriteFstab, context: Context, *, reload: bool = True) -> None:
    if action.path is not None:
        # Deferred: systemd queues the start of a service until it has reloaded its units.
        context.defer("login service", lambda: start_login_service(context))
    if reload:
        context.reload()


def complete_others(context: Context) -> None:
    """Start the login service for mounts of other runs, which this run's records prevented.

    It is called after a rollback: by then the records of this run, automatic and without a session,
    are gone.
    """
    entries = fstab_file.read_fstab(context.root).ours
    if any(entry.mount_point is not None and not entry.is_claim for entry in entries):
        context.defer("login service", lambda: start_login_service(context))


def _drop_fstab(action: actions.DropFstab, context: Context) -> StepResult:
    def drop_entry(fstab: Fstab) -> Fstab:
        for entry in reversed(fstab.ours):
            # A line that somebody has edited since the plan is another line.
            if entry.raw == action.entry.raw:
                return fstab_edit.without_line(fstab, entry.number)
        return fstab

    effect = _edit_fstab(context, drop_entry)
    if effect.changed:
        context.reload()
    return effect


def _restore_lines_of_disk(context: Context, before: Fstab, wwid: str) -> StepResult:
    return _edit_fstab(context, lambda now: fstab_edit.with_lines_of(now, before, wwid))


def _restore_fstab(action: actions.RestoreFstab, context: Context) -> StepResult:
    effect = _restore_lines_of_disk(context, action.before, action.wwid)
    if effect.changed:
        context.reload()
    return effect


HANDLERS: Mapping[type[Action], Handler] = {
    actions.Claim: _write_claim,
    actions.WriteFstab: _write_fstab,
    actions.DropFstab: _drop_fstab,
    actions.RestoreFstab: _restore_fstab,
}
INVERSES: Mapping[type[Action], Inverse] = {
    kind: lambda action, before: actions.RestoreFstab(action.disk.wwid, before)
    for kind in (actions.Claim, actions.WriteFstab)
}
