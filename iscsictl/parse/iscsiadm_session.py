"""The output of `iscsiadm -m session`, -P 0 to -P 3, of open-iscsi 2.0-870 to today."""

import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from iscsictl.model.listing import ChapNames, Host, Lun, Note, Session, Timeouts
from iscsictl.model.names import Portal
from iscsictl.parse.portal import read_portal
from iscsictl.parse.session_status import session_status

if TYPE_CHECKING:
    from collections.abc import Callable

_FLAT = re.compile(r"(\S{1,64}): \[(\d{1,10})\]\s+(\S+:-?\d+,-?\d+)\s+(\S.*)")
_SUFFIX = re.compile(r"(?<!\s)\s+\((?:non-)?flash\)$")
_LUN = re.compile(r"scsi(\d{1,10}) Channel (\d{1,10}) Id (\d{1,10}) Lun: (\d{1,20})")
_DISK = re.compile(r"Attached scsi disk (\S+?)(?:\s*State:\s*(.*))?")
_HOST = re.compile(r"(\d{1,10})\s*State:\s*(.*)")
_VERSION = re.compile(r"version \d{1,4}\.\S{1,40}")
_NUMBER = re.compile(r"-?\d{1,10}")

_WORDS = {
    "Iface Name": "iface",
    "Iface Transport": "transport",
    "Iface Initiatorname": "initiator",
    "Iface IPaddress": "initiator_address",
    "Iface HWaddress": "hwaddress",
    "Iface Netdev": "netdev",
    "iSCSI Connection State": "connection_state",
    "iSCSI Session State": "session_state",
    "Internal iscsid Session State": "internal_state",
}
_TIMEOUTS = {
    "Recovery Timeout": "recovery",
    "Target Reset Timeout": "target_reset",
    "LUN Reset Timeout": "lun_reset",
    "Abort Timeout": "abort",
}
_PARAMS = frozenset(
    {
        "HeaderDigest", "DataDigest", "MaxRecvDataSegmentLength", "MaxXmitDataSegmentLength",
        "FirstBurstLength", "MaxBurstLength", "ImmediateData", "InitialR2T", "MaxOutstandingR2T",
    }
)  # fmt: skip
_HEADINGS = frozenset({"Timeouts", "Negotiated iSCSI params"})
_RULES = frozenset("*" * width for width in (5, 9, 10, 24))


class _Account(NamedTuple):
    """A CHAP name that waits for the line of its secret."""

    section: dict[str, str | None]
    label: str
    name: str
    line: int


class _Group:
    """What is known so far of the session that is being read."""

    __slots__ = ("chap", "host", "line", "luns", "params", "sid", "timeouts", "words")

    def __init__(self, line: int) -> None:
        self.line = line
        self.sid: int | None = None
        self.words: dict[str, str] = {}
        self.timeouts: dict[str, int] = {}
        self.chap: dict[str, str | None] | None = None
        self.params: dict[str, str] | None = None
        self.host: Host | None = None
        self.luns: list[Lun] | None = None


