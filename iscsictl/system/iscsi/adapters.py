"""The iSCSI hosts of the kernel: what `iscsiadm -m host` prints, without asking iscsid."""

from pathlib import Path

from iscsictl.model.host_facts import IscsiHost
from iscsictl.system.io.sysfs_attributes import Folder, list_names, read_attribute, to_integer

# Of drivers/scsi/scsi_transport_iscsi.c; a driver shows only those that it supports.
_FILES = ("hwaddress", "ipaddress", "initiatorname", "netdev", "port_state", "port_speed")


def read_iscsi_hosts(root: Path = Path("/")) -> tuple[IscsiHost, ...]:
    """Return the iSCSI hosts by number, those of adapters and those of sessions.

    Empty if the kernel has none. The fields of a host that goes away meanwhile are None.
    """
    base = root / "sys/class/iscsi_host"
    numbers = (to_integer(name.removeprefix("host")) for name in list_names(str(base)))
    return tuple(
        _read_host(root, base, number) for number in sorted(n for n in numbers if n is not None)
    )


def _read_host(root: Path, base: Path, number: int) -> IscsiHost:
    name = f"host{number}"
    driver = read_attribute(f"{root}/sys/class/scsi_host/{name}/proc_name")
    with Folder(str(base / name)) as own:
        found = own.values(_FILES)
    mac, address, initiator, netdev, state, speed = (found.get(name) for name in _FILES)
    # The software initiator is iscsi_tcp to the kernel and tcp to open-iscsi.
    transport = None if driver is None else driver.removeprefix("iscsi_")
    return IscsiHost(number, transport, mac, address, initiator, netdev, state, speed)
