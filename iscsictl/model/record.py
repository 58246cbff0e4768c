"""Records of open-iscsi's node database, as its programs see them, without secrets.

`values` has the keys of the file (idbm_fields.h of open-iscsi). Keys that are not set are missing;
a secret that is set has the value `********`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from iscsictl.model.names import BUILT_IN_IFACES, DEFAULT_IFACE, Portal

# Either setting, of the session or of its connection, makes a record log in at boot (iscsiadm.c,
# match_startup_mode).
_STARTUP, _CONNECTION_STARTUP = "node.startup", "node.conn[0].startup"
_DISCOVERY_ADDRESS, _DISCOVERY_PORT = "node.discovery_address", "node.discovery_port"

DiscoveryKind = Literal["sendtargets", "isns"]


def number_of(text: str | None) -> int | None:
    """Parse a number as strtol(3) does, ignoring what follows the digits; None without digits.

    open-iscsi reads its records in this way: to it, `10s` is 10.
    """
    match = re.match(r"\s*([+-]?[0-9]{1,18})", text or "")
    return int(match[1]) if match else None


def discovery_values(portal: Portal) -> dict[str, str]:
    """Return the values of a node record that say which portal named its target (SendTargets).

    open-iscsi sets the same values when it creates the record itself. It uses them for its links
    only if `node.discovery_type` is send_targets (idbm.c, setup_disc_to_node_link).
    """
    return {_DISCOVERY_ADDRESS: portal.address, _DISCOVERY_PORT: str(portal.port)}


def startup_values(startup: str) -> dict[str, str]:
    """Return the values that give a record this startup mode, whatever its connection has now.

    open-iscsi logs in if the setting of the session or that of the connection says so (iscsiadm.c,
    match_startup_mode), so for any mode but `automatic` the connection must be changed too.
    """
    if startup == "automatic":
        return {_STARTUP: startup}
    return {_STARTUP: startup, _CONNECTION_STARTUP: "manual"}


@dataclass(frozen=True)
class Record:
    """The content of one file. `mode` is its permission bits.

    `problem` is why open-iscsi cannot use it, None if it can. `truncated`: the end of the record is
    missing. `oversized`: the keys that are too long for iscsiadm's buffers, or whose value is.
    """

    path: Path
    values: Mapping[str, str] = field(default_factory=dict)
    mode: int = 0o600
    problem: str | None = None
    truncated: bool = False
    oversized: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NodeRecord(Record):
    """How one target is reached through one portal and one interface.

    Target, portal and interface are taken from the path, so a corrupt record still has a name.
    """

    target: str
    portal: Portal
    iface: str = DEFAULT_IFACE

    @property
    def named_by(self) -> Portal | None:
        """The portal that named the target in answer to SendTargets, None if none is recorded.

        An iSNS server does not count: it knows the targets of many arrays.
        """
        address = self.values.get(_DISCOVERY_ADDRESS)
        port = self.values.get(_DISCOVERY_PORT, "")
        if self.values.get("node.discovery_type") not in {"static", "send_targets"}:
            return None
        return Portal(address, int(port)) if address and re.fullmatch("[0-9]{1,5}", port) else None

    @property
    def startup(self) -> str:
        """`manual`, `automatic` or `onboot`; manual if neither key is set, as in open-iscsi.

        If session and connection differ, the one that logs in counts (match_startup_mode).
        """
        # The comparison is case-sensitive, as in open-iscsi, which does not know `Automatic`.
        modes = {self.values.get(key) for key in (_STARTUP, _CONNECTION_STARTUP)}
        return next((word for word in ("automatic", "onboot") if word in modes), "manual")

    @property
    def onboot(self) -> bool:
        """Whether the record is meant to log in at boot, by whichever service.

        SUSE's login service handles both modes. Those of Debian and RHEL handle only `automatic`,
        and leave `onboot` to whatever boots the root filesystem: see `logged_in_by`.
        """
        return self.startup in {"automatic", "onboot"}

    def logged_in_by(self, startups: frozenset[str]) -> bool:
        """Return whether a login service that handles these startup modes logs in at boot."""
        return self.startup in startups

    @property
    def transport(self) -> str:
        """The kernel transport through which it logs in, `tcp` if not set.

        A record that uses a built-in interface does not set it: there, the interface `iser` means
        iSER.
        """
        return self.values.get("iface.transport_name", BUILT_IN_IFACES.get(self.iface, "tcp"))

    @property
    def over_tcp(self) -> bool:
        """Whether it uses the host's own TCP, unlike RDMA and offload adapters."""
        return self.transport == "tcp"

    @property
    def username(self) -> str | None:
        """The CHAP name that we send, None if it is not set.

        open-iscsi uses CHAP if name and secret are set, regardless of `authmethod`.
        """
        return self.values.get("node.session.auth.username")

    @property
    def username_in(self) -> str | None:
        """The CHAP name that the target sends, None if it is not set.

        It is used for mutual CHAP only (RFC 7143, 12.1.3).
        """
        return self.values.get("node.session.auth.username_in")

    @property
    def has_secret(self) -> bool:
        """Whether the secret of this host is set; this type never contains the secret itself."""
        return "node.session.auth.password" in self.values

    @property
    def has_secret_in(self) -> bool:
        """Whether a secret is set with which the target must prove its identity."""
        return "node.session.auth.password_in" in self.values

    @property
    def chap_algs(self) -> tuple[str, ...]:
        """The CHAP algorithms that are offered, in order of preference (since open-iscsi 2.1.1).

        Empty if the record sets none: open-iscsi then offers only MD5.
        """
        # open-iscsi splits its list at blanks too (strsep in idbm.c).
        return tuple(re.findall(r"[^, ]+", self.values.get("node.session.auth.chap_algs", "")))

    @property
    def session_count(self) -> int:
        """How many sessions open-iscsi opens for it, at least 1 (`node.session.nr_sessions`).

        A login opens those that are missing (session_mgmt.c, iscsi_login_portal).
        """
        return max(1, number_of(self.values.get("node.session.nr_sessions")) or 1)

    @property
    def leading_login(self) -> bool:
        """Whether a login through any one of the interfaces is enough for this portal.

        The login service tries them in turn until one succeeds (__do_leading_login).
        """
        return self.values.get("node.leading_login") == "Yes"

    @property
    def scan(self) -> str:
        """`auto`, or `manual` if LUNs are only scanned on request.

        With `manual` no disk appears after a login: each LUN must be scanned by its number.
        """
        return self.values.get("node.session.scan", "auto")


@dataclass(frozen=True, kw_only=True)
class DiscoveryRecord(Record):
    """One server that was asked for targets."""

    kind: DiscoveryKind
    portal: Portal

    @property
    def has_secret(self) -> bool:
        """Whether a secret for discovery is set. Discovered targets do not inherit it."""
        return "discovery.sendtargets.auth.password" in self.values

    @property
    def asked_by_iscsid(self) -> bool:
        """Whether iscsid queries this server periodically and logs in to what it offers."""
        return self.values.get("discovery.sendtargets.use_discoveryd") == "Yes"


@dataclass(frozen=True)
class DiscoveryLink:
    """A link from a discovery record to a node record; iscsiadm names it after the node record.

    `portal` is None if the name does not contain it. `leads_to_record` is False for a link whose
    record was deleted by something other than iscsiadm.
    """

    path: Path
    target: str
    portal: Portal | None
    leads_to_record: bool


@dataclass(frozen=True, kw_only=True)
class IfaceRecord(Record):
    """One interface definition; `name` is that of the file, by which records refer to it."""

    name: str

    @property
    def transport(self) -> str:
        """The kernel transport, `tcp` if not set."""
        return self.values.get("iface.transport_name", "tcp")
