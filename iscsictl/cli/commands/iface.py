"""`iface`: the kinds of initiator, and the interfaces to log in through."""

import sys
from collections.abc import Callable

import click

from iscsictl.cli.groups import GroupWithDefault
from iscsictl.cli.options import Settings, changing, common, require_root
from iscsictl.cli.runner import run_task
from iscsictl.cli.selectors import split_pairs
from iscsictl.engine.runtime import open_context
from iscsictl.engine.tasks.host import task
from iscsictl.errors import UsageError
from iscsictl.observers import host
from iscsictl.observers.records import require_iface
from iscsictl.output.terminal import screen_of
from iscsictl.output.views import host as host_view
from iscsictl.planner.iscsi import ifaces as core
from iscsictl.planner.iscsi.settings import require_removable, unknown_keys


@click.group("iface", cls=GroupWithDefault)
def iface() -> None:
    """Show and define the interfaces to log in through."""


@iface.command("ls")
@common
def ls(settings: Settings) -> int:
    """List the definitions, the two built-in ones first."""
    facts = host.iface_facts(open_context(settings.wait, settings.root))
    host_view.show_ifaces(facts, screen_of(sys.stdout, settings.color), settings.output)
    return 0


@iface.command("show")
@click.argument("name", required=False)
@common
def show(settings: Settings, name: str | None) -> int:
    """Show the values of NAME; without it the kinds of initiator, NICs and adapters.

    NICs have their MAC address, VLAN, MTU, link state and addresses, and the interfaces that are
    bound to them; adapters and sessions have what `iscsiadm -m host` prints.
    """
    context = open_context(settings.wait, settings.root)
    facts = host.iface_facts(context)
    screen = screen_of(sys.stdout, settings.color)
    if name is None:
        host_view.show_hardware(facts, screen, settings.output)
        return 0
    require_iface(context, name)
    host_view.show_iface(facts, name, screen, settings.output)
    return 0


def _value_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(
        (
            click.option(
                "--transport", type=click.Choice(core.TRANSPORTS), help="Kind of initiator [tcp]."
            ),
            click.option("--netdev", metavar="NIC", help="Bind it to this network interface."),
            click.option("--mac", metavar="MAC", help="Bind it to the NIC with this address."),
            click.option("--ip", metavar="ADDR", help="Address to use."),
        )
    ):
        command = option(command)
    return command


def _parse_changes(pairs: tuple[str, ...]) -> dict[str, str | None]:
    """Parse KEY=VALUE and KEY=; the prefix `iface.` of a key is optional. Raises UsageError."""
    changes: dict[str, str | None] = {}
    for key, value in split_pairs(pairs, "KEY=VALUE such as iface.vlan_id=7"):
        changes[key if "." in key else f"iface.{key}"] = value or None
    return changes


@iface.command("add")
@click.argument("name")
@_value_options
@changing
@common
def add(
    settings: Settings,
    name: str,
    transport: str | None,
    netdev: str | None,
    mac: str | None,
    ip: str | None,
) -> int:
    """Define an interface, bound to a NIC by its name or its MAC address.

    Records made through it (discover --save -I NAME) log in over that NIC alone: two of them
    give two sessions to one target.
    """
    core.require_name(name)
    values = core.requested_settings(name, transport, netdev, mac, ip, {})
    require_root("iface add")
    return run_task(
        settings,
        task(host.iface_facts, lambda facts: core.plan_write(facts, name, values, new=True)),
    )


@iface.command("set")
@click.argument("name")
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@_value_options
@changing
@common
def set_(
    settings: Settings,
    name: str,
    pairs: tuple[str, ...],
    transport: str | None,
    netdev: str | None,
    mac: str | None,
    ip: str | None,
) -> int:
    """Change values of a definition; KEY= takes one out. It holds from the next login on."""
    core.require_name(name)
    values = core.requested_settings(name, transport, netdev, mac, ip, _parse_changes(pairs))
    if not values:
        raise UsageError(
            "name the settings to change", hint="for example --netdev eth1, or vlan_id=7"
        )
    require_root("iface set")
    if unknown_keys("iface", values):
        ifaces = host.iface_facts(open_context(settings.wait, settings.root)).ifaces
        require_removable(
            "iface", values, (definition for definition in ifaces if definition.name == name)
        )
    return run_task(
        settings,
        task(host.iface_facts, lambda facts: core.plan_write(facts, name, values, new=False)),
    )


@iface.command("rm")
@click.argument("name")
@changing
@common
def rm(settings: Settings, name: str) -> int:
    """Remove a definition that no record and no session uses."""
    core.require_name(name)
    require_root("iface rm")
    return run_task(settings, task(host.iface_facts, lambda facts: core.plan_remove(facts, name)))
