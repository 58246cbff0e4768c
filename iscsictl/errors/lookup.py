"""Finding what an error means: by code, by name, or in text pasted from a terminal or a log."""

import re
from collections.abc import Iterator
from typing import Final

from iscsictl.errors import NotFoundError
from iscsictl.errors.codes import Cause, Kind, every, login_status, login_status_in, table
from iscsictl.errors.disk_messages import DISKS, MULTIPATH
from iscsictl.errors.filesystem_messages import FILESYSTEMS, MAKING, MOUNTS
from iscsictl.errors.host_messages import HOSTS
from iscsictl.errors.iscsi_messages import CONNECTING, LOGIN, SETUP
from iscsictl.errors.message_type import Message
from iscsictl.errors.service_messages import SERVICES
from iscsictl.errors.target_messages import TARGETS
from iscsictl.errors.whole_lines import whole_lines

#: All messages, in the order in which a line is searched for them.
MESSAGES: Final = (
    *CONNECTING, *SETUP, *SERVICES, *LOGIN, *TARGETS, *HOSTS, *DISKS, *MULTIPATH, *FILESYSTEMS,
    *MOUNTS, *MAKING,
)  # fmt: skip
# How each source prints its code. The group is the number.
_PATTERNS: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (
    ("iscsiadm", re.compile(r"reported error \((\d{1,3}) - ")),
    ("iscsiadm", re.compile(r"\biscsiadm\b[^\n]{0,200}?\b(?:exit(?:ed)?|return(?:ed)?|error|err)"
                            r"(?:\s+(?:with|status|code|value|exit))*[\s:=]+(\d{1,3})\b",
                            re.IGNORECASE)),
    ("iscsiadm", re.compile(r"\biscsi(?!d\b)[^\n]{0,200}?\bstatus=(\d{1,3})[/)]", re.IGNORECASE)),
    ("iscsiadm", re.compile(r"\(iscsiadm (\d{1,3})\)|, iscsiadm (\d{1,3})\)")),
    ("iscsictl", re.compile(r"\biscsictl\b[^\n]{0,200}?\bexit(?:ed|s)?"
                            r"(?:\s+(?:with|status|code|value))*[\s:=]+(\d{1,3})\b",
                            re.IGNORECASE)),
    ("kernel", re.compile(r"\berror \(?(10[0-2]\d)\b", re.IGNORECASE)),
)  # fmt: skip
# A number without the name of a program: an exit status in any line, or an error that is the whole
# line.
_EXIT_STATUS: Final = re.compile(
    r"\b(?:exit(?:ed|ing|s)?(?: with)?(?: exit)?[ -]?(?:status|code)?"
    r"|rc|return(?:ed|s)? ?(?:code|value|status))\"?[\s:=]+(\d{1,3})\b",
    re.IGNORECASE,
)
_ERROR_ALONE: Final = re.compile(
    r"(?:iscsi ?)?(?:error|err|code|rc|status|returned)(?: code| number)?"
    r"[\s:=#]*\(?(\d{1,4})\)?[.!]?",
    re.IGNORECASE,
)
# Only at the end of a line about open-iscsi: mount(8) and others have their own numbers.
_ERROR_AT_END: Final = re.compile(
    r"\b(?:iscsi|log ?in|log ?out|discovery|portal)\b.{0,200}?\bfail.{0,60}?"
    r"\b(?:error|err|code)[\s:=#]+\(?(\d{1,4})\)?[.!]?$",
    re.IGNORECASE,
)
# Other programs for disks whose exit statuses are in the same logs.
_OTHER_PROGRAM: Final = re.compile(
    r"mount|mkfs|fsck|blkid|multipath|scsi_id|lsblk|modprobe|systemctl|blockdev|resize|growfs|"
    r"cryptsetup|\b(?:pv|vg|lv)(?:create|change|s|scan|extend)\b"
)
_HOST_BYTE: Final = re.compile(r"\bhostbyte[=: ]\s*(DID_[A-Z_]+|0x[0-9a-f]{1,2})\b", re.IGNORECASE)
# Kernels before 2.6.32 print the result of a command as one number; byte 2 is the host byte.
_RETURN_CODE: Final = re.compile(
    r"scsi error: return code = 0x[0-9a-f]{2}([0-9a-f]{2})", re.IGNORECASE
)
# A login status as Wireshark, the kernel's target and other initiators write it.
_STATUS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\((?:0x)?0?(?P<c>[0-3])/(?:0x)?(?P<d>[0-9a-f]{1,2})\)",
        (
            r"class[^\d\n]{0,40}(?:0x)?0?(?P<c>[0-3])\b[^\n]{0,60}?"
            r"detail[^\d\n]{0,12}(?:0x)?(?P<d>[0-9a-f]{1,2})\b"
        ),
        r"(?:login|status)[^\n]{0,80}?\b0x0?(?P<c>[0-3])(?P<d>[0-9a-f]{2})\b",
        r"\bstatus\b[^\n]{0,20}?\b0(?P<c>[1-3])(?P<d>[0-9a-f]{2})\b",
    )
)
_STATUS_DECIMAL: Final = re.compile(
    r"\bstatus(?: code)?[ :=(]{1,3}(?:[a-z ]{1,40}\()?(\d{3})\b", re.IGNORECASE
)
_STATUS_CLASS: Final = re.compile(r"\bstatus[- ]class[ :=]+(?:0x)?0?([1-3])\b", re.IGNORECASE)
# Messages without a number that the tables explain well enough; matched in lower case.
_TEXTS: Final[tuple[tuple[Kind, int, str], ...]] = (
    ("iscsiadm", 4, r"connection to discovery (?:address|portal) \S+ (?:closed|failed)"),
    ("iscsiadm", 4, r"cannot make (?:a )?connection to|login i/o error, failed to \w+ a pdu"),
    ("iscsiadm", 4, r"connect to \S+ failed \("),
    ("iscsiadm", 6, r"maybe a stale lock|could not lock"),
    ("iscsiadm", 12, r"iscsi driver \S+ is not loaded|iscsi driver not found"),
    ("iscsiadm", 12, r"could not find module for transport|make sure the iscsi driver is loaded"),
    ("iscsiadm", 12, r"could not (?:load|insert) (?:transport )?module|failed to load module"),
    ("iscsiadm", 18, r"daemon died\?"),
    ("iscsiadm", 19, r"login authentication failed with target"),
    ("iscsiadm", 20, r"can ?not connect to iscsi daemon|iscsid is not running"),
    ("iscsiadm", 20, r"discovery\. initiatorname required"),
    ("iscsiadm", 21, r"no active sessions|no records found|no (?:session|portal)s? found"),
    ("kernel", 1014, r"header ?digest error"),
    ("kernel", 1015, r"data ?digest error"),
    ("kernel", 1022, r"ping timeout of \d+ secs expired|nop-out timedout"),
)  # fmt: skip
# The meanings in iscsiadm's table are open-iscsi's own words (usr/iscsi_err.c), which it prints as
# ": WORDS" at the end of a line that says what failed. Lines of other tools can end in the same
# words ("Connection timed out"), so these count only if the line contains nothing else. In the
# middle of a line that does not mention iSCSI they are from another program ("XFS (sdb): Internal
# error ...").
_SAYINGS: Final = {cause.meaning.lower(): cause for cause in table("iscsiadm").values()}
_SAID: Final = re.compile(rf"(?:^|: )({'|'.join(map(re.escape, _SAYINGS))})\b(\W*$)?")
_NAMES: Final = re.compile(r"\bISCSI_(?:ERR|OK|SUCCESS)[A-Z0-9_]*\b")
# Codes of iscsiadm for portals that do not answer. Other programs print "Connection refused" too.
_UNREACHABLE: Final = frozenset({4, 8, 23})
_OTHER_SERVICE: Final = re.compile(
    r"\b(?:ssh|sshd|curl|wget|nfs|mount\.nfs4?|dial (?:tcp|unix)|https?|kubelet|docker|containerd|"
    r"rsync|ntpd?|chronyd|postgres|mysql|redis|etcd|postfix|named|ux_socket_connect)\b|\bport \d+"
)
_MESSAGES: Final = tuple((re.compile(message.pattern), message) for message in MESSAGES)
# The kinds of cause, the most informative first: what the target says, then what the kernel says.
_ORDER: Final[dict[Kind, int]] = {
    "login": 0, "kernel": 1, "message": 2, "scsi": 3, "iscsiadm": 4, "iscsictl": 5,
}  # fmt: skip
# Codes of iscsiadm that follow from another error: 1 and 255 say that something failed, 21 that
# there was nothing to work on.
_CONSEQUENCES: Final = frozenset({1, 21, 255})


