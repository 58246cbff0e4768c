"""`reconnect`: for cron, a timer or an admin; restores what is missing and nothing else."""

from typing import TYPE_CHECKING

import click

from iscsictl.cli.help import command
from iscsictl.cli.options import (
    Settings,
    changing,
    common,
    print_message,
    require_root,
    target_argument,
)
from iscsictl.engine.runtime import count_kept_out, forget_kept_out, open_context
from iscsictl.errors import InUseError
from iscsictl.lazy_import import lazy_import
from iscsictl.model import actions
from iscsictl.model.inventory import Inventory
from iscsictl.model.plan import Plan, Report, Status
from iscsictl.observers.reconnect import at_first, for_reconnect, mounted
from iscsictl.planner.attach.reconnect import plan_reconnect

if TYPE_CHECKING:
    from iscsictl.cli import runner
    from iscsictl.engine import reconcile, task
    from iscsictl.output.views import plan as plan_view
    from iscsictl.planner.selection import names
else:
    # A timer runs this every few minutes, and nearly always finds that nothing is missing.
    runner = lazy_import("iscsictl.cli.runner")
    reconcile = lazy_import("iscsictl.engine.reconcile")
    task = lazy_import("iscsictl.engine.task")
    plan_view = lazy_import("iscsictl.output.views.plan")
    names = lazy_import("iscsictl.planner.selection.names")

#: Runs that one process may keep out: two are a command at work, with a timer's usual minutes.
_KEPT_OUT_LIMIT = 3


@command("reconnect")
@target_argument
@changing
@common
def reconnect(settings: Settings, target: str | None) -> int:
    """Log in to and mount whatever should be there after a boot but is missing.

    Leaves everything that works, is in use or is on hold unchanged. If nothing is missing it
    starts no process, and prints nothing with --quiet. TARGET selects one target, even one that
    is not logged in to at boot. While another iscsictl changes the host it does nothing; if one
    process keeps it out three times in a row, that is an error (exit 7).
    """
    require_root("reconnect")
    context = open_context(settings.wait, settings.root)
    # Without the lock: where all is well, neither this run nor another has to wait.
    inventory = at_first(context)
    if target is not None:
        known = (record.target for record in inventory.records)
        target = names.resolve_name(target, known, settings.interactive)
    plan = plan_reconnect(inventory, mounted(context, inventory), target)
    if all(step.status is Status.UNCHANGED for step in plan.steps):
        forget_kept_out(settings.root)
        return _all_well(settings, plan)
    return _restore(settings, target)


def _all_well(settings: Settings, plan: Plan) -> int:
    _document(settings, plan.notes)
    if settings.output != "json" and not settings.quiet:
        mounts = sum(isinstance(step.action, actions.Mount) for step in plan.steps)
        if not plan.notes:
            click.echo(f"all connected, {mounts} mounted", err=True)
        for note in plan.notes:
            print_message(note)
    return 0


def _document(settings: Settings, notes: tuple[str, ...] = ()) -> None:
    """Print the document of a run that did nothing, if JSON was requested."""
    if settings.output == "json":
        click.echo(plan_view.document(Report(notes=notes)))


def _restore(settings: Settings, target: str | None) -> int:
    def make_plan(inventory: Inventory) -> Plan:
        context = open_context(settings.wait, settings.root)
        return plan_reconnect(inventory, mounted(context, inventory), target)

    missing = task.Task(lambda context, before: for_reconnect(context, target, before), make_plan)
    try:
        # It does not wait for the lock: it is run again in a few minutes, and mkfs may take longer.
        code = runner.run_task(
            settings, missing, on_failure=reconcile.OnFailure.CONTINUE, lock_wait=0.0
        )
    except InUseError as error:
        times = count_kept_out(settings.root)
        if times >= _KEPT_OUT_LIMIT:
            raise InUseError(
                f"{error.text}; it has kept out reconnect {times} times in a row",
                hint="see what it waits for, and end it if it hangs: ps -o pid,stat,etime,args -C "
                "iscsictl",
            ) from None
        if not settings.quiet:
            print_message(f"{error.text}; nothing was done")
        _document(settings)
        return 0
    forget_kept_out(settings.root)
    return code
