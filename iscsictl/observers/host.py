"""Observe the names, services and interfaces of the host."""

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from iscsictl.errors import IscsictlError, NeedsRootError
from iscsictl.model.services import Systemd
from iscsictl.model.transports import TRANSPORT_MODULES
from iscsictl.planner.iscsi.boot import BootFacts
from iscsictl.planner.iscsi.ifaces import IfaceFacts
from iscsictl.planner.iscsi.initiator import NameFacts, ServiceFacts
from iscsictl.system.context import Context
from iscsictl.system.host import kernel_modules, network, unit_files
from iscsictl.system.io.package_manager import find_package_manager
from iscsictl.system.iscsi import holds, initiator_name, nodedb
from iscsictl.system.iscsi.adapters import read_iscsi_hosts
from iscsictl.system.iscsi.firmware_boot import read_boot_entries
from iscsictl.system.iscsi.sessions import read_sessions

T = TypeVar("T")


def boot_facts(context: Context) -> BootFacts:
    """Return the firmware's boot table (iBFT) and the sessions.

    Without root, the table's files may be unreadable; it then counts as empty.
    """
    return BootFacts(read_boot_entries(context.root), read_sessions(context.root))


def generated_name(root: Path) -> str:
    """Return a new initiator name that no other host has, of the form of iscsi-iname(8).

    Nothing is written.
    """
    return initiator_name.make_name(root)


def name_facts(context: Context) -> NameFacts:
    """Return the name and the sessions.

    A file without a name is a fact, not an error. Raises NeedsRootError if it may not be read.
    """
    return NameFacts(initiator_name.read_initiator(context.root), read_sessions(context.root))


def service_facts(context: Context) -> ServiceFacts:
    """Return the units, with their state if systemd runs, and whether there are logins to do.

    Records that only root may read count as none, so that every user can see the state of the
    services.
    """
    root = context.root
    try:
        records = nodedb.read_records(context.db)
    except NeedsRootError:
        records = ()
    held = any(hold.target for hold in holds.read_holds(root))
    automatic = any(record.onboot and record.problem is None for record in records)
    manager = find_package_manager(root)
    return ServiceFacts(read_services(context), automatic, held, manager)


def read_services(context: Context) -> Systemd:
    """Return the units; systemd is asked which are `active`, which is None for a capture.

    It is also None if systemd did not answer within `context.wait` seconds.
    """
    found = unit_files.read_systemd(context.root)
    if context.root != Path("/") or not found.running:
        return found
    try:
        active = unit_files.ask_active(tuple(found.units), context.wait)
    except IscsictlError:
        return found
    asked = {name: replace(u, active=active.get(name)) for name, u in found.units.items()}
    return replace(found, units=asked)


def iface_facts(context: Context) -> IfaceFacts:
    """Return the interface definitions, what uses them, and the hardware.

    Raises NeedsRootError if records or definitions may not be read. Cards of `be2iscsi` and
    `qla4xxx` have no network driver, so they are searched among the PCI devices.
    """
    root = context.root
    return IfaceFacts(
        nodedb.read_ifaces(context.db),
        nodedb.read_records(context.db),
        read_sessions(root),
        network.read_nics(root),
        kernel_modules.read_kernel(TRANSPORT_MODULES.values(), root),
        {name: _pci_adapters_of(root, name) for name in ("be2iscsi", "qla4xxx")},
        _names_in_directory(root / "sys/class/infiniband"),
        context.open_iscsi,
        read_iscsi_hosts(root),
    )


def _names_in_directory(directory: Path) -> tuple[str, ...]:
    try:
        return tuple(sorted(path.name for path in directory.iterdir()))
    except OSError:
        return ()


def _pci_adapters_of(root: Path, driver: str) -> tuple[str, ...]:
    """Return the PCI addresses of the cards that a driver is bound to."""
    names = _names_in_directory(root / "sys/bus/pci/drivers" / driver)
    return tuple(name for name in names if name.count(":") == 2)
