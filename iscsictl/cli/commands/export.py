"""`export`: the file of volumes of this host as it is."""

import json

import click

from iscsictl.cli.options import Settings, common, print_message, require_root
from iscsictl.errors import Exit
from iscsictl.observers.attach import for_export
from iscsictl.output.text import escape_controls
from iscsictl.planner.volumes.export import export as collect
from iscsictl.planner.volumes.export import render


@click.command("export")
@common
def export(settings: Settings) -> int:
    """Print the file of volumes of this host as it is.

    Records, sessions and our lines of fstab, put together. Plan finds nothing to change in what
    comes out, but for what is said on standard error: what had to be left out and why, and what
    plan will still have to do, such as to mount what was unmounted. Secrets are not in it.
    """
    require_root("export")
    found = collect(*for_export(settings.root))
    if settings.output == "json":
        whole = {"schema": "iscsictl.export/1", "volume": found.volumes}
        click.echo(json.dumps(whole, indent=1))
    elif settings.output == "tsv":
        for row in found.volumes:
            words = (row["name"], row["target"], row["lun"], row.get("mount", ""))
            click.echo("\t".join(escape_controls(str(word)) for word in words))
    else:
        click.echo(render(found), nl=False)
    for note in () if settings.quiet else found.notes:
        print_message(note)
    return int(Exit.DONE)
