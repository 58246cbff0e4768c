"""The options with which a command names records and sessions."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from iscsictl.cli.credentials import account, read_secret
from iscsictl.cli.options import Settings, require_root, target_argument
from iscsictl.cli.runner import run_task
from iscsictl.engine.reconcile import OnFailure
from iscsictl.engine.task import Task
from iscsictl.errors import UsageError
from iscsictl.model import values
from iscsictl.model.fstab import plain
from iscsictl.model.inventory import Inventory
from iscsictl.model.names import Portal, parse_portal
from iscsictl.model.spec import Account
from iscsictl.observers.paths import without_links
from iscsictl.planner.selection.records import RecordSelector

if TYPE_CHECKING:
    from iscsictl.model.plan import Plan

Given = TypeVar("Given")
Value = TypeVar("Value")


def portal(text: str) -> Portal:
    """Read a portal of the command line: ADDRESS, ADDRESS:PORT or ADDRESS:PORT,TPGT.

    An IPv6 address with a port stands in brackets. Raises click.BadParameter.
    """
    try:
        return parse_portal(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def by_portal(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command -p and -I, as `portal` and `iface`; each None where it is not given."""
    command = click.option(
        "-I", "--interface", "iface", metavar="IFACE", help="Only through this iface."
    )(command)
    return click.option(
        "-p", "--portal", type=portal, metavar="ADDR[:PORT[,TPGT]]",
        help="Only through this portal.",
    )(command)  # fmt: skip


def by_target_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command -T, -p and -I, where its arguments are something else.

    They are `target`, `portal` and `iface`, each None where it is not given.
    """
    command = by_portal(command)
    return click.option("-T", "--target", metavar="IQN", help="The target.")(command)


def by_target(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the target, as an argument or as -T, and -p and -I.

    `take_selector` takes what they say.
    """
    return target_argument(by_portal(command))


def take_selector(settings: Settings, options: dict[str, Any]) -> RecordSelector:
    """Take -T, -p and -I out of `options` and return them as a selector.

    On a terminal a part of the target's name will do; a script has to give it whole.
    """
    return RecordSelector(
        options.pop("target"), options.pop("portal"), options.pop("iface"), settings.interactive
    )


def target_or_all(selector: RecordSelector, everything: bool) -> None:
    """Raise UsageError unless exactly one of -T and --all was given.

    Nothing that ends or begins sessions means all of them by default.
    """
    if everything == (selector.target is not None):
        raise UsageError("name a target, or take all of them with --all")
    if everything and (selector.portal or selector.iface):
        raise UsageError("--all does not go with -p or -I")


def account_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a CHAP account, under their short names too.

    None of them takes a secret itself: every user can read a command line in /proc.
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
    """Take the CHAP options out of `options` and make the account of them. Raises UsageError.

    To be called when all else of the command line is known to be right: nobody types a secret in
    vain. So root, which `command` needs, is asked for before a secret is; raises NeedsRootError.
    `twice`: prompts for secrets that are stored, and not used at once, have them typed twice.
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
    """Run a plan that is done whole or rolled back. Returns the exit code."""
    return run_task(settings, Task(observe, make_plan))


def run_independent(
    settings: Settings, observe: Observe, make_plan: MakePlan, *,
    nothing: str = "there is nothing to do",
) -> int:  # fmt: skip
    """Run a plan whose steps go on when one that they do not need fails.

    Where it has no step, `nothing` is said. Returns the exit code, which is 4 where some of several
    parts failed.
    """
    return run_task(
        settings, Task(observe, make_plan), on_failure=OnFailure.CONTINUE, nothing=nothing
    )


def directory(text: str) -> str:
    """Return a mount point in its plain form, without links. Raises UsageError.

    The kernel has it so, and fstab gets it so. Raises RefusedError where it leads through a link
    that another user could have made.
    """
    try:
        return without_links(values.directory(text))
    except ValueError as error:
        raise UsageError(str(error)) from None


def checked_value(
    option: str, judge: Callable[[Given], Value], given: Given | None
) -> Value | None:
    """Return what `judge` makes of the value of --OPTION; None where the option was not given.

    Raises UsageError for its ValueError.
    """
    try:
        return None if given is None else judge(given)
    except ValueError as error:
        raise UsageError(f"--{option} {error}") from None


def named(text: str) -> str:
    """Return what is to be taken down: a directory without links, another name as it is.

    Raises RefusedError as `directory` does.
    """
    name = plain(text)
    return without_links(name) if values.is_directory(name) else name


def split_pairs(pairs: Iterable[str], expected: str, option: str = "") -> Iterator[tuple[str, str]]:
    """Yield key and value of each KEY=VALUE, without blanks around them; the value may be empty.

    Raises UsageError, which says what was `expected`; `option` stands in front of the pair there.
    """
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise UsageError(f"{option}{pair}: expected {expected}")
        yield key.strip(), value.strip()
