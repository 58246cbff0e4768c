"""`chap`: set, clear, show and check CHAP accounts, and generate secrets."""

import json
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from iscsictl.checks import secret_strength
from iscsictl.cli.credentials import ask_secret, judge_account, read_text
from iscsictl.cli.groups import GroupWithShow
from iscsictl.cli.options import (
    Settings,
    changing,
    common,
    output_file,
    print_message,
    require_root,
)
from iscsictl.cli.selectors import (
    account_options,
    by_target,
    portal,
    run_atomic,
    take_account,
    take_selector,
)
from iscsictl.engine.output_files import save_secret
from iscsictl.engine.runtime import Context, open_context
from iscsictl.errors import Exit, UsageError
from iscsictl.model.inventory import Inventory
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord
from iscsictl.model.spec import Account, chap_values
from iscsictl.observers import sessions as observer
from iscsictl.observers.accounts import (
    groups_sharing_a_secret,
    other_accounts,
    targets_with_text,
)
from iscsictl.observers.record_changes import Changes
from iscsictl.observers.records import DISCOVERY_PREFIX
from iscsictl.output.terminal import screen_of
from iscsictl.output.text import escape_controls
from iscsictl.output.views import nodes
from iscsictl.planner.iscsi.records import plan_default_account, plan_discovery_account, plan_values
from iscsictl.planner.selection.records import RecordSelector, select_records

ALGORITHMS = {name.lower(): name for name in ("MD5", "SHA1", "SHA256", "SHA3-256")}
NODE = "node.session"
# Discovery records use this name too: idbm.c, "reusing SESSION_CHAP_ALGS".
CHAP_ALGS = f"{NODE}.auth.chap_algs"
KEEPS = "a running session keeps its account until the next login"


@click.group("chap", cls=GroupWithShow)
def chap() -> None:
    """Set, clear, show and check CHAP accounts; generate secrets."""


