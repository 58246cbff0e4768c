"""`detach`: end using a LUN on this host."""

from dataclasses import replace

import click

from iscsictl.cli.help import command
from iscsictl.cli.options import Number, Settings, changing, common, require_root
from iscsictl.cli.runner import ask, run_task
from iscsictl.cli.selectors import named
from iscsictl.engine.task import Task
from iscsictl.errors import UsageError
from iscsictl.model import values
from iscsictl.model.spec import Consent, DetachRequest
from iscsictl.observers import attach as attach_observer
from iscsictl.observers.sessions import boots_from
from iscsictl.planner.attach.detach import plan_detach
from iscsictl.planner.safety.lost_disks import SEPARATOR


@command("detach")
@click.argument("name", metavar="TARGET|DEVICE|DIR")
@click.option("--lun", type=Number(0, values.MAX_LUN), help="Only this LUN of the target.")
@click.option("--forget", is_flag=True, help="Delete the node records too.")
@click.option("--lost", is_flag=True, help="The array is gone for good; needs --confirm.")
@click.option("--confirm", metavar="WWID", help="The WWID of the lost disk.")
@changing
@common
def detach(
    settings: Settings, name: str, lun: int | None, forget: bool, lost: bool, confirm: str | None
) -> int:
    """Unmount a LUN and log out of it, if nothing uses it.

    Unmounts the filesystem, ends the session if no other LUN of it is in use, disables login at
    boot and removes the fstab entry written by iscsictl. Anything that still uses the disk is
    named.
    """
    if lost != (confirm is not None):
        raise UsageError(
            "--lost and --confirm WWID must be given together",
            hint="iscsictl ls -o json shows the WWID",
        )
    require_root("detach")

    booted = boots_from(settings.root)
    # Without a terminal, the WWID is the only possible consent.
    losses = () if settings.interactive and not settings.yes else None
    request = DetachRequest(named(name), lun, forget, Consent(lost=confirm, losses=losses))
    return run_task(settings, _detach_task(settings, request, booted))


def _detach_task(settings: Settings, request: DetachRequest, booted: frozenset[str]) -> Task:
    def grant(losses: str) -> Task:
        consent = replace(request.consent, losses=tuple(losses.split(SEPARATOR)))
        return _detach_task(settings, replace(request, consent=consent), booted)

    return Task(
        lambda context, before: attach_observer.observe_for_detach(context, request, before),
        lambda inventory: plan_detach(inventory, request, boots_from=booted),
        grant,
        lambda question: ask(settings, question),
    )
