"""Sessions and their LUNs as the kernel shows them: no process, no root, no iscsid.

The attributes are those of drivers/scsi/scsi_transport_iscsi.c; they are interpreted as by
`iscsiadm -m session -P 3`, so that both show the same.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from iscsictl.model.listing import ChapNames, Host, Listing, Lun, Session, Timeouts
from iscsictl.model.names import Portal, is_identifying
from iscsictl.parse.session_status import session_status
from iscsictl.system.block.block_index import BlockIndex
from iscsictl.system.block.block_tree import BlockTree, Unit, disks_of
from iscsictl.system.io.sysfs_attributes import (
    Folder,
    list_names,
    path_below,
    read_attribute,
    to_integer,
)
from iscsictl.system.iscsi.arrays import ArrayIndex

Values = Mapping[str, str | None]


def read_sessions(
    root: Path, *, details: bool = True, targets: Collection[str] | None = None
) -> tuple[Session, ...]:
    """Return the sessions under `root`/sys, by sid; those that vanish meanwhile are left out.

    Without `details` timeouts, CHAP names and negotiated values stay None. With `targets`, only
    sessions to these are read; of all others, only the target's name.
    """
    reader = _Reader(root, details=details)
    sids = None if targets is None else find_sessions(targets, root)
    return tuple(session for session, _ in reader.sessions(sids))


def find_sessions(targets: Collection[str], root: Path = Path("/")) -> tuple[int, ...]:
    """Return the ids of the sessions to these targets, with any state and iface, in no order."""
    path = path_below(root, "sys/class/iscsi_session")
    with Folder(path) as folder:
        return tuple(
            sid
            for name in list_names(path)
            if (sid := _number_in_name("session", name)) is not None
            and folder.get(f"{name}/targetname") in targets
        )


def read_listing(root: Path, *, details: bool = True, sid: int | None = None) -> Listing:
    """Return sessions and their disks, with all that stands on the disks.

    Without `details` timeouts, CHAP names and negotiated values stay None: a third less to read.
    With `sid`, only that session is read, and only its own paths to its disks.
    """
    reader = _Reader(root, details=details, disks=True)
    sessions: list[Session] = []
    units: list[Unit] = []
    for session, found in reader.sessions(None if sid is None else (sid,)):
        sessions.append(session)
        units += found
    disks, warnings = disks_of(units, ArrayIndex(root, sessions).array_of)
    return Listing(tuple(sessions), disks, warnings)


def has_session(sid: int, root: Path) -> bool:
    """Return whether the kernel has a session of that number, in whatever state."""
    return (root / f"sys/class/iscsi_session/session{sid}").exists()


def has_sessions_class(root: Path) -> bool:
    """Return whether the kernel (or a capture of its files) knows iSCSI sessions at all.

    It does once scsi_transport_iscsi is loaded. Without it there can be no session.
    """
    return (root / "sys/class/iscsi_session").is_dir()


class _Reader:
    """Reads the sessions under one root; adapters are read once."""

    def __init__(self, root: Path, *, details: bool = True, disks: bool = False) -> None:
        self._details = details
        self._prefix = str(root).rstrip("/")
        self._class = f"{self._prefix}/sys/class"
        self._adapters: dict[str, tuple[Host | None, str | None]] = {}
        self._hosts = Folder(f"{self._class}/scsi_host")
        self._links = Folder(f"{self._class}/iscsi_connection")
        self._owns = Folder(f"{self._class}/iscsi_session")
        transports = list_names(f"{self._class}/iscsi_transport")
        self._transport = transports[0] if len(transports) == 1 else None
        self._index = BlockIndex(self._prefix)
        self._tree = BlockTree(root, self._index) if disks else None
        self._shared: set[str] = set()
        # Without a device handler (scsi_dh_alua, _rdac, ...) no disk has the attribute.
        modules = list_names(f"{self._prefix}/sys/module")
        self._has_access = any(name.startswith("scsi_dh_") for name in modules)

    def sessions(self, only: Collection[int] | None = None) -> Iterator[tuple[Session, list[Unit]]]:
        names = list_names(f"{self._class}/iscsi_session")
        sids = sorted(
            sid for name in names if (sid := _number_in_name("session", name)) is not None
        )
        with self._owns, self._links, self._hosts:
            devices = {
                sid: self._session_directory(sid, self._owns.link(f"session{sid}")) for sid in sids
            }
            adapters = Counter(device.rpartition("/")[0] for device in devices.values())
            self._shared = {adapter for adapter, number in adapters.items() if number > 1}
            for sid, device in devices.items():
                read = self._read_session(sid, device) if only is None or sid in only else None
                if read is not None:
                    yield read

    def _session_directory(self, sid: int, link: str | None) -> str:
        """Return .../hostH/sessionN, the directory of the session's LUNs."""
        folder = f"{self._class}/iscsi_session"
        if link is None:
            return os.path.realpath(f"{folder}/session{sid}/device")
        own = link.rsplit("/", 2)[0]
        if own.startswith("../../devices/"):
            return f"{self._prefix}/sys/{own[6:]}"
        return f"{folder}/{own}"

    def _read_session(self, sid: int, device: str) -> tuple[Session, list[Unit]] | None:
        """Read one session; None if it went away meanwhile, even if some of it could be read."""
        with (
            self._owns.subfolder(f"session{sid}") as folder,
            self._links.subfolder(f"connection{sid}:0") as connection,
        ):
            own = folder.values(_OWN_LONG if self._details else _OWN)
            link = connection.values(_LINK_LONG if self._details else _LINK)
            target = own.get("targetname")
            if target is None:
                return None
            host, transport = self._adapter_of_session(device)
            units = self._read_units(sid, device, host)
            tpgt = to_integer(own.get("tpgt"))
            if tpgt is not None and not 0 <= tpgt <= 65535:
                tpgt = None
            kernel = link.get("state")
            connected = "LOGGED IN" if kernel == "up" else None
            address = link.get("local_ipaddr") or self._address_of_adapter(host)
            # Without a connection, the kernel has no current address: iscsiadm also shows this one
            # then.
            asked = _read_portal(link, "persistent_", tpgt)
            session = Session(
                "sysfs",
                target,
                sid=sid,
                alias=own.get("targetalias"),
                transport=transport,
                portal=_read_portal(link, "", tpgt) or asked,
                persistent_portal=asked,
                iface=own.get("ifacename"),
                initiator=own.get("initiatorname"),
                initiator_address=address,
                connection_state=connected,
                timeouts=_read_timeouts(own) if self._details else None,
                chap=_read_chap_names(own) if self._details else None,
                params=_negotiated_params(own, link) if self._details else None,
                host=host,
                luns=tuple([_lun_of_unit(unit) for unit in units]),
                session_state=(state := folder.get("state")),
                status=session_status(state, connected or kernel, None),
            )
            return None if state is None else (session, units)

    def _read_units(self, sid: int, device: str, host: Host | None) -> list[Unit]:
        units = []
        for hctl in self._hctls_of_session(device, host):
            lun = to_integer(hctl.rpartition(":")[2]) if hctl.count(":") == 3 else None
            if lun is None:
                continue
            path = f"{device}/target{hctl.rpartition(':')[0]}/{hctl}"
            kname = self._index.disk(hctl, path)
            state, wwid = read_attribute(path + "/state"), read_attribute(path + "/wwid")
            if wwid is not None and not is_identifying(wwid):
                wwid = None
            if state is None and not os.path.isdir(path):
                continue
            access = read_attribute(path + "/access_state") if self._has_access else None
            unit = Unit(
                sid, hctl, lun, path, kname=kname, state=state, wwid=wwid, access=access
            )  # fmt: skip
            if self._tree is not None:
                self._tree.read_unit(unit)
            units.append(unit)
        if len(units) > 1:
            units.sort(key=lambda unit: (unit.lun, unit.hctl))
        return units

    def _hctls_of_session(self, device: str, host: Host | None) -> list[str]:
        """Return the names of a session's LUNs: all of its adapter's, unless others have some."""
        if host is not None and device.rpartition("/")[0] not in self._shared:
            found = self._index.luns(host.number)
            if found is not None:
                return found
        targets = [name for name in list_names(device) if name.startswith("target")]
        return [hctl for name in targets for hctl in list_names(f"{device}/{name}")]

    def _adapter_of_session(self, device: str) -> tuple[Host | None, str | None]:
        """Return the SCSI host that a session's directory is in, and the transport."""
        place = device.rpartition("/")[0]
        name = place.rpartition("/")[2]
        found = self._adapters.get(name)
        if found is None:
            number = _number_in_name("host", name)
            found = self._adapters[name] = (
                (None, None) if number is None else self._read_host(name, number)
            )
        return found

    def _read_host(self, name: str, number: int) -> tuple[Host, str | None]:
        """Read an adapter; the name of the only transport is not read for each of them."""
        transport = self._transport
        if transport is None:
            transport = self._hosts.get(name + "/proc_name")
        host = Host(number, self._hosts.get(name + "/state"))
        return host, transport and transport.removeprefix("iscsi_")

    def _address_of_adapter(self, host: Host | None) -> str | None:
        """Return the adapter's address, for kernels that do not show the connection's own."""
        if host is None:
            return None
        return read_attribute(f"{self._class}/iscsi_host/host{host.number}/ipaddress")


