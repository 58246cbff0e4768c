"""What `blkid -p -o export` prints: one KEY=VALUE per line, with shell escapes in the values."""

import re

from iscsictl.errors import IscsictlError

_LINE = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")


def parse_export(text: str) -> dict[str, str]:
    """Parse the output of a blkid that found something, so it must not be empty.

    Raises IscsictlError for anything else: a probe that cannot be read is not "nothing found".
    """
    found = {}
    for line in filter(None, text.split("\n")):
        pair = _LINE.fullmatch(line)
        if pair is None:
            raise IscsictlError(f"the output of blkid cannot be understood: {line[:60]!r}")
        found[pair[1]] = re.sub(r"\\(.)", r"\1", pair[2])
    if not found:
        raise IscsictlError("blkid reports a match but prints nothing")
    return found
