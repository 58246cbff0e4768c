"""The output of `iscsiadm -m session` with -P 1 to -P 3, and with --info of the first releases."""

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from iscsictl.model.capture import ListedRecord
from iscsictl.model.listing import Host, Lun, Note, Session
from iscsictl.model.names import Portal
from iscsictl.parse.account_names import AccountNames
from iscsictl.parse.found_sessions import FoundSessions
from iscsictl.parse.iscsiadm_lists import RECORDS, ListedLines
from iscsictl.parse.printed_values import (
    known,
    read_name,
    read_number,
    read_printed_portal,
    read_word,
)
from iscsictl.parse.session_group import Part, SessionGroup
from iscsictl.parse.session_labels import PARAMS, TIMEOUTS, VALUES, read_param, read_seconds
from iscsictl.parse.statistics import parse_session_errors

if TYPE_CHECKING:
    from collections.abc import Callable

_LUN = re.compile(r"scsi(\d{1,10}) Channel (\d{1,10}) Id (\d{1,10}) Lun: ?(\d{1,20})(?!\w)")
_DISK = re.compile(r"Attached scsi disk ([\w!-]+?)(?:\s*State:\s*(.*)|\s.*)?", re.ASCII)
_KERNEL_DISK = re.compile(r" at scsi\d+, ")  # a disk in the log of kernels before 2.6.16
_HOST = re.compile(r"(\d{1,10})\s*(?:State:\s*(.*))?")
_VERSION = re.compile(r"(?:iscsiadm )?version \d{1,4}\.\S{1,40}|iSCSI Transport Class version .*")
_SESSION_INFO = re.compile(r"Session \(sid (\d{1,10})\) using module ([\w.-]+):?")
# The heading of a session in `-m session -s`, and the counters below it.
_STATISTICS = "Stats for session [sid"
_COUNTED = re.compile(r" (\d{1,10}), target: (\S+), portal: (\S+),(\d{1,5})\]")
_COUNTER = re.compile(r"[a-z]\w*: \d{1,20}|iSCSI (?:SNMP|Extended):")
_RULES = frozenset("*" * width for width in (5, 9, 10, 24, 36))

# A listing that was filtered with grep has some lines of each session, but not all of these.
_WHOLE = frozenset({"iface", "sid", "connection_state", "host"})
_HEADINGS = {"Timeouts": Part.TIMEOUTS, "Negotiated iSCSI params": Part.PARAMS, "Sessions": None}


