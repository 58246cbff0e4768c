"""`boot`: the table in which the firmware says from which LUN the machine boots."""

import sys

import click

from iscsictl.cli.groups import GroupWithShow
from iscsictl.cli.options import Settings, changing, common, require_root
from iscsictl.cli.runner import run_task
from iscsictl.engine.runtime import open_context
from iscsictl.engine.tasks.host import task
from iscsictl.observers.host import boot_facts
from iscsictl.output.terminal import screen_of
from iscsictl.output.views.host import show_boot
from iscsictl.planner.iscsi.boot import plan_firmware_login


@click.group("boot", cls=GroupWithShow)
def boot() -> None:
    """Show and use the firmware's boot table (iBFT)."""


@boot.command("show")
@common
def show(settings: Settings) -> int:
    """Show the firmware's targets, NICs and account names; secrets are never shown."""
    entries = boot_facts(open_context(settings.wait, settings.root)).entries
    show_boot(entries, screen_of(sys.stdout, settings.color), settings.output)
    if not entries and settings.output == "table" and not settings.quiet:
        click.echo(
            "iscsictl: the firmware has no boot table (or the module iscsi_ibft is not loaded)",
            err=True,
        )
    return 0


@boot.command("login")
@changing
@common
def login(settings: Settings) -> int:
    """Log in to the targets of the firmware's table; those that are logged in stay so."""
    require_root("boot login")
    return run_task(settings, task(boot_facts, plan_firmware_login))
