"""The hands of /etc/fstab: the claim, the line that mounts, and their end."""

from collections.abc import Callable, Mapping
from typing import Any

from iscsictl.engine.handlers.effect import StepResult
from iscsictl.errors import IscsictlError
from iscsictl.model import actions
from iscsictl.model.fstab import Fstab, FstabLine
from iscsictl.model.plan import Action
from iscsictl.parse import fstab as fstab_edit
from iscsictl.planner.selection.session_index import SessionIndex
from iscsictl.system.context import Context
from iscsictl.system.host import systemd
from iscsictl.system.iscsi import nodedb
from iscsictl.system.iscsi.sessions import read_sessions


def _edit_fstab(context: Context, edit: Callable[[Fstab], Fstab]) -> StepResult:
    return StepResult(*context.edit_fstab(edit))


def _put(fstab: Fstab, line: FstabLine, wwid: str) -> Fstab:
    """Put a line in the place of ours for the same disk and directory or claim, or at the end."""
    for old in fstab.by_wwid(wwid):
        same_place = old.mount_point is not None and old.mount_point == line.mount_point
        if old.is_claim or same_place or old.uuid == line.uuid:
            return fstab_edit.replace_line(fstab, old.number, line)
    return fstab_edit.append_line(fstab, line)


def _claim(action: actions.Claim, context: Context) -> StepResult:
    disk = action.disk
    line = fstab_edit.claim_line(
        action.uuid, action.directory, action.fs,
        wwid=disk.wwid, target=disk.target, lun=disk.lun,
    )  # fmt: skip
    return _edit_fstab(context, lambda old: _put(old, line, disk.wwid))


def _write_fstab(action: actions.WriteFstab, context: Context) -> StepResult:
    line = fstab_edit.mount_line(
        action.uuid, action.path or "none", action.fs, action.options,
        login_service=systemd.login_service(context.root),
        wwid=action.wwid, target=action.target, lun=action.lun, boot=action.boot,
    )  # fmt: skip
    effect = _edit_fstab(context, lambda old: _put(old, line, action.wwid))
    if effect.changed:
        try:
            _tell_systemd(context)
        except IscsictlError:
            _put_back(context, effect.before, action.wwid)
            raise
    return effect


def make_up(context: Context) -> None:
    """Do what a run that was killed after it wrote its line did not come to."""
    _tell_systemd(context, reload=not systemd.has_read_fstab(context.root))


def _tell_systemd(context: Context, *, reload: bool = True) -> None:
    # While it reloads it would let the start of the service wait.
    context.defer("logged out", lambda: _have_it_logged_out(context))
    if reload:
        context.reload()


def _have_it_logged_out(context: Context) -> None:
    """Start the login service if the boot left it out, as it does where there is no record yet.

    Only what was started is stopped at a shutdown, and stopping it logs out after the unmount. It
    is left alone where it would log in to something that is not.
    """
    service = systemd.login_service(context.root)
    if not systemd.running(context.root) or systemd.active(service, context.root):
        return
    records = nodedb.read_records(context.db)
    index = SessionIndex(records, read_sessions(context.root, details=False))
    if all(index.session_of(record) is not None for record in records if record.onboot):
        systemd.start_soon(service)


def _drop_fstab(action: actions.DropFstab, context: Context) -> StepResult:
    def drop(fstab: Fstab) -> Fstab:
        for line in reversed(fstab.by_wwid(action.wwid)):
            if action.uuid in {None, line.uuid}:
                fstab = fstab_edit.without_line(fstab, line.number)
        return fstab

    effect = _edit_fstab(context, drop)
    if effect.changed:
        context.reload()
    return effect


def _put_back(context: Context, before: Fstab, wwid: str) -> StepResult:
    return _edit_fstab(context, lambda now: fstab_edit.with_lines_of(now, before, wwid))


def _restore_fstab(action: actions.RestoreFstab, context: Context) -> StepResult:
    effect = _put_back(context, action.before, action.wwid)
    if effect.changed:
        context.reload()
    return effect


HANDLERS: Mapping[type[Action], Callable[[Any, Context], StepResult]] = {
    actions.Claim: _claim,
    actions.WriteFstab: _write_fstab,
    actions.DropFstab: _drop_fstab,
    actions.RestoreFstab: _restore_fstab,
}
