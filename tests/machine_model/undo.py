"""What a roll-back does on the model, and in what the machine is the same after it."""

from dataclasses import replace

from iscsictl.engine.handlers.effect import StepResult
from iscsictl.engine.handlers.registry import inverse
from iscsictl.model import actions
from iscsictl.model.inventory import Inventory, Known
from iscsictl.model.plan import Action, Step
from tests.machine_model import effect
from tests.machine_model.machine import Array
from tests.machine_model.records import record_text


def undo_of(before: Inventory, step: Step, array: Array) -> Action | None:
    """What the engine would do to take a step back."""
    after = effect(step, before, array)
    kept: object = before.fstab
    if isinstance(step.action, actions.WriteRecord):
        one, other = (
            next(
                r
                for r in now.records
                if (r.target, r.iface) == (step.action.target, step.action.iface)
                and r.portal.same_place(step.action.portal)
            )
            for now in (before, after)
        )
        kept = actions.RestoreRecord(one.path, record_text(one), record_text(other))
    if isinstance(step.action, actions.WriteMapSettings):
        kept = before.host.multipath.settings_of(step.action.disk.wwid)
    return inverse(step.action, StepResult(after != before, kept))


def unmarked(now: Inventory) -> Inventory:
    """Leave out that a filesystem was mounted once, and corrupt records: new ones replace them."""
    contents = {}
    for wwid, seen in now.contents.items():
        contents[wwid] = seen
        if isinstance(seen, Known) and seen.value.filesystem is not None:
            there = replace(seen.value.filesystem, used=None)
            contents[wwid] = Known(replace(seen.value, filesystem=there))
    sound = tuple(r for r in now.records if r.problem is None)
    return replace(now, contents=contents, records=sound)


def with_reservations_of(other: Inventory, now: Inventory) -> Inventory:
    """Return a machine whose disks have the reservations that they have on another."""
    contents = dict(now.contents)
    for wwid, seen in now.contents.items():
        there = other.contents.get(wwid)
        if isinstance(seen, Known) and isinstance(there, Known):
            same = replace(seen.value, reservations=there.value.reservations)
            contents[wwid] = Known(same)
    return replace(now, reservations=other.reservations, contents=contents)
