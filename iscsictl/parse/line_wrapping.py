"""A line of a program's output inside something else: quotes, lists, log lines, escapes.

Nothing here knows what a session is. The callers offer the results to the readers of formats, each
of which accepts only its own.
"""

import re

# Where a line of iscsiadm, or of one of the programs named iscsi-ls, certainly begins. Short words
# such as "SID:" are not included, because a line of prose may contain them.
_LINE_START = re.compile(
    r"(?<![\w-])(?:Target:\s+(?:iqn|eui|naa)\.|(?:Current|Persistent) Portal:"
    r"|Iface (?:Name|Transport|Initiatorname|IPaddress|HWaddress|Netdev):"
    r"|iSCSI (?:Connection|Session) State:|Internal iscsid Session State:"
    r"|(?:Recovery|Abort|Target Reset|LUN Reset) Timeout:"
    r"|Negotiated iSCSI params:|Attached SCSI devices:|Attached scsi disk |scsi\d+ Channel \d"
    r"|(?:Header|Data)Digest:|Max(?:Recv|Xmit)DataSegmentLength:|Host Number: \d+\s*State:"
    r"|iSCSI Transport Class version |Session \(sid \d+\) using |TargetName:"
    r"|TARGET NAME\s*:|Target:\S+\s+Portal:\S)"
)
# The same for outputs that have no labels: a record, the first line of a map, the titles of tables
# of multipathd, its JSON, and a line of lsscsi.
_UNLABELLED_START = re.compile(
    r"(?<![\w-])(?:(?:\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5},-?\d+ (?:iqn|eui|naa)\."
    r"|(?:[\w-]+ \([0-9a-f]{17,33}\)|3[0-9a-f]{16,32}) (?:dm-\d+|undef) )"
    r"|(?<![\w-])(?:name +(?:sysfs|failback) |hcil +dev |uuid +(?:hcil|dev) )"
    r"|\[\d+:\d+:\d+:\d+\] +(?:disk|cd/dvd) |\"maps?\" ?: ?[\[{]"
)
# Every label of `iscsiadm -m session -P 3`, for a paste that lost its line ends.
_ANY_LABEL = re.compile(
    r"(?:(?<=[\s\"'>])|^)(?=(?:Target|(?:Current|Persistent) Portal|Interface|SID"
    r"|Iface (?:Name|Transport|Initiatorname|IPaddress|HWaddress|Netdev)"
    r"|iSCSI (?:Connection|Session) State|Internal iscsid Session State|Timeouts|CHAP"
    r"|(?:Recovery|Abort|Target Reset|LUN [Rr]eset) Timeout|(?:username|password)(?:_in)?"
    r"|Negotiated iSCSI params|(?:Header|Data)Digest|Max(?:Recv|Xmit)DataSegmentLength"
    r"|(?:First|Max)BurstLength|ImmediateData|InitialR2T|MaxOutstandingR2T"
    r"|Attached SCSI devices|Host Number):|scsi\d+ Channel \d|Attached scsi disk )"
)
# Where the lines of a map begin, if a web page joined them: its head, its size, a group, a path.
_PART_OF_MAP = re.compile(
    r"(?:(?<=\s)|^)(?:(?:[\w.:-]+ \([\w.:+ -]+\)|[0-9a-f]{17,33}) dm-\d+ |size=\S+ features="
    r"|(?:\|\s+)?[|`]-(?:\+-)?\s|\\_ )"
)
_JOINED = 120  # characters; no line of the program itself is longer and has three labels
_STARS = re.compile(r"\s+(\*{5,})(?=\s|$)")  # a rule between two sections
_SPELLED_BLANK = re.compile(r"(?<!\\)\\+[nrt]")
_QUOTED = re.compile(r"\"((?:[^\"\\]|\\.)*)(?:\"|$)|(?<![\w\\])[bBrRuU]?'((?:[^'\\]|\\.)*)'(?!\w)")
# A string of one line is usually a key or a word of JSON.
_MAY_BE_OUTPUT = re.compile(r":|scsi|\*|dm-\d|size=|policy=")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([0-7]{3})|(.))")
_PLAIN_ESCAPES = {"n": "\n", "r": "\n", "t": "\t", "e": "\x1b"}
_MARKER = re.compile(
    r"(?:[>|\u2502\u2503]|[-*+\u2022\u2023\u00b7\u2013](?:\s+(?:\[[ xX]\]\s+)?|(?=\t))"
    r"|\d{1,4}[.)]\s+|(?:[\w./+-]{1,80}[:-])?\d{1,6}[:-]|\d{1,6}\s+|[-+<>](?=[A-Zt*\s])"
    r"|//+|#+|;+|/\*|[bu]?[\"'`\u201c\u201d\u2018\u2019]+|\*\*)\s*"
)
_ENDING = re.compile(
    r"(?:(?:\\[nrt])+|\s*(?:\\[nrt])*[\"'`\u201c\u201d\u2018\u2019]+[,;)\]}]*|\s*[|\u2502\u2503]"
    r"|\s+\\|\s*\*/)$"
)
_LONGEST_ENDING = 100  # characters; searching for more takes time by the square of a line's length


