"""`schedule`: run reconnect periodically, from a systemd timer or from cron."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iscsictl.cli.groups import GroupWithStatus
from iscsictl.cli.options import (
    Settings,
    changing,
    common,
    duration,
    metrics_option,
    print_message,
    require_root,
)
from iscsictl.cli.runner import run_task
from iscsictl.engine.tasks.schedule import install_task, remove_task
from iscsictl.observers.schedule import observe_schedule
from iscsictl.output.text import escape_controls, human_duration
from iscsictl.planner.schedule import find_problems

if TYPE_CHECKING:
    from iscsictl.model.schedule import Method


@click.group("schedule", cls=GroupWithStatus)
def schedule() -> None:
    """Run reconnect periodically."""


@schedule.command("install")
@click.option("--systemd", "method", flag_value="systemd", default=True, help="A timer [default].")
@click.option("--cron", "method", flag_value="cron", help="A file in /etc/cron.d.")
@click.option(
    "--every",
    type=duration,
    default="2min",
    show_default=True,
    metavar="DURATION",
    help="How often.",
)
@click.option(
    "--prune",
    is_flag=True,
    help="Run prune before each reconnect: remove targets that the array no longer offers.",
)
@metrics_option
@changing
@common
def install(
    settings: Settings, method: str, every: float, prune: bool, metrics: Path | None
) -> int:
    """Run reconnect at an interval; the timer also runs it after a boot."""
    require_root("schedule install")
    by: Method = "cron" if method == "cron" else "systemd"
    task = install_task(by, round(every), settings.root, prune=prune, metrics=metrics)
    return run_task(settings, task)


@schedule.command("remove")
@changing
@common
def remove(settings: Settings) -> int:
    """Stop running it."""
    require_root("schedule remove")
    return run_task(settings, remove_task(settings.root))


@schedule.command("status")
@common
def status(settings: Settings) -> int:
    """Show whether, how often and by which method it runs."""
    scheduled = observe_schedule(settings.root)
    warnings = find_problems(scheduled)
    if settings.output == "json":
        document = {
            "schema": "iscsictl.schedule/1",
            "method": next(iter(scheduled.method), None),
            "files": sorted(scheduled.sources),
            "timer_enabled": scheduled.timer_enabled,
            "timer_active": scheduled.timer_active,
            "cron": scheduled.cron and scheduled.cron.name,
            "prune": scheduled.prunes,
            "period": scheduled.period,
            "metrics": scheduled.metrics,
            "warnings": [{"line": None, "text": text} for text in warnings],
        }
        click.echo(json.dumps(document, indent=1))
        return 0
    by = " and ".join(scheduled.method)
    often = "" if scheduled.period is None else f"every {human_duration(scheduled.period)} "
    suffix = " (prune, then reconnect)" if scheduled.prunes else ""
    sources = ", ".join(scheduled.sources)
    click.echo(f"{often}by {by}{suffix}: {sources}" if by else "not scheduled")
    if scheduled.metrics is not None:
        click.echo(f"metrics: {escape_controls(scheduled.metrics)}")
    for text in warnings:
        print_message(text)
    return 0