def _number_in_name(word: str, name: str) -> int | None:
    """Return the number in a name like host7."""
    return to_integer(name[len(word) :]) if name.startswith(word) else None


def _lun_of_unit(unit: Unit) -> Lun:
    if unit.kname:
        device = f"/dev/{unit.kname}"
        return Lun(unit.lun, unit.hctl, device, unit.state, unit.wwid, access=unit.access)
    kind = to_integer(read_attribute(unit.path + "/type"))
    return Lun(unit.lun, unit.hctl, None, unit.state, unit.wwid, type=kind)


def _read_portal(link: Values, which: str, tpgt: int | None) -> Portal | None:
    address, port = link.get(which + "address"), to_integer(link.get(which + "port"))
    return None if address is None or port is None else Portal(address, port, tpgt)


def _read_timeouts(own: Values) -> Timeouts:
    recovery = own.get("recovery_tmo")
    return Timeouts(
        -1 if recovery == "off" else to_integer(recovery),
        to_integer(own.get("tgt_reset_tmo")),
        to_integer(own.get("lu_reset_tmo")),
        to_integer(own.get("abort_tmo")),
    )


def _read_chap_names(own: Values) -> ChapNames | None:
    """Read the account names, which only root may; for other users they are unknown."""
    if "username" not in own:
        return None
    return ChapNames(own["username"], own.get("username_in"))


