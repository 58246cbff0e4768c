"""The options that every command accepts, and the settings derived from them."""

import functools
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate

import click

from iscsictl.errors import Exit, IscsictlError, NeedsRootError, from_os
from iscsictl.lazy_import import lazy_import
from iscsictl.limits import DEFAULT_WAIT, LONGEST_WAIT
from iscsictl.output.text import escape_controls

if TYPE_CHECKING:
    import json

    from iscsictl.engine import trace, waits
    from iscsictl.output import status_line
    from iscsictl.output.views import doctor as doctor_view

    AnyType = click.ParamType[Any]
else:
    # It accepts no type arguments before Click 8.5.
    AnyType = click.ParamType
    # Needed only for --verbose, a terminal, -o nagios and errors, while every command and every
    # --help imports this module.
    json = lazy_import("json")
    trace = lazy_import("iscsictl.engine.trace")
    waits = lazy_import("iscsictl.engine.waits")
    status_line = lazy_import("iscsictl.output.status_line")
    doctor_view = lazy_import("iscsictl.output.views.doctor")


@dataclass(frozen=True)
class Settings:
    """The common options of a command. `timeout` is in seconds, None if not given.

    `color` is None if the terminal decides. `root` is the directory that stands for `/`.
    """

    output: str = "table"
    color: bool | None = None
    verbose: int = 0
    quiet: bool = False
    timeout: float | None = None
    root: Path = Path("/")
    dry_run: bool = False
    yes: bool = False
    columns: tuple[str, ...] = ()

    @property
    def wait(self) -> float:
        """How many seconds each wait may last: --timeout, or DEFAULT_WAIT."""
        return DEFAULT_WAIT if self.timeout is None else self.timeout

    @property
    def interactive(self) -> bool:
        """Whether questions can be asked: stdin and stderr are terminals."""
        return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


