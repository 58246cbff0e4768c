"""The kinds of initiator, and the interface definitions that choose between them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from iscsictl.errors import InUseError, IscsictlError, NotFoundError, RefusedError, UsageError
from iscsictl.model.actions import RemoveIface, WriteIface
from iscsictl.model.host_facts import IscsiHost, Kernel, Nic
from iscsictl.model.listing import Session
from iscsictl.model.names import BUILT_IN_IFACES
from iscsictl.model.open_iscsi import Version
from iscsictl.model.plan import Plan
from iscsictl.model.record import IfaceRecord, NodeRecord
from iscsictl.model.record_keys import KEYS
from iscsictl.model.record_settings import find_problem
from iscsictl.model.shell_form import shell_form
from iscsictl.model.transports import TRANSPORT_MODULES
from iscsictl.planner.builder import PlanBuilder
from iscsictl.planner.iscsi.settings import require_settings

TRANSPORTS = tuple(TRANSPORT_MODULES)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,63}")

# The network driver below each offload driver; None where the adapter has no network driver.
NIC_DRIVERS: Mapping[str, tuple[str, ...] | None] = {
    "bnx2i": ("bnx2", "bnx2x"),
    "cxgb3i": ("cxgb3",),
    "cxgb4i": ("cxgb4",),
    "qedi": ("qede",),
    "be2iscsi": None,
    "qla4xxx": None,
    "ocs": None,
}
ADVICE: Mapping[str, str] = {
    "tcp": (
        "software: works with every NIC, is the best tested, and fast enough for most; recommended"
    ),
    "iser": "RDMA: least CPU and latency; use it if array, switch and NICs all support RDMA",
    "bnx2i": "offload of Broadcom/QLogic NICs; needs iscsiuio; only if CPU time is scarce",
    "cxgb3i": "offload of Chelsio T3; only if CPU time is scarce",
    "cxgb4i": "offload of Chelsio T4 and later; only if CPU time is scarce",
    "be2iscsi": "Emulex OneConnect adapter: a dedicated card, mostly for booting",
    "qla4xxx": "QLogic adapter: a dedicated card, mostly for booting",
    "qedi": "offload of QLogic FastLinQ; needs iscsiuio; only if CPU time is scarce",
    "ocs": "Emulex adapter with an out-of-tree driver; if in doubt, use tcp",
}


@dataclass(frozen=True)
class Kind:
    """One kind of initiator on this machine; `usable` if module and hardware are there."""

    transport: str
    module: str
    state: str
    nics: tuple[str, ...]
    usable: bool
    advice: str


@dataclass(frozen=True)
class IfaceFacts:
    """The facts that interface definitions depend on.

    `adapters` are the cards of a driver without a NIC, `hosts` the kernel's iSCSI hosts,
    `open_iscsi` is the installed version.
    """

    ifaces: tuple[IfaceRecord, ...] = ()
    records: tuple[NodeRecord, ...] = ()
    sessions: tuple[Session, ...] = ()
    nics: Mapping[str, Nic] | None = None
    kernel: Kernel = field(default_factory=Kernel)
    adapters: Mapping[str, tuple[str, ...]] | None = None
    rdma: tuple[str, ...] = ()
    open_iscsi: Version | None = None
    hosts: tuple[IscsiHost, ...] = ()


def ifaces_bound_to(facts: IfaceFacts, nic: Nic) -> tuple[str, ...]:
    """Return the names of the definitions that log in through this NIC.

    They name it, or its MAC address, which a VLAN shares with the NIC below it.
    """
    return tuple(
        iface.name
        for iface in facts.ifaces
        if iface.values.get("iface.net_ifacename") == nic.name
        or (nic.mac and iface.values.get("iface.hwaddress", "").lower() == nic.mac.lower())
    )


def initiator_kinds(facts: IfaceFacts) -> tuple[Kind, ...]:
    """Return all kinds of initiator that open-iscsi knows, and what this machine has of each.

    `state` is that of the kernel module, `missing` if nothing is known about it. `nics` are network
    interfaces, PCI addresses of adapters without one, or RDMA devices (iser).
    """
    nics = facts.nics or {}
    adapters = facts.adapters or {}
    found = []
    for transport, module in TRANSPORT_MODULES.items():
        state = facts.kernel.modules.get(module, "missing")
        drivers = NIC_DRIVERS.get(transport)
        if transport == "tcp":
            uses = tuple(name for name in nics if name != "lo")
        elif transport == "iser":
            uses = facts.rdma
        elif drivers is None:
            uses = adapters.get(transport, ())
        else:
            uses = tuple(name for name, nic in nics.items() if nic.driver in drivers)
        usable = state in {"loaded", "builtin", "loadable"} and bool(uses)
        found.append(Kind(transport, module, state, uses, usable, ADVICE[transport]))
    return tuple(found)


def require_name(name: str) -> str:
    """Return the name if a definition may have it; raises UsageError.

    The name becomes that of a file below ifaces/, so it must contain no slash and no leading dot.
    open-iscsi ignores iface.example, which is a template.
    """
    if name in BUILT_IN_IFACES:
        raise UsageError(f"{name} is built into open-iscsi and cannot be defined")
    if not _NAME.fullmatch(name) or name == "iface.example":
        raise UsageError(f"iface name {name!r}: expected letters, digits and . _ : @ -, at most 64")
    return name


def requested_settings(
    name: str, transport: str | None, netdev: str | None, mac: str | None, ip: str | None,
    pairs: Mapping[str, str | None],
) -> dict[str, str | None]:  # fmt: skip
    """Return the settings of a definition (iscsiadm(8), iface.example) that were asked for.

    Raises UsageError for a setting or value that open-iscsi does not have. A setting that is
    removed (None) may be unknown to it, since the definition may contain it all the same.
    """
    if netdev is not None and mac is not None:
        raise UsageError("--netdev and --mac both name a NIC: give only one of them")
    given: dict[str, str | None] = {
        "iface.transport_name": transport,
        "iface.net_ifacename": netdev,
        "iface.hwaddress": mac,
        "iface.ipaddress": ip,
    }
    wanted = {key: value for key, value in given.items() if value is not None} | dict(pairs)
    for key, value in wanted.items():
        problem = find_problem("iface", key, value, iface=name)
        if problem is not None and (value is not None or key in KEYS["iface"]):
            raise problem.error()
    # The kernel writes a MAC address in small letters, `ip link` and others may not.
    hwaddress = wanted.get("iface.hwaddress")
    return wanted if hwaddress is None else wanted | {"iface.hwaddress": hwaddress.lower()}


def _require_existing_nic(
    facts: IfaceFacts, values: Mapping[str, str | None], transport: str
) -> None:
    """Raise if a value names something that this machine does not have."""
    nics = facts.nics or {}
    netdev, mac = values.get("iface.net_ifacename"), values.get("iface.hwaddress")
    mac = None if mac == "default" else mac
    if netdev is not None and netdev not in nics:
        there = ", ".join(name for name in nics if name != "lo")
        raise NotFoundError(f"there is no network interface {netdev}", hint=f"there are: {there}")
    # An offload adapter has a MAC address of its own beside that of the NIC.
    if mac is not None and transport == "tcp" and mac not in {n.mac for n in nics.values()}:
        raise NotFoundError(f"no NIC has the address {mac}", hint="see: ip link")


def plan_write(
    facts: IfaceFacts, name: str, values: Mapping[str, str | None], *, new: bool
) -> Plan:
    """Plan to give a definition these values; with `new`, refuse to change an existing one.

    A value of None removes the setting. Never raises: a setting that open-iscsi does not know, or
    hardware that this machine does not have, is the refusal of the plan. Sessions keep the values
    that they were logged in with.
    """
    draft, refusal = PlanBuilder(), None
    try:
        now = next((iface for iface in facts.ifaces if iface.name == name), None)
        if now is None and not new:
            raise NotFoundError(f"there is no iface {name}", hint="see: iscsictl iface ls")
        transport = _resulting_transport(now, values)
        require_settings("iface", values, version=facts.open_iscsi, iface=name)
        _require_existing_nic(facts, values, transport)
        wanted: dict[str, str | None] = dict(values)
        if now is None:
            wanted = {"iface.iscsi_ifacename": name, "iface.transport_name": "tcp", **wanted}
        same = now is not None and all(now.values.get(k) == v for k, v in values.items())
        if now is not None and new and not same:
            raise RefusedError(
                f"an iface {name} with other values already exists",
                hint=f"change it with: iscsictl iface set {shell_form(name)} ...",
            )
        draft.add(WriteIface(name, wanted), name, "an interface to log in through", done=same)
        kind = next((k for k in initiator_kinds(facts) if k.transport == transport), None)
        if kind is not None and not kind.usable:
            what = "no NIC" if kind.state != "missing" else "no module"
            draft.notes.append(f"this machine has {what} for the transport {kind.transport}")
        if now is not None and not same and any(s.iface == name for s in facts.sessions):
            draft.notes.append("sessions through it keep their values until they log in again")
        if now is None:
            draft.notes.append(f"use it: iscsictl discover ADDRESS --save -I {shell_form(name)}")
    except IscsictlError as error:
        refusal = error
    return draft.build(refusal)


def _resulting_transport(now: IfaceRecord | None, values: Mapping[str, str | None]) -> str:
    before = now.transport if now is not None else "tcp"
    return values.get("iface.transport_name", before) or "tcp"


def plan_remove(facts: IfaceFacts, name: str) -> Plan:
    """Plan to remove a definition; refused (7) while a record or session uses it.

    Never raises. If there is no such definition, its step is already done.
    """
    draft, refusal = PlanBuilder(), None
    usage = sorted({r.target for r in facts.records if r.iface == name})
    usage += sorted({s.target for s in facts.sessions if s.iface == name} - set(usage))
    if usage:
        refusal = InUseError(
            f"iface {name} is in use by {', '.join(usage)}",
            hint=f"forget those records first: iscsictl forget {shell_form(usage[0])} "
            f"-I {shell_form(name)}",
        )
    there = any(iface.name == name for iface in facts.ifaces)
    draft.add(RemoveIface(name), name, "nothing uses it", done=not there)
    return draft.build(refusal)
