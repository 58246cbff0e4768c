"""A capture of session listings, of any tool and version, several in a row -> Listing.

Reads `iscsiadm -m session` (-P 0 to -P 3, also -S), the sfnet driver's `iscsi-ls` and
libiscsi's. Pure and total: any text gives a Listing; what could not be read is a warning
that names the line, and never repeats it, since a line may hold a secret.
"""

import codecs
import re
from typing import Protocol

from iscsictl.model.listing import Listing, Note, Session
from iscsictl.parse.iscsiadm_session import IscsiadmReader
from iscsictl.parse.libiscsi import LibiscsiReader
from iscsictl.parse.sfnet import SfnetReader

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_PROMPT = re.compile(
    r"(?:\[[^\]]{0,80}\]|\(\S{0,40}\) ?\S{0,80}|\S{0,80}(?: [~/]\S{0,80})?|PS [A-Z]:\S{0,80})"
    r" ?[#$%>](?: .*)?|\[[^\]]{0,80}\][#$].*"
)
_BLANK = "\ufeff \t\r\f\v\0"
_NO_SESSIONS = "iscsiadm: No active sessions"
_SILENT = (_NO_SESSIONS, "Script started on ", "Script done on ")


class _Reader(Protocol):
    """One format: takes the lines that are its own and keeps the sessions they make."""

    def take(self, line: str, number: int) -> bool:
        """Read one stripped, non-empty line; False if it is not of this format."""

    def close(self) -> None:
        """End the session that is open, for something else follows."""


def decode(data: bytes) -> str:
    """Turn the bytes of a capture into text; bytes that are no UTF-8 are kept as surrogates."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    if len(data) > 3 and not (data[1] or data[3]) and data[0]:
        return data.decode("utf-16-le", "replace")
    return data.decode("utf-8", "surrogateescape")


def parse_capture(text: str | bytes) -> Listing:
    """Read a capture; `disks` stays None, for no printed format tells them.

    Indentation, blanks at the ends, CRLF, a byte order mark, colours, a mail's quoting, prompts
    and unrelated lines do not matter. Where iscsiadm says that there are no sessions, what
    stands around it is not missed.
    """
    if isinstance(text, bytes):
        text = decode(text)
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    if "\xa0" in text:
        text = text.replace("\xa0", " ")
    if "\n" not in text:
        text = text.replace("\r", "\n")
    sessions: list[Session] = []
    warnings: list[Note] = []
    readers: tuple[_Reader, ...] = (
        IscsiadmReader(sessions, warnings),
        SfnetReader(sessions, warnings),
        LibiscsiReader(sessions, warnings),
    )
    active = readers[0]
    noise: list[int] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip(_BLANK)
        if line[:1] == ">":
            line = line.lstrip("> \t")  # quoted in a mail
        if not line or active.take(line, number):
            continue
        for reader in readers:
            if reader is not active and reader.take(line, number):
                active.close()
                active = reader
                break
        else:
            line = raw.strip(_BLANK)
            if not (line.startswith(_SILENT) or _PROMPT.fullmatch(line)):
                noise.append(number)
    active.close()
    if sessions or _NO_SESSIONS not in text:
        warnings += _noise_notes(noise)
    warnings.sort(key=lambda note: note.line or 0)
    return Listing(tuple(sessions), None, tuple(warnings))


def _noise_notes(lines: list[int]) -> list[Note]:
    """Name the lines that no reader took, neighbours together."""
    runs: list[list[int]] = []
    for number in lines:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return [
        Note("not session output, skipped" + (f" up to line {last}" if last > first else ""), first)
        for first, last in runs
    ]
