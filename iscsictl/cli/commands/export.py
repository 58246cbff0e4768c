"""`export`: a file of volumes that describes this host."""

import json
from typing import TYPE_CHECKING

import click

from iscsictl.cli.help import command
from iscsictl.cli.options import Settings, common, print_message, require_root
from iscsictl.errors import Exit
from iscsictl.lazy_import import lazy_import
from iscsictl.observers.attach import observe_for_export
from iscsictl.output.text import escape_controls
from iscsictl.planner.volumes.export import brief_notes, render
from iscsictl.planner.volumes.export import export as collect

if TYPE_CHECKING:
    from iscsictl.cli.commands import overview
else:
    # Needed only if the host has no volumes.
    overview = lazy_import("iscsictl.cli.commands.overview")


@command("export")
@common
def export(settings: Settings) -> int:
    """Print a file of volumes that describes this host as it is.

    It is made from records, sessions and the fstab entries written by iscsictl. `plan` finds
    nothing to change in it, except for what standard error names: what was left out and why, and
    what would still be done, such as mounting what is unmounted. Of several for one reason it names
    the first, and all with -v. It contains no secrets.
    """
    require_root("export")
    collected = collect(*observe_for_export(settings.root))
    if settings.output == "json":
        whole = {"schema": "iscsictl.export/1", "volume": collected.volumes}
        click.echo(json.dumps(whole, indent=1))
    elif settings.output == "tsv":
        for row in collected.volumes:
            words = (row["name"], row["target"], row["lun"], row.get("mount", ""))
            click.echo("\t".join(escape_controls(str(word)) for word in words))
    else:
        click.echo(render(collected), nl=False)
    if not collected.volumes:
        overview.print_nothing(settings, "there are no volumes")
    if not settings.quiet:
        for note in collected.notes if settings.verbose else brief_notes(collected):
            print_message(note)
    return int(Exit.DONE)