def _by_account_owner(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select whose account is meant to a command."""
    command = click.option(
        "--default", "defaults", is_flag=True, help="The account for new records."
    )(command)
    command = click.option(
        "--discovery", "asked", type=portal, metavar="ADDR[:PORT]",
        help="The account for discovery at this portal.",
    )(command)  # fmt: skip
    return by_target(command)


def _parse_algorithms(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    if text is None:
        return None
    names = [name.strip().lower() for name in text.split(",")]
    unknown = [name for name in names if name not in ALGORITHMS]
    if unknown or len(set(names)) < len(names):
        raise click.BadParameter(
            f"{text!r}: expected names from {','.join(ALGORITHMS.values())}, best first"
        )
    return ",".join(ALGORITHMS[name] for name in names)


def _require_chap(_ctx: click.Context, _param: click.Parameter, name: str) -> str:
    if name != "CHAP":
        raise click.BadParameter(
            f"the iSCSI standard has {name}, but open-iscsi does not support it; use CHAP"
        )
    return name


@chap.command("set")
@_by_account_owner
@account_options
@click.option(
    "--algorithms",
    callback=_parse_algorithms,
    metavar="LIST",
    help="Digests to offer, best first: MD5,SHA1,SHA256,SHA3-256.",
)
@click.option(
    "--method",
    type=click.Choice(
        ["CHAP", "SRP", "KRB5", "Kerberos", "SPKM", "SPKM1", "SPKM2"], case_sensitive=False
    ),
    default="CHAP",
    callback=_require_chap,
    expose_value=False,
    help="The method; open-iscsi supports CHAP only.",
)
@changing
@common  # fmt: skip
def set_(settings: Settings, algorithms: str | None, **options: Any) -> int:
    """Set the account of a target, of all records of a portal, of discovery, or the default.

    Without --mutual-user the array's account is cleared. It takes effect at the next login.
    """
    place = _take_account_place(settings, options)
    given = take_account(settings, options, "chap set", twice=True)
    if given is None and algorithms is None:
        raise UsageError("give an account: --user NAME and --secret-file FILE or --secret-prompt")
    require_root("chap set")
    if given is not None:
        judge_account(settings, given, place.target if isinstance(place, RecordSelector) else None)
    return _write_account(settings, place, _account_changes(given, algorithms, place))


@chap.command("clear")
@_by_account_owner
@changing
@common
def clear(settings: Settings, **options: Any) -> int:
    """Remove the account, both directions: the next login is without CHAP."""
    place = _take_account_place(settings, options)
    require_root("chap clear")
    prefix = DISCOVERY_PREFIX if isinstance(place, Portal) else NODE
    return _write_account(settings, place, chap_values(None, prefix))


Place = RecordSelector | Portal | None


def _take_account_place(settings: Settings, options: dict[str, Any]) -> Place:
    """Return whose account is meant: records, a discovery portal, or None for the defaults.

    Raises UsageError unless exactly one of them is named.
    """
    asked, defaults = options.pop("asked"), options.pop("defaults")
    choice = take_selector(settings, options)
    named = choice.target is not None or choice.portal is not None
    if named + (asked is not None) + defaults != 1:
        raise UsageError(
            "say whose account to set: -T TARGET, -p PORTAL, --discovery ADDR or --default"
        )
    return None if defaults else asked or choice


def _account_changes(given: Account | None, algorithms: str | None, place: Place) -> Changes:
    prefix = DISCOVERY_PREFIX if isinstance(place, Portal) else NODE
    changes: dict[str, Any] = {} if given is None else given.values(prefix)
    if algorithms is not None:
        changes[CHAP_ALGS] = algorithms
    return changes


def _write_account(settings: Settings, place: Place, changes: Changes) -> int:
    contexts: list[Context] = []

    def observe(context: Context, _: Inventory | None) -> Inventory:
        contexts[:] = [context]
        if isinstance(place, RecordSelector):
            return observer.observe_records(context, place, changes)
        return Inventory()

    def make_plan(inventory: Inventory) -> Any:
        if isinstance(place, RecordSelector):
            return plan_values(inventory, place, changes, note=KEEPS)
        if place is None:
            wrong = observer.defaults_unsettled(contexts[0], changes)
            return plan_default_account(wrong=wrong, changes=changes)
        there, wrong = observer.discovery_unsettled(contexts[0], place, changes)
        return plan_discovery_account(place, there=there, wrong=wrong, changes=changes)

    return run_atomic(settings, observe, make_plan)


@chap.command("show")
@by_target
@common
def show(settings: Settings, **options: Any) -> int:
    """Show account names, which secrets are set and the algorithms; never a secret."""
    choice = take_selector(settings, options)
    require_root("chap show")
    context = open_context(settings.wait, settings.root)
    inventory = observer.observe_records(context)
    records = inventory.records if choice.selects_all else select_records(inventory, choice)
    accounts = [_account_of_record(record) for record in records]
    if choice.selects_all:
        accounts += _accounts_elsewhere(context)
    warnings = [
        f"{', '.join(group)} share a secret: whoever knows one of them knows all"
        for group in groups_sharing_a_secret(inventory.records)
        if choice.selects_all or any(record.target in group for record in records)
    ]
    screen = screen_of(sys.stdout, settings.color)
    nodes.show_accounts(accounts, warnings, screen, settings.output)
    if settings.output != "json" and not settings.quiet:
        for warning in warnings:
            print_message(f"warning: {warning}")
        if not accounts:
            print_message("there are no accounts")
    sys.stdout.flush()
    return 0


def _account_of_record(record: NodeRecord) -> nodes.Account:
    return nodes.Account(
        "node", record.target, record.portal, record.iface, record.username, record.has_secret,
        record.username_in, record.has_secret_in, record.chap_algs,
    )  # fmt: skip


def _accounts_elsewhere(context: Context) -> Iterable[nodes.Account]:
    for other in other_accounts(context):
        kind = "default" if other.portal is None else "discovery"
        yield _account_of_values(kind, other.portal, other.values, other.prefix)


def _account_of_values(kind: str, where: Portal | None, values: Any, prefix: str) -> nodes.Account:
    auth = f"{prefix}.auth."
    algorithms = tuple(filter(None, values.get(CHAP_ALGS, "").split(",")))
    return nodes.Account(
        kind, None, where, None,
        values.get(auth + "username"), auth + "password" in values,
        values.get(auth + "username_in"), auth + "password_in" in values, algorithms,
    )  # fmt: skip


@chap.command("check")
@click.option(
    "--chap-user",
    "--user",
    "user",
    metavar="NAME",
    help=("The user name that the secret belongs to."),
)
@click.option(
    "--chap-secret-file",
    "--secret-file",
    "file",
    metavar="FILE",
    help="The secret; - reads standard input.",
)
@click.option(
    "--chap-secret-prompt",
    "--secret-prompt",
    "prompt",
    is_flag=True,
    help="Ask for it (the default without --secret-file).",
)
@click.option(
    "--mutual-secret-file",
    "other_file",
    metavar="FILE",
    help="The secret of the other direction; it must differ.",
)
@common
def check(
    settings: Settings, user: str | None, file: str | None, prompt: bool, other_file: str | None
) -> int:  # fmt: skip
    """Check a secret against the standard, open-iscsi, known arrays and a guessing estimate.

    The exit code is 9 if another should be chosen. A secret that the array dictates can still be
    set: chap set only warns. As root it is also compared with the secrets of the records.
    """
    if file is not None and prompt:
        raise UsageError("give a secret file or a prompt, not both")
    # Reading the first secret would consume all of standard input.
    if file == other_file == "-":
        raise UsageError("standard input can supply only one secret")
    whose = "CHAP secret"
    secret = ask_secret(whose, twice=False) if file is None else read_text(settings, file, whose)
    other = other_file and read_text(settings, other_file, "CHAP secret of the array")
    verdicts = [
        *secret_strength.judge_secret(
            secret, user=user, other=other, made=True, words=[socket.gethostname()]
        ),
        *_check_reuse_in_records(settings, secret),
    ]
    if settings.output == "json":
        rows = [{"level": v.level, "id": v.id, "text": v.text} for v in verdicts]
        document = {"schema": "iscsictl.chap-check/1", "verdicts": rows}
        click.echo(json.dumps(document, indent=1))
    elif not settings.quiet:
        for verdict in verdicts:
            level = f"{verdict.level}\t" if settings.output == "tsv" else f"{verdict.level:<8}"
            click.echo(level + escape_controls(verdict.text))
        if not verdicts and settings.output == "table":
            click.echo("ok")
    return int(Exit.REFUSED if secret_strength.is_refused(verdicts) else Exit.DONE)


def _check_reuse_in_records(settings: Settings, text: str) -> Iterable[secret_strength.Verdict]:
    """Yield a verdict if targets already have this secret; nothing if records cannot be read."""
    targets = targets_with_text(text, settings.root)
    if targets:
        yield secret_strength.shared_with(targets)


@chap.command("generate")
@click.option(
    "--out",
    callback=output_file,
    metavar="FILE",
    help="Write it to this new file (mode 0600) instead of standard output.",
)
@common  # fmt: skip
def generate(settings: Settings, out: str | None) -> int:
    """Generate a secret of at least 96 random bits that every known array accepts."""
    secret = secret_strength.generate_secret()
    if out is None:
        if settings.output == "json":
            raise UsageError(
                "secrets are not printed as JSON", hint="write it to a file with --out FILE"
            )
        click.echo(secret.reveal())
        return 0
    save_secret(Path(out), secret)
    if settings.output == "json":
        click.echo(json.dumps({"schema": "iscsictl.chap-generate/1", "file": out}))
    elif not settings.quiet:
        click.echo(f"iscsictl: the secret is in {out}", err=True)
    return 0
