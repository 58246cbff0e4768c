"""The options with which a command names records and sessions."""

from collections.abc import Callable
from typing import Any

import click

from iscsictl.cli.options import Settings
from iscsictl.core.sessions import Choice
from iscsictl.errors import UsageError
from iscsictl.model.names import Portal, parse_portal


def portal(text: str) -> Portal:
    """Read a portal of the command line."""
    try:
        return parse_portal(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def by_portal(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command -p and -I."""
    command = click.option(
        "-I", "--interface", "iface", metavar="IFACE", help="Only through this iface."
    )(command)
    return click.option(
        "-p", "--portal", type=portal, metavar="ADDR[:PORT[,TPGT]]",
        help="Only through this portal.",
    )(command)  # fmt: skip


def by_target(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command -T, -p and -I."""
    command = by_portal(command)
    return click.option("-T", "--target", metavar="IQN", help="The target.")(command)


def choice_of(settings: Settings, options: dict[str, Any]) -> Choice:
    """Take the naming options out of `options` and make a choice of them."""
    return Choice(
        options.pop("target"), options.pop("portal"), options.pop("iface"), settings.interactive
    )


def target_or_all(choice: Choice, everything: bool) -> None:
    """Raise UsageError unless exactly one of -T and --all was given."""
    if everything == (choice.target is not None):
        raise UsageError("name a target with -T, or take all of them with --all")
    if everything and (choice.portal or choice.iface):
        raise UsageError("--all does not go with -p or -I")
