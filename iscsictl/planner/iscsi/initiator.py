"""Plans for the name of this host and for its services."""

from dataclasses import dataclass, replace

from iscsictl.errors import InUseError, IscsictlError, MissingError, UsageError
from iscsictl.model.actions import EnableService, SetInitiatorName, StartService
from iscsictl.model.initiator_name import InitiatorName
from iscsictl.model.listing import Session
from iscsictl.model.names import why_not_made, why_not_met
from iscsictl.model.packages import PackageManager, install_command
from iscsictl.model.plan import Plan
from iscsictl.model.services import Systemd, Unit
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.builder import PlanBuilder

_ISCSID = ("iscsid.socket", "iscsid.service")


@dataclass(frozen=True)
class NameFacts:
    """The facts that a change of the name depends on."""

    now: InitiatorName
    sessions: tuple[Session, ...]


def require_name(name: str) -> str:
    """Return the name if it may be given to a host (RFC 7143); raises UsageError.

    This is strict, because a new name can be a correct one; existing names are judged by
    `why_not_met`.
    """
    why = why_not_made(name)
    if why is not None:
        raise UsageError(
            f"initiator name {name!r} {why}",
            hint="for example iqn.2001-04.com.example:host1; or: iscsictl initiator generate",
        )
    return name


def plan_name(facts: NameFacts, name: str) -> Plan:
    """Plan to give this host that name. Refused (7) while a session is up.

    A session keeps the name that it was logged in with, so an array would see two initiators. The
    note says what to change in the access lists of the arrays.
    """
    draft = PlanBuilder()
    done = facts.now.name == name
    draft.add(SetInitiatorName(name), name, "the name by which arrays know this host", done=done)
    if done:
        return draft.build()
    if facts.sessions:
        targets = ", ".join(sorted({session.target for session in facts.sessions}))
        error = InUseError(
            f"the name cannot change while sessions are up: {targets}",
            hint="log out first: iscsictl logout --all",
        )
        return draft.build(error)
    if facts.now.name is not None:
        draft.notes.append(
            f"put {name} into the access lists of the arrays: they know this host as "
            f"{facts.now.name}"
        )
    return draft.build()


def plan_generate(facts: NameFacts, made: str, *, new: bool) -> Plan:
    """Plan to give this host the generated name; one that arrays may know stays unless `new`.

    A name that open-iscsi cannot use is replaced in any case. One that breaks RFC 7143 but works is
    kept with a note, because access lists of arrays contain it.
    """
    now = facts.now.name
    if new or now is None or why_not_met(now):
        return plan_name(facts, made)
    why = why_not_made(now)
    notes = (f"{now} {why}; it is kept, because arrays may know it",) if why else ()
    return replace(plan_name(facts, now), notes=notes)


@dataclass(frozen=True)
class ServiceFacts:
    """The units, and whether the login service has anything to log in to or is kept from it.

    `package_manager` is what installs a unit that is missing.
    """

    systemd: Systemd
    automatic: bool = False
    on_hold: bool = False
    package_manager: PackageManager | None = None


def iscsid_unit(systemd: Systemd) -> Unit | None:
    """Return the unit that is to start iscsid: the socket if there is one.

    A masked unit is returned if there is no other, so that an error can name it; None if neither is
    defined.
    """
    there = [u for name in _ISCSID if (u := systemd.units.get(name)) and u.defined]
    usable = [unit for unit in there if not unit.masked]
    return next(iter(usable or there), None)


def require_systemd(systemd: Systemd) -> None:
    """Raise MissingError if systemd is not the init: then nothing is known about the services."""
    if not systemd.running:
        raise MissingError(
            "systemd is not the init system of this host",
            hint="make your init system start iscsid, then: iscsiadm -m node --loginall=automatic",
        )


def _require_usable_units(facts: ServiceFacts) -> tuple[Unit, Unit]:
    """Return the units of iscsid and of the login service; raises if they are not usable."""
    systemd = facts.systemd
    require_systemd(systemd)
    login = systemd.units.get(systemd.login_service, Unit(systemd.login_service))
    iscsid = iscsid_unit(systemd)
    if iscsid is None or not login.defined:
        missing = "iscsid.service" if iscsid is None else login.name
        raise MissingError(
            f"there is no {missing}",
            hint=install_command("open-iscsi", facts.package_manager),
        )
    for unit in (iscsid, login):
        if unit.masked:
            raise MissingError(
                f"{unit.name} is masked",
                hint=f"systemctl unmask {shell_form(unit.name)}",
            )
    return iscsid, login


def plan_enable(facts: ServiceFacts) -> Plan:
    """Plan to have the services start at boot.

    Never raises: the plan is refused if systemd is not the init, or a unit is missing or masked.
    iscsid counts as enabled if its socket or its service is.
    """
    draft, refusal = PlanBuilder(), None
    try:
        iscsid, login = _require_usable_units(facts)
        any_iscsid = any(
            unit.enabled and not unit.masked
            for name in _ISCSID
            if (unit := facts.systemd.units.get(name)) is not None
        )
        draft.add(EnableService(iscsid.name), iscsid.name, "starts iscsid when needed",
                  done=any_iscsid)  # fmt: skip
        draft.add(EnableService(login.name), login.name, "logs in at boot", done=login.enabled)
    except IscsictlError as error:
        refusal = error
    return draft.build(refusal)


def plan_start(facts: ServiceFacts) -> Plan:
    """Plan to start the services now. Held targets stay as they are.

    The login service logs in to all automatic records at once and ignores holds: while there is a
    hold it is not started, and `reconnect` does the rest.
    """
    draft, refusal = PlanBuilder(), None
    try:
        iscsid, login = _require_usable_units(facts)
        running = any(
            unit.active == "active"
            for name in _ISCSID
            if (unit := facts.systemd.units.get(name)) is not None
        )
        draft.add(StartService(iscsid.name), iscsid.name, "runs iscsid", done=running)
        nothing = not facts.automatic or facts.on_hold
        draft.add(StartService(login.name), login.name, "logs in to all automatic records",
                  done=login.active == "active" or nothing)  # fmt: skip
        if facts.on_hold:
            draft.notes.append("something is on hold, so nothing was logged in; to log in to the "
                               "rest: iscsictl reconnect")  # fmt: skip
        elif nothing:
            draft.notes.append("no record is automatic, so there is nothing to log in to")
    except IscsictlError as error:
        refusal = error
    return draft.build(refusal)
