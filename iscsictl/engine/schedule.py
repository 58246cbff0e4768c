"""The schedule of reconnect on this machine: looking at it, and its tasks."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from iscsictl.errors import MissingError
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Plan
from iscsictl.model.schedule import (
    CRON,
    SERVICE,
    TIMER,
    TIMER_UNIT,
    Means,
    Scheduled,
)
from iscsictl.system import systemd
from iscsictl.system.files import read_file

if TYPE_CHECKING:
    from iscsictl.engine.converge import Task

_TEMPLATES = ("cron", "iscsictl-reconnect.service", "iscsictl-reconnect.timer")


def scheduled(root: Path = Path("/")) -> Scheduled:
    """Look at what is scheduled; no process is started."""
    files = {}
    for name in (SERVICE, TIMER, CRON):
        data = read_file(root / name.lstrip("/"))
        if data is not None:
            files[name] = data.decode("utf-8", "surrogateescape")
    return Scheduled(files, systemd.enabled(TIMER_UNIT, root))


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

    from iscsictl.core.schedule import plan_install, texts

    folder = resources.files("iscsictl") / "data"
    templates = {name: (folder / name).read_text() for name in _TEMPLATES}
    wanted = texts(templates, means, seconds, executable())
    return _task(root, partial(plan_install, wanted=wanted))


def remove_task(root: Path) -> "Task":
    """Return the task that takes the schedule away."""
    from iscsictl.core.schedule import plan_remove

    return _task(root, plan_remove)


def _task(root: Path, think: Callable[[Scheduled], Plan]) -> "Task":
    from iscsictl.engine.converge import Task

    return Task(lambda _, __: Inventory(), lambda _: think(scheduled(root)))
