"""Which target is meant, through which portals, and which of its records and sessions match."""

from dataclasses import dataclass, replace

from iscsictl.errors import AuthError, IscsictlError, NotFoundError, UnreachableError
from iscsictl.errors.silent_portals import hint_for_silent_portals
from iscsictl.model.host_index import HostIndex
from iscsictl.model.inventory import DiscoveredTarget, Inventory, Known, ReadFailed
from iscsictl.model.listing import Session
from iscsictl.model.names import Portal
from iscsictl.model.record import NodeRecord
from iscsictl.model.shell_form import shell_form
from iscsictl.model.spec import AttachSpec
from iscsictl.planner.selection.session_index import SessionIndex


@dataclass(frozen=True)
class LoginPath:
    """One way to a target: a node record's key, with the record and the session if they exist."""

    target: str
    portal: Portal
    iface: str
    record: NodeRecord | None = None
    session: Session | None = None

    @property
    def subject(self) -> str:
        """The name of the path in a step."""
        suffix = "" if self.iface == "default" else f" [{self.iface}]"
        return f"{self.target} {self.portal}{suffix}"


def reachable_paths(inventory: Inventory, spec: AttachSpec) -> tuple[LoginPath, ...]:
    """Return the ways to the requested target, through all portals that answer.

    Raises NotFoundError, UnreachableError, or the error of the discovery.
    """
    target, portals = _find_in_records(inventory, spec) or _find_in_offers(inventory, spec)
    if spec.multipath != "off" and inventory.host.multipath.installed:
        own = (r.portal for r in sound_records(inventory.index, replace(spec, target=target)))
        portals += [p for p in own if not any(p.same_place(known) for known in portals)]
    answering = [p for p in portals if not any(p.same_place(s) for s in inventory.silent)]
    if not answering:
        reasons = "; ".join(dict.fromkeys(f"{p}: {why}" for p, why in inventory.silent.items()))
        raise UnreachableError(
            f"no portal of {target} answers ({reasons})",
            hint=hint_for_silent_portals(inventory.silent.values()),
        )
    index = SessionIndex.of(inventory)
    return tuple(
        _login_path_to(index, target, portal, iface)
        for portal in answering
        for iface in spec.ifaces
    )


def _login_path_to(index: SessionIndex, target: str, portal: Portal, iface: str) -> LoginPath:
    fitting = [
        record
        for record in index.records(target)
        if record.iface == iface and record.problem is None and record.portal.same_place(portal)
    ]
    if not fitting:
        return LoginPath(target, portal, iface)
    # False sorts before True: the record with the same portal group tag, if there is one.
    record = min(fitting, key=lambda one: one.portal != portal)
    return LoginPath(target, record.portal, iface, record, index.session_of(record))


def _find_in_records(inventory: Inventory, spec: AttachSpec) -> tuple[str, list[Portal]] | None:
    """Return target and portals if a sound record has the target through a requested portal."""
    portals = list(recorded_portals(inventory.index, spec))
    if spec.target is None or not portals:
        return None
    if isinstance(inventory.offers, Known):
        offered = (o.portal for o in inventory.offers.value if o.target == spec.target)
        portals += [p for p in offered if not any(p.same_place(known) for known in portals)]
    return spec.target, portals


def sound_records(index: HostIndex, spec: AttachSpec) -> tuple[NodeRecord, ...]:
    """Return the records of the target and of the interfaces that are asked for.

    Those with a `problem` are left out, because their values cannot be relied on. Empty if `spec`
    has no target yet.
    """
    return tuple(
        record
        for record in index.records(spec.target)
        if record.iface in spec.ifaces and record.problem is None
    )


def recorded_portals(index: HostIndex, spec: AttachSpec) -> tuple[Portal, ...]:
    """Return the requested portals that a sound record of the target has, in order.

    A portal group tag chooses among records that differ only in it.
    """
    known = list(dict.fromkeys(record.portal for record in sound_records(index, spec)))
    return tuple(
        portal
        for wanted in spec.portals
        for portal in known
        if portal == wanted or (wanted not in known and portal.same_place(wanted))
    )


def _find_in_offers(inventory: Inventory, spec: AttachSpec) -> tuple[str, list[Portal]]:
    asked = ", ".join(str(p) for p in spec.portals)
    offers = _require_offers(inventory, spec)
    targets = sorted({offer.target for offer in offers})
    if spec.target is not None and spec.target not in targets:
        raise NotFoundError(
            f"the array at {asked} does not offer {spec.target} to this host",
            hint=f"it offers: {', '.join(targets)}"
            if targets
            else "it offers nothing: check that this host's name is in its access list: iscsictl "
            "initiator show",
        )
    if not targets:
        raise NotFoundError(
            f"the array at {asked} offers no target to this host",
            hint="add this host's name to the array's access list; see: iscsictl initiator show",
        )
    if spec.target is None and len(targets) > 1:
        raise NotFoundError(
            f"the array at {asked} has {len(targets)} targets; name one with --target: "
            + ", ".join(targets),
            hint=f"for example: iscsictl attach -p {shell_form(spec.portals[0])} "
            f"-T {shell_form(targets[0])}",
        )
    target = spec.target or targets[0]
    portals = [offer.portal for offer in offers if offer.target == target]
    first = [p for p in portals if any(p.same_place(w) for w in spec.portals)]
    return target, first + [p for p in portals if p not in first]


def _require_offers(inventory: Inventory, spec: AttachSpec) -> tuple[DiscoveredTarget, ...]:
    if isinstance(inventory.offers, Known):
        return inventory.offers.value
    if isinstance(inventory.offers, ReadFailed):
        error = inventory.offers.error
        # Discovery may ask for an account of its own that this host does not have; a login to the
        # target may work all the same. A target with one portal group usually calls it 1.
        if isinstance(error, AuthError) and spec.target is not None:
            return tuple(
                DiscoveredTarget(spec.target, replace(p, tpgt=1 if p.tpgt is None else p.tpgt))
                for p in spec.portals
            )
        raise error
    raise IscsictlError("the array was not queried for its targets")