_DIGEST = {"0": "None", "1": "CRC32C"}
_YES = {"0": "No", "1": "Yes"}
_PLAIN: dict[str, str] = {}
_LINK_PARAMS = (
    ("HeaderDigest", "header_digest", _DIGEST),
    ("DataDigest", "data_digest", _DIGEST),
    ("MaxRecvDataSegmentLength", "max_recv_dlength", _PLAIN),
    ("MaxXmitDataSegmentLength", "max_xmit_dlength", _PLAIN),
)
_OWN_PARAMS = (
    ("FirstBurstLength", "first_burst_len", _PLAIN),
    ("MaxBurstLength", "max_burst_len", _PLAIN),
    ("ImmediateData", "immediate_data", _YES),
    ("InitialR2T", "initial_r2t", _YES),
    ("MaxOutstandingR2T", "max_outstanding_r2t", _PLAIN),
)

_OWN = ("targetname", "tpgt", "targetalias", "ifacename", "initiatorname")
_OWN_LONG = (
    *_OWN, "recovery_tmo", "tgt_reset_tmo", "lu_reset_tmo", "abort_tmo", "username", "username_in",
    *(file for _, file, _ in _OWN_PARAMS),
)  # fmt: skip
_LINK = (
    "state", "local_ipaddr", "address", "port", "persistent_address", "persistent_port",
)  # fmt: skip
_LINK_LONG = (*_LINK, *(file for _, file, _ in _LINK_PARAMS))


def _negotiated_params(own: Values, link: Values) -> dict[str, str]:
    """Return the negotiated parameters that the kernel knows, under their names in RFC 7143."""
    params = {}
    for folder, table in ((link, _LINK_PARAMS), (own, _OWN_PARAMS)):
        for name, file, words in table:
            value = folder.get(file)
            if value is not None:
                params[name] = words.get(value, value)
    return params
