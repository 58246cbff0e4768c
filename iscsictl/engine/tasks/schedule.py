"""The tasks of `schedule install` and `schedule remove`."""

from collections.abc import Callable
from pathlib import Path

from iscsictl.engine.output_files import require_metrics
from iscsictl.engine.task import Task
from iscsictl.errors import NotFoundError
from iscsictl.model.inventory import Inventory
from iscsictl.model.packages import install_command
from iscsictl.model.plan import Plan
from iscsictl.model.schedule import Method
from iscsictl.observers.schedule import observe_schedule, packaged_units
from iscsictl.planner.schedule import plan_install, plan_remove, schedule_files
from iscsictl.system.io.own_program import require_own_program
from iscsictl.system.io.package_data import read_template
from iscsictl.system.io.package_manager import find_package_manager

_TEMPLATES = ("cron", "iscsictl-prune.conf", "iscsictl-reconnect.service",
              "iscsictl-reconnect.timer", "iscsictl-reconnect.timer.conf",
              "iscsictl-reconnect.service.conf")  # fmt: skip


def executable() -> str:
    """Return the full path of the iscsictl that runs now.

    Raises what `require_own_program` raises.
    """
    return require_own_program("a timer", "schedule it")


def install_task(
    method: Method,
    seconds: int,
    root: Path,
    *,
    prune: bool = False,
    metrics: Path | None = None,
) -> "Task":
    """Return the task that has reconnect run every `seconds` seconds, with `prune` after a prune.

    Each run writes `metrics`, if that is not None. Raises UsageError, NotFoundError if the
    directory of the metrics does not exist, and whatever keeps their file from being written.
    """
    if metrics is not None and not metrics.parent.is_dir():
        hint = "name a file in the directory that node_exporter reads "
        hint += "(--collector.textfile.directory)"
        manager = find_package_manager(root)
        # Debian's package has the directory; other distributions have no such package of their own.
        if manager == "apt":
            hint += f"; with its package: {install_command('prometheus-node-exporter', manager)}"
        raise NotFoundError(f"there is no directory {metrics.parent}", hint=hint)
    if metrics is not None:
        require_metrics(metrics)
    templates = {name: read_template(name) for name in _TEMPLATES}
    program = executable()
    packaged = packaged_units(root)
    # A second installation, by pip for instance, has units of its own that run itself.
    own = packaged is not None and Path(packaged.program).resolve() == Path(program).resolve()
    wanted = schedule_files(
        templates, method, seconds, program, packaged=own, prune=prune,
        metrics=None if metrics is None else str(metrics),
    )  # fmt: skip
    return _task_without_facts(lambda: plan_install(observe_schedule(root, wanted), wanted))


def remove_task(root: Path) -> "Task":
    """Return the task that removes the schedule, whichever method it has."""
    return _task_without_facts(lambda: plan_remove(observe_schedule(root)))


def _task_without_facts(make_plan: Callable[[], Plan]) -> "Task":
    return Task(lambda _, __: Inventory(), lambda _: make_plan())
