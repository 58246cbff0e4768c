"""What an error code means: lookups in the tables, and the exit code for each."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from iscsictl import errors
from iscsictl.errors import Exit, IscsictlError, tables
from iscsictl.errors.own_tables import ISCSICTL
from iscsictl.errors.scsi_tables import HOST_BYTES

Kind = Literal["iscsiadm", "kernel", "login", "scsi", "iscsictl", "message"]


@dataclass(frozen=True)
class Cause:
    """One thing that can go wrong. `code` is that of its source: 24, 1020, 0x0201.

    It is None for a message without a code. `name` is from the standard or the header file;
    `meaning`, `usual_cause` and `fix` are sentences without a full stop; `exit` is the exit code of
    iscsictl for it.
    """

    kind: Kind
    code: int | None
    name: str
    meaning: str
    usual_cause: str
    fix: str
    exit: Exit

    @property
    def shown(self) -> str:
        """The code as its source writes it, "" for a message without a code.

        A login status has four hexadecimal digits; a host byte has two after 0x, as in the kernel's
        headers.
        """
        if self.code is None:
            return ""
        if self.kind == "login":
            return f"{self.code:04x}"
        return f"0x{self.code:02x}" if self.kind == "scsi" else str(self.code)


_TABLES: Final[dict[Kind, tuple[tables.Row, ...]]] = {
    "iscsiadm": tables.ISCSIADM,
    "kernel": tables.KERNEL,
    "login": tables.LOGIN,
    "scsi": HOST_BYTES,
    "iscsictl": ISCSICTL,
    "message": (),
}


@cache
def table(kind: Kind) -> dict[int, Cause]:
    """Return all causes of a kind by code; messages without a code have no table.

    The dictionary is shared by all callers and must not be changed.
    """
    return {row[0]: Cause(kind, *row) for row in _TABLES[kind]}


def every() -> tuple[Cause, ...]:
    """Return the causes of all kinds, in the order of their codes within each kind."""
    return tuple(cause for kind in _TABLES for cause in table(kind).values())


_STATUS: Final = (
    re.compile(r"\((?P<c>0[0-3])/(?P<d>[0-9a-f]{2})\)", re.IGNORECASE),
    re.compile(r"class 0x(?P<c>[0-3]), detail 0x(?P<d>[0-9a-f]{1,2})\b", re.IGNORECASE),
)
# What open-iscsi prints instead of the two numbers, to stderr or (iscsid) to the journal.
_STATUS_TEXTS: Final = (
    ("failed authentication with target", 0x0201),
    ("failed to authenticate with target", 0x0201),
    ("failed authorization with target", 0x0202),
    ("rejected: initiator failed authorization", 0x0202),
    ("error - target not found", 0x0203),
    ("rejected: incompatible version", 0x0205),
    # LOGIN_AUTHENTICATION_FAILED from open-iscsi's list (usr/initiator.h), not from RFC 7143.
    ("login error (login status 5)", 0x0201),
)


def login_status_in(text: str) -> Cause | None:
    """Find the last login status (RFC 7143 11.13.5) that iscsiadm or iscsid wrote, if any.

    A detail that the standard does not define is treated as that of its class (0200, 0300).
    """
    last: tuple[int, int] | None = None
    for pattern in _STATUS:
        for match in pattern.finditer(text):
            status = int(match["c"], 16) << 8 | int(match["d"], 16)
            if last is None or match.start() > last[0]:
                last = match.start(), status
    if last is None:
        lowered = text.lower()
        places = [(lowered.rfind(words), code) for words, code in _STATUS_TEXTS]
        last = max((place for place in places if place[0] >= 0), default=None)
    return None if last is None else login_status(last[1])


def login_status(status: int) -> Cause | None:
    """Look up a login status, class << 8 | detail, or its class if the detail is not known.

    None for a class that RFC 7143 (11.13.5) does not define: these are 0 to 3.
    """
    statuses = table("login")
    return statuses.get(status) or statuses.get(status & 0xFF00)


def exit_for_iscsiadm(code: int, stderr: str = "") -> Exit:
    """Return the exit code of iscsictl for an exit code of iscsiadm.

    `stderr` may include lines of iscsid. For 5 and 19 the login status in it decides, if there is
    one. 15 is DONE. 21 is NOT_FOUND, which commands that list things treat as an empty list.
    """
    # iscsiadm uses these two for all refusals of a target; only the login status says why.
    if code in {5, 19} and (status := login_status_in(stderr)):
        return status.exit if status.exit is not Exit.DONE else Exit.ERROR
    cause = table("iscsiadm").get(code)
    return cause.exit if cause else Exit.ERROR


_CLASSES: Final[dict[Exit, type[IscsictlError]]] = {
    Exit.NOT_FOUND: errors.NotFoundError,
    Exit.AUTH: errors.AuthError,
    Exit.UNREACHABLE: errors.UnreachableError,
    Exit.IN_USE: errors.InUseError,
    Exit.MISSING: errors.MissingError,
    Exit.NEEDS_ROOT: errors.NeedsRootError,
}
# These say little by themselves, so iscsiadm's message is added.
_VAGUE: Final = frozenset({1, 3, 6, 7, 9, 14, 16, 22, 25, 26, 27, 29, 30, 31, 255})
# Characters of iscsiadm's message, so that an error stays short.
_LONGEST: Final = 200


#: ISCSI_ERR_INTERNAL, iscsid's answer to a logout while the login is still in progress
#: (usr/initiator.c: "in invalid state for logout. Try again later").
_INTERNAL = 9
_LOGIN_UNDER_WAY = (
    "iscsid may still be logging in: try again once it has given up, by default after two "
    "minutes; its log: journalctl -u iscsid"
)


def error_from_iscsiadm(code: int, stderr: str, doing: str) -> IscsictlError:
    """Return the error for a failed iscsiadm: one line that begins with `doing`, and a hint.

    `code` is its exit code, or the negative number of the signal that killed it.
    `exit_for_iscsiadm` determines the class of the error.
    """
    cause = table("iscsiadm").get(code)
    status = login_status_in(stderr) if code in {5, 19, 24} else None
    message = _pick_telling_line(stderr)
    if status is not None and status.exit is not Exit.DONE:
        text = f"{doing}: {status.meaning} (login status {status.shown}, iscsiadm {code})"
        hint: str | None = status.fix
    elif cause is None:
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        text = f"{doing}: iscsiadm {ended}" + (f": {message}" if message else "")
        hint = None
    else:
        detail = f": {message}" if message and code in _VAGUE else ""
        text = f"{doing}: {cause.meaning}{detail} (iscsiadm {code})"
        hint = cause.fix
        if code == _INTERNAL and doing.startswith("logging out"):
            hint = _LOGIN_UNDER_WAY
    kind = _CLASSES.get(exit_for_iscsiadm(code, stderr), IscsictlError)
    return kind(text, hint=hint, tool_exit=code)


def _pick_telling_line(stderr: str) -> str:
    """Return the first line of iscsiadm that says more than its exit code, "" if there is none."""
    for line in stderr.splitlines():
        words = " ".join(line.split()).removeprefix("iscsiadm: ")
        if words and not words.startswith("initiator reported error"):
            return words if len(words) <= _LONGEST else words[:_LONGEST] + "..."
    return ""