_UNITS = {"": 1, "ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def duration(text: str) -> float:
    """Parse 30, 30s, 2min or 1h, and return seconds.

    `ms` and `d` are units too; a number without a unit is in seconds. Raises click.BadParameter.
    """
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?([a-z]*)", text)
    if not match or match[2] not in _UNITS:
        raise click.BadParameter(f"{text!r} is not a duration such as 30s, 2min or 1h")
    return float(match[1]) * _UNITS[match[2]]


def wait_duration(text: str) -> float:
    """Parse how long to wait, as `duration` does; at most LONGEST_WAIT seconds are returned."""
    return min(duration(text), LONGEST_WAIT)


class Number(click.IntRange):
    """A whole number in plain digits; int() alone would accept 1_0 and ٣ too."""

    #: Shown for the value in the help, in capitals.
    name = "n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse the number, or fail as Click does; a default that is a number is returned as is."""
        if isinstance(value, str) and not re.fullmatch(r"-?[0-9]+", value):
            self.fail(f"{value!r} is not a valid number.", param, ctx)
        return super().convert(value, param, ctx)


class Format(AnyType):
    """An output format, one of `choices`, or the names of some `columns`."""

    name = "format"

    def __init__(self, formats: Sequence[str], columns: Sequence[str]) -> None:
        self.choices = tuple(formats)
        self.columns = frozenset(columns)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the format, or format and columns if columns were named.

        Column names are case-insensitive. Fails as Click does for a word that is neither.
        """
        words = str(value).lower().replace(" ", "_").split(",")
        if value in self.choices or isinstance(value, tuple):
            return value
        kind = next((word for word in words if word in {"table", "tsv"}), "table")
        names = [word for word in words if word not in {"table", "tsv"}]
        unknown = [word for word in names if word not in self.columns]
        if unknown or not names:
            wrong, formats = ", ".join(unknown) or repr(value), ", ".join(self.choices)
            if set(unknown) & set(self.choices):
                self.fail(f"{wrong} cannot be combined with columns", param, ctx)
            self.fail(f"{wrong} is neither {formats} nor a column", param, ctx)
        return kind, *names


Command = Callable[Concatenate[Settings, ...], int | None]


def settings_root() -> Path:
    """Return the directory that stands for `/`: ISCSICTL_ROOT, for tests and captures.

    What is not in files, such as iscsid, is not queried if the root is not `/`.
    """
    return Path(os.environ.get("ISCSICTL_ROOT") or "/")


def _take_settings(options: dict[str, Any]) -> Settings:
    output = options.pop("output", "table")
    output, *columns = (output,) if isinstance(output, str) else output
    return Settings(
        output="json" if options.pop("as_json") else output,
        color=False if options.pop("no_color") or os.environ.get("NO_COLOR") else None,
        verbose=options.pop("verbose"),
        quiet=options.pop("quiet"),
        timeout=options.pop("timeout"),
        root=settings_root(),
        dry_run=options.pop("dry_run", False),
        yes=options.pop("yes", False),
        columns=tuple(columns),
    )


def common_with(
    *formats: str, columns: Sequence[str] = ()
) -> Callable[[Command], Callable[..., None]]:
    """Return a decorator that adds the common options to a command.

    `formats` are its output formats besides table, json and tsv; -o can also select `columns`.
    """
    choices = ["table", "json", "tsv", *formats]

    def decorate(command: Command) -> Callable[..., None]:
        @functools.wraps(command)
        def with_settings(*args: Any, **options: Any) -> None:
            settings = _take_settings(options)
            if not settings.quiet and sys.stderr.isatty():
                status_line.use_terminal(sys.stderr)
                waits.show_waits_on(status_line.STATUS_LINE)
            if settings.verbose:
                trace.trace_commands(lambda line: print_line(f"+ {escape_controls(line)}"))
            try:
                code = command(settings, *args, **options)
            except IscsictlError as error:
                if error.hint is None and error.exit is Exit.USAGE:
                    error.hint = f"see {click.get_current_context().command_path} --help"
                code = report(error, settings)
            except OSError as error:
                if error.filename is None:  # that was the output
                    raise
                code = report(from_os(error), settings)
            click.get_current_context().exit(int(code or 0))

        # Click's mark of a paragraph that keeps its line breaks, written \b in raw docstrings.
        with_settings.__doc__ = (command.__doc__ or "").replace("\\b\n", "\b\n")
        shared = [
            click.option(
                "-o", "--output", default="table",
                type=Format(choices, columns) if columns else click.Choice(choices),
                metavar=f"[{'|'.join(choices)}|COLUMN,...]" if columns else None,
                help="How to print the result.",
            ),
            click.option("-J", "--json", "as_json", is_flag=True, help="The same as -o json."),
            click.option("--no-color", is_flag=True, help="No colours (as does NO_COLOR)."),
            click.option("-v", "--verbose", count=True, help="Show each command that is run."),
            click.option("-q", "--quiet", is_flag=True, help="Only errors."),
            click.option(
                "--timeout", type=wait_duration, metavar="DURATION",
                help="How long to wait for the array, a program or another iscsictl [60s].",
            ),
        ]  # fmt: skip
        decorated: Callable[..., None] = with_settings
        for option in reversed(shared):
            decorated = option(decorated)
        return decorated

    return decorate


common = common_with()


def changing(command: Callable[..., None]) -> Callable[..., None]:
    """Add -n and -y to a command. This decorator goes above `common`.

    They become `dry_run` and `yes` of the settings.
    """
    command = click.option("-y", "--yes", is_flag=True, help="Yes to all questions.")(command)
    return click.option("-n", "--dry-run", is_flag=True, help="Show what would be done.")(command)


def target_argument(command: Callable[..., None]) -> Callable[..., None]:
    """Add an optional target to a command, as an argument or as -T; its parameter is `target`.

    This decorator goes above `common`.
    """

    @functools.wraps(command)
    def with_target(*args: Any, **options: Any) -> None:
        named = options.pop("target_option")
        if named is not None and options["target"] is not None:
            raise click.UsageError("name the target once: as an argument or with -T")
        options["target"] = options["target"] if named is None else named
        command(*args, **options)

    decorated = click.option(
        "-T",
        "--target",
        "target_option",
        metavar="IQN",
        help=("The target, as an alternative to the argument."),
    )(with_target)
    return click.argument("target", metavar="[TARGET]", required=False)(decorated)


def metrics_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add --metrics to a command; its parameter `metrics` is an absolute path or None."""
    return click.option(
        "--metrics", metavar="FILE", callback=_metrics_file,
        help="Write metrics for node_exporter to FILE (*.prom) after each run.",
    )(command)  # fmt: skip


def output_file(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return the name of a file to write, as a callback of Click; refuse `-`.

    A file is written whole or not at all, which standard output cannot be.
    """
    if value == "-":
        raise click.BadParameter("'-' is not the name of a file; to really name it so: ./-")
    return value


def _metrics_file(_: click.Context, __: click.Parameter, value: str | None) -> Path | None:
    if value is None:
        return None
    if not value.endswith(".prom") or not value.isprintable():
        # node_exporter reads only such files of its directory.
        raise click.BadParameter(f"{value!r} is not the name of a file that ends in .prom")
    return Path(value).absolute()


def report(error: IscsictlError, settings: Settings) -> int:
    """Print an error in the requested output format, and return its exit code.

    The line and the hint always go to stderr. In addition, JSON has a document (iscsictl.error/1),
    and a monitoring plugin a line, and the exit code UNKNOWN (3) for any error.
    """
    if settings.output == "json":
        document = {
            "schema": "iscsictl.error/1",
            "error": {
                "text": error.text,
                "hint": error.hint,
                "exit": int(error.exit),
                "tool_exit": error.tool_exit,
            },
        }
        click.echo(json.dumps(document, indent=1))
    code = print_error(error.text, error.hint, error.exit)
    if settings.output == "nagios":
        click.echo(doctor_view.nagios_unknown(" ".join(error.text.split())))
        return int(doctor_view.NAGIOS_UNKNOWN)
    return code


def print_error(text: str, hint: str | None, code: Exit) -> int:
    """Print the line and the hint of an error to stderr, and return the exit code.

    A hint of None is not printed.
    """
    if code == Exit.INTERRUPTED and sys.stderr.isatty():
        click.echo("\r", nl=False, err=True)  # over the ^C that the terminal has echoed
    print_message(text)
    if hint:
        print_message(hint, "hint")
    return int(code)


def print_message(text: str, speaker: str = "iscsictl") -> None:
    """Print one line to stderr, with control characters (from an array or a file) escaped.

    Line breaks in the text become blanks. `speaker` is printed before the text and a colon.
    """
    print_line(f"{speaker}: {escape_controls(' '.join(text.split()))}")


def print_line(line: str) -> None:
    """Print a line to stderr, where the status line may be; the caller has escaped it."""
    with status_line.STATUS_LINE.hidden():
        click.echo(line, err=True)


def require_root(what: str) -> None:
    """Raise NeedsRootError unless the user is root. `what` is the command or action that needs it.

    Called before anything is read, so that the user gets this error, not one about some file.
    """
    if os.geteuid() != 0:
        raise NeedsRootError(f"{what} needs root")


verify_blank = click.option(
    "--verify-blank",
    type=click.Choice(["quick", "full"]),
    default="quick",
    help="How to prove that the disk is blank: quick finds 64 MiB of contiguous data on up to 1 "
    "TiB and what stands where formats keep their signatures, but may miss a few isolated blocks; "
    "full reads all of it.",
)
discard = click.option(
    "--discard",
    is_flag=True,
    help="Let mkfs discard all blocks first; nothing on them can be recovered afterwards.",
)
