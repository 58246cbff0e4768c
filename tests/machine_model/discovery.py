"""What actions do to discovery records and to the defaults of new records."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from iscsictl.model import actions
from iscsictl.model.names import Portal
from iscsictl.model.plan import Action, Plan
from tests.machine_model.execution import execute_pending

Values = Mapping[str, str]


@dataclass(frozen=True)
class Discovery:
    """The discovery records by portal, and the settings of iscsid.conf."""

    records: Mapping[Portal, Values] = field(default_factory=dict)
    defaults: Values = field(default_factory=dict)


def _changed(values: Values, changes: Mapping[str, Any]) -> Values:
    """Return the values after an edit; None takes one out of the file."""
    kept = {key: value for key, value in values.items() if key not in changes}
    return kept | {key: str(value) for key, value in changes.items() if value is not None}


def create(action: actions.CreateDiscovery, now: Discovery) -> Discovery:
    # iscsiadm copies the defaults (idbm.c, idbm_sendtargets_defaults).
    assert action.portal not in now.records
    return replace(now, records={**now.records, action.portal: dict(now.defaults)})


def delete(action: actions.DeleteDiscovery, now: Discovery) -> Discovery:
    assert action.portal in now.records
    others = {p: values for p, values in now.records.items() if p != action.portal}
    return replace(now, records=others)


def write(action: actions.WriteDiscovery, now: Discovery) -> Discovery:
    values = _changed(now.records[action.portal], action.changes)
    return replace(now, records={**now.records, action.portal: values})


def write_defaults(action: actions.WriteDefaults, now: Discovery) -> Discovery:
    return replace(now, defaults=_changed(now.defaults, action.changes))


EFFECTS: Mapping[type[Action], Callable[..., Discovery]] = {
    actions.CreateDiscovery: create,
    actions.DeleteDiscovery: delete,
    actions.WriteDiscovery: write,
    actions.WriteDefaults: write_defaults,
}


def apply_to_discovery(plan: Plan, now: Discovery) -> Discovery:
    """Return what is there after all pending steps of a plan."""
    return execute_pending(plan, EFFECTS, now)
