"""The command tree: names and summaries; the module of a command is imported when it is called."""

import importlib
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import click

from iscsictl import __version__
from iscsictl.cli.groups import (
    are_common_options,
    arguments_of_help,
    move_common_options,
    require_command,
)
from iscsictl.cli.help import HelpPageOfGroup, write_list
from iscsictl.lazy_import import lazy_import

if TYPE_CHECKING:
    from iscsictl import errors
    from iscsictl.cli import options
else:
    # Not needed for `--help` and `--version`.
    errors = lazy_import("iscsictl.errors")
    options = lazy_import("iscsictl.cli.options")


class Entry(NamedTuple):
    """The place of a command (module:attribute) and its summary in `--help`."""

    where: str
    help: str


SECTIONS: dict[str, dict[str, Entry]] = {
    "Every day": {
        "attach": Entry(
            "attach:attach", "Turn a LUN into a mounted filesystem that survives a reboot."
        ),
        "detach": Entry("detach:detach", "Unmount a LUN and log out of it, safely."),
        "reconnect": Entry("reconnect:reconnect", "Log in to and mount whatever is missing."),
        "ls": Entry("ls:ls", "Show sessions, LUNs, filesystems and mounts."),
        "doctor": Entry("doctor:doctor", "Check every layer and say how to fix what is wrong."),
    },
    "Many volumes": {
        "plan": Entry("apply:plan", "Show what apply would do with a volumes file."),
        "apply": Entry("apply:apply", "Create all volumes listed in a file, in parallel."),
        "export": Entry("export:export", "Print a volumes file that describes this host."),
    },
    "Sessions": {
        "discover": Entry("sessions:discover", "Ask a portal which targets it offers."),
        "nodes": Entry("nodes:nodes", "Show and change node records."),
        "login": Entry("sessions:login", "Log in to targets that have a record."),
        "logout": Entry("sessions:logout", "Log out of targets that nothing uses."),
        "rescan": Entry("sessions:rescan", "Look for new LUNs and new sizes."),
        "startup": Entry("sessions:startup", "Set whether a target is logged in to at boot."),
        "forget": Entry("sessions:forget", "Delete the records of a target."),
        "prune": Entry("prune:prune", "Remove sessions and records of targets that are gone."),
        "take-over": Entry("take_over:take_over", "End the reservation of a host that is gone."),
        "hold": Entry("sessions:hold", "Exclude a target or mount point from reconnect."),
        "unhold": Entry("sessions:unhold", "Include it in reconnect again."),
    },
    "CHAP": {
        "chap": Entry("chap:chap", "Set, clear and check CHAP accounts."),
    },
    "Running": {
        "schedule": Entry("schedule:schedule", "Run reconnect periodically."),
        "watch": Entry("watch:watch", "Show sessions, LUNs and throughput as they change."),
    },
    "Initiator": {
        "initiator": Entry(
            "initiator:initiator", "Show, set or generate the initiator name of this host."
        ),
        "iface": Entry("iface:iface", "Show and define the interfaces to log in through."),
        "boot": Entry("boot:boot", "Check a root on iSCSI; show the firmware's boot table."),
        "service": Entry("service:service", "Show, enable and start the services."),
    },
    "Disks": {
        "disk": Entry("disks:disk", "Show disks; create and grow partitions and filesystems."),
        "mount": Entry("mount:mount", "Mount a filesystem of an iSCSI disk."),
        "umount": Entry("mount:umount", "Unmount one and keep it unmounted."),
        "fstab": Entry("fstab:fstab", "Show, add, remove and check entries of /etc/fstab."),
    },
    "Help": {
        "import": Entry("import_legacy:import_", "Import the configuration of the sfnet driver."),
        "completion": Entry("completion:completion", "Print the completion script for a shell."),
        "explain": Entry("explain:explain", "Explain what an error means and what to do."),
        "report": Entry("report:report", "Write one archive to share, without secrets."),
    },
}


#: Commands that only systemd units run, and no help page lists.
HIDDEN = {"reserve": Entry("reserve:reserve", "Reserve the LUN of an exclusive volume.")}

#: Names that users may know from other tools, and the command that is meant.
SYNONYMS = {
    "status": "ls", "list": "ls", "sessions": "ls", "show": "ls", "session": "ls",
    "connect": "attach", "add": "attach", "disconnect": "detach", "remove": "detach",
    "resize": "disk grow", "grow": "disk grow", "extend": "disk grow", "expand": "disk grow",
    "scan": "rescan", "mkfs": "disk mkfs", "format": "disk mkfs", "partition": "disk part",
    "check": "doctor", "unmount": "umount", "node": "nodes", "discovery": "discover",
    "delete": "forget", "firmware": "boot show", "timer": "schedule", "cron": "schedule",
}  # fmt: skip


def entries() -> dict[str, Entry]:
    """Return all listed commands by name, in the order of the help page."""
    return {name: entry for section in SECTIONS.values() for name, entry in section.items()}


def _import_attribute(where: str) -> Any:
    """Import the module of a command and return the attribute (`module:attribute`)."""
    module, _, attribute = where.partition(":")
    return getattr(importlib.import_module(f"iscsictl.cli.commands.{module}"), attribute)


# -J or -o, alone or in a cluster of short flags, or --output, in words separated by NUL.
_OUTPUT = (
    r"\0(?:-[nyqvh]*(?:J[nyqvhJ]*|o\0?(?P<short>json|nagios))|--output(?:\0|=)(?P<long>json|nagios))"
    r"(?=\0)"
)