class IscsiadmReader:
    """Reads by label, so indentation does not matter.

    Target and portals stand until others come: iscsiadm prints them once for all the sessions
    that share them.
    """

    def __init__(self, sessions: list[Session], warnings: list[Note]) -> None:
        self._sessions = sessions
        self._warnings = warnings
        self._target: str | None = None
        self._portal: Portal | None = None
        self._persistent: Portal | None = None
        self._group: _Group | None = None
        self._flat: Session | None = None
        self._account: _Account | None = None
        self._special: dict[str, Callable[[str, int], bool]] = {
            "Target": self._take_target,
            "Current Portal": self._take_portal,
            "Persistent Portal": self._take_persistent,
            "Interface": self._take_interface,
            "SID": self._take_sid,
            "CHAP": self._take_chap,
            "username": partial(self._take_username, "username"),
            "username_in": partial(self._take_username, "username_in"),
            "Attached SCSI devices": self._take_devices,
            "Host Number": self._take_host,
        }

    def take(self, line: str, number: int) -> bool:
        """Read one stripped line; False if it is not of this format."""
        if line in _RULES:
            return self._target is not None
        label, colon, value = line.partition(":")
        if not colon:
            return self._bare(line)
        if self._group is not None and ("password:" in line or "password_in:" in line):
            return self._take_secret(label, number)
        if self._account is not None:
            return self._take_after_name(line, number)
        if self._group is not None and self._plain(self._group, label, value.strip(), number):
            return True
        special = self._special.get(label)
        if special is not None:
            return special(value, number)
        if value.startswith(" ["):
            return self._take_flat(line, number)
        if self._group is None and (self._portal or self._persistent) and label in _WORDS:
            self._open(number)
            return self.take(line, number)
        return self._group is not None and self._take_device(self._group, line)

    def _bare(self, line: str) -> bool:
        if line == "Unavailable" and self._group is not None:
            self._group.luns = None
            return True
        if line.startswith("iSCSI Transport Class version ") or _VERSION.fullmatch(line):
            self._forget()
            return True
        return False

    def _plain(self, group: _Group, label: str, value: str, number: int) -> bool:
        """Read the labels that only fill in a value, which are most of a long listing."""
        if label in _PARAMS:
            if group.params is None:
                group.params = {}
            if value and value != "<empty>":
                group.params[label] = value
            return True
        word = _WORDS.get(label)
        if word is not None:
            if word in group.words or (word == "iface" and group.sid is not None):
                group = self._open(number)
            group.words[word] = value
            return True
        if label in _TIMEOUTS:
            if _NUMBER.fullmatch(value):
                group.timeouts[_TIMEOUTS[label]] = int(value)
            elif value == "off":
                group.timeouts[_TIMEOUTS[label]] = -1
            elif value != "<empty>":
                self._warnings.append(Note(f"{label} is not a number of seconds", number))
            return True
        return label in _HEADINGS and not value

    def _open(self, number: int) -> _Group:
        """End the session that is open, and begin the next."""
        self.close()
        self._group = _Group(number)
        return self._group

    def _forget(self) -> None:
        self.close()
        self._target = self._portal = self._persistent = None

    def _take_target(self, value: str, _number: int) -> bool:
        if not value.startswith((" ", "\t")):
            return False
        self._forget()
        self._target = _SUFFIX.sub("", value.strip())
        return True

    def _take_portal(self, value: str, number: int) -> bool:
        if self._target is None:
            return False
        self.close()
        self._persistent = None
        self._portal = self._read_portal(value, number)
        return True

    def _take_persistent(self, value: str, number: int) -> bool:
        if self._target is None:
            return False
        if self._group is not None:  # the line of its current portal is lost
            self.close()
            self._portal = None
        self._persistent = self._read_portal(value, number)
        return True

    def _read_portal(self, value: str, number: int) -> Portal | None:
        portal = read_portal(value.strip())
        if portal is None and "<empty>" not in value:
            self._warnings.append(Note("the portal is not ADDRESS:PORT,TPGT", number))
        return portal

    def _take_interface(self, value: str, number: int) -> bool:
        if self._target is None or value.strip():
            return False
        self._open(number)
        return True

    def _take_sid(self, value: str, number: int) -> bool:
        if self._target is None:
            return False
        group = self._group
        if group is None or group.sid is not None:
            group = self._open(number)
        text = value.strip()
        if text.isascii() and text.isdigit() and len(text) <= 10:
            group.sid = int(text)
        else:
            self._warnings.append(Note("the SID is not a number", number))
        return True

    def _take_chap(self, value: str, _number: int) -> bool:
        if self._group is None or value.strip():
            return False
        self._group.chap = {}
        return True

    def _take_username(self, label: str, value: str, number: int) -> bool:
        """Hold an account name until the line of its secret has come."""
        if self._group is None:
            return False
        if self._group.chap is None:
            self._group.chap = {}
        self._account = _Account(self._group.chap, label, value.strip(), number)
        return True

    def _take_secret(self, label: str, number: int) -> bool:
        """Let a secret (or its stars) go unread, and with it a line that it ran into.

        Its label does not tell whose it is, for that differs between versions.
        """
        account, self._account = self._account, None
        if label not in ("password", "password_in"):
            self._warnings.append(Note("skipped, for a secret may be in it", number))
        elif account is not None:
            account.section.setdefault(account.label, _known(account.name))
        return True

    def _take_after_name(self, line: str, number: int) -> bool:
        """Read what is no secret after a CHAP name: the name waits over lines of another format."""
        account, self._account = self._account, None
        if self.take(line, number):
            self._doubt(account)
            return True
        self._account = account
        return False

    def _doubt(self, account: _Account | None) -> None:
        """Drop a name that no secret follows: in a damaged capture it may be the secret."""
        if account is not None:
            account.section.setdefault(account.label, None)
            self._warnings.append(
                Note("the CHAP section is damaged here, the name is left out", account.line)
            )

    def _take_devices(self, value: str, _number: int) -> bool:
        return self._group is not None and not value.strip()

    def _take_host(self, value: str, _number: int) -> bool:
        """Read the adapter of a session; `-m host` prints another line with this label."""
        found = _HOST.fullmatch(value.strip())
        if self._group is None or not found:
            return False
        self._group.host = Host(int(found[1]), _known(found[2]))
        self._group.luns = []
        return True

    def _take_device(self, group: _Group, line: str) -> bool:
        """Read a LUN's line, or the line of the disk that stands for the LUN before it."""
        if found := _LUN.fullmatch(line):
            host, channel, target, lun = (int(part) for part in found.groups())
            group.luns = group.luns or []
            group.luns.append(Lun(lun, f"{host}:{channel}:{target}:{lun}"))
            return True
        found = _DISK.fullmatch(line)
        if not found or not group.luns or group.luns[-1].device:
            return False
        last = group.luns[-1]
        group.luns[-1] = Lun(last.lun, last.hctl, f"/dev/{found[1]}", _known(found[2]))
        return True

    def _take_flat(self, line: str, number: int) -> bool:
        found = _FLAT.fullmatch(line)
        if not found:
            return False
        self._forget()
        transport, sid, portal, target = found.groups()
        self._flat = Session(
            "iscsiadm",
            _SUFFIX.sub("", target),
            sid=int(sid),
            transport=_known(transport),
            persistent_portal=self._read_portal(portal, number),
        )
        return True

    def close(self) -> None:
        """End the session that is open; target and portals stand for the next."""
        flat, self._flat = self._flat, None
        if flat is not None:
            self._sessions.append(flat)
        account, self._account = self._account, None
        self._doubt(account)
        group, self._group = self._group, None
        if group is None or self._target is None:
            return
        if group.sid is None:
            self._warnings.append(Note("the session that begins here has no SID", group.line))
        words = group.words
        connection, session = words.get("connection_state"), words.get("session_state")
        internal = words.get("internal_state")
        if internal == "REPOEN":
            internal = "REOPEN"
        self._sessions.append(
            Session(
                "iscsiadm",
                self._target,
                sid=group.sid,
                transport=_known(words.get("transport")),
                portal=self._portal,
                persistent_portal=self._persistent,
                iface=_known(words.get("iface")),
                initiator=_known(words.get("initiator")),
                initiator_address=_address(words.get("initiator_address")),
                status=session_status(session, connection, internal),
                connection_state=_known(connection),
                session_state=_known(session),
                internal_state=_known(internal),
                timeouts=Timeouts(**group.timeouts) if group.timeouts else None,
                chap=None if group.chap is None else ChapNames(**group.chap),
                params=group.params,
                host=group.host,
                luns=None if group.luns is None else tuple(group.luns),
            )
        )


def _known(value: str | None) -> str | None:
    return None if value in (None, "", "<empty>") else value


def _address(value: str | None) -> str | None:
    """Take the brackets off that iscsiadm puts around what has no '.' in it."""
    if value is not None and value.startswith("[") and value.endswith("]"):
        value = value[1:-1]
    return None if value == "default" else _known(value)
