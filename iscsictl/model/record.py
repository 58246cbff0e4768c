"""Records of open-iscsi's node database, as its programs see them; secrets never show.

`values` holds the keys of the file (idbm_fields.h of open-iscsi); a key that is not set is not
there, a secret that is set reads `********`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from iscsictl.model.names import BUILT_IN_IFACES, DEFAULT_IFACE, Portal

# Either word logs in at boot (iscsiadm.c, match_startup_mode): of the session, of its connection.
_STARTUP, _CONNECTION_STARTUP = "node.startup", "node.conn[0].startup"
_DISCOVERY_ADDRESS, _DISCOVERY_PORT = "node.discovery_address", "node.discovery_port"

DiscoveryKind = Literal["sendtargets", "isns"]


def number_of(text: str | None) -> int | None:
    """Read a number as strtol(3) does: what follows the digits is ignored; None if none.

    open-iscsi reads its records so: `10s` is 10 to it.
    """
    match = re.match(r"\s*([+-]?[0-9]{1,18})", text or "")
    return int(match[1]) if match else None


def discovery_values(portal: Portal) -> dict[str, str]:
    """Return what notes in a node record which portal named its target in answer to SendTargets.

    open-iscsi writes the same where it makes the record itself. It looks at them for links of its
    own only where `node.discovery_type` is send_targets (idbm.c, setup_disc_to_node_link).
    """
    return {_DISCOVERY_ADDRESS: portal.address, _DISCOVERY_PORT: str(portal.port)}


def startup_values(startup: str) -> dict[str, str]:
    """Return what makes a record log in at boot as told, whatever it said of its connection.

    open-iscsi logs in if either setting says so (iscsiadm.c, match_startup_mode): whatever is less
    than `automatic` has to be said of the connection too.
    """
    if startup == "automatic":
        return {_STARTUP: startup}
    return {_STARTUP: startup, _CONNECTION_STARTUP: "manual"}


@dataclass(frozen=True)
class Record:
    """What one file says. `mode` is its permission bits.

    `problem` is why open-iscsi cannot use it, None if it can. `truncated`: it has a beginning but
    no end. `oversized`: keys that are too long for iscsiadm's buffers, or whose value is.
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

    Target, portal and interface are those of the path, so a corrupt record still has a name.
    """

    target: str
    portal: Portal
    iface: str = DEFAULT_IFACE

    @property
    def named_by(self) -> Portal | None:
        """The portal that named the target in answer to SendTargets, None where none is noted.

        An iSNS server is no portal: it knows the targets of many arrays.
        """
        address = self.values.get(_DISCOVERY_ADDRESS)
        port = self.values.get(_DISCOVERY_PORT, "")
        if self.values.get("node.discovery_type") not in {"static", "send_targets"}:
            return None
        return Portal(address, int(port)) if address and re.fullmatch("[0-9]{1,5}", port) else None

    @property
    def startup(self) -> str:
        """`manual`, `automatic` or `onboot`; open-iscsi takes manual where neither key says it.

        Where session and connection differ, the word that logs in counts (match_startup_mode).
        """
        # Values are compared as open-iscsi does: `Automatic` is no word of its own.
        said = {self.values.get(key) for key in (_STARTUP, _CONNECTION_STARTUP)}
        return next((word for word in ("automatic", "onboot") if word in said), "manual")

    @property
    def onboot(self) -> bool:
        """Tell whether it is meant to be logged in to at boot, by whatever does that.

        SUSE's service asks for both words. Those of Debian and RHEL ask for `automatic` alone, and
        leave `onboot` to whatever boots the root filesystem: see `logged_in_by`.
        """
        return self.startup in {"automatic", "onboot"}

    def logged_in_by(self, startups: frozenset[str]) -> bool:
        """Tell whether a login service that asks for these words logs in to it at boot."""
        return self.startup in startups

    @property
    def transport(self) -> str:
        """The kernel transport that it logs in through, `tcp` where it is not said.

        A record through a built-in interface says nothing of it: `iser` alone then means iSER.
        """
        return self.values.get("iface.transport_name", BUILT_IN_IFACES.get(self.iface, "tcp"))

    @property
    def over_tcp(self) -> bool:
        """Tell whether the host's own TCP leads to its portal; RDMA and adapters have their own."""
        return self.transport == "tcp"

    @property
    def username(self) -> str | None:
        """The CHAP name that we send, None if it is not set.

        open-iscsi uses CHAP as soon as name and secret are set, whatever `authmethod` says.
        """
        return self.values.get("node.session.auth.username")

    @property
    def username_in(self) -> str | None:
        """The CHAP name that the target sends, None if it is not set.

        It is used for mutual CHAP alone (RFC 7143, 12.1.3).
        """
        return self.values.get("node.session.auth.username_in")

    @property
    def has_secret(self) -> bool:
        """Tell whether a secret of our own is set; its text is never read into this type."""
        return "node.session.auth.password" in self.values

    @property
    def has_secret_in(self) -> bool:
        """Tell whether a secret of the target is set, with which it has to prove who it is."""
        return "node.session.auth.password_in" in self.values

    @property
    def chap_algs(self) -> tuple[str, ...]:
        """The CHAP algorithms that are offered, best first (open-iscsi 2.1.1 and later).

        Empty where the record says none: open-iscsi then offers MD5 alone.
        """
        # open-iscsi parts its list at blanks too (strsep in idbm.c).
        return tuple(re.findall(r"[^, ]+", self.values.get("node.session.auth.chap_algs", "")))

    @property
    def session_count(self) -> int:
        """How many sessions open-iscsi makes of it, at least 1 (`node.session.nr_sessions`).

        A login makes those that are missing (session_mgmt.c, iscsi_login_portal).
        """
        return max(1, number_of(self.values.get("node.session.nr_sessions")) or 1)

    @property
    def leading_login(self) -> bool:
        """Tell whether one login through any of the interfaces is enough for this portal.

        The login service tries them in turn and stops at the first that works (__do_leading_login).
        """
        return self.values.get("node.leading_login") == "Yes"

    @property
    def scan(self) -> str:
        """`auto`, or `manual` where LUNs are scanned only when asked for.

        With `manual` a login brings no disk: each LUN has to be scanned by its number.
        """
        return self.values.get("node.session.scan", "auto")


@dataclass(frozen=True, kw_only=True)
class DiscoveryRecord(Record):
    """One server that was asked for targets."""

    kind: DiscoveryKind
    portal: Portal

    @property
    def has_secret(self) -> bool:
        """Tell whether a secret for discovery is set. The targets it finds do not inherit it."""
        return "discovery.sendtargets.auth.password" in self.values

    @property
    def asked_by_iscsid(self) -> bool:
        """Tell whether iscsid asks this server periodically and logs in to what it offers."""
        return self.values.get("discovery.sendtargets.use_discoveryd") == "Yes"


@dataclass(frozen=True)
class DiscoveryLink:
    """A link from a discovery record to a node record; iscsiadm names it after what it leads to.

    `portal` is None where the name does not tell it. `leads_to_record` is False for one whose
    record was deleted by other means than iscsiadm's.
    """

    path: Path
    target: str
    portal: Portal | None
    leads_to_record: bool


@dataclass(frozen=True, kw_only=True)
class IfaceRecord(Record):
    """One interface definition; `name` is the file's name and what records refer to."""

    name: str

    @property
    def transport(self) -> str:
        """The kernel transport, `tcp` where it is not said."""
        return self.values.get("iface.transport_name", "tcp")
