"""`ls`: sessions, LUNs, filesystems and mounts, live or from a capture."""

import os
import re
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iscsictl.cli.options import Settings, common
from iscsictl.errors import MissingError, UnreachableError
from iscsictl.model.listing import Note
from iscsictl.output.terminal import screen_of
from iscsictl.output.text import escape_controls
from iscsictl.output.views.ls import print_listing
from iscsictl.output.views.ls_json import listing_json
from iscsictl.parse.capture import parse_capture
from iscsictl.parse.iscsid_states import with_internal_states
from iscsictl.planner.selection.listing import only
from iscsictl.system.io.process import run
from iscsictl.system.iscsi.sessions import read_listing
from iscsictl.system.iscsi.sosreport import checked, read_capture

if TYPE_CHECKING:
    from iscsictl.model.listing import Listing

MAX_NOTES, MAX_ALIKE = 20, 5  # lines that were only skipped, and other warnings of one kind
ASK_SECONDS = 2.0


@click.command("ls")
@common
@click.option("--tree", is_flag=True, help="Draw portal - target - session - LUN - mount.")
@click.option("-l", "--long", is_flag=True, help="Tell all that is known of each session.")
@click.option(
    "--from",
    "source",
    metavar="FILE|-|DIR",
    help="Read a capture of iscsiadm or iscsi-ls, stdin, or a sosreport.",
)
@click.argument("target", required=False)
def ls(settings: Settings, target: str | None, source: str | None, tree: bool, long: bool) -> None:
    """Show sessions, LUNs, filesystems and mounts; of TARGET only, or of all.

    TARGET is a name or a part of one.
    """
    listing = _read(settings, source, long=long)
    if target is not None:
        listing = only(listing, target)
    if not settings.quiet:
        _warn(listing.warnings, source)
        if not listing.sessions and settings.output == "table":
            click.echo("no sessions", err=True)
    _print(listing, settings, long=long, tree=tree)


def _print(listing: "Listing", settings: Settings, *, long: bool, tree: bool) -> None:
    if sys.stdout is None:
        return
    if settings.output == "json":
        sys.stdout.write(listing_json(listing))
    else:
        screen = screen_of(sys.stdout, settings.color)
        print_listing(listing, screen, tsv=settings.output == "tsv", long=long, tree=tree)
    sys.stdout.flush()


def _read(settings: Settings, source: str | None, *, long: bool) -> "Listing":
    if source is None:
        listing = read_listing(settings.root, details=long or settings.output == "json")
        return _with_internal_states(listing, settings) if long else listing

    if source != "-":
        return read_capture(Path(source), settings.wait)

    data = b"" if sys.stdin is None else sys.stdin.buffer.read()
    return checked(parse_capture(data), "stdin")


def _warn(notes: "tuple[Note, ...]", source: str | None) -> None:
    """Print the warnings; those that say only that lines were skipped come last, and not all.

    Of warnings that differ in nothing but a number some are printed and the others counted, so
    none of another kind is lost among them.
    """
    name = "" if source is None else "stdin:" if source == "-" else f"{source}:"
    kinds: Counter[str] = Counter()
    for note in sorted(notes, key=lambda note: note.is_general):
        kind = re.sub(r"\d+", "", note.text)
        most = MAX_NOTES if note.is_general else MAX_ALIKE
        kinds[kind] += 1
        if kinds[kind] <= most:
            line = "" if note.line is None else f"{note.line}:"
            text = f"iscsictl: {escape_controls(name)}{line} {escape_controls(note.text)}"
            click.echo(text.replace("  ", " "), err=True)
        elif kinds[kind] == most + 1:
            alike = sum(re.sub(r"\d+", "", other.text) == kind for other in notes) - most
            click.echo(f"iscsictl: {alike} more warnings like this one", err=True)


def _with_internal_states(listing: "Listing", settings: Settings) -> "Listing":
    """Ask iscsid for what only it knows; without it, without root or in time, do without."""
    if os.geteuid() != 0 or settings.root != Path("/") or not listing.sessions:
        return listing

    seconds = ASK_SECONDS if settings.timeout is None else min(ASK_SECONDS, settings.timeout)
    try:
        result = run(["iscsiadm", "-m", "session", "-P", "1"], timeout=seconds, ok=None)
    except MissingError:
        return listing
    except UnreachableError:
        note = Note("iscsid does not answer, so its own states are not known")
        return replace(listing, warnings=(*listing.warnings, note))
    return with_internal_states(listing, result.out)
