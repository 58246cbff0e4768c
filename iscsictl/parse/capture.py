"""Parse a capture of the output of storage tools, several outputs in a row, into a Listing.

Reads `iscsiadm -m session` (-P 0 to -P 3, also -S, and --info of the first releases), the sfnet
driver's `iscsi-ls` and libiscsi's. Other outputs that it knows are those of `iscsiadm -m node`, `-m
discovery`, `-m iface`, `-m host`, `multipath -ll`, `multipathd show ...`, `lsblk` and `lsscsi`.
Pure and total: any text gives a Listing. What could not be read is a warning that names the line
and never repeats it, because a line may hold a secret.
"""

import re
from collections.abc import Iterable
from typing import Protocol

from iscsictl.model.capture import CapturedDisk, CaptureDetails
from iscsictl.model.listing import Listing, Note
from iscsictl.parse.capture_disks import join_disks
from iscsictl.parse.capture_merge import merge_sessions
from iscsictl.parse.capture_text import decode_capture, numbered_lines
from iscsictl.parse.found_sessions import FoundSessions
from iscsictl.parse.iscsiadm_flat import find_flat_sessions
from iscsictl.parse.iscsiadm_lists import ListedLines, ListReader
from iscsictl.parse.iscsiadm_session import IscsiadmReader
from iscsictl.parse.libiscsi import LibiscsiReader
from iscsictl.parse.line_wrapping import (
    LinePrefix,
    is_plain_line,
    quoted_lines,
    split_line,
    without_marker,
)
from iscsictl.parse.lsblk_list import LsblkReader, TablePrefix
from iscsictl.parse.lsblk_rows import upright_rows
from iscsictl.parse.lsscsi_list import LsscsiReader
from iscsictl.parse.multipath_json import MultipathJsonReader
from iscsictl.parse.multipath_list import MultipathReader
from iscsictl.parse.multipathd_tables import MultipathdReader
from iscsictl.parse.sfnet import SfnetReader
from iscsictl.parse.shell_prompt import read_prompt
from iscsictl.parse.wrapped_lines import join_wrapped_lines

_BLANK = "\ufeff \t\r\f\v\0"
_QUOTE = re.compile(r"^(?:> ?)+")
_NO_SESSIONS = re.compile(r"(?:iscsiadm: )?[Nn]o active sessions\.?")
_SILENT = re.compile(
    r"Script (?:started|done) on .*|\[sudo\] password for .*|(?:\S+'s )?[Pp]assword:"
    r"|Active sessions:"
    r"|`{3,}.*|[-=_~*+. |]+|#{2,}|(?:- )?[\"'`]{2},?|[\[\](){},;]+|\{(?:noformat|code)[^}]*\}"
)
_MESSAGE = re.compile(r"iscsi(?:adm|d): ")
_MESSAGE_TEXT = "a message of open-iscsi (`iscsictl explain` knows most of them), skipped"
_SKIPPED_TEXT = "not session output, skipped"
_BROKEN_TEXT = "the lsblk JSON that begins here is incomplete"
_MARKERS = 4  # marks of quotes and lists that may be nested


class _Reader(Protocol):
    """One format: reads the lines that belong to it, and keeps their content."""

    def take(self, line: str, number: int) -> bool:
        """Read one stripped, non-empty line; False if it is not of this format."""

    def close(self) -> None:
        """End an unfinished section, because something else follows."""


def parse_capture(text: str | bytes) -> Listing:
    """Parse a capture of any of the tools; what it contains besides sessions is in `capture`.

    Indentation, blanks at the ends, CRLF, a byte order mark, colours, quoting of mails, logs, JSON
    and web pages, prompts and unrelated lines do not matter. If iscsiadm says that there are no
    sessions, there is no warning about other lines.
    """
    capture = _Capture()
    lines = numbered_lines(decode_capture(text) if isinstance(text, bytes) else text)
    for number, line in join_wrapped_lines(lines):
        capture.read_line(line, number)
    return capture.listing()


def parse_bundle(outputs: Iterable[tuple[str, bytes]]) -> Listing:
    """Parse several outputs of one host as one capture; a warning names its output.

    Lines that were only skipped are not mentioned: a bundle is full of them.
    """
    capture = _Capture()
    for name, data in outputs:
        for number, line in numbered_lines(decode_capture(data)):
            capture.read_line(line, number)
        capture.end_file(name)
    return capture.listing()