def causes_of_code(word: str) -> tuple[Cause, ...]:
    """Look up 24, 1020, 513, 0x0201, 0203, 02/03, 0x02, ISCSI_ERR_BUSY or DID_NO_CONNECT.

    A number that is an exit code of both iscsiadm and iscsictl returns both. () if it is not a
    known code.
    """
    word = word.strip()
    # The names of iscsictl's own codes are everyday words: "error", "partial".
    others = [cause for cause in every() if cause.kind != "iscsictl"]
    named = [cause for cause in others if word.upper() == cause.name.upper()]
    return tuple(named or filter(None, _causes_of_number(word)))


def _causes_of_number(word: str) -> Iterator[Cause | None]:
    if re.fullmatch(r"0[xX][0-9a-fA-F]{3,4}", word):
        status = int(word, 16)
        yield login_status(status) if 0 < status >> 8 <= 3 else table("login").get(status)
    elif re.fullmatch(r"0[0-9a-fA-F]{3}", word) and int(word, 16) in table("login"):
        yield table("login")[int(word, 16)]
    elif match := re.fullmatch(r"0[xX]0?([1-3])", word):
        yield login_status(int(match[1]) << 8)
        yield table("scsi").get(int(match[1]))
    elif re.fullmatch(r"0[xX][0-9a-fA-F]{1,2}", word):
        yield table("scsi").get(int(word, 16))
    elif match := re.fullmatch(r"(?:0x)?(0?[0-3])/(?:0x)?([0-9a-fA-F]{1,2})", word):
        yield table("login").get(int(match[1], 16) << 8 | int(match[2], 16))
    elif re.fullmatch(r"[0-9]{1,5}", word):
        number = int(word)
        kinds: tuple[Kind, ...] = ("iscsiadm", "iscsictl", "kernel")
        yield from (table(kind).get(number) for kind in kinds)
        # Some programs print a login status as one decimal number: 513 is 0x0201.
        if number > 255:
            yield table("login").get(number)


