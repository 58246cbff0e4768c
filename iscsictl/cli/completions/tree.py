"""The command tree as plain data, read from Click."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import click

from iscsictl.cli.completions.kinds import kinds_of


@dataclass(frozen=True)
class Option:
    """One option; `values` are @choices or kinds, None if it takes no value."""

    names: tuple[str, ...]
    help: str
    values: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Node:
    """One command: `path` are the words that call it, '' for iscsictl itself.

    `commands` are the names and summaries of its subcommands. `arguments` has the kinds of each
    argument; with `repeats`, the last applies to all that follow.
    """

    path: str
    options: tuple[Option, ...]
    commands: tuple[tuple[str, str], ...] = ()
    arguments: tuple[tuple[str, ...], ...] = ()
    repeats: bool = False


def walk(group: click.Command) -> tuple[Node, ...]:
    """Return all commands, each before its subcommands.

    Hidden commands and options are left out. This imports the modules of all commands.
    """
    return tuple(
        _walk(group, "", click.Context(group, info_name="iscsictl", **group.context_settings))
    )


def _walk(command: click.Command, path: str, context: click.Context) -> Iterator[Node]:
    parameters = [p for p in command.get_params(context) if not getattr(p, "hidden", False)]
    arguments = [p for p in parameters if isinstance(p, click.Argument)]
    below: list[tuple[str, click.Command]] = []
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            subcommand = command.get_command(context, name)
            if subcommand is not None and not subcommand.hidden:
                below.append((name, subcommand))
    yield Node(
        path,
        tuple(_option(p) for p in parameters if isinstance(p, click.Option)),
        tuple((name, _line(subcommand.get_short_help_str(200))) for name, subcommand in below),
        tuple(_values(a, [f"{path} {str(a.name).upper()}"]) for a in arguments),
        bool(arguments) and arguments[-1].nargs == -1,
    )
    for name, subcommand in below:
        inner = click.Context(subcommand, info_name=name, parent=context)
        yield from _walk(subcommand, f"{path} {name}".strip(), inner)


def _option(option: click.Option) -> Option:
    # Sorted, as older versions of Click return the names of --help in random order.
    names = tuple(sorted((*option.opts, *option.secondary_opts), key=lambda n: (n[:2] == "--", n)))
    flag = option.is_flag or option.count
    return Option(names, _line(option.help or ""), None if flag else _values(option, names))


def _values(parameter: click.Parameter, names: Iterable[str]) -> tuple[str, ...]:
    """Return what a value can be: `@word` for each choice, or the kinds of its names."""
    choices = getattr(parameter.type, "choices", None)  # click.Choice and Format have them
    if choices is not None:
        columns = sorted(getattr(parameter.type, "columns", ()))
        return tuple(f"@{choice}" for choice in (*choices, *columns))
    return kinds_of(names)


def _line(text: str) -> str:
    """Return a help text as one line."""
    return " ".join(text.replace("\b", "").split())
