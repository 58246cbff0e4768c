"""`ls`: sessions, LUNs, filesystems and mounts, live or from a capture."""

import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iscsictl.cli.help import command
from iscsictl.cli.options import Settings, common_with, print_message, target_argument
from iscsictl.engine.waits import waiting
from iscsictl.errors import UsageError
from iscsictl.lazy_import import lazy_import
from iscsictl.limits import MAX_CAPTURE
from iscsictl.model.listing import Listing, Note
from iscsictl.observers.listing import captured_listing, live_listing, piped_listing
from iscsictl.output.terminal import screen_of
from iscsictl.output.text import escape_controls
from iscsictl.output.views.ls import COLUMNS, LONG_COLUMNS, Form, print_listing

if TYPE_CHECKING:
    from iscsictl.cli import input_file
    from iscsictl.cli.commands import overview
    from iscsictl.output.views import ls_json
    from iscsictl.planner.selection import listing as selection
else:
    # Needed only for --from, a host without sessions, -J and TARGET.
    input_file = lazy_import("iscsictl.cli.input_file")
    overview = lazy_import("iscsictl.cli.commands.overview")
    ls_json = lazy_import("iscsictl.output.views.ls_json")
    selection = lazy_import("iscsictl.planner.selection.listing")

MAX_NOTES, MAX_ALIKE = 20, 5  # how many notes on skipped lines, and similar warnings, are printed


@command("ls")
@target_argument
@common_with(columns=tuple(column.key for column in LONG_COLUMNS))
@click.option("--tree", is_flag=True, help="Draw portal - target - session - LUN - mount.")
@click.option("--no-header", is_flag=True, help="Omit the header line.")
@click.option("-l", "--long", is_flag=True, help="Show all details of each session.")
@click.option(
    "--from",
    "source",
    metavar="FILE|-|DIR",
    help="Read saved output of iscsiadm, iscsi-ls, multipath -ll or lsblk, or a sosreport.",
)
def ls(
    settings: Settings, target: str | None, source: str | None, no_header: bool, tree: bool,
    long: bool,
) -> None:  # fmt: skip
    """Show sessions, LUNs, filesystems and mounts; of TARGET only, or of all.

    TARGET is a name or a part of one. STATUS is up; recovering (iscsid is trying to connect again,
    and writes wait, or fail if the STATE of the LUN is transport-offline); down (nobody is trying);
    or unknown. With -o COLUMN,... only these columns are shown: target, portal, status, lun,
    device, size, filesystem, mount, sid, wwid, state, session_state, connection_state,
    internal_state, iface, transport, host, initiator, chap_username, chap_username_in, reserved_by;
    tsv among them makes tab-separated values of them.

    Who has reserved a LUN is shown of volumes that are attached with --exclusive, with --long of
    every LUN that has reservations: this host, the key of another one, or nobody.
    """
    if settings.columns and (tree or long):
        raise UsageError("columns cannot be selected with --tree or --long")
    listing = _read_listing(settings, source, long=long)
    if target is not None:
        listing = selection.keep_targets(listing, selection.named_targets(listing, target))
    if not settings.quiet:
        _print_warnings(listing.warnings, source)
        # A capture that contains only disks does not say that there are no sessions.
        is_told = listing.capture is None or listing.capture.tells_sessions
        if not listing.sessions and is_told:
            _print_no_sessions(settings, source)
    form = Form(
        tsv=settings.output == "tsv", long=long, tree=tree, columns=settings.columns,
        header=not no_header,
    )  # fmt: skip
    _print_in_format(listing, settings, form)


def _print_no_sessions(settings: Settings, source: str | None) -> None:
    if source is None:
        overview.print_nothing(settings, "there are no sessions")
    elif settings.output == "table":
        print_message("there are no sessions")


def _print_in_format(listing: Listing, settings: Settings, form: Form) -> None:
    if sys.stdout is None:
        return
    if settings.output == "json":
        sys.stdout.write(ls_json.listing_json(listing))
    else:
        screen = screen_of(sys.stdout, settings.color)
        print_listing(listing, screen, form)
    sys.stdout.flush()


def _read_listing(settings: Settings, source: str | None, *, long: bool) -> Listing:
    if source is None:
        beyond = set(settings.columns) - {column.key for column in COLUMNS}
        details = long or settings.output == "json" or bool(beyond)
        long = long or bool({"internal_state", "reserved_by"} & beyond)
        with waiting("reading sessions and disks"):
            return live_listing(
                settings.root, details=details, internal_states=long, timeout=settings.timeout
            )
    if source != "-":
        return captured_listing(Path(source), settings.wait)
    data = input_file.read_input_file(source, largest=MAX_CAPTURE, wait=settings.wait)
    return piped_listing(data)


def _print_warnings(notes: tuple[Note, ...], source: str | None) -> None:
    """Print the warnings; those that only say that lines were skipped come last.

    Of warnings that differ only in a number, the first few are printed and the rest are counted, so
    that they do not hide warnings of another kind.
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
