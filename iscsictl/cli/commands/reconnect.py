"""`reconnect`: restore what is missing and nothing else, for cron, a timer or an admin."""

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from iscsictl.cli.help import command
from iscsictl.cli.options import (
    Settings,
    changing,
    common,
    metrics_option,
    print_error,
    print_message,
    require_root,
    target_argument,
)
from iscsictl.engine.runtime import count_kept_out, forget_kept_out, open_context
from iscsictl.errors import Exit, InterruptError, InUseError, IscsictlError, UsageError
from iscsictl.lazy_import import lazy_import
from iscsictl.model import actions
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Plan, Report, Status
from iscsictl.observers.reconnect import mounted, observe_for_reconnect, observe_locally
from iscsictl.planner.attach.reconnect import plan_reconnect

if TYPE_CHECKING:
    from iscsictl.cli import runner
    from iscsictl.cli.commands import overview
    from iscsictl.engine import output_files, reconcile, task
    from iscsictl.model import metrics as metrics_model
    from iscsictl.observers import metrics as metrics_observer
    from iscsictl.output.views import metrics as metrics_view
    from iscsictl.output.views import plan as plan_view
    from iscsictl.planner.selection import records
else:
    # A timer runs this every few minutes, and nearly always nothing is missing.
    runner = lazy_import("iscsictl.cli.runner")
    overview = lazy_import("iscsictl.cli.commands.overview")
    reconcile = lazy_import("iscsictl.engine.reconcile")
    task = lazy_import("iscsictl.engine.task")
    output_files = lazy_import("iscsictl.engine.output_files")
    metrics_model = lazy_import("iscsictl.model.metrics")
    metrics_observer = lazy_import("iscsictl.observers.metrics")
    metrics_view = lazy_import("iscsictl.output.views.metrics")
    plan_view = lazy_import("iscsictl.output.views.plan")
    records = lazy_import("iscsictl.planner.selection.records")

#: Consecutive runs that one process may keep out before it is an error. At a timer's usual
#: interval, a command that is just working keeps out two.
_KEPT_OUT_LIMIT = 3


class _Run(NamedTuple):
    """How a run ended. `inventory` is its observation, None if it is outdated by changes.

    `kept_out`: another iscsictl was changing the host, so this run did nothing.
    """

    code: int
    inventory: Inventory | None = None
    kept_out: bool = False


@command("reconnect")
@target_argument
@metrics_option
@changing
@common
def reconnect(settings: Settings, target: str | None, metrics: Path | None) -> int:
    """Log in to and mount whatever should be there after a boot but is missing.

    Leaves everything that works, is in use or is on hold unchanged. If nothing is missing it
    starts no process, and prints nothing with --quiet. TARGET selects one target, even one that
    is not logged in to at boot. While another iscsictl changes the host it does nothing; if one
    process keeps it out three times in a row, that is an error (exit 7).

    With --metrics it then writes sessions, paths, I/O and its own result to a file for the textfile
    collector of node_exporter, whether it succeeded or not. A dry run does not write it.
    """
    require_root("reconnect")
    if metrics is not None and target is not None:
        raise UsageError("--metrics covers the whole host: leave out the target")
    if metrics is None or settings.dry_run:
        return _reconnect(settings, target).code
    try:
        run = _reconnect(settings, target)
    except InterruptError:
        raise
    except IscsictlError as error:
        # The first error is the one to report.
        with suppress(IscsictlError):
            _save_metrics(settings, metrics, _Run(int(error.exit)))
        raise
    try:
        _save_metrics(settings, metrics, run)
    except InterruptError:
        raise
    except IscsictlError as error:
        # The document of the run has been printed, and its exit code takes precedence.
        code = print_error(error.text, error.hint, error.exit)
        return run.code or code
    return run.code


def _save_metrics(settings: Settings, path: Path, run: _Run) -> None:
    """Write the metrics of the host after a run. Raises IscsictlError."""
    context = open_context(settings.wait, settings.root)
    inventory = run.inventory or observe_locally(context)
    now = round(time.time())
    success: int | None = now
    if run.code != Exit.DONE or run.kept_out:
        success = metrics_observer.last_success(output_files.read_metrics(path))
    ended = metrics_model.ReconnectRun(now, int(run.code), success)
    host = metrics_observer.read_host_metrics(inventory, settings.root)
    output_files.save_metrics(path, metrics_view.render_metrics(host, ended))


def _reconnect(settings: Settings, target: str | None) -> _Run:
    context = open_context(settings.wait, settings.root)
    # Without the lock: if nothing is missing, neither this run nor another must wait.
    inventory = observe_locally(context)
    if target is not None:
        selector = records.RecordSelector(target, interactive=settings.interactive)
        selector = selector.with_exact_target(inventory)
        records.select_records(inventory, selector)
        target = selector.target
    plan = plan_reconnect(inventory, mounted(context, inventory), target)
    if all(step.status is Status.UNCHANGED for step in plan.steps):
        forget_kept_out(settings.root)
        return _Run(_report_all_connected(settings, plan), inventory)
    return _restore_missing(settings, target)


def _report_all_connected(settings: Settings, plan: Plan) -> int:
    _print_document(settings, plan.notes)
    if settings.output != "json" and not settings.quiet:
        mounts = sum(isinstance(step.action, actions.Mount) for step in plan.steps)
        if not plan.steps and not plan.notes:
            overview.print_nothing(settings, "there is nothing to do")
        elif not plan.notes:
            click.echo(f"all connected, {mounts} mounted", err=True)
        for note in plan.notes:
            print_message(note)
    return 0


def _print_document(settings: Settings, notes: tuple[str, ...] = ()) -> None:
    """Print the document of a run that did nothing, if JSON was requested."""
    if settings.output == "json":
        click.echo(plan_view.document(Report(notes=notes)))


def _restore_missing(settings: Settings, target: str | None) -> _Run:
    def make_plan(inventory: Inventory) -> Plan:
        context = open_context(settings.wait, settings.root)
        return plan_reconnect(inventory, mounted(context, inventory), target)

    missing = task.Task(
        lambda context, before: observe_for_reconnect(context, target, before), make_plan
    )
    try:
        # Do not wait for the lock: mkfs may hold it for longer than the interval of the timer.
        code = runner.run_task(
            settings, missing, on_failure=reconcile.OnFailure.CONTINUE, lock_wait=0.0
        )
    except InUseError as error:
        times = count_kept_out(settings.root)
        if times >= _KEPT_OUT_LIMIT:
            raise InUseError(
                f"{error.text}; it has blocked reconnect {times} times in a row",
                hint="see what it is waiting for, and stop it if it hangs: ps -o "
                "pid,stat,etime,args -C iscsictl",
            ) from None
        if not settings.quiet:
            print_message(f"{error.text}; nothing was done")
        _print_document(settings)
        return _Run(Exit.DONE, kept_out=True)
    forget_kept_out(settings.root)
    return _Run(code)