class IscsiadmReader:
    """Reads by label, so indentation does not matter.

    Target and portals apply until others come, because iscsiadm prints them once for all the
    sessions that share them. Lines of a session without its head get a warning, and are shown as a
    session only if its SID is among them: no session is made up.
    """

    def __init__(self, sessions: FoundSessions, warnings: list[Note], listed: ListedLines) -> None:
        self._sessions = sessions
        self._warnings = warnings
        self._lists = listed
        self._target: str | None = None
        self._target_line = 0
        self._portal: Portal | None = None
        self._persistent: Portal | None = None
        self._listed: ListedRecord | None = None
        self._has_listed = False
        self._group: SessionGroup | None = None
        self._is_fresh = False
        self._names = AccountNames(warnings)
        self._begin = 1
        self._missing_target: int | None = None
        self._counted: list[str] | None = None
        self._special: dict[str, Callable[[str, int], bool]] = {
            _STATISTICS: self._take_statistics,
            "Target": self._take_target,
            "Current Portal": self._take_portal,
            "Persistent Portal": self._take_persistent,
            "Portal": self._take_listed_portal,
            "Interface": self._take_interface,
            "SID": self._take_sid,
            "TargetName": self._take_info_target,
            "Portal Group Tag": self._take_info_tag,
            "Network Portal": self._take_info_portal,
            "CHAP": self._take_chap,
            "username": partial(self._take_username, "username"),
            "username_in": partial(self._take_username, "username_in"),
            "Attached SCSI devices": self._take_devices,
            "Host Number": self._take_host,
        }

    def take(self, line: str, number: int) -> bool:
        """Read one stripped line; False if it is not of this format.

        A line with a secret is accepted and skipped, so that no other reader sees it.
        """
        if line in _RULES:
            if self._group is not None and self._group.part is Part.DEVICES:
                self._group.has_device_section = True
            return self._target is not None or self._group is not None
        label, colon, value = line.partition(":")
        if not colon:
            return self._take_bare(line, number)
        if self._group is not None and ("password:" in line or "password_in:" in line):
            self._names.pass_secret(label, number)
            return True
        if self._names.waiting is not None:
            return self._take_after_name(line, number)
        if self._take_value(label, value, number):
            return True
        special = self._special.get(label)
        if special is not None:
            return special(value, number)
        if self._counted is not None and _COUNTER.fullmatch(line):
            self._counted.append(line)
            return True
        if line.startswith(("scsi", "Attached")):
            return self._take_lun(line, number)
        return line.startswith("Session (") and self._take_session_info(line, number)

    def start_output(self, number: int) -> None:
        """Forget target and portals: after line `number`, the output of another command begins.

        Those of one output never complete the sessions of the next.
        """
        self.close()
        self._end_target()
        self._target = self._portal = self._persistent = None
        self._is_fresh = False
        self._begin = number

    def skipped(self, line: str) -> None:
        """Note a line that no reader accepted: it may have been that of a LUN."""
        group = self._group
        if group is not None and group.part >= Part.DEVICES and re.search(r"(?i)scsi|lun", line):
            group.lost_lun = True

    def _take_bare(self, line: str, number: int) -> bool:
        if line == "Unavailable" and self._group is not None:
            self._group.luns = None
            return True
        if _VERSION.fullmatch(line):
            self.start_output(number)
            return True
        if line.startswith("Attached scsi disk "):
            return self._take_disk(line, number)
        return False

    def _take_value(self, label: str, value: str, number: int) -> bool:
        """Read a label that only sets a value, as most labels of a long listing do."""
        if label in PARAMS:
            group = self._group_for(Part.PARAMS, label, number)
            if group.params is None:
                group.params = {}
            if word := read_param(value):
                group.params[label] = word
            return True
        if label in VALUES:
            part, name, read = VALUES[label]
            if self._listed is not None and name == "iface":
                self._add_listed(read(value), number)
                return True
            self._group_for(part, name, number).values[name] = read(value)
            return True
        if label in TIMEOUTS:
            name = TIMEOUTS[label]
            group = self._group_for(Part.TIMEOUTS, name, number)
            seconds = read_seconds(value)
            if seconds is not None:
                group.timeouts[name] = seconds
            elif known(value.strip()) is not None:
                self._warnings.append(Note(f"{label} is not a number of seconds", number))
            return True
        if label in _HEADINGS and not value.strip():
            part_of = _HEADINGS[label]
            return part_of is None or bool(self._group_for(part_of, "", number))
        return False

    def _group_for(self, part: Part, label: str, number: int) -> SessionGroup:
        """Return the session that a line of this part belongs to: the open one, or another."""
        group = self._group
        if group is None or not group.accepts(part, label):
            group = self._open_group(number, headed=self._is_fresh or part <= Part.SID)
            group.accepts(part, label)
        group.last_line = number
        return group

    def _open_group(self, number: int, *, headed: bool) -> SessionGroup:
        """End the session that is open, and begin the next."""
        is_of_listed_portal = self._listed is not None and not self._has_listed
        if is_of_listed_portal:  # 2.0-754: the portal of a session, not of a record
            self._portal = self._listed.portal if self._listed else None
            self._has_listed = True
        self._end_listed()
        self._close_group()
        self._group = SessionGroup(number, headed or is_of_listed_portal)
        self._is_fresh = False
        return self._group

    def _take_target(self, value: str, number: int) -> bool:
        name = read_name(value) if value.startswith((" ", "\t")) else None
        if name is None:
            return False
        self.start_output(number)
        self._target, self._target_line = name, number
        self._is_fresh = True
        return True

    def _end_target(self) -> None:
        """Report a target, or its last portal, that no line of a session followed.

        Only sessions have a current or a persistent portal, so with one of them it is a session.
        """
        if self._target is None or not self._is_fresh:
            return
        if self._portal is not None or self._persistent is not None:
            group = SessionGroup(self._target_line, headed=True)
            session = group.session(self._target, self._portal, self._persistent)
            self._sessions.add(session, self._target_line)
            text = "only the portals of this session are given"
        else:
            text = "a target without portals, which may be a session or a record, is left out"
        self._warnings.append(Note(text, self._target_line))

    def _take_portal(self, value: str, number: int) -> bool:
        self._close_group()
        if self._portal is not None:
            self._end_target()
        self._persistent = None
        self._portal = self._read_portal(value, number)
        self._is_fresh = True
        return True

    def _take_persistent(self, value: str, number: int) -> bool:
        if self._group is not None:  # the line of its current portal is lost
            self._close_group()
            self._portal = None
        elif self._persistent is not None:
            self._end_target()
        self._persistent = self._read_portal(value, number)
        self._is_fresh = True
        return True

    def _read_portal(self, value: str, number: int) -> Portal | None:
        portal = read_printed_portal(value)
        if portal is None and "empty>" not in value:
            self._warnings.append(Note("the portal is not ADDRESS:PORT,TPGT", number))
        return portal

    def _take_listed_portal(self, value: str, _number: int) -> bool:
        """Read a portal of `-m node -P 1` or `-m discovery -P 1`, which list no sessions."""
        portal = read_printed_portal(value)
        if self._target is None or portal is None:
            return False
        self.close()
        self._is_fresh = False
        record = ListedRecord(self._target, portal, self._lists.iface)
        self._listed, self._has_listed = record, False
        return True

    def _add_listed(self, iface: str | None, number: int) -> None:
        """Keep one record of the current portal: there is one for each interface."""
        if self._listed is not None:
            self._lists.add(RECORDS, self._target_line, number)
            self._lists.records.append(replace(self._listed, iface=iface))
            self._has_listed = True

    def _end_listed(self) -> None:
        record, self._listed = self._listed, None
        if record is not None and not self._has_listed:
            self._lists.add(RECORDS, self._target_line)
            self._lists.records.append(record)

    def _take_interface(self, value: str, number: int) -> bool:
        if value.strip():
            return False
        self._open_group(number, headed=True)
        return True

    def _take_sid(self, value: str, number: int) -> bool:
        sid = read_number(value)
        if sid is None or sid < 0:
            if self._target is None and self._group is None:
                return False
            self._warnings.append(Note("the SID is not a number", number))
            sid = None
        self._group_for(Part.SID, "sid", number).sid = sid
        return True

    def _take_session_info(self, line: str, number: int) -> bool:
        """Read the heading of a session in --info of 2.0-742, in which sessions share nothing."""
        found = _SESSION_INFO.fullmatch(line)
        if found is None:
            return False
        self.start_output(number)
        self._open_group(number, headed=True)
        group = self._group_for(Part.SID, "sid", number)
        group.sid, group.values["transport"] = int(found[1]), found[2]
        return True

    def _take_info_target(self, value: str, _number: int) -> bool:
        name = read_name(value)
        if self._group is None or self._target is not None or name is None:
            return False
        self._target = name
        return True

    def _take_info_tag(self, value: str, _number: int) -> bool:
        if self._group is None:
            return False
        self._group.values["tpgt"] = read_number(value)
        return True

    def _take_info_portal(self, value: str, number: int) -> bool:
        if self._group is None:
            return False
        portal = self._read_portal(value, number)
        tag = self._group.values.get("tpgt")
        self._portal = portal and Portal(portal.address, portal.port, tag)
        return True

    def _take_statistics(self, value: str, number: int) -> bool:
        found = _COUNTED.fullmatch(value)
        name = found and read_name(found[2])
        if not found or not name or (port := int(found[4])) > 65535:
            return False
        self.start_output(number)
        portal = Portal(found[3].strip("[]"), port)
        session = Session("iscsiadm", name, sid=int(found[1]), persistent_portal=portal)
        self._sessions.add(session, number)
        self._counted = [f"{_STATISTICS}:{value}"]
        return True

    def _end_statistics(self) -> None:
        """Add the counted errors to the session of the statistics."""
        counted, self._counted = self._counted, None
        if counted is not None:
            session = self._sessions.found[-1]
            errors = parse_session_errors("\n".join(counted)).get(session.sid or 0)
            self._sessions.found[-1] = session._replace(errors=errors)

    def _take_chap(self, value: str, number: int) -> bool:
        if self._group is None or value.strip():
            return False
        self._group_for(Part.CHAP, "", number).chap = {}
        return True

    def _take_username(self, label: str, value: str, number: int) -> bool:
        if self._group is None:
            return False
        group = self._group_for(Part.CHAP, "", number)
        if group.chap is None:
            group.chap = {}
        self._names.hold(group.chap, label, value.strip(), number)
        return True

    def _take_after_name(self, line: str, number: int) -> bool:
        """Read a line after a CHAP name that is no secret; lines of other formats do not matter."""
        waiting = self._names.release()
        if self.take(line, number):
            self._names.leave_out(waiting)
            return True
        self._names.waiting = waiting
        return False

    def _take_devices(self, value: str, number: int) -> bool:
        if value.strip():
            return False
        self._group_for(Part.DEVICES, "", number)
        return True

    def _take_host(self, value: str, number: int) -> bool:
        """Read the adapter of a session; the list of `-m host` has its state on another line."""
        found = _HOST.match(value.strip())
        if found is None or found[2] is None:
            return False
        group = self._group_for(Part.DEVICES, "host", number)
        group.host = Host(int(found[1]), read_word(found[2]))
        if group.has_device_section and group.labels >= _WHOLE:
            group.luns = []  # nothing was filtered, so a LUN that is not listed does not exist
        return True

    def _take_lun(self, line: str, number: int) -> bool:
        """Read the line of a LUN, or that of the disk of the LUN before it."""
        found = _LUN.match(line)
        if found is None:
            return self._take_disk(line, number)
        host, channel, target, lun = (int(part) for part in found.groups())
        group = self._group
        if group is not None and group.host_number() not in (None, host):
            group = self._open_group(number, headed=False)  # of a session whose head is lost
        group = self._group_for(Part.LUNS, "", number)
        group.luns = group.luns or []
        group.luns.append(Lun(lun, f"{host}:{channel}:{target}:{lun}"))
        return True

    def _take_disk(self, line: str, number: int) -> bool:
        found = _DISK.fullmatch(line)
        if found is None or _KERNEL_DISK.search(line):
            return False
        group = self._group_for(Part.LUNS, "", number)
        if not group.luns or group.luns[-1].device is not None:
            group.lost_lun = True
            self._warnings.append(
                Note("the LUN of this disk is not given, so none is shown", number)
            )
            return True
        last = group.luns.pop()
        state = read_word(found[2]) if found[2] else None
        group.luns.append(Lun(last.lun, last.hctl, f"/dev/{found[1]}", state))
        return True

    def close(self) -> None:
        """End the session that is open; target and portals also apply to the next.

        A session whose first lines are missing is kept only if its SID is known.
        """
        self._end_statistics()
        self._close_group()
        self._end_listed()

    def _close_group(self) -> None:
        self._names.leave_out(self._names.release())
        group, self._group = self._group, None
        if group is None:
            return
        has_head = group.headed and self._target is not None
        if not (has_head or (group.sid is not None and group.is_told)):
            last = f" up to line {group.last_line}" if group.last_line > group.line else ""
            self._warnings.append(
                Note(f"lines of a session without its heading, skipped{last}", group.line)
            )
            return
        if group.sid is None:
            self._warnings.append(Note("the session that begins here has no SID", group.line))
        if self._target is None and self._missing_target != self._begin:
            self._missing_target = self._begin
            text = "the `Target:` line is missing after this line, so the target is unknown"
            self._warnings.append(Note(text, self._begin))
        session = group.session(self._target or "", self._portal, self._persistent)
        self._sessions.add(session, group.line)
