"""Lists of iscsiadm other than of sessions: records, discoveries, interfaces and adapters.

They are recognised so that nothing in them is taken for a session, and so that a warning can say
what the input is. Records and discovered targets are kept.
"""

import re
from collections import defaultdict
from collections.abc import Mapping

from iscsictl.model.capture import ListedRecord
from iscsictl.model.listing import Note
from iscsictl.model.names import Portal
from iscsictl.parse.printed_values import known, read_name, read_number, read_printed_portal

RECORDS = "node records or discovered targets (iscsiadm -m node, -m discovery), not sessions"
_DISCOVERIES = "discoveries (iscsiadm -m discovery), not sessions"
_IFACES = "interfaces (iscsiadm -m iface), not sessions"
_HOSTS = "SCSI hosts (iscsiadm -m host), not sessions"
_SETTINGS = "settings such as those in iscsid.conf, not sessions"
# Snapshots of 2018 print no blank before the name; the first releases print the record's number.
_RECORD = re.compile(
    r"(?:\[[0-9a-f]{6}\] )?(?P<portal>(?:\[[^\]\s]*\]|[^\s\[\],\"'<>/]+):\d{1,5},-?\d{1,10}?)"
    r"(?:\s+|(?=(?:iqn|eui|naa)\.))(?P<name>\S.*)"
)
_DISCOVERY = re.compile(
    r"(?:\[[0-9a-f]{6}\] )?\S+:\d{1,5} via (?:sendtargets|isns|static|firmware)"
)
_SECTIONS = re.compile(
    r"(?:SENDTARGETS|iSNS|STATIC|FIRMWARE):|No targets found\.|DiscoveryAddress: .*"
)
_IFACE = re.compile(r"\S+ [\w<>]+,[^,\s]*,[^,\s]*,[^,\s]*,\S*|Iface: (?P<of_records>\S+)")
_HOST = re.compile(r"[\w<>]+: \[\d+\] [^\s,]*,\[[^\]\s]*\],\S* \S+")
_FLAT_LISTS = (
    (_DISCOVERY, _DISCOVERIES),
    (_SECTIONS, _DISCOVERIES),
    (_IFACE, _IFACES),
    (_HOST, _HOSTS),
)
_HOST_HEAD = re.compile(r"Host Number: \d+")
_HOST_VALUE = re.compile(
    r"(?:State|Transport|Initiatorname|HWaddress|Netdev|Kernel Name|IPaddress(?: Autocfg)?|Gateway"
    r"|Subnet|BootProto|Link Local (?:Address|Autocfg)|Router Address|Port(?: State| Speed)?|MTU"
    r"|(?:VLAN|vlan) (?:ID|priority)): .*|Interface:|Sessions:|\*{9,10}"
)
_PAIR = re.compile(r"((?:node|iface|discovery|iscsid)\.[\w.\[\]]+) = ?(.*)")
_UNKNOWN_TAG = 65535  # as 2.0-877 prints -1


def _is_address(text: str) -> bool:
    """Return whether this is only an address, with no mark or `grep -H` prefix before it."""
    if not (text[0].isalnum() or text[0] == ":") or re.match(r"\d+-\d+\.\d+\.", text):
        return False
    # Without brackets an IPv6 address has a dot (::ffff:192.0.2.1); a name has no colon.
    is_ipv6 = text.count(":") > 1 and re.fullmatch(r"[0-9a-fA-F:.]+(?:%[\w.-]+)?", text)
    return ":" not in text or bool(is_ipv6)


def _kind_of_record(record: Mapping[str, str]) -> str:
    """Return what lines of NAME = VALUE are: a record, or the settings of a file without one."""
    if "node.name" in record or not record:
        return RECORDS
    kinds = {name.partition(".")[0] for name in record}
    if kinds == {"iface"}:
        return _IFACES
    return _DISCOVERIES if kinds == {"discovery"} else _SETTINGS


