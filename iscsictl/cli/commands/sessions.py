"""The commands on sessions: discover, login, logout, rescan, startup, forget, hold, unhold."""

import sys
from typing import Any

import click

from iscsictl.cli.help import command
from iscsictl.cli.options import (
    Settings,
    changing,
    common,
    duration,
    print_message,
    require_root,
    target_argument,
)
from iscsictl.cli.selectors import (
    account_options,
    by_target,
    by_target_option,
    named,
    portal,
    run_atomic,
    run_independent,
    take_account,
    take_selector,
    target_or_all,
)
from iscsictl.engine.runtime import Context, check_interrupt, host_changes, open_context
from iscsictl.errors import UsageError
from iscsictl.model.inventory import DiscoveredTarget
from iscsictl.model.names import DEFAULT_IFACE, Portal
from iscsictl.model.plan import Plan
from iscsictl.model.record import startup_values
from iscsictl.model.spec import Account
from iscsictl.observers import sessions as observer
from iscsictl.observers.record_changes import Changes
from iscsictl.observers.records import DISCOVERY_PREFIX, hold_clock, read_holds, read_records
from iscsictl.output.terminal import screen_of
from iscsictl.output.views.nodes import show_holds, show_offers
from iscsictl.planner.iscsi import records
from iscsictl.planner.iscsi import sessions as planning
from iscsictl.planner.iscsi.rescan import Asked, plan_rescan
from iscsictl.planner.selection.records import RecordSelector

ISNS_PORT = 3205
STARTUPS = ["automatic", "manual", "onboot"]
DIGESTS = ["None", "CRC32C", "CRC32C,None", "None,CRC32C"]


def _print_unless_quiet(settings: Settings, text: str) -> None:
    if not settings.quiet:
        print_message(text)


@command("discover")
@click.argument("address", metavar="ADDR[:PORT]")
@click.option("--isns", is_flag=True, help="The address is that of an iSNS server.")
@click.option("--save", is_flag=True, help="Create records for targets that have none, for login.")
@click.option(
    "-I", "--interface", "iface", default=DEFAULT_IFACE, metavar="IFACE", help="Ask through it."
)
@account_options
@changing
@common
def discover(
    settings: Settings, address: str, isns: bool, save: bool, iface: str, **options: Any
) -> int:
    """Ask a portal which targets it has; nothing is changed unless with --save.

    With --save node records are made of the targets that have none, not logged in at boot;
    those that exist stay as they are.
    """
    where = portal(address)
    if isns and not address.endswith(f":{where.port}"):
        where = Portal(where.address, ISNS_PORT)
    if isns and any(options.values()):
        raise UsageError("iSNS does not support CHAP", hint="omit the account")
    changes = _discovery_changes(take_account(settings, options, "discover"))
    require_root("discover")
    kind = "isns" if isns else "sendtargets"
    if save:
        return run_atomic(
            settings,
            lambda context, before: observer.observe_for_save(
                context, where, iface, changes, before, kind=kind
            ),
            lambda inventory: records.plan_save(inventory, iface, None if isns else where),
        )
    return _show_discovered(settings, where, iface, changes, kind)


def _discovery_changes(account: Account | None) -> Changes | None:
    if account is None:
        return None
    return account.values(DISCOVERY_PREFIX)


def _show_discovered(
    settings: Settings, where: Portal, iface: str, changes: Changes | None, kind: str
) -> int:
    context = open_context(
        settings.wait, settings.root, lambda text: _print_unless_quiet(settings, text)
    )
    if changes is None:
        offers = observer.discover(context, where, iface, None, kind=kind)
    else:
        # Meanwhile the account is in the discovery record, which nobody else may change.
        with host_changes(context):
            offers = observer.discover(context, where, iface, changes, kind=kind)
        check_interrupt()
    places = {DiscoveredTarget(r.target, r.portal) for r in read_records(context)}
    known = [offer for offer in offers if offer in places]
    show_offers(where, offers, known, screen_of(sys.stdout, settings.color), settings.output)
    if not offers and settings.output == "table":
        _print_unless_quiet(settings, f"{where} offers no target to this host")
    return 0


@command("login")
@by_target
@click.option("--all", "everything", is_flag=True, help="All records with login at boot.")
@click.option(
    "--header-digest", type=click.Choice(DIGESTS, case_sensitive=False), help="Checksum of headers."
)
@click.option(
    "--data-digest", type=click.Choice(DIGESTS, case_sensitive=False), help="Checksum of data."
)
@changing
@common
def login(
    settings: Settings,
    everything: bool,
    header_digest: str | None,
    data_digest: str | None,
    **options: Any,
) -> int:
    """Log in to targets that have a record; what is logged in stays so.

    Portals that do not answer are named, the others are logged in (exit 4). A hold on the
    target ends.
    """
    selector = take_selector(settings, options)
    target_or_all(selector, everything)
    values = {}
    if header_digest is not None:
        values["node.conn[0].iscsi.HeaderDigest"] = header_digest
    if data_digest is not None:
        values["node.conn[0].iscsi.DataDigest"] = data_digest
    require_root("login")
    return run_independent(
        settings,
        lambda context, before: observer.observe_for_login(
            context, selector, values, everything=everything, again=before is not None
        ),
        lambda inventory: planning.plan_login(inventory, selector, values, everything=everything),
    )