class _Capture:
    """Offers each line to the readers, first to the one that read the previous line."""

    def __init__(self) -> None:
        self._sessions = FoundSessions()
        self._warnings: list[Note] = []
        self._listed = ListedLines()
        self._maps: list[CapturedDisk] = []
        self._table = LsblkReader()
        self._table_prefix = TablePrefix()
        self._host: str | None = None
        self._iscsiadm = IscsiadmReader(self._sessions, self._warnings, self._listed)
        maps = MultipathReader(self._maps, self._warnings)
        self._readers: tuple[_Reader, ...] = (
            self._iscsiadm,
            SfnetReader(self._sessions, self._warnings),
            LibiscsiReader(self._sessions, self._warnings),
            maps,
            ListReader(self._listed),
            LsscsiReader(self._table, self._warnings),
            MultipathdReader(self._table, self._warnings),
            MultipathJsonReader(maps),
        )
        self._active: _Reader = self._iscsiadm
        self._prefix = LinePrefix()
        self._is_quoted = False
        # No prefix or quotes were found around the lines, and no table is open: most lines of a
        # long listing of sessions can go straight to the reader of the previous line.
        self._is_plain = True
        self._skipped: list[int] = []
        self._messages: list[int] = []
        self._last_read = 0
        self._named = 0
        self._maps_told: set[str] = set()
        self._says_none = False

    def read_line(self, raw: str, number: int) -> None:
        """Read one line of the capture, whatever it is wrapped in; `number` counts from 1.

        Of a line that no reader accepts, only the number is kept: it may contain a secret.
        """
        line = raw.strip(_BLANK)
        if not line:
            return
        if self._is_plain and is_plain_line(line) and self._active.take(line, number):
            self._note_read(number)
            return
        # A string that contains \n consists of several lines.
        is_string = "\\n" in raw and '"' in raw
        if not is_string and self._take_table(raw, number):
            return
        for part in split_line(line):
            if self._take_table(part, number) or self._read_part(part.strip(_BLANK), number):
                self._note_read(number)
            elif self._last_read != number:
                self._skipped.append(number)
        self._is_plain = not (self._is_quoted or self._prefix.is_known or self._table.is_open)

    def _take_table(self, raw: str, number: int) -> bool:
        """Offer a line to the table of `lsblk`, with its indentation but without any prefix."""
        stripped = self._table_prefix.strip(raw) if self._table.is_open else None
        if not self._table.is_open and ("NAME" in raw or '"blockdevices"' in raw):
            stripped = self._table_prefix.learn(raw)
        line = stripped if stripped is not None else _QUOTE.sub("", raw) if raw[:1] == ">" else raw
        if not self._table.take(line, number):
            return False
        self._active.close()
        self._is_plain = False
        return True

    def _note_read(self, number: int) -> None:
        self._last_read = number
        if self._skipped and self._skipped[-1] == number:
            self._skipped.pop()  # a key of the JSON, a cell of the table

    def _read_part(self, line: str, number: int) -> bool:
        if self._is_quoted and self._offer_quoted(line, number):
            return True
        inner = self._prefix.strip(line)
        if inner is not None and (not inner or self._offer_to_readers(inner, number)):
            return True
        if not line or self._offer_to_readers(line, number) or self._is_known_noise(line, number):
            return True
        if self._read_wrapped(line, number):
            return True
        self._iscsiadm.skipped(line)
        return False

    def _offer_to_readers(self, line: str, number: int) -> bool:
        """Offer a line to every reader; True if one accepted it."""
        if self._active.take(line, number):
            return True
        for reader in self._readers:
            if reader is not self._active and reader.take(line, number):
                self._active.close()
                self._active = reader
                return True
        return False

    def _is_known_noise(self, line: str, number: int) -> bool:
        """Return whether a line means nothing here; a prompt ends the output before it."""
        warned = len(self._warnings)
        flat = list(find_flat_sessions(line, number, self._warnings))
        if flat or len(self._warnings) > warned:
            self._end_output(number)
            for session in flat:
                self._sessions.add(session, number)
            return True
        if _NO_SESSIONS.fullmatch(line):
            self._says_none = True
            return True
        if _SILENT.fullmatch(line):
            return True
        if _MESSAGE.match(line):
            self._messages.append(number)
            return True
        boundary = read_prompt(line)
        if boundary is None:
            return False
        self._end_output(number)
        self._host = boundary.host
        return True

    def _end_output(self, number: int) -> None:
        self._active.close()
        self._listed.iface = None
        self._iscsiadm.start_output(number)
        self._sessions.end_output(self._host)

    def _offer_quoted(self, line: str, number: int) -> bool:
        """Offer what is in quotes; True if something was accepted.

        From then on, quotes are tried first in later lines: in JSON, only what is in quotes is
        output.
        """
        parts = filter(None, (part.strip(_BLANK) for part in quoted_lines(line)))
        taken = [self._offer_to_readers(part, number) for part in parts]
        self._is_quoted |= any(taken)
        return any(taken)

    def _read_wrapped(self, line: str, number: int) -> bool:
        """Read a line inside quotes, a list, a log line or a comment; True if part was accepted."""
        if self._offer_quoted(line, number):
            return True
        if "password" in line.lower():
            return False  # it may contain a secret, which might be taken for something else
        inner = self._prefix.learn(line)
        if inner is not None and self._offer_to_readers(inner, number):
            return True
        rest: str | None = line
        for _ in range(_MARKERS):
            rest = without_marker(rest) if rest else None
            if rest is None:
                return False
            if self._offer_to_readers(rest, number):
                return True
        return False

    def end_file(self, name: str) -> None:
        """End the output of one file of a bundle, and name the file in its warnings."""
        self._end_output(0)
        self._sessions.end_file(name.rpartition("/")[2])
        self._table.close()
        self._add_notes(has_skipped=False)
        # A sosreport has the same maps twice, from `multipath -ll` and `multipath -v4 -ll`.
        notes = [note for note in self._warnings[self._named :] if note.text not in self._maps_told]
        self._maps_told |= {note.text for note in notes if note.text.startswith("map ")}
        self._warnings[self._named :] = [
            note._replace(text=f"{note.text} (in {name.rpartition('/')[2]})") for note in notes
        ]
        self._named = len(self._warnings)

    def _add_notes(self, *, has_skipped: bool) -> None:
        """Turn what was recorded about single lines into warnings."""
        self._warnings += self._listed.take_notes(has_sessions=bool(self._sessions.found))
        self._warnings += [Note(_BROKEN_TEXT, line) for line in self._table.broken_lines]
        self._table.broken_lines.clear()
        self._warnings += _notes_on_lines(self._messages, _MESSAGE_TEXT)
        if has_skipped and (self._sessions.found or not self._says_none):
            self._warnings += _notes_on_lines(self._skipped, _SKIPPED_TEXT, is_general=True)
        self._messages, self._skipped, self._last_read = [], [], 0

    def _note_disks(self, *, has_disks: bool) -> None:
        """Warn unless the table says of each of its disks whether it is an iSCSI disk."""
        rows = [row.cells for row in upright_rows(self._table.roots)]
        transports = [row.get("TRAN") for row in rows if row.get("TYPE", "disk") == "disk"]
        if "iscsi" in transports:
            return
        if not has_disks:
            text = "lists no disk that can be an iSCSI disk"
        elif transports and None not in transports:
            text = "says that none of these disks is an iSCSI disk"
        else:
            text = "does not say which disks are iSCSI disks, so all of them are shown"
        line = None if self._named else self._table.first_line
        self._warnings.append(Note(f"{self._table.tool} {text}", line))

    def listing(self) -> Listing:
        """Return what the capture contains, with the most specific warnings first.

        It must be called once, at the end: it closes the readers.
        """
        self._active.close()
        self._table.close()
        self._iscsiadm.start_output(0)
        self._sessions.end_output(self._host)
        sessions = merge_sessions(self._sessions, self._warnings)
        disks = join_disks(sessions, self._maps, self._table)
        self._add_notes(has_skipped=True)
        if self._table.first_line is not None and not any(one.luns for one in sessions):
            self._note_disks(has_disks=bool(disks))
        self._warnings.sort(key=lambda note: (note.is_general, note.line or 0))
        is_other = bool(self._listed) or disks is not None or self._table.first_line is not None
        details = CaptureDetails(
            bool(sessions) or not is_other, disks, tuple(self._listed.records) or None
        )
        return Listing(tuple(sessions), None, tuple(self._warnings), details)


def _notes_on_lines(lines: list[int], text: str, *, is_general: bool = False) -> list[Note]:
    """Return a note for each run of adjacent lines."""
    runs: list[list[int]] = []
    for number in lines:
        if runs and runs[-1][1] >= number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return [
        Note(text + (f" up to line {last}" if last > first else ""), first, is_general)
        for first, last in runs
    ]
