"""Observe what `prune` may remove, and ask the portals what they offer to this host."""

import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

from iscsictl.errors import InterruptError, IscsictlError, from_os
from iscsictl.limits import PRUNE_WAIT
from iscsictl.model.listing import Session
from iscsictl.model.names import Portal
from iscsictl.model.record import DiscoveryRecord
from iscsictl.observers.disks import fstab_facts
from iscsictl.observers.sessions import (
    boots_from,
    discover,
    observe_for_logout,
    observe_records,
)
from iscsictl.planner.iscsi.prune import (
    Asked,
    PruneFacts,
    leftovers_to_ask,
    portals_to_ask,
    without_claims,
)
from iscsictl.planner.safety.storage_graph import carriers_in_fstab, disk_names, targets_of
from iscsictl.system.block import multipath
from iscsictl.system.context import Context
from iscsictl.system.io import signals
from iscsictl.system.iscsi import nodedb
from iscsictl.system.iscsi.down_times import note_down_sessions
from iscsictl.system.iscsi.sessions import read_listing, read_sessions
from iscsictl.system.mount import usage

_PAUSE = 0.5
#: To an array, more at a time would look like an attack.
_PORTALS_AT_ONCE = 8


def observe_for_prune(
    context: Context, names: Collection[str], seconds: float, before: PruneFacts | None = None,
    *, dry_run: bool,
) -> PruneFacts:  # fmt: skip
    """Return records, sessions with their usage, and what each portal in question lists.

    `names` restricts the targets. `seconds` is how long a session must have been down; with
    `dry_run`, no moment is recorded for later runs. Up to eight portals are asked at a time; one
    that does not answer is reported to the user and proves nothing.

    `before` are the facts of the previous round. Only those that the steps change are read again.
    """
    if before is not None:
        return _observe_again(context, before)
    inventory = observe_for_logout(context)
    discoveries = _sendtargets_records(context)
    links = nodedb.read_discovery_links(context.db)
    asked: dict[Asked, Portal] = {} if names else leftovers_to_ask(discoveries, links)
    for places in portals_to_ask(inventory.records, inventory.sessions, names).values():
        asked.update(places)
    offered = _ask_portals(context, asked)
    down_for = _down_times(context, inventory.sessions, seconds, dry_run=dry_run)
    maps = multipath.maps_without_paths(context.root)
    if maps:
        scan = usage.UsageScan(context.root)
        used = {m.block.device: usage.disk_usage(m, context.root, scan=scan) for m in maps}
        inventory = replace(inventory, usage={**inventory.usage, **used})
    with_maps = replace(inventory, disks=(*inventory.disks, *maps))
    carriers = carriers_in_fstab(without_claims(inventory.fstab), fstab_facts(context, with_maps))
    return PruneFacts(
        **{one.name: getattr(inventory, one.name) for one in fields(inventory)},
        offered=offered,
        down_for=down_for,
        boot_targets=boots_from(context.root, inventory),
        fstab_targets=targets_of(carriers),
        discoveries=discoveries,
        links=links,
        empty_maps=maps,
        fstab_disks=disk_names(carriers),
    )


def _observe_again(context: Context, before: PruneFacts) -> PruneFacts:
    """Return the facts, with those that the steps change read again.

    The reasons for a removal stay valid for the whole run: the answers of the portals, how long the
    sessions were down, and who used them. (Each logout checks again who uses its session.)
    """
    listing = read_listing(context.root, details=False)
    now = observe_records(context, sessions=listing.sessions)
    return replace(
        before,
        records=now.records,
        sessions=now.sessions,
        fstab=now.fstab,
        disks=listing.disks or (),
        discoveries=_sendtargets_records(context),
        links=nodedb.read_discovery_links(context.db),
        empty_maps=multipath.maps_without_paths(context.root),
    )


def _sendtargets_records(context: Context) -> tuple[DiscoveryRecord, ...]:
    found = nodedb.read_discovery_records(context.db)
    return tuple(record for record in found if record.kind == "sendtargets")


def _ask_portals(context: Context, asked: Mapping[Asked, Portal]) -> dict[Asked, frozenset[str]]:
    """Return what each portal that answers lists; for the planner, an empty list proves nothing."""
    with ThreadPoolExecutor(_PORTALS_AT_ONCE) as pool:
        answers = pool.map(lambda one: _ask_for_targets(context, *one), asked.items())
        found = zip(asked, tuple(answers), strict=True)
    return {place: answer for place, answer in found if answer is not None}


def _ask_for_targets(context: Context, place: Asked, portal: Portal) -> frozenset[str] | None:
    """Return the targets that a portal lists; None if it is silent or refuses, or some may lack."""
    doubts: list[str] = []
    try:
        offers = discover(context, portal, place[1], None, warn=doubts.append)
    except InterruptError:
        raise
    except IscsictlError as error:
        context.say(f"{portal} is no evidence: {error.text}")
        return None
    for doubt in doubts:
        context.say(f"{portal} is no evidence: {doubt}")
    return None if doubts else frozenset(offer.target for offer in offers)


def _down_times(
    context: Context, sessions: Iterable[Session], seconds: float, *, dry_run: bool
) -> dict[int, float]:
    """Return how long sessions have been down; wait for a short while if that decides."""
    try:
        found = note_down_sessions(sessions, context.root, keep=not dry_run)
    except OSError as error:
        raise from_os(error) from error
    missing = max((seconds - age for age in found.values()), default=0.0)
    if not 0 < missing <= PRUNE_WAIT:
        return found
    end = time.monotonic() + missing
    while (left := end - time.monotonic()) > 0:
        context.watch(f"waiting {left:.0f} s: sessions that come up in the meantime are kept")
        signals.check()
        time.sleep(min(_PAUSE, left))
        now = read_sessions(context.root, details=False)
        down = {session.sid for session in now if session.status != "up"}
        # A session that came up in between does not count as down for all that time.
        found = {sid: age for sid, age in found.items() if sid in down}
    return {sid: age + missing for sid, age in found.items()}
