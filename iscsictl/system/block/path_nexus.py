"""How an array identifies a path to a LUN, as far as sysfs shows: initiator, ISID, target port.

A registration belongs to these three (SPC-4 3.1.71). The number of registrations says nothing about
the present paths: those of earlier sessions stay on the array, with the key of this host, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.reservation import Registration
from iscsictl.system.block.scsi_commands import designators
from iscsictl.system.io.sysfs_attributes import path_below, read_all, read_attribute

# The OUI of open-iscsi, with which all ISIDs of iscsid begin (usr/config.h).
_OWN_ISID = "00023d"


@dataclass(frozen=True)
class PathNexus:
    """The nexus of one path. What sysfs does not show is None; `isids` are the possible ones."""

    initiator: str | None = None
    isids: frozenset[str] = frozenset()
    port: int | None = None

    def has_registered(self, registrations: Sequence[Registration]) -> bool:
        """Return whether one of the registrations of this host may belong to this path."""
        return any(
            _agrees(self.initiator, one.initiator)
            and (one.isid is None or not self.isids or one.isid.lower() in self.isids)
            and (self.port is None or one.port is None or self.port == one.port)
            for one in registrations
        )


def _agrees(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one.lower() == other.lower()


def read_nexus(path: DiskPath, root: Path = Path("/")) -> PathNexus:
    """Return what identifies a path of a disk to the array."""
    session = path_below(root, f"sys/class/iscsi_session/session{path.sid}")
    isid = read_attribute(f"{session}/isid")
    isids = frozenset({isid.lower()}) if isid else _isids_of_iscsid(path.sid)
    page = read_all(path_below(root, f"sys/class/block/{Path(path.device).name}/device/vpd_pg83"))
    return PathNexus(read_attribute(f"{session}/initiatorname"), isids, parse_target_port(page))


def _isids_of_iscsid(sid: int) -> frozenset[str]:
    """Return the ISIDs that iscsid may have given a session; they contain its number in 3 bytes.

    Until 2016 only the first of the three was used (usr/initiator.c, session_conn_poll).
    """
    return frozenset({f"{_OWN_ISID}{sid & 0xFFFFFF:06x}", f"{_OWN_ISID}{sid & 0xFF:02x}0000"})


def parse_target_port(page: bytes) -> int | None:
    """Return the relative target port identifier in page 0x83 (SPC-4 7.8.6.8), None without one."""
    for kind, value in designators(page, 1):
        # Type 4; the identifier is in the last two of its four bytes.
        if kind == 4 and len(value) == 4:
            return int.from_bytes(value[2:], "big")
    return None


def unregistered_paths(
    paths: Sequence[DiskPath], registrations: Sequence[Registration], root: Path = Path("/")
) -> tuple[str, ...]:
    """Return the devices of the paths over which this host has not registered.

    `registrations` are all that have its key. ISIDs that iscsid did not generate, and ports that
    the array numbers differently here, are not compared: they prove nothing against a path.
    """
    found = {path.device: read_nexus(path, root) for path in paths}
    isids_known = all((one.isid or "").lower().startswith(_OWN_ISID) for one in registrations)
    ports_known = bool(
        {one.port for one in registrations} & {nexus.port for nexus in found.values()} - {None}
    )
    return tuple(
        device
        for device, nexus in found.items()
        if not PathNexus(
            nexus.initiator,
            nexus.isids if isids_known else frozenset(),
            nexus.port if ports_known else None,
        ).has_registered(registrations)
    )