#: The beginning of Click's error for a word that a command does not accept.
_EXTRA_ARGUMENT = re.compile(r"Got unexpected extra arguments? \((\S+?)([ )])")
#: Values that users type without their option. The texts that match need no quoting in a shell.
_NAMED_BY_OPTION = (
    ("-T", re.compile(r"(?:iqn|eui|naa)\.[A-Za-z0-9.:-]+"), "the target"),
    ("-p", re.compile(r"[A-Za-z0-9]+[.:][A-Za-z0-9.:-]*"), "the portal"),
)


class LazyGroup(HelpPageOfGroup):
    """A group whose commands are imported when they are called."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Accept common options before the command, and `help` and `version` as words.

        Without arguments, a terminal gets the overview, anything else Click's usage error.
        """
        require_command(ctx, args)
        args = move_common_options(args)
        if not args and sys.stdout is not None and sys.stdout.isatty():
            show_overview = _import_attribute("overview:show_overview")
            ctx.exit(show_overview(options.Settings(root=options.settings_root())))
        if args[:1] == ["help"]:
            args = arguments_of_help(args)
        elif args[:1] == ["version"] and are_common_options(args[1:]):
            args = ["--version"]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the sections."""
        return list(entries())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; None for an unknown name.

        Only the module of that command is imported: `ls` must not pay for loading `attach`.
        """
        entry = entries().get(cmd_name) or HIDDEN.get(cmd_name)
        if entry is None:
            return None
        return cast("click.Command", _import_attribute(entry.where))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections without importing the commands."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                write_list(formatter, [(name, entry.help) for name, entry in commands.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command. Raises click.UsageError for an unknown one.

        The error suggests the most similar command, or the one known by that name elsewhere
        (SYNONYMS).
        """
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0].lower(), entries(), 1)
            meant = SYNONYMS.get(args[0].lower()) or next(iter(near), None)
            hint = f" Did you mean '{meant}'?" if meant else ""
            raise click.UsageError(error.format_message() + hint, ctx) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
def cli() -> None:
    """Turn iSCSI LUNs into mounted filesystems that survive a reboot, and keep them mounted."""


def _report_usage_error(error: click.ClickException, hint: str | None) -> int:
    """Report an error that Click found before the settings are known; return the exit code."""
    settings = options.Settings(output=_wanted_output(sys.argv[1:]))
    return options.report(errors.UsageError(error.format_message(), hint=hint), settings)


def _hint_of_usage(error: click.UsageError) -> str:
    """Return the hint for a usage error: the missing -T or -p, or where to find the help.

    Only the first of several unexpected words is considered.
    """
    path = error.ctx.command_path if error.ctx else _path_of_command(sys.argv[1:])
    extra = _EXTRA_ARGUMENT.match(error.format_message())
    if extra is not None and error.ctx is not None:
        options_here = {word for param in error.ctx.command.params for word in param.opts}
        for option, pattern, what in _NAMED_BY_OPTION:
            if option in options_here and pattern.fullmatch(extra[1]):
                typed = None if extra[2] == " " else _insert_option(option, extra[1])
                command = typed or f"{path} {option} {extra[1]}"
                return f"name {what} with {option}: {command}"
    return f"see {path} --help"


def _insert_option(option: str, argument: str) -> str | None:
    """Return the typed command with the option inserted before the argument that lacks it.

    None if the argument cannot be distinguished from another word, such as the value of an option.
    """
    words = sys.argv[1:]
    if words.count(argument) != 1:
        return None
    from iscsictl.model.shell_form import shell_form

    place = words.index(argument)
    return shell_form("iscsictl", *words[:place], option, *words[place:])


def _path_of_command(words: list[str]) -> str:
    """Return the path of the command that these words call, as far as they name one."""
    path, command = "iscsictl", cast("click.Command", cli)
    for word in words:
        if not isinstance(command, click.Group):
            break
        subcommand = command.get_command(click.Context(command), word)
        if subcommand is not None:
            path, command = f"{path} {word}", subcommand
    return path


def _wanted_output(words: list[str]) -> str:
    """Return the output format for an error: what -J or -o requests in these unparsed words."""
    if "--" in words:
        words = words[: words.index("--")]
    text = "\0".join(("", *words, ""))
    match = re.search(_OUTPUT, text)
    return "table" if match is None else match["short"] or match["long"] or "json"


def run_cli() -> int:
    """Run the command line and return the exit code.

    A usage error is printed in the output format that the arguments request, although they could
    not be parsed. Raises OSError if the output cannot be written.
    """
    try:
        result = cli.main(prog_name="iscsictl", standalone_mode=False)
        return int(result) if isinstance(result, int) else 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except SystemExit:  # Click raises this when its output is a closed pipe.
        return int(errors.Exit.DONE)
    except (click.Abort, KeyboardInterrupt):
        return options.print_error("stopped", None, errors.Exit.INTERRUPTED)
    except click.UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # Click 8.2 and later
            click.echo(error.format_message(), err=True)
            return int(errors.Exit.USAGE)
        return _report_usage_error(error, _hint_of_usage(error))
    except click.ClickException as error:
        return _report_usage_error(error, None)
    except MemoryError:
        return options.print_error(
            "there is not enough memory", "give it less input, or more memory", errors.Exit.ERROR
        )
    except RecursionError:
        return options.print_error("the input is nested too deeply", None, errors.Exit.ERROR)