def causes_in_text(text: str) -> tuple[Cause, ...]:
    """Find the causes that a text names, each once, the most informative first.

    A login status is more informative than an error of the kernel, and that more than a code of
    iscsiadm. Causes that only follow from another error ("no objects found", "all attempts failed")
    come last or are left out.
    """
    primary: list[Cause] = []
    followers: list[Cause] = []
    pointers: list[Cause] = []
    # Other programs exit with 1 and 2 too, so in a text about them these numbers mean nothing.
    is_ours = "iscsi" in text.lower() or text.count("\n") <= 1
    for line in whole_lines(text, _is_known):
        messages = _messages_in(line)
        for cause in _causes_in_line(line, messages, has_bare_numbers=is_ours):
            (pointers if _is_pointer(cause) else primary).append(cause)
        followers += [_cause_of_message(each) for each in messages if each.only_alone]
    unique: dict[tuple[Kind, object], Cause] = {}
    for cause in primary or followers or pointers:
        if int(cause.exit) or cause.kind == "message" or cause.code == 15:
            unique.setdefault((cause.kind, cause.code or cause.meaning), cause)
    return tuple(sorted(unique.values(), key=_rank_of_cause))


def _is_known(line: str) -> bool:
    """Return whether a line contains a known error."""
    messages = _messages_in(line)
    return bool(messages or _causes_in_line(line, messages))


def _is_pointer(cause: Cause) -> bool:
    """Return whether a cause only points elsewhere: with DID_OK, the sense data have the reason."""
    return cause.kind == "scsi" and cause.code == 0


def _rank_of_cause(cause: Cause) -> int:
    if cause.kind == "iscsiadm" and cause.code in _CONSEQUENCES:
        return max(_ORDER.values()) + 1
    return _ORDER[cause.kind]


def _messages_in(line: str) -> list[Message]:
    lowered = line.lower()
    messages = [message for pattern, message in _MESSAGES if pattern.search(lowered)]
    if any(message.code in _UNREACHABLE for message in messages) and _is_of_other_service(lowered):
        return [message for message in messages if message.code not in _UNREACHABLE]
    return messages


def _is_of_other_service(lowered: str) -> bool:
    """Return whether a line is about a connection to something other than an array."""
    return not re.search(r"iscsi|3260", lowered) and bool(_OTHER_SERVICE.search(lowered))