class LinePrefix:
    """What is before each line of an output: a time, a host, a level, the mark of a quote.

    It is learned from a line whose content is unmistakable; numbers in it may change.
    """

    def __init__(self) -> None:
        self._shape: re.Pattern[str] | None = None

    @property
    def is_known(self) -> bool:
        """Whether a prefix was learned; until then `strip` finds none."""
        return self._shape is not None

    def learn(self, line: str) -> str | None:
        """Return the part of the line that begins a known output; None if there is none.

        What is before it is the prefix of the next lines, with any numbers.
        """
        found = _LINE_START.search(line)
        if found is None and "\\n" not in line:
            found = _UNLABELLED_START.search(line)
        if found is None or found.start() == 0:
            return None
        before = line[: found.start()].rstrip()
        shape = re.sub(r"\d+", r"\\d+", re.escape(before))
        shape = re.sub(r"\\d\+(?::|\\-)$", r"\\d+[:-]", shape)  # grep -n marks context by a dash
        self._shape = re.compile(shape + r"(?:\\t|\s)*")
        return without_ending(line[found.start() :])

    def strip(self, line: str) -> str | None:
        """Return the line without the prefix; None if it does not have it.

        Also None if no prefix was learned.
        """
        found = self._shape.match(line) if self._shape is not None else None
        return None if found is None else without_ending(line[found.end() :])


def is_plain_line(line: str) -> bool:
    """Tell quickly whether a line is a single one, and no heading of a table of `lsblk`.

    True only if `split_line` would return it unchanged, as for most lines of a long listing.
    """
    return len(line) < _JOINED and not ('"' in line or "'" in line or "NAME" in line)


def split_line(line: str) -> list[str]:
    r"""Return the lines in a line: of a string with \n in it, or of a paste without line ends.

    Any other line is returned unchanged.
    """
    is_quoted = '"' in line or "'" in line
    if is_quoted and "\\n" in line and (parts := quoted_lines(line)):
        return parts
    if "\\n" in line and _UNLABELLED_START.search(line.replace("\\n", "\n")):
        return line.replace("\\t", "\t").split("\\n")
    if len(line) < _JOINED:
        return [line]
    if is_quoted and len(parts := quoted_lines(line)) > 1:
        return parts
    if "policy='" in line or "[prio=" in line:
        starts = [found.start() for found in _PART_OF_MAP.finditer(line)]
        if len(starts) > 2:
            return _cut_at(line, [0, *starts] if starts[0] else starts)
    joined = _SPELLED_BLANK.sub(" ", line)
    if len(_LINE_START.findall(joined)) < 3:
        return [line]
    parts = _cut_at(joined, [found.start() for found in _ANY_LABEL.finditer(joined)])
    return [piece for part in parts for piece in _STARS.split(part.strip()) if piece]


def _cut_at(line: str, starts: list[int]) -> list[str]:
    ends = [*starts[1:], len(line)]
    return [line[start:end] for start, end in zip(starts, ends, strict=False)]


def quoted_lines(line: str) -> list[str]:
    r"""Return the lines of text within the quotes of a line, with \n, \t, \" and \u003c decoded.

    JSON in a log of JSON is escaped twice, so a decoded string that is JSON again is decoded too.
    """
    lines: list[str] = []
    if '"' not in line and "'" not in line:
        return lines
    for found in _QUOTED.finditer(line):
        text = found[1] if found[1] is not None else found[2]
        if "\\" in text:
            text = _ESCAPE.sub(_decode_escape, text)
        if "\\n" in text and '"' in text and "\n" not in text:
            lines += quoted_lines(text)
        elif "\n" in text or _MAY_BE_OUTPUT.search(text):
            lines += filter(None, text.split("\n"))
    return lines


def _decode_escape(found: re.Match[str]) -> str:
    long, short, octal, plain = found.groups()
    if plain is not None:
        return _PLAIN_ESCAPES.get(plain, plain)
    return chr(int(octal, 8) if octal else int(long or short, 16))


def without_marker(line: str) -> str | None:
    """Remove one mark of a quote, list, comment, diff or line number; None if there is none.

    Only one at a time: marks may be nested, and the caller tries after each.
    """
    found = _MARKER.match(line)
    if found is None or found.end() == len(line):
        return None
    return without_ending(line[found.end() :])


def without_ending(line: str) -> str:
    r"""Remove what closes a quote, a cell or a string at the end of a line: `",`, `|`, `\n"`."""
    while found := _ENDING.search(line, max(0, len(line) - _LONGEST_ENDING)):
        if found.start() == 0:
            break
        line = line[: found.start()]
    return line.strip()
