"""`watch`: sessions and LUNs as they change."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

import click

from iscsictl.cli.help import command
from iscsictl.cli.options import Settings, common, target_argument, wait_duration
from iscsictl.errors import InterruptError
from iscsictl.lazy_import import lazy_import
from iscsictl.model.session_diff import Snapshot, first_changes
from iscsictl.observers.watch import watch as watch_sessions
from iscsictl.output.keys import Keys
from iscsictl.output.terminal import is_dumb, screen_of
from iscsictl.output.text import escape_controls
from iscsictl.output.views.watch import Picture

if TYPE_CHECKING:
    from iscsictl.cli.commands import overview
else:
    # Needed only if the host has no sessions.
    overview = lazy_import("iscsictl.cli.commands.overview")

SCHEMA = "iscsictl.watch/1"


def _explain_timeout(command: click.Command) -> click.Command:
    """Change the help of --timeout, which here is how long to watch."""
    for option in command.params:
        if isinstance(option, click.Option) and option.name == "timeout":
            option.help = "How long to watch [until Ctrl-C]."
    return command


@_explain_timeout
@command("watch")
@target_argument
@common
@click.option(
    "--interval",
    type=wait_duration,
    default="1s",
    metavar="DURATION",
    help="Refresh at least this often [1s].",
)
def watch(settings: Settings, target: str | None, interval: float) -> None:
    """Show sessions, LUNs and throughput as they change; of TARGET only, or of all.

    TARGET is a name or a part of one. On a terminal this is a live table: q ends it, arrow and page
    keys scroll. Elsewhere, and with -o json or tsv, it is a line for each session and LUN that is
    there, and then one for each change.

    LATENCY is the mean of the requests that just ended, QUEUE how many are in flight of how many
    that can be. ERRORS are the digest errors and timeouts since the login, which iscsid is asked
    for about every 10 seconds, as root only. What a narrow terminal has no room for is left out.
    """
    if interval < 0.05:
        raise click.BadParameter("the interval must be at least 50ms")
    until = None if settings.timeout is None else time.monotonic() + settings.timeout
    if sys.stdout is None:
        return
    is_live = settings.output == "table" and sys.stdout.isatty() and not is_dumb()
    with Keys(sys.stdin if is_live else None) as keys:
        snapshots = watch_sessions(
            settings.root, target=target, interval=interval, until=until, wake=keys.fd
        )
        try:
            if is_live:
                _draw_snapshots(snapshots, keys, settings)
            else:
                _print_changes(snapshots, settings)
        except InterruptError as interrupt:
            raise click.exceptions.Exit(interrupt.exit) from None  # its usual end, not an error


def _draw_snapshots(snapshots: Iterator[Snapshot], keys: Keys, settings: Settings) -> None:
    # An unknown name is an error before the screen is cleared.
    first = next(snapshots)
    end = "Ctrl-C" if keys.fd is None else "q"
    with Picture(screen_of(sys.stdout, settings.color), end=end) as picture:
        for snapshot in chain([first], snapshots):
            for key in keys.pressed():
                if key == "quit":
                    return
                picture.scroll(key)
            picture.draw(snapshot, datetime.now().astimezone().strftime("%H:%M:%S"))


def _print_changes(snapshots: Iterator[Snapshot], settings: Settings) -> None:
    first = next(snapshots)
    if not first.listing.sessions:
        overview.print_nothing(settings, "there are no sessions")
    for snapshot in chain([first._replace(changes=first_changes(first.listing))], snapshots):
        for line in _format_changes(snapshot, settings.output):
            sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _format_changes(snapshot: Snapshot, output: str) -> list[str]:
    """Return a line for each change; in JSON, each is a whole document."""
    if not snapshot.changes:
        return []

    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    if output == "json":
        return [
            json.dumps({"schema": SCHEMA, "time": now, **asdict(change)})
            for change in snapshot.changes
        ]
    if output == "tsv":
        return [
            "\t".join(
                "" if value is None else escape_controls(str(value))
                for value in (now, *asdict(change).values())
            )
            for change in snapshot.changes
        ]
    return [f"{now} {escape_controls(str(change))}" for change in snapshot.changes]
