"""Carry a plan of branches through for a command; the counterpart of `running.carry_out`."""

import click

from iscsictl.cli.options import Settings
from iscsictl.cli.running import _conclude, _show_planned
from iscsictl.engine.context import Context
from iscsictl.engine.converge import Task
from iscsictl.engine.lock import host_lock
from iscsictl.engine.several import converge_several, forecast
from iscsictl.system import stop
from iscsictl.ui.planview import StepPrinter


def carry_out_several(settings: Settings, task: Task, *, lock_wait: float | None = None) -> int:
    """Run a task whose steps need each other only where they say so. Returns the exit code.

    `lock_wait` is how many seconds to wait for another iscsictl that changes the host.
    """
    printer = StepPrinter(output=settings.output, quiet=settings.quiet, color=settings.color)

    def say(text: str) -> None:
        if not settings.quiet:
            printer.close()
            click.echo(f"iscsictl: {text}", err=True)

    context = Context(settings.wait, settings.root, say, printer.watch)
    if settings.dry_run:
        report = forecast(task, context)
        for outcome in report.outcomes:
            _show_planned(printer, settings, outcome)
    else:
        stop.defer()
        try:
            wait = settings.wait if lock_wait is None else lock_wait
            with host_lock(wait, say, settings.root), context.waiter:
                report = converge_several(task, context, printer)
        finally:
            printer.close()
    return _conclude(settings, report, say_device=False)
