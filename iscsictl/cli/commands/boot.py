"""`boot`: the firmware's boot table, and whether a root filesystem on iSCSI boots again."""

import sys

import click

from iscsictl.checks.examine import examine_boot
from iscsictl.cli.commands.doctor import exit_code_of, show_findings
from iscsictl.cli.groups import GroupWithShow
from iscsictl.cli.options import (
    Settings,
    changing,
    common,
    print_message,
    require_root,
    target_argument,
)
from iscsictl.cli.runner import run_task
from iscsictl.engine.runtime import open_context
from iscsictl.engine.tasks.host import task
from iscsictl.engine.waits import waiting
from iscsictl.observers.boot_check import observe_boot_check
from iscsictl.observers.host import boot_facts
from iscsictl.output.terminal import screen_of
from iscsictl.output.views.host import show_boot
from iscsictl.planner.iscsi.boot import plan_firmware_login


@click.group("boot", cls=GroupWithShow)
def boot() -> None:
    """Check a root filesystem on iSCSI; show and use the firmware's boot table (iBFT)."""


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


@boot.command("check")
@target_argument
@common
def check(settings: Settings, target: str | None) -> int:
    """Check whether a host with its root filesystem on iSCSI boots again, and shuts down.

    The initramfs of each kernel that may be booted is read: what it has of open-iscsi, which
    initiator name, and where it logs in to. With TARGET this is checked for a root filesystem that
    is yet to be moved there. doctor runs the same checks where the root filesystem is on iSCSI. The
    exit code is 1 if a check fails.
    """
    context = open_context(settings.wait, settings.root)
    with waiting("reading the initramfs"):
        machine = observe_boot_check(context, target, interactive=settings.interactive)
    findings = examine_boot(machine)
    if machine.root_boot is not None or settings.output != "table":
        show_findings(settings, findings, everything=True)
    elif not settings.quiet:
        print_message("the root filesystem is not on an iSCSI disk, so there is nothing to check")
    return exit_code_of(findings)
