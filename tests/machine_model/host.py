"""What actions do to the host itself: its name, units, interface definitions and schedule.

Each has facts of its own instead of an inventory, as its planner has.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from iscsictl.model import actions
from iscsictl.model.listing import Session
from iscsictl.model.plan import Action, Plan
from iscsictl.model.record import IfaceRecord
from iscsictl.model.schedule import (
    SERVICE,
    TIMER,
    InstallFile,
    RemoveFile,
    Scheduled,
    SetTimer,
)
from iscsictl.model.services import Systemd, Unit
from iscsictl.planner.iscsi.boot import BootFacts
from iscsictl.planner.iscsi.ifaces import IfaceFacts
from iscsictl.planner.iscsi.initiator import NameFacts, ServiceFacts
from tests.machine_model.execution import execute_pending


def set_name(action: actions.SetInitiatorName, facts: NameFacts) -> NameFacts:
    # The handler refuses it too: iscsid would go on with the old name (iscsid(8)).
    assert not facts.sessions
    return replace(facts, now=replace(facts.now, exists=True, name=action.name, generate=False))


def _with_unit(systemd: Systemd, unit: Unit) -> Systemd:
    return replace(systemd, units={**systemd.units, unit.name: unit})


def _usable(systemd: Systemd, name: str) -> Unit:
    unit = systemd.units[name]
    assert systemd.running, "systemctl has nobody to talk to"
    assert unit.defined, f"Unit {name} does not exist"
    assert not unit.masked, f"Unit {name} is masked"
    return unit


def enable(action: actions.EnableService, facts: ServiceFacts) -> ServiceFacts:
    unit = replace(_usable(facts.systemd, action.unit), enabled=action.on)
    return replace(facts, systemd=_with_unit(facts.systemd, unit))


def start(action: actions.StartService, facts: ServiceFacts) -> ServiceFacts:
    unit = replace(_usable(facts.systemd, action.unit), active="active")
    return replace(facts, systemd=_with_unit(facts.systemd, unit))


def reload(_: actions.Reload, facts: ServiceFacts) -> ServiceFacts:
    assert facts.systemd.running
    return replace(facts, systemd=replace(facts.systemd, stale=False))


def write_iface(action: actions.WriteIface, facts: IfaceFacts) -> IfaceFacts:
    now = next((one for one in facts.ifaces if one.name == action.name), None)
    values = dict(now.values) if now is not None else {}
    for key, value in action.values.items():
        if value is None:
            values.pop(key, None)
        else:
            values[key] = value
    others = tuple(one for one in facts.ifaces if one.name != action.name)
    made = IfaceRecord(path=Path("/etc/iscsi/ifaces", action.name), values=values, name=action.name)
    return replace(facts, ifaces=(*others, made))


def remove_iface(action: actions.RemoveIface, facts: IfaceFacts) -> IfaceFacts:
    # idbm.c, iface_conf_delete: iscsiadm refuses while a record is bound to it.
    assert not any(record.iface == action.name for record in facts.records)
    assert any(one.name == action.name for one in facts.ifaces)
    return replace(facts, ifaces=tuple(i for i in facts.ifaces if i.name != action.name))


def firmware_login(_: actions.FirmwareLogin, facts: BootFacts) -> BootFacts:
    """iscsiadm logs in to each target of the table that has no session yet (fw_entry.c)."""
    there = {session.target for session in facts.sessions}
    made = tuple(
        Session("sysfs", target, sid=100 + number, portal=entry.portal, status="up")
        for number, entry in enumerate(facts.entries)
        if (target := entry.target) is not None and target not in there
    )
    assert made, "there was nothing to log in to"
    return replace(facts, sessions=(*facts.sessions, *made))


def install_file(action: InstallFile, facts: Scheduled) -> Scheduled:
    return replace(facts, files={**facts.files, action.path: action.text})


def remove_file(action: RemoveFile, facts: Scheduled) -> Scheduled:
    assert action.path in facts.files
    return replace(facts, files={p: t for p, t in facts.files.items() if p != action.path})


def set_timer(action: SetTimer, facts: Scheduled) -> Scheduled:
    if action.on:
        assert facts.systemd
        own = {SERVICE, TIMER} <= facts.files.keys()
        assert own or facts.packaged is not None, "Unit iscsictl-reconnect.timer does not exist"
    active = action.on if facts.systemd else None
    return replace(facts, timer_enabled=action.on, timer_active=active)


F = TypeVar("F")
#: The effects on the facts of one planner: of names, services, interfaces, and the schedule.
EFFECTS: Mapping[type[Action], Callable[..., Any]] = {
    actions.SetInitiatorName: set_name,
    actions.EnableService: enable,
    actions.StartService: start,
    actions.Reload: reload,
    actions.WriteIface: write_iface,
    actions.RemoveIface: remove_iface,
    actions.FirmwareLogin: firmware_login,
    InstallFile: install_file,
    RemoveFile: remove_file,
    SetTimer: set_timer,
}


def apply_to_host(plan: Plan, facts: F) -> F:
    """Return the facts after all pending steps of a plan."""
    return execute_pending(plan, EFFECTS, facts)
