"""Handlers for the schedule: its files and the timer. Each result holds the inverse action."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from iscsictl.engine.handlers.effect import Handler, Inverse, StepResult
from iscsictl.errors import IscsictlError
from iscsictl.model.plan import Action
from iscsictl.model.schedule import DROP_INS, TIMER_UNIT, InstallFile, RemoveFile, SetTimer
from iscsictl.system.context import Context
from iscsictl.system.host import systemd
from iscsictl.system.io.files import read_file, remove_file, replace_file
from iscsictl.system.io.process import run


def _install_file(action: InstallFile, context: Context) -> StepResult:
    before = _action_to_restore(action.path, context)
    data = action.text.encode("utf-8", "surrogateescape")
    if action.path in DROP_INS:
        systemd.make_drop_in_directory(DROP_INS[action.path], context.root)
    changed = replace_file(context.root / action.path.lstrip("/"), data, mode=0o644)
    return _finish_file_change(action.path, before, context, changed=changed)


def _remove_installed_file(action: RemoveFile, context: Context) -> StepResult:
    before = _action_to_restore(action.path, context)
    changed = remove_file(context.root / action.path.lstrip("/"))
    if action.path in DROP_INS:
        systemd.remove_empty_drop_in_directory(DROP_INS[action.path], context.root)
    return _finish_file_change(action.path, before, context, changed=changed)


def _action_to_restore(path: str, context: Context) -> InstallFile | RemoveFile:
    """Return the action that gives a file its present content again."""
    data = read_file(context.root / path.lstrip("/"))
    if data is None:
        return RemoveFile(path)
    return InstallFile(path, data.decode("utf-8", "surrogateescape"))


def _finish_file_change(
    path: str, before: Action, context: Context, *, changed: bool
) -> StepResult:
    if changed and path.startswith("/etc/systemd/"):
        # Where systemd cannot be told, the timer cannot be switched either, and that is an error.
        with suppress(IscsictlError):
            context.reload()
    return StepResult(changed, before)


def _set_timer(action: SetTimer, context: Context) -> StepResult:
    was = systemd.enabled(TIMER_UNIT, context.root)
    try:
        _switch_timer(context.root, on=action.on)
    except IscsictlError as error:
        with suppress(IscsictlError):
            _switch_timer(context.root, on=was)
        error.hint = error.hint or f"see: systemctl status {TIMER_UNIT}"
        raise
    return StepResult(before=SetTimer(on=was))


def _switch_timer(root: Path, *, on: bool) -> None:
    # Enabling and disabling have systemd read its units again (systemctl(1)).
    if on:
        systemd.enable(TIMER_UNIT)
        run(["systemctl", "restart", TIMER_UNIT])
    else:
        systemd.disable(TIMER_UNIT)
        if systemd.running(root):
            run(["systemctl", "stop", TIMER_UNIT])


HANDLERS: Mapping[type[Action], Handler] = {
    InstallFile: _install_file,
    RemoveFile: _remove_installed_file,
    SetTimer: _set_timer,
}
INVERSES: Mapping[type[Action], Inverse] = {}
