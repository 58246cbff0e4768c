"""`prune`: remove sessions and records of targets that the array no longer offers."""

import click

from iscsictl.cli.help import command
from iscsictl.cli.options import Settings, changing, common, duration, require_root
from iscsictl.cli.selectors import run_independent
from iscsictl.engine.runtime import Context
from iscsictl.observers.prune import observe_for_prune
from iscsictl.planner.iscsi.prune import PruneFacts, plan_prune

#: A restarting array may list some of its targets before the others.
DEFAULT_DOWN_TIME = "10min"


@command("prune", short_help="Remove sessions and records of targets that are gone.")
@click.argument("names", nargs=-1, metavar="[TARGET]...")
@click.option(
    "--for", "seconds", type=duration, default=DEFAULT_DOWN_TIME, show_default=True,
    metavar="DURATION", help="How long a session must have been down.",
)  # fmt: skip
@changing
@common
def prune(settings: Settings, names: tuple[str, ...], seconds: float) -> int:
    """Remove sessions and records of targets that the array no longer offers to this host.

    Every portal at which a target is known is asked for its targets. A target is gone if all of
    them answer with other targets; a silent portal, a refusal, and a list that is empty or was cut
    short prove nothing. Targets that are in use, on hold, in /etc/fstab or booted from are kept.

    Without TARGET, what such targets leave behind is removed too: links and discovery records
    without node records, multipath maps without paths, and entries that an interrupted attach
    left in /etc/fstab.

    How long a session has been down is counted from the first run that meets it down; up to 30
    seconds that are missing are waited for.
    """
    require_root("prune")
    facts: list[PruneFacts] = []

    def observe(context: Context, _: object) -> PruneFacts:
        before = facts[-1] if facts else None
        facts.append(observe_for_prune(context, names, seconds, before, dry_run=settings.dry_run))
        return facts[-1]

    return run_independent(
        settings, observe, lambda _: plan_prune(facts[-1], seconds=seconds, names=names)
    )
