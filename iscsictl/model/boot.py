"""The boot table of the firmware (iBFT): its targets and the NIC of each."""

from dataclasses import dataclass

from iscsictl.model.names import Portal


@dataclass(frozen=True)
class BootNic:
    """The firmware's network settings. `dhcp`: the address came from a DHCP server."""

    mac: str | None = None
    netdev: str | None = None
    address: str | None = None
    prefix: int | None = None
    mask: str | None = None
    gateway: str | None = None
    vlan: str | None = None
    dhcp: bool = False


@dataclass(frozen=True)
class BootEntry:
    """One target of the firmware's table, with the initiator name and the NIC to use.

    `selected`: the host was booted from this target. None if the source does not say.
    """

    target: str | None
    portal: Portal | None
    initiator: str | None = None
    lun: int | None = None
    username: str | None = None
    has_secret: bool = False
    username_in: str | None = None
    has_secret_in: bool = False
    nic: BootNic = BootNic()
    selected: bool | None = None
