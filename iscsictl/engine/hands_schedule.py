"""The hands of the schedule: its files, and the timer."""

from collections.abc import Callable, Mapping
from typing import Any

from iscsictl.engine.context import Context
from iscsictl.engine.effect import Effect
from iscsictl.model.plan import Action
from iscsictl.model.schedule import TIMER_UNIT, InstallFile, RemoveFile, SetTimer
from iscsictl.system import systemd
from iscsictl.system.files import remove_file, replace_file
from iscsictl.system.run import run


def _install(action: InstallFile, context: Context) -> Effect:
    path = context.root / action.path.lstrip("/")
    changed = replace_file(path, action.text.encode(), mode=0o644)
    return Effect(changed)


def _remove(action: RemoveFile, context: Context) -> Effect:
    changed = remove_file(context.root / action.path.lstrip("/"))
    if changed and action.path.startswith("/etc/systemd/"):
        systemd.daemon_reload()
    return Effect(changed)


def _set_timer(action: SetTimer, _: Context) -> Effect:
    systemd.daemon_reload()
    if action.on:
        run(["systemctl", "--quiet", "enable", TIMER_UNIT])
        run(["systemctl", "restart", TIMER_UNIT])
    else:
        run(["systemctl", "--quiet", "disable", "--now", TIMER_UNIT])
    return Effect()


HANDS: Mapping[type[Action], Callable[[Any, Context], Effect]] = {
    InstallFile: _install,
    RemoveFile: _remove,
    SetTimer: _set_timer,
}
