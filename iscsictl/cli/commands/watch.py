"""`watch`: sessions and LUNs as they change."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

import click

from iscsictl.cli.help import command
from iscsictl.cli.options import Settings, common, duration
from iscsictl.errors import InterruptError
from iscsictl.model.session_diff import Snapshot
from iscsictl.observers.watch import watch as watch_sessions
from iscsictl.output.terminal import screen_of
from iscsictl.output.text import escape_controls
from iscsictl.output.views.watch import Picture

SCHEMA = "iscsictl.watch/1"


def _timed(command: click.Command) -> click.Command:
    """Say what --timeout means here: nothing else is waited for."""
    for option in command.params:
        if isinstance(option, click.Option) and option.name == "timeout":
            option.help = "How long to watch [until Ctrl-C]."
    return command


@_timed
@command("watch")
@common
@click.option(
    "--interval",
    type=duration,
    default="1s",
    metavar="DURATION",
    help="Refresh at least this often [1s].",
)
def watch(settings: Settings, interval: float) -> None:
    """Show sessions, LUNs and throughput until Ctrl-C, or as long as --timeout says.

    On a terminal this is a live table; elsewhere, and with -o json or tsv, a line per change.
    """
    if interval < 0.05:
        raise click.BadParameter("the interval must be at least 50ms")
    until = None if settings.timeout is None else time.monotonic() + settings.timeout
    snapshots = watch_sessions(settings.root, interval=interval, until=until)
    if sys.stdout is None:
        return
    try:
        _show(snapshots, settings)
    except InterruptError as interrupt:
        raise click.exceptions.Exit(interrupt.exit) from None  # its usual end, not an error


def _show(snapshots: Iterator[Snapshot], settings: Settings) -> None:
    if settings.output == "table" and sys.stdout.isatty():
        with Picture(screen_of(sys.stdout, settings.color)) as picture:
            for snapshot in snapshots:
                picture.draw(snapshot, datetime.now().astimezone().strftime("%H:%M:%S"))
        return
    for snapshot in snapshots:
        for line in _lines(snapshot, settings.output):
            sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _lines(snapshot: Snapshot, output: str) -> list[str]:
    """Return a line for each change; in JSON a whole document each."""
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
