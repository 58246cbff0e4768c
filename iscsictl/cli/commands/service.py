"""`service`: the login service and iscsid, under the names of their units on this host."""

import sys

import click

from iscsictl.cli.groups import GroupWithStatus
from iscsictl.cli.options import Settings, changing, common, require_root
from iscsictl.cli.runner import run_task
from iscsictl.engine.runtime import open_context
from iscsictl.engine.tasks.host import task
from iscsictl.errors import MissingError
from iscsictl.model.packages import install_command
from iscsictl.observers import host
from iscsictl.output.terminal import screen_of
from iscsictl.output.views.host import show_services
from iscsictl.planner.iscsi.initiator import plan_enable, plan_start, require_systemd


@click.group("service", cls=GroupWithStatus)
def service() -> None:
    """Show, enable and start the services: open-iscsi on Debian, iscsi elsewhere, and iscsid."""


@service.command("status")
@common
def status(settings: Settings) -> int:
    """Show what starts at boot and what runs now."""
    facts = host.service_facts(open_context(settings.wait, settings.root))
    systemd = facts.systemd
    if not any(unit.defined for unit in systemd.units.values()):
        require_systemd(systemd)
        raise MissingError(
            "this host has no open-iscsi unit",
            hint=install_command("open-iscsi", facts.package_manager),
        )
    show_services(systemd, screen_of(sys.stdout, settings.color), settings.output)
    return 0


@service.command("enable")
@changing
@common
def enable(settings: Settings) -> int:
    """Start iscsid and the login service at boot."""
    require_root("service enable")
    return run_task(settings, task(host.service_facts, plan_enable))


@service.command("start")
@changing
@common
def start(settings: Settings) -> int:
    """Start iscsid and log in to all automatic records now."""
    require_root("service start")
    return run_task(settings, task(host.service_facts, plan_start))