class ListedLines:
    """Which lines of the capture belong to which list, and the records in them."""

    def __init__(self) -> None:
        self.records: list[ListedRecord] = []
        #: The interface whose records `iscsiadm -m iface -P 1` lists next; None in other lists.
        self.iface: str | None = None
        self._lines: defaultdict[str, list[int]] = defaultdict(list)

    def add(self, kind: str, *numbers: int) -> None:
        """Record that these lines, counted from 1, belong to a list of this kind."""
        self._lines[kind] += numbers

    def take_notes(self, *, has_sessions: bool) -> list[Note]:
        """Return a note on each list and where it begins; with sessions, only on those also shown.

        The lines are then forgotten, so that each is mentioned once. The records stay.
        """
        notes = [
            Note(kind, min(numbers))
            for kind, numbers in self._lines.items()
            if numbers and (kind == RECORDS or not has_sessions)
        ]
        for numbers in self._lines.values():
            numbers.clear()
        return notes

    def __bool__(self) -> bool:
        return bool(self._lines)


class ListReader:
    """Reads the flat lists, the adapters with their values, and whole records.

    The tree of records (-P 1) begins like that of sessions; IscsiadmReader distinguishes them.
    """

    def __init__(self, listed: ListedLines) -> None:
        self._listed = listed
        self._in_host = False
        self._record: dict[str, str] | None = None
        self._pairs: list[int] = []
        self._is_framed = False

    def take(self, line: str, number: int) -> bool:
        """Read one stripped line; False if it is not of these formats.

        Values of a record that may be secrets are dropped unread.
        """
        if self._in_host and _HOST_VALUE.fullmatch(line):
            return True
        if _HOST_HEAD.fullmatch(line):
            self.close()
            self._in_host = True
            return self._note_listed_line(_HOSTS, number)
        if self._take_pair(line, number):
            return True
        for pattern, kind in _FLAT_LISTS:
            if found := pattern.fullmatch(line):
                self._listed.iface = found["of_records"] if pattern is _IFACE else None
                return self._note_listed_line(kind, number)
        return self._take_record(line, number)

    def _note_listed_line(self, kind: str, number: int) -> bool:
        self._listed.add(kind, number)
        return True

    def _take_record(self, line: str, number: int) -> bool:
        found = _RECORD.fullmatch(line)
        name = found and read_name(found["name"])
        portal = found and read_printed_portal(found["portal"])
        if not name or portal is None or not _is_address(portal.address):
            return False
        if portal.tpgt == _UNKNOWN_TAG:
            portal = Portal(portal.address, portal.port)
        self._listed.records.append(ListedRecord(name, portal))
        return self._note_listed_line(RECORDS, number)

    def _take_pair(self, line: str, number: int) -> bool:
        """Read a line of a whole record; only its target, portal and interface are kept."""
        if line.startswith(("# BEGIN RECORD", "# END RECORD")):
            if self._record is not None:
                self.close()
            else:
                self._pairs.append(number)
                self._is_framed = True
            return True
        found = _PAIR.fullmatch(line)
        if found is None:
            return False
        if self._record is None or found[1] in self._record:
            if self._record is not None:
                self.close()
            self._record = {}
        self._record[found[1]] = "" if "password" in found[1] else found[2].strip()
        self._pairs.append(number)
        return True

    def close(self) -> None:
        """End the record that is open, if any. One without a usable name is left out."""
        self._in_host = False
        record, self._record = self._record, None
        name = record and read_name(record.get("node.name", ""))
        if self._pairs:
            kind = _kind_of_record(record or {})
            kind = RECORDS if self._is_framed and kind == _SETTINGS else kind
            self._listed.add(kind, self._pairs[0])
        self._pairs, self._is_framed = [], False
        if not record or not name:
            return
        address = known(record.get("node.conn[0].address"))
        port = read_number(record.get("node.conn[0].port", ""))
        tag = read_number(record.get("node.tpgt", ""))
        portal = None
        if address is not None and port is not None:
            portal = Portal(address, port, tag if tag is not None and tag >= 0 else None)
        self._listed.records.append(
            ListedRecord(name, portal, known(record.get("iface.iscsi_ifacename")))
        )
