"""The values of one session read so far, and the order in which they came.

`iscsiadm -m session -P 3` prints the parts of a session in one order. So a line of an earlier part,
or a second value of the same kind, belongs to another session; this keeps lines of a second command
out of the session before it.
"""

import re
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Any

from iscsictl.model.listing import ChapNames, Host, Lun, Session, Status, Timeouts
from iscsictl.model.names import Portal
from iscsictl.parse.session_status import session_status


class Part(IntEnum):
    """The parts of a session, in the order in which every release prints them."""

    IFACE = 1
    SID = 2
    STATES = 3
    TIMEOUTS = 4
    CHAP = 5
    PARAMS = 6
    DEVICES = 7
    LUNS = 8


@dataclass
class SessionGroup:
    """The session that is being read; `headed` says whether its first lines were found.

    `luns` is None until a line about LUNs comes; `lost_lun` says that one could not be read.
    """

    line: int
    headed: bool
    last_line: int = 0
    part: Part = Part.IFACE
    labels: set[str] = field(default_factory=set)
    sid: int | None = None
    values: dict[str, Any] = field(default_factory=dict)
    timeouts: dict[str, int] = field(default_factory=dict)
    chap: dict[str, str | None] | None = None
    params: dict[str, str] | None = None
    host: Host | None = None
    has_device_section: bool = False
    luns: list[Lun] | None = None
    lost_lun: bool = False

    def accepts(self, part: Part, label: str) -> bool:
        """Return whether a line of this part can belong to the session, and record it if so.

        False means that another session begins: call it once for each line.
        """
        if part < self.part or label in self.labels:
            return False
        self.part = part
        if label:
            self.labels.add(label)
        return True

    def host_number(self) -> int | None:
        """Return the number of the adapter, which is also in the lines of the LUNs.

        None if neither its own line nor a LUN was read.
        """
        if self.host is None and self.luns and (address := self.luns[0].hctl):
            return int(address.partition(":")[0])
        return None if self.host is None else self.host.number

    @property
    def is_told(self) -> bool:
        """Whether enough is known to be shown as a session: more than a single label."""
        return len(self.labels) > 1 or self.luns is not None

    def session(self, target: str, portal: Portal | None, persistent: Portal | None) -> Session:
        """Create the session from what is known; `target` is empty if its line is missing.

        LUNs are None, not a part of them, if the line of one could not be read.
        """
        host = self.host
        if host is None and (number := self.host_number()) is not None:
            host = Host(number)
        connection = self.values.get("connection_state")
        state = self.values.get("session_state")
        internal = self.values.get("internal_state")
        if internal == "REPOEN":  # a misprint of the releases before mid-2009
            internal = "REOPEN"
        return Session(
            "iscsiadm",
            target,
            sid=self.sid,
            transport=self.values.get("transport"),
            portal=portal,
            persistent_portal=persistent,
            iface=self.values.get("iface"),
            initiator=self.values.get("initiator"),
            initiator_address=self.values.get("initiator_address"),
            status=printed_status(state, connection, internal, self.values.get("transport")),
            connection_state=connection,
            session_state=state,
            internal_state=internal,
            timeouts=Timeouts(**self.timeouts) if self.timeouts else None,
            chap=None if self.chap is None else ChapNames(**self.chap),
            params=self.params,
            host=host,
            luns=None if self.luns is None or self.lost_lun else tuple(self.luns),
        )


@lru_cache(maxsize=1000)
def printed_status(
    state: str | None, connection: str | None, internal: str | None, transport: str | None
) -> Status:
    """Return the status of printed states, even if a web page removed the underscore.

    See `session_status` for what the words mean. iscsid does not know the sessions of qla4xxx,
    whose firmware logs in, so "Unknown" is no sign that iscsid did not answer (usr/session_info.c).
    """
    if state is not None:
        state = re.sub(r"^LOGGED ?IN$", "LOGGED_IN", state)
    if connection is not None:
        connection = re.sub(r"^LOGGED_?IN$", "LOGGED IN", connection)
    if transport == "qla4xxx" and connection == "Unknown":
        connection = None
    return session_status(state, connection, internal)
