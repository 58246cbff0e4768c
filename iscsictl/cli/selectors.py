"""The options that select records and sessions, and those of CHAP accounts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from iscsictl.cli.credentials import account, read_secret
from iscsictl.cli.options import Settings, require_root, target_argument
from iscsictl.cli.runner import run_task
from iscsictl.engine.reconcile import OnFailure
from iscsictl.engine.task import Task
from iscsictl.errors import UsageError
from iscsictl.lazy_import import lazy_import
from iscsictl.model import values
from iscsictl.model.fstab import plain
from iscsictl.model.inventory import Inventory
from iscsictl.model.names import Portal, parse_portal
from iscsictl.observers.paths import without_links

if TYPE_CHECKING:
    from iscsictl.model.plan import Plan
    from iscsictl.model.spec import Account
    from iscsictl.planner.selection import records as record_selection
else:
    # An attach selects no records.
    record_selection = lazy_import("iscsictl.planner.selection.records")

Given = TypeVar("Given")
Value = TypeVar("Value")


def portal(text: str) -> Portal:
    """Parse a portal of the command line: ADDRESS, ADDRESS:PORT or ADDRESS:PORT,TPGT.

    An IPv6 address with a port needs brackets. Raises click.BadParameter.
    """
    try:
        return parse_portal(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def by_portal(command: Callable[..., None]) -> Callable[..., None]:
    """Add -p and -I to a command; its parameters `portal` and `iface` are None if not given."""
    command = click.option(
        "-I", "--interface", "iface", metavar="IFACE", help="Only through this iface."
    )(command)
    return click.option(
        "-p", "--portal", type=portal, metavar="ADDR[:PORT[,TPGT]]",
        help="Only through this portal.",
    )(command)  # fmt: skip


def by_target_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add -T, -p and -I to a command whose arguments are something else.

    Its parameters `target`, `portal` and `iface` are None if not given.
    """
    command = by_portal(command)
    return click.option("-T", "--target", metavar="IQN", help="The target.")(command)


def by_target(command: Callable[..., None]) -> Callable[..., None]:
    """Add the target, as an argument or as -T, and -p and -I to a command.

    `take_selector` evaluates them.
    """
    return target_argument(by_portal(command))


def take_selector(settings: Settings, options: dict[str, Any]) -> record_selection.RecordSelector:
    """Remove -T, -p and -I from `options` and return them as a selector.

    On a terminal, part of the target's name is enough; a script must give the whole name.
    """
    return record_selection.RecordSelector(
        options.pop("target"), options.pop("portal"), options.pop("iface"), settings.interactive
    )


def target_or_all(selector: record_selection.RecordSelector, everything: bool) -> None:
    """Raise UsageError unless exactly one of -T and --all was given.

    No command that starts or ends sessions affects all of them by default.
    """
    if everything and selector.target is not None:
        raise UsageError("name a target or use --all, not both")
    if not everything and selector.target is None:
        raise UsageError("name a target, or select all with --all")
    if everything and (selector.portal or selector.iface):
        raise UsageError("--all cannot be used with -p or -I")


def account_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a CHAP account to a command, with their short names.

    None of them accepts a secret itself: every user can read command lines in /proc.
    """
    for option in reversed(
        (
            click.option("--chap-user", "--user", "chap_user", metavar="NAME",
                         help="CHAP name of this host."),
            click.option("--chap-secret-file", "--secret-file", "chap_secret_file", metavar="FILE",
                         help="Its secret; - reads standard input."),
            click.option("--chap-secret-prompt", "--secret-prompt", "chap_secret_prompt",
                         is_flag=True, help="Ask for the secret."),
            click.option("--mutual-user", metavar="NAME", help="CHAP name of the array."),
            click.option("--mutual-secret-file", metavar="FILE", help="The array's secret."),
            click.option("--mutual-secret-prompt", is_flag=True, help="Ask for it."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


_SECRETS = ("chap_secret_file", "chap_secret_prompt", "mutual_secret_file", "mutual_secret_prompt")


def take_account(
    settings: Settings, options: dict[str, Any], command: str, *, twice: bool = False
) -> Account | None:
    """Remove the CHAP options from `options` and return the account, None if none is given.

    Call this after everything else on the command line was checked, so that nobody types a secret
    in vain. For the same reason NeedsRootError is raised before a secret is asked for. Raises
    UsageError. `twice`: prompts ask twice for secrets that are stored and not used at once.
    """
    if any(options[name] for name in _SECRETS):
        require_root(command)
    secret = read_secret(
        settings,
        options.pop("chap_secret_file"),
        prompt=options.pop("chap_secret_prompt"),
        whose="CHAP secret",
        twice=twice,
    )
    mutual = read_secret(
        settings,
        options.pop("mutual_secret_file"),
        prompt=options.pop("mutual_secret_prompt"),
        whose="CHAP secret of the array",
        twice=twice,
    )
    return account(options.pop("chap_user"), secret, options.pop("mutual_user"), mutual)


Observe = Callable[[Any, Any], Inventory]
MakePlan = Callable[[Inventory], "Plan"]


def run_atomic(settings: Settings, observe: Observe, make_plan: MakePlan) -> int:
    """Run a plan that is either executed completely or rolled back. Returns the exit code."""
    return run_task(settings, Task(observe, make_plan))


def run_independent(
    settings: Settings, observe: Observe, make_plan: MakePlan, *,
    nothing: str = "there is nothing to do",
) -> int:  # fmt: skip
    """Run a plan of which a failed step stops only the steps that depend on it.

    If there is no step, `nothing` is printed. Returns the exit code, which is 4 if some of several
    parts failed.
    """
    return run_task(
        settings, Task(observe, make_plan), on_failure=OnFailure.CONTINUE, nothing=nothing
    )


def directory(text: str) -> str:
    """Return a mount point in its shortest form, with links resolved, as the kernel reports it.

    Raises UsageError if it is not valid, and RefusedError if it contains a link that another user
    could have created.
    """
    try:
        return without_links(values.directory(text))
    except ValueError as error:
        raise UsageError(str(error)) from None


def checked_value(
    option: str, judge: Callable[[Given], Value], given: Given | None
) -> Value | None:
    """Return `judge` of the value of an option; None if the option was not given.

    Raises UsageError if `judge` raises ValueError.
    """
    try:
        return None if given is None else judge(given)
    except ValueError as error:
        raise UsageError(f"--{option} {error}") from None


def named(text: str) -> str:
    """Return the name of something to take down: a directory with links resolved, others as is.

    Raises RefusedError as `directory` does.
    """
    name = plain(text)
    return without_links(name) if values.is_directory(name) else name


def split_pairs(pairs: Iterable[str], expected: str, option: str = "") -> Iterator[tuple[str, str]]:
    """Yield key and value of each KEY=VALUE, without surrounding blanks; the value may be empty.

    Raises UsageError, which says what was `expected` and prefixes the pair with `option`.
    """
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise UsageError(f"{option}{pair}: expected {expected}")
        yield key.strip(), value.strip()
