"""The schedule of reconnect on this machine: looking at it, and its tasks."""

import os
import sys
from collections.abc import Callable, Container
from pathlib import Path
from typing import TYPE_CHECKING

from iscsictl.errors import IscsictlError, MissingError
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Plan
from iscsictl.model.schedule import CRON, SERVICE, TIMER, TIMER_UNIT, Means, Scheduled
from iscsictl.system.host import systemd, unit_files
from iscsictl.system.host.cron import find_cron
from iscsictl.system.io.files import read_file

if TYPE_CHECKING:
    from iscsictl.engine.reconcile import Task

#: Seconds for systemd to say whether the timer runs.
_PATIENCE = 10.0
_TEMPLATES = ("cron", "iscsictl-reconnect.service", "iscsictl-reconnect.timer")


def scheduled(root: Path = Path("/"), wanted: Container[str] = ()) -> Scheduled:
    """Look at what is scheduled, and at who runs it or would run the files that are wanted."""
    files = {}
    for name in (SERVICE, TIMER, CRON):
        data = read_file(root / name.lstrip("/"))
        if data is not None:
            files[name] = data.decode("utf-8", "surrogateescape")
    enabled = systemd.enabled(TIMER_UNIT, root)
    return Scheduled(
        files,
        timer_enabled=enabled,
        timer_active=_timer_active(root) if enabled or TIMER in files else None,
        systemd=systemd.running(root),
        cron=find_cron(root) if CRON in files or CRON in wanted else None,
    )


def _timer_active(root: Path) -> bool | None:
    """Ask systemd, which alone knows; of a tree nobody can be asked."""
    if root != Path("/") or not systemd.running():
        return None
    try:
        state = unit_files.ask_active((TIMER_UNIT,), _PATIENCE).get(TIMER_UNIT)
    except IscsictlError:
        return None
    return None if state is None else state == "active"


def executable() -> str:
    """Return the full path of the iscsictl that runs now. Raises MissingError."""
    path = str(Path(sys.argv[0]).absolute())
    if not os.access(path, os.X_OK):
        raise MissingError(
            f"{path} cannot be run by a timer", hint="install iscsictl, then schedule it"
        )
    return path


def install_task(means: Means, seconds: int, root: Path) -> "Task":
    """Return the task that has reconnect run every so many seconds. Raises UsageError."""
    from importlib import resources

    from iscsictl.planner.schedule import plan_install, texts

    folder = resources.files("iscsictl") / "data"
    templates = {name: (folder / name).read_text() for name in _TEMPLATES}
    wanted = texts(templates, means, seconds, executable())
    return _task(lambda: plan_install(scheduled(root, wanted), wanted))


def remove_task(root: Path) -> "Task":
    """Return the task that takes the schedule away."""
    from iscsictl.planner.schedule import plan_remove

    return _task(lambda: plan_remove(scheduled(root)))


def _task(think: Callable[[], Plan]) -> "Task":
    from iscsictl.engine.reconcile import Task

    return Task(lambda _, __: Inventory(), lambda _: think())
