"""The options that every command takes, and the settings made of them."""

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
from iscsictl.limits import DEFAULT_WAIT
from iscsictl.output.text import escape_controls

if TYPE_CHECKING:
    import json

    from iscsictl.engine import trace, waits
    from iscsictl.output import status_line
    from iscsictl.output.views import doctor as doctor_view

    AnyType = click.ParamType[Any]
else:
    # It takes no type arguments before Click 8.5.
    AnyType = click.ParamType
    # What only --verbose, a terminal, -o nagios and errors need: every command and every --help of
    # one imports this module.
    json = lazy_import("json")
    trace = lazy_import("iscsictl.engine.trace")
    waits = lazy_import("iscsictl.engine.waits")
    status_line = lazy_import("iscsictl.output.status_line")
    doctor_view = lazy_import("iscsictl.output.views.doctor")


@dataclass(frozen=True)
class Settings:
    """How a command is to behave: `timeout` in seconds for waits on others, None if not said.

    `color` is None where the terminal decides. `root` is where the machine's files begin.
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
        """Seconds that each wait on others may last: --timeout, or DEFAULT_WAIT."""
        return DEFAULT_WAIT if self.timeout is None else self.timeout

    @property
    def interactive(self) -> bool:
        """Whether a question may be asked: both ends are a terminal."""
        return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


_UNITS = {"": 1, "ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def duration(text: str) -> float:
    """Read 30, 30s, 2min or 1h as seconds.

    `ms` and `d` are units too, and a plain number is seconds. Raises click.BadParameter.
    """
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?([a-z]*)", text)
    if not match or match[2] not in _UNITS:
        raise click.BadParameter(f"{text!r} is not a duration such as 30s, 2min or 1h")
    return float(match[1]) * _UNITS[match[2]]


class Number(click.IntRange):
    """A whole number in plain digits; int() alone would take 1_0 and ٣ too."""

    #: What the help shows for the value, in capitals.
    name = "n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number, or fail as Click does; one in the code passes as it is."""
        if isinstance(value, str) and not re.fullmatch(r"-?[0-9]+", value):
            self.fail(f"{value!r} is not a valid number.", param, ctx)
        return super().convert(value, param, ctx)


class Format(AnyType):
    """A format for output, one of `choices`, or the names of some `columns`."""

    name = "format"

    def __init__(self, formats: Sequence[str], columns: Sequence[str]) -> None:
        self.choices = tuple(formats)
        self.columns = frozenset(columns)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the format; or format and columns, if columns were named.

        Names of columns are taken in either case. Fails as Click does for a word that is neither.
        """
        words = str(value).lower().replace(" ", "_").split(",")
        if value in self.choices or isinstance(value, tuple):
            return value
        kind = next((word for word in words if word in {"table", "tsv"}), "table")
        names = [word for word in words if word not in {"table", "tsv"}]
        unknown = [word for word in names if word not in self.columns]
        if unknown or not names:
            wrong, formats = ", ".join(unknown) or repr(value), ", ".join(self.choices)
            self.fail(f"{wrong} is neither {formats} nor a column", param, ctx)
        return kind, *names


Command = Callable[Concatenate[Settings, ...], int | None]


def settings_root() -> Path:
    """Return the directory that stands for `/`: ISCSICTL_ROOT, for tests and captures.

    What is not in files, such as iscsid, is not asked for another root than `/`.
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
    """Give a command the common options, and these output formats besides table, json, tsv.

    Of `columns` the user can choose some by -o.
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

        # The mark of a paragraph that keeps its lines, written \b in raw docstrings.
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
                "--timeout", type=duration, metavar="DURATION",
                help="How long to wait for others [60s].",
            ),
        ]  # fmt: skip
        decorated: Callable[..., None] = with_settings
        for option in reversed(shared):
            decorated = option(decorated)
        return decorated

    return decorate


common = common_with()


def changing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command -n and -y. Stands above `common`, which takes them into the settings.

    They are `dry_run` and `yes` of the settings.
    """
    command = click.option("-y", "--yes", is_flag=True, help="Yes to all questions.")(command)
    return click.option("-n", "--dry-run", is_flag=True, help="Show what would be done.")(command)


def target_argument(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its target as an argument or as -T, as `target`; None where it is not named.

    Stands above `common`.
    """

    @functools.wraps(command)
    def with_target(*args: Any, **options: Any) -> None:
        named = options.pop("target_option")
        if named is not None and options["target"] is not None:
            raise click.UsageError("name the target once: as an argument or with -T")
        options["target"] = options["target"] if named is None else named
        command(*args, **options)

    decorated = click.option(
        "-T", "--target", "target_option", metavar="IQN", help="The target, as the argument."
    )(with_target)
    return click.argument("target", metavar="[TARGET]", required=False)(decorated)


def metrics_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --metrics, as `metrics`: an absolute path, None where it is not named."""
    return click.option(
        "--metrics", metavar="FILE", callback=_metrics_file,
        help="Write metrics for node_exporter to FILE (*.prom) after each run.",
    )(command)  # fmt: skip


def _metrics_file(_: click.Context, __: click.Parameter, value: str | None) -> Path | None:
    if value is None:
        return None
    if not value.endswith(".prom") or not value.isprintable():
        # Of the files in its directory node_exporter reads only these.
        raise click.BadParameter(f"{value!r} is not the name of a file that ends in .prom")
    return Path(value).absolute()


def report(error: IscsictlError, settings: Settings) -> int:
    """Say one error in the way the user asked for, and return its exit code.

    The line and the hint go to stderr in any case. JSON gets a document (iscsictl.error/1), and a
    monitoring plugin its line and UNKNOWN (3), whatever the error is.
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
    """Write the error's one line and the hint to stderr, and return the exit code.

    A hint of None is not printed.
    """
    if code == Exit.INTERRUPTED and sys.stderr.isatty():
        click.echo("\r", nl=False, err=True)  # over the ^C that the terminal has echoed
    print_message(text)
    if hint:
        print_message(hint, "hint")
    return int(code)


def print_message(text: str, speaker: str = "iscsictl") -> None:
    """Write one line to stderr; what an array or a file put into it cannot steer the terminal.

    Line breaks in the text become blanks. `speaker` stands before the colon.
    """
    print_line(f"{speaker}: {escape_controls(' '.join(text.split()))}")


def print_line(line: str) -> None:
    """Write a line to stderr, where the status line may be; the caller has escaped it."""
    with status_line.STATUS_LINE.hidden():
        click.echo(line, err=True)


def require_root(what: str) -> None:
    """Raise NeedsRootError unless we are root. `what` is the command or action that needs it.

    Asked before anything is read, so that the error does not name some file in its place.
    """
    if os.geteuid() != 0:
        raise NeedsRootError(f"{what} needs root")


verify_blank = click.option(
    "--verify-blank",
    type=click.Choice(["quick", "full"]),
    default="quick",
    help="How to prove that the disk is blank: quick reads samples, full reads all of it.",
)
discard = click.option(
    "--discard",
    is_flag=True,
    help="Have mkfs discard all blocks first; nothing on them can be rescued afterwards.",
)