def _cause_of_message(message: Message) -> Cause:
    """Return the cause for which a message stands, with the more exact words of the message."""
    code, kind = message.code, message.kind
    name = table(kind)[code].name if code is not None else "message"
    return Cause(kind, code, name, message.meaning, message.usual_cause, message.fix, message.exit)


def _causes_in_line(
    line: str, messages: list[Message], *, has_bare_numbers: bool = True
) -> list[Cause]:
    """Find the causes in one line, those with exact words before those from the tables."""
    candidates: list[Cause | None] = [login_status_in(line) or _find_foreign_status(line)]
    candidates += [_cause_of_message(message) for message in messages if not message.only_alone]
    numbered = False
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(line):
            number = next(group for group in match.groups() if group)
            candidates.append(table(kind).get(int(number)))
            numbered = True
    if not numbered and has_bare_numbers:
        candidates += _causes_of_bare_number(line)
    host_bytes = [f"0x{byte}" for byte in _RETURN_CODE.findall(line)]
    for word in host_bytes + _HOST_BYTE.findall(line):
        code = int(word, 16) if word[1] in "xX" else None
        candidates += [
            c for c in table("scsi").values() if c.code == code or c.name == word.upper()
        ]
    lowered = line.lower()
    candidates += [table(k)[code] for k, code, words in _TEXTS if re.search(words, lowered)]
    candidates += [cause for name in _NAMES.findall(line) for cause in causes_of_code(name)]
    causes = [cause for cause in candidates if cause is not None]
    saying = None if causes else _SAID.search(lowered)
    if saying is not None and (saying[2] is not None or "iscsi" in lowered[: saying.start()]):
        cause = _SAYINGS[saying[1]]
        if cause.code not in _UNREACHABLE or not _is_of_other_service(lowered):
            causes.append(cause)
    return causes


def _find_foreign_status(line: str) -> Cause | None:
    """Find a login status as programs other than open-iscsi write it."""
    for pattern in _STATUS:
        if match := pattern.search(line):
            return login_status(int(match["c"], 16) << 8 | int(match["d"], 16))
    if decimal := _STATUS_DECIMAL.search(line):
        return table("login").get(int(decimal[1]))
    if of_class := _STATUS_CLASS.search(line):
        return login_status(int(of_class[1]) << 8)
    return None


def _causes_of_bare_number(line: str) -> list[Cause]:
    """Return the causes of a number without the name of a program, for any program it may be of."""
    line = line.strip()
    status = _EXIT_STATUS.search(line)
    if status is not None and _is_of_other_program(line[: status.start()]):
        return []
    match = status or _ERROR_ALONE.fullmatch(line) or _ERROR_AT_END.search(line)
    if match is None:
        return []
    # A line that does not mention iscsictl has no code of it; a number alone may be any program's.
    is_alone = not line[: match.start()].strip()
    causes = causes_of_code(match[1])
    return [each for each in causes if is_alone or each.kind != "iscsictl" or "iscsictl" in line]


def _is_of_other_program(before: str) -> bool:
    """Return whether the text before an exit status names another program, such as mount."""
    words = before[-60:].lower()
    others = [found.start() for found in _OTHER_PROGRAM.finditer(words)]
    return bool(others) and others[-1] > words.rfind("iscsi")


def _look_up_codes(words: str) -> tuple[Cause, ...]:
    """Look up words that are all codes; () if one of them is not."""
    all_causes: list[Cause] = []
    for word in words.split():
        causes = causes_of_code(word)
        if not causes:
            return ()
        all_causes += causes
    return tuple(dict.fromkeys(all_causes))


def explain(words: str) -> tuple[Cause, ...]:
    """Return the causes of codes, in their order, or of a text, the most informative first.

    Raises NotFoundError if it contains nothing that is known.
    """
    if causes := _look_up_codes(words) or causes_in_text(words):
        return causes
    lines = len([line for line in words.splitlines() if line.strip()])
    if lines > 1:
        raise NotFoundError(
            f"none of these {lines} lines contains a known error",
            hint=(
                "give the lines of iscsiadm, iscsid and the kernel, including those before the "
                "error"
            ),
        )
    shown = " ".join(words.split())
    shown = shown if len(shown) <= 60 else shown[:60] + "..."
    raise NotFoundError(
        f"{shown!r} is not a known error",
        hint=(
            "give a code (24, 1020, 0x0203) or the complete line; `iscsictl explain` lists all "
            "codes"
        ),
    )