@command("logout")
@by_target
@click.option("--all", "everything", is_flag=True, help="All sessions.")
@click.option(
    "--for", "seconds", type=duration, metavar="DURATION",
    help="How long reconnect leaves it alone [until a reboot].",
)  # fmt: skip
@changing
@common
def logout(settings: Settings, everything: bool, seconds: float | None, **options: Any) -> int:
    """Log out of targets that nothing uses, and keep reconnect away from them.

    A session whose disk is mounted, swap, part of a volume or open is left as it is, and who
    holds it is named (exit 7).
    """
    selector = take_selector(settings, options)
    target_or_all(selector, everything)
    require_root("logout")
    boots_from = observer.boots_from(settings.root)
    return run_independent(
        settings,
        lambda context, _: observer.observe_for_logout(context),
        lambda inventory: planning.plan_logout(
            inventory, selector, boots_from=boots_from, seconds=seconds, now=hold_clock()
        ),
    )


@command("rescan")
@target_argument
@changing
@common
def rescan(settings: Settings, target: str | None) -> int:
    """Look for new LUNs and new sizes, on all sessions or those of TARGET.

    A LUN that is gone or became another disk is removed if nothing uses it.
    """
    selector = RecordSelector(target, interactive=settings.interactive)
    require_root("rescan")
    # The facts from before the scan are kept, since the notes say what changed.
    first: list[Asked] = []

    def observe(context: Context, _: object) -> Asked:
        asked = observer.observe_for_rescan(context, selector, first[0] if first else None)
        first.append(asked)
        return asked

    def make_plan(_: object) -> Plan:
        return plan_rescan(first[-1], selector, first[0] if len(first) > 1 else None)

    return run_independent(settings, observe, make_plan, nothing="there are no sessions")


@command("startup")
@click.argument("name", metavar="[TARGET]", required=False)
@click.argument("when", metavar="WHEN", type=click.Choice(STARTUPS), required=False)
@by_target_option
@changing
@common
def startup(settings: Settings, name: str | None, when: str | None, **options: Any) -> int:
    """Say whether a target is logged in at boot: automatic, onboot (by the initrd) or manual."""
    if options["target"] is None:
        options["target"] = name
    elif when is None:  # with -T the only argument says when
        when = name
    else:
        raise UsageError("name the target once: as an argument or with -T")
    selector = take_selector(settings, options)
    if selector.target is None or when not in STARTUPS:
        raise UsageError("name the target, and when to log in to it: automatic, manual or onboot")
    require_root("startup")
    return run_atomic(
        settings,
        lambda context, _: observer.observe_for_startup(context, selector, startup_values(when)),
        lambda inventory: records.plan_startup(inventory, selector, when),
    )


@command("forget")
@by_target
@changing
@common
def forget(settings: Settings, **options: Any) -> int:
    """Delete the records of a target that is not logged in."""
    selector = take_selector(settings, options)
    if selector.target is None:
        raise UsageError("name the target whose records to delete")
    require_root("forget")
    return run_independent(
        settings,
        lambda context, before: observer.observe_for_forget(context, selector, before),
        lambda inventory: records.plan_forget(inventory, selector),
    )


@command("hold")
@click.argument("name", metavar="[TARGET|DIR]", required=False)
@click.option(
    "--for", "seconds", type=duration, metavar="DURATION", help="How long [until a reboot]."
)
@changing
@common
def hold(settings: Settings, name: str | None, seconds: float | None) -> int:
    """Exclude a target or mount point from reconnect; without a name, list the holds."""
    if name is None:
        if seconds is not None:
            raise UsageError("--for needs a target or a directory")
        holds = read_holds(settings.root)
        screen = screen_of(sys.stdout, settings.color)
        show_holds(holds, hold_clock(), screen, settings.output)
        if not holds and settings.output == "table":
            _print_unless_quiet(settings, "there are no holds")
        return 0

    if seconds is not None and seconds < 1:
        raise UsageError("--for: the minimum is one second", hint="to end one: iscsictl unhold")
    require_root("hold")
    name = named(name)
    return run_independent(
        settings,
        lambda context, _: observer.observe_records(context),
        lambda inventory: planning.plan_hold(
            inventory, name, interactive=settings.interactive, seconds=seconds, now=hold_clock()
        ),
    )


@command("unhold")
@click.argument("name", metavar="TARGET|DIR")
@changing
@common
def unhold(settings: Settings, name: str) -> int:
    """Include a target or mount point in reconnect again."""
    require_root("unhold")
    name = named(name)
    return run_independent(
        settings,
        lambda context, _: observer.observe_records(context),
        lambda inventory: planning.plan_unhold(inventory, name, interactive=settings.interactive),
    )
