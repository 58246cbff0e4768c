"""`initiator`: the name by which arrays know this host."""

import sys

import click

from iscsictl.cli.groups import GroupWithShow
from iscsictl.cli.options import Settings, changing, common, require_root
from iscsictl.cli.runner import run_task
from iscsictl.engine.runtime import open_context
from iscsictl.engine.tasks.host import task
from iscsictl.errors import NotFoundError
from iscsictl.observers import host
from iscsictl.output.terminal import screen_of
from iscsictl.output.views.host import show_name
from iscsictl.planner.iscsi.initiator import plan_generate, plan_name, require_name


@click.group("initiator", cls=GroupWithShow)
def initiator() -> None:
    """Show, set or generate the initiator name of this host."""


@initiator.command("show")
@common
def show(settings: Settings) -> int:
    """Show the name, byte for byte, and what a strict array may reject."""
    facts = host.name_facts(open_context(settings.wait, settings.root))
    if facts.now.name is None:
        raise NotFoundError(
            "this host has no initiator name", hint="generate one: iscsictl initiator generate"
        )
    show_name(facts, screen_of(sys.stdout, settings.color), settings.output)
    return 0


@initiator.command("set")
@click.argument("name")
@changing
@common
def set_(settings: Settings, name: str) -> int:
    """Set the name of this host: iqn.YYYY-MM.reversed.domain:text, eui.HEX or naa.HEX.

    Refused while a session is up. Add the new name to the access lists of the arrays.
    """
    require_name(name)
    require_root("initiator set")
    return run_task(settings, task(host.name_facts, lambda facts: plan_name(facts, name)))


@initiator.command("generate")
@click.option("--new", is_flag=True, help="Replace an existing name.")
@changing
@common
def generate(settings: Settings, new: bool) -> int:
    """Generate a unique name if there is none, or only one that no array accepts.

    Any other name is kept, so that arrays still recognize this host; --new replaces it, for
    example on a cloned machine.
    """
    require_root("initiator generate")
    name = require_name(host.generated_name(settings.root))
    return run_task(
        settings, task(host.name_facts, lambda facts: plan_generate(facts, name, new=new))
    )
