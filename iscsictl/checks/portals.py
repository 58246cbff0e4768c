"""The portals: whether they accept connections."""

from collections.abc import Iterator, Mapping

from iscsictl.model.finding import Finding, fail, ok, skip, warn
from iscsictl.model.host_facts import Machine
from iscsictl.model.inventory import Known, ReadFailed
from iscsictl.model.names import Portal
from iscsictl.planner.selection.session_index import SessionIndex
from iscsictl.planner.selection.surviving import has_other_paths


def wanted_portals(machine: Machine) -> Mapping[Portal, bool]:
    """Return the portals of records and sessions; the value is True for those that must answer.

    A portal need not answer if all its sessions are paths of maps that have other paths.
    Portals that are used only through RDMA or an adapter with its own TCP are left out: routes,
    NICs and connections of this host say nothing about them.
    """
    portals: dict[Portal, bool] = {}

    def note_portal(portal: Portal, *, needed: bool) -> None:
        place = Portal(portal.address, portal.port)
        portals[place] = portals.get(place, False) or needed

    for session in machine.listing.sessions:
        portal = session.requested_portal
        if portal is not None and session.over_tcp:
            spared = has_other_paths(session.target, session, machine.index)
            note_portal(portal, needed=not spared)
    if isinstance(machine.db, Known):
        index = SessionIndex(machine.db.value.records, machine.listing.sessions)
        for record in machine.db.value.records:
            if record.over_tcp:
                session_of_record = index.session_of(record)
                spared = has_other_paths(record.target, session_of_record, machine.index)
                note_portal(record.portal, needed=record.onboot and not spared)
    return portals


def check(machine: Machine) -> Iterator[Finding]:
    """Report which portals accept connections.

    For a portal that need not answer (see `wanted_portals`) it is only a warning. If no portal was
    tried, the check is skipped.
    """
    portals = wanted_portals(machine)
    silent = machine.network.silent
    if not isinstance(silent, Known):
        if portals:
            why = silent.error.text if isinstance(silent, ReadFailed) else "nobody asked"
            yield skip("portal-reachable", why)
        return
    for portal, needed in portals.items():
        reason = silent.value.get(portal)
        if reason is None:
            yield ok("portal-reachable", "takes connections", str(portal))
            continue
        make = fail if needed else warn
        if "refused" in reason:
            fix = "start the array's iSCSI service, or open its firewall to this host"
        elif "resolved" in reason:
            fix = "fix name resolution, or use the portal's address in the record"
        else:
            fix = (
                f"check array, cable, VLAN, route and firewall: ip route get {portal.address}; "
                f"ping {portal.address}"
            )
        yield make("portal-reachable", f"does not answer: {reason}", fix, str(portal))
