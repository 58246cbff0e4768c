"""`nodes`: show and change node records."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from iscsictl.cli.groups import GroupWithDefault
from iscsictl.cli.options import (
    Settings,
    changing,
    common,
    require_root,
    target_argument,
)
from iscsictl.cli.selectors import (
    by_target,
    by_target_option,
    run_atomic,
    split_pairs,
    take_selector,
)
from iscsictl.engine.runtime import open_context
from iscsictl.errors import UsageError
from iscsictl.lazy_import import lazy_import
from iscsictl.model.record_keys import KEYS
from iscsictl.model.record_settings import find_problem
from iscsictl.observers import sessions as observer
from iscsictl.observers.records import records_at
from iscsictl.output.terminal import screen_of
from iscsictl.output.views.nodes import show_nodes
from iscsictl.planner.iscsi.records import plan_values
from iscsictl.planner.iscsi.settings import require_removable, unknown_keys
from iscsictl.planner.selection.records import RecordSelector, select_records
from iscsictl.planner.selection.session_index import SessionIndex

if TYPE_CHECKING:
    from iscsictl.cli.commands import overview
else:
    # Needed only if the host has no records.
    overview = lazy_import("iscsictl.cli.commands.overview")


@click.group("nodes", cls=GroupWithDefault)
def nodes() -> None:
    """Show and change node records: ls (taken if none is named), show, set."""


@nodes.command("ls")
@target_argument
@common
def ls(settings: Settings, target: str | None) -> int:
    """List the node records, of TARGET only or all: target, portal, startup, CHAP, session."""
    return _show_records(settings, RecordSelector(target, interactive=True), values=False)


@nodes.command("show")
@by_target
@common
def show(settings: Settings, **options: Any) -> int:
    """Show all values of node records; secrets are masked."""
    selector = replace(take_selector(settings, options), interactive=True)
    return _show_records(settings, selector, values=True)


def _show_records(settings: Settings, selector: RecordSelector, *, values: bool) -> int:
    inventory = observer.observe_records(open_context(settings.wait, settings.root))
    records = inventory.records if selector.selects_all else select_records(inventory, selector)
    index = SessionIndex.of(inventory)
    sids = {}
    for record in records:
        session = index.session_of(record)
        if session is not None and session.sid is not None:
            sids[str(record.path)] = session.sid
    screen = screen_of(sys.stdout, settings.color)
    show_nodes(records, sids, screen, settings.output, values=values)
    if not records:
        overview.print_nothing(settings, "there are no node records")
    sys.stdout.flush()
    return 0


def _parse_changes(pairs: tuple[str, ...]) -> dict[str, str | None]:
    """Parse KEY=VALUE, and KEY=, which removes a setting. Raises UsageError."""
    changes: dict[str, str | None] = {}
    for key, value in split_pairs(pairs, "KEY=VALUE, or KEY= to remove it"):
        problem = find_problem("node", key, value or None)
        # A record may have a setting that open-iscsi lacks; only the plan knows whether it can be
        # removed.
        if problem is not None and (value or key in KEYS["node"]):
            raise problem.error()
        changes[key] = value or None
    return changes


@nodes.command("set")
@click.argument("pairs", metavar="KEY=VALUE...", nargs=-1, required=True)
@by_target_option
@changing
@common
def set_(settings: Settings, pairs: tuple[str, ...], **options: Any) -> int:
    """Set values of the records of -T, or through -p; KEY= unsets one.

    They hold from the next login on.
    """
    changes = _parse_changes(pairs)
    selector = take_selector(settings, options)
    if selector.target is None and selector.portal is None:
        raise UsageError("name the records with -T, or those of a portal with -p")
    require_root("nodes set")
    if unknown_keys("node", changes):
        require_removable("node", changes, records_at(settings.root))
    return run_atomic(
        settings,
        lambda context, _: observer.observe_records(context, selector, changes),
        lambda inventory: plan_values(inventory, selector, changes),
    )
