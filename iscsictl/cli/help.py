"""The layout of `--help`: examples first, options in groups, a pager if it is long."""

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import click

from iscsictl.lazy_import import lazy_import

# Needed only for --help.
examples = lazy_import("iscsictl.cli.examples")
shutil = lazy_import("shutil")

#: The options of every command; they come last.
COMMON: Final = ("--dry-run", "--yes", "--output", "-J", "--no-color", "--verbose", "--quiet",
                 "--timeout", "--help")  # fmt: skip
#: Up to this many options are shown in one list; more are shown in groups.
_MANY: Final = 8
#: The options of each group; those in no group are listed under "Other options".
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "Target": ("--portal", "--target", "--lun", "--interface", "--all", "--default", "--discovery",
               "--isns", "--save", "--multipath", "--set"),
    "Account": ("--chap-user", "--chap-secret-file", "--chap-secret-prompt", "--mutual-user",
                "--mutual-secret-file", "--mutual-secret-prompt", "--algorithms", "--method"),
    "Disk": ("--table", "--fs", "--fs-label", "--label", "--uuid", "--discard", "--verify-blank",
             "--option", "--size", "--start", "--type", "--number", "--print-device"),
    "Mount": ("--mount", "--options", "--owner", "--mode", "--required-by", "--no-boot",
              "--over-nonempty"),
    "Safety": ("--wwid", "--adopt", "--adopt-unverified", "--wipe", "--confirm", "--lost",
               "--exclusive"),
}  # fmt: skip
#: The parameter whose value may be empty: no mount options.
_MAY_BE_EMPTY: Final = "mount_options"
#: The assumed height of a terminal that does not report its size.
_LINES: Final = 24
#: The widest left column of a list, and the width of a page from which it is that wide. Both are
#: those of click: its pages have 78 columns, but never less than 50, whatever the terminal has.
_LEFT_COLUMN: Final = 30
_FULL_WIDTH: Final = 60
#: A page is never narrower than this.
_LEAST_WIDTH: Final = 28
OTHER: Final = "Other options"
ALL_COMMANDS: Final = "Common options"


def group_options(options: Sequence[click.Option]) -> dict[str, list[click.Option]]:
    """Return options by the title of their group, in the order in which a page shows them.

    A command with few options of its own has one group for them. Empty groups are left out, and the
    options that all commands have come last.
    """
    own = [option for option in options if not set(option.opts) & set(COMMON)]
    if not own:
        return {"Options": list(options)}
    titles = [*GROUPS, OTHER] if len(own) > _MANY else ["Options"]
    groups: dict[str, list[click.Option]] = {title: [] for title in titles}
    for option in own:
        fitting = (title for title, names in GROUPS.items() if set(names) & set(option.opts))
        groups[next(fitting, OTHER) if len(titles) > 1 else "Options"].append(option)
    groups[ALL_COMMANDS] = sorted(
        (option for option in options if option not in own),
        key=lambda option: min(COMMON.index(name) for name in option.opts if name in COMMON),
    )
    return {title: members for title, members in groups.items() if members}


def examples_of(path: str) -> tuple[tuple[str, str], ...]:
    """Return the examples of a command, given the words that call it without `iscsictl`.

    Each is a whole command line and what it does. Empty if the command has none.
    """
    own: tuple[tuple[str, str], ...] = examples.EXAMPLES.get(path, ())
    return tuple((f"iscsictl {command}", meaning) for command, meaning in own)


def print_paged(text: str) -> None:
    """Print text; if it does not fit on the terminal, through a pager (PAGER, or `less`).

    Off a terminal the text is always printed directly.
    """
    if sys.stdout is None or not sys.stdout.isatty() or text.count("\n") + 1 < _terminal_lines():
        click.echo(text)
    else:
        click.echo_via_pager(text + "\n")


def _terminal_lines() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).lines or _LINES
    except (OSError, ValueError):
        return _LINES


class HelpPage(click.Command):
    """The help page of a command or a group."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the --help option, changed to print through a pager.

        None for a command that was created without it (add_help_option).
        """
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _show_help
        return option

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, and refuse an empty one: often that of a variable that is not set.

        A name that is empty would mean every name, or none. Raises click.UsageError.
        """
        rest = super().parse_args(ctx, args)
        for param in () if ctx.resilient_parsing else self.get_params(ctx):
            value = ctx.params.get(param.name or "")
            values = value if isinstance(value, tuple) else (value,)
            if "" in values and param.name != _MAY_BE_EMPTY:
                raise click.UsageError(f"{param.get_error_hint(ctx)} is empty", ctx)
        return rest

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write usage, summary, examples, the rest of the text and the options.

        The summary is the first paragraph of the command's docstring.
        """
        if ctx.terminal_width is None:
            columns = shutil.get_terminal_size().columns
            formatter.width = min(formatter.width, max(columns - 2, _LEAST_WIDTH))
        self.format_usage(ctx, formatter)
        summary, _, rest = inspect.cleandoc(self.help or "").partition("\n\n")
        _write_text(formatter, summary)
        path = ctx.command_path.partition(" ")[2]
        shown = examples_of(path)
        if shown:
            with formatter.section("Examples"):
                for command, meaning in shown:
                    indent = " " * formatter.current_indent
                    formatter.write(f"{indent}{command}\n")
                    formatter.write_text(f"    {meaning}")
        _write_text(formatter, rest)
        self.format_options(ctx, formatter)
        self.format_epilog(ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in their groups."""
        options = [option for option in self.get_params(ctx) if isinstance(option, click.Option)]
        for title, members in group_options(options).items():
            records = [
                record for option in members if (record := option.get_help_record(ctx)) is not None
            ]
            if records:
                with formatter.section(title):
                    write_list(formatter, records)


def _show_help(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        print_paged(ctx.get_help())
        ctx.exit()


def write_list(formatter: click.HelpFormatter, rows: Sequence[tuple[str, str]]) -> None:
    """Write names with their explanations, which on a narrow page have most of its width."""
    narrow = formatter.width < _FULL_WIDTH
    formatter.write_dl(rows, col_max=formatter.width // 4 if narrow else _LEFT_COLUMN)


def _write_text(formatter: click.HelpFormatter, text: str) -> None:
    if text.strip():
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(text)


class HelpPageOfGroup(HelpPage, click.Group):
    """The help page of a group of commands, with the whole summary of each."""

    command_class: type[click.Command] | None = HelpPage

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the commands."""
        HelpPage.format_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with its whole summary."""
        rows = list(self._command_summaries(ctx))
        if rows:
            with formatter.section("Commands"):
                write_list(formatter, rows)

    def _command_summaries(self, ctx: click.Context) -> Iterator[tuple[str, str]]:
        for name in self.list_commands(ctx):
            subcommand = self.get_command(ctx, name)
            if subcommand is not None and not subcommand.hidden:
                yield name, subcommand.get_short_help_str(500)


HelpPageOfGroup.group_class = HelpPageOfGroup


def command(
    name: str, *, short_help: str | None = None, hidden: bool = False
) -> Callable[[Callable[..., Any]], click.Command]:
    """Return a decorator like click.command, for a command with such a help page."""
    return click.command(name, cls=HelpPage, short_help=short_help, hidden=hidden)
