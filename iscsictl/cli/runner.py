"""Running the task of a command: lock, progress, dry run, output, exit code."""

import signal
import sys

import click

from iscsictl.cli.options import Settings, print_error, print_message
from iscsictl.cli.question import asking, fit_question
from iscsictl.engine.reconcile import OnFailure, dry_run, reconcile
from iscsictl.engine.runtime import (
    Scope,
    host_changes,
    interrupt_threads,
    open_context,
)
from iscsictl.engine.task import Task
from iscsictl.errors import Exit, InterruptError, IscsictlError, UnansweredError
from iscsictl.model.plan import Report
from iscsictl.observers.paths import stable_device
from iscsictl.output.text import escape_controls
from iscsictl.output.views.plan import StepPrinter, document
from iscsictl.planner.builder import error_lines


def ask(settings: Settings, question: str) -> bool:
    """Ask a question and return the answer: yes with --yes, no without a terminal.

    Raises UnansweredError on a signal and at the end of input.
    """
    if settings.yes:
        return True
    if not settings.interactive:
        return False
    try:
        with asking():
            return click.confirm(fit_question(f"{question} [y/N]"), err=True, show_default=False)
    except InterruptError as error:
        raise UnansweredError(f"{error.text} at a question", signal=error.signal) from None
    except click.Abort:
        raise UnansweredError("the question was not answered", signal=signal.SIGINT) from None


def run_task(
    settings: Settings,
    task: Task,
    *,
    on_failure: OnFailure = OnFailure.STOP,
    lock_wait: float | None = None,
    scope: Scope | None = None,
    device_only: bool = False,
    handled: tuple[type[IscsictlError], ...] = (),
    nothing: str = "there is nothing to do",
) -> int:
    """Run a task, print the result or, if there was nothing to do, `nothing`; return the exit code.

    `lock_wait` is how many seconds to wait for another iscsictl that changes the same things; None
    means the --timeout of the command. `scope` is everything that the task changes, None if that is
    not known. Errors of the types `handled` are not printed: the caller asks the user about them.
    """
    quiet = settings.quiet or device_only
    printer = StepPrinter(output=settings.output, quiet=quiet, color=settings.color)

    def print_unless_quiet(text: str) -> None:
        if not settings.quiet:
            printer.close()
            print_message(text)

    # A dry run changes nothing, so it needs no lock.
    changed = None if settings.dry_run else scope
    context = open_context(settings.wait, settings.root, print_unless_quiet, printer.watch, changed)
    if settings.dry_run:
        interrupt_threads()
        try:
            report = dry_run(task, context)
        finally:
            printer.close()
        _show_planned(printer, settings, report)
    else:
        try:
            with host_changes(context, lock_wait=lock_wait):
                report = reconcile(task, context, printer, on_failure)
        finally:
            printer.close()
    if settings.output == "table" and not quiet and report == Report():
        print_message(nothing)
    return _print_report(settings, report, say_device=device_only, handled=handled)


def _show_planned(printer: StepPrinter, settings: Settings, report: Report) -> None:
    if settings.output == "table" and not settings.quiet:
        for outcome in report.outcomes:
            click.echo(printer.fit_terminal(printer.line(outcome)))


def _print_report(
    settings: Settings,
    report: Report,
    *,
    say_device: bool,
    handled: tuple[type[IscsictlError], ...],
) -> int:
    if settings.output == "json":
        click.echo(document(report))
    elif settings.output == "tsv":
        for outcome in report.outcomes:
            step = outcome.step
            click.echo(f"{step.status.value}\t{step.action.verb}\t{escape_controls(step.subject)}")
    failed = {o.step.id: o.error for o in report.outcomes if o.error is not None}
    for line in (*(error_lines(failed) if settings.quiet else report.notes), *report.leftovers):
        print_message(line)
    sys.stdout.flush()
    if isinstance(report.error, handled):
        return int(report.error.exit)
    if report.error is not None:
        return print_error(report.error.text, report.error.hint, report.error.exit)
    if report.result is not None and settings.output == "table" and not settings.quiet:
        # A stable name: after the next boot, sdX may be another disk.
        device = stable_device(report.result)
        click.echo(device if say_device else f"device    {device}")
    return int(Exit.PENDING if report.pending else Exit.DONE)
