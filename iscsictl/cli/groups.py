"""Groups of commands, and common options that are given before the command."""

from collections.abc import Sequence

import click

from iscsictl.cli.help import HelpPageOfGroup

#: The common options, which may also precede the command: those without and those with a value.
FLAGS = frozenset(
    {"-J", "--json", "--no-color", "-v", "--verbose", "-q", "--quiet", "-n", "--dry-run", "-y",
     "--yes"}
)  # fmt: skip
_WITHOUT_COMMAND = frozenset({"-h", "--help", "-V", "--version"})
VALUED = frozenset({"-o", "--output", "--timeout"})


class GroupOfCommands(HelpPageOfGroup):
    """A group that accepts common options before its command too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Move common options behind the command, if they are followed by one of this group.

        `help` before a command, or alone, means --help.
        """
        require_command(ctx, args)
        moved = move_common_options(args)
        if moved and self.get_command(ctx, moved[0]) is not None:
            args = moved
        elif moved[:1] == ["help"]:
            args = arguments_of_help(moved)
        return super().parse_args(ctx, args)


class GroupWithDefault(GroupOfCommands):
    """A group that runs a default command, `ls`, if none is named."""

    default_command = "ls"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the default command before options that are not the group's own.

        So `iscsictl nodes -J` means `iscsictl nodes ls -J`, while `iscsictl nodes --help` shows the
        help of the group.
        """
        first = next(iter(move_common_options(args)), "")
        is_command = first == "help" or self.get_command(ctx, first) is not None
        if not args or not (is_command or args[0][:1] != "-" or args[0] in ctx.help_option_names):
            args = [self.default_command, *args]
        return super().parse_args(ctx, args)


class GroupWithShow(GroupWithDefault):
    """A group whose default command is `show`."""

    default_command = "show"


class GroupWithStatus(GroupWithDefault):
    """A group whose default command is `status`."""

    default_command = "status"


def move_common_options(args: Sequence[str]) -> list[str]:
    """Return the arguments with the common options before the command moved to the end.

    `iscsictl -J ls` means `iscsictl ls -J`, as in git and kubectl. They are dropped before --help
    and --version, which ignore them. The arguments are returned unchanged if another option comes
    first or no command follows.
    """
    moved, rest = _split_common_options(args)
    if rest and rest[0] in _WITHOUT_COMMAND:
        return rest
    if not rest or rest[0].startswith("-"):
        return list(args)
    # Whatever follows -- is not an option.
    end = rest.index("--") if "--" in rest else len(rest)
    return [*rest[:end], *moved, *rest[end:]]


def require_command(ctx: click.Context, args: Sequence[str]) -> None:
    """Raise click.UsageError if there are common options, and nothing else."""
    if args and are_common_options(args):
        raise click.UsageError("Missing command.", ctx)


def are_common_options(args: Sequence[str]) -> bool:
    """Return whether all arguments are common options; also True for none."""
    return not _split_common_options(args)[1]


def arguments_of_help(args: Sequence[str]) -> list[str]:
    """Return what `help ...` means: the named command with --help.

    Options are dropped: they are not part of a command's name.
    """
    return [word for word in args if word != "help" and word[:1] != "-"] + ["--help"]


def _split_common_options(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the common options that come first, and the rest."""
    moved: list[str] = []
    rest = list(args)
    while rest and rest[0].startswith("-"):
        name, equals, _ = rest[0].partition("=")
        bundled = not rest[0].startswith("--") and all(f"-{c}" in FLAGS for c in rest[0][1:])
        if rest[0] in FLAGS or (len(rest[0]) > 1 and bundled) or (equals and name in VALUED):
            moved.append(rest.pop(0))
        elif rest[0][:2] in VALUED and rest[0] not in VALUED:
            moved.append(rest.pop(0))  # -ojson
        elif rest[0] in VALUED and len(rest) > 1:
            moved += [rest.pop(0), rest.pop(0)]
        else:
            break
    return moved, rest
