"""The arrays of mdadm.conf(5)."""

import re
from collections.abc import Iterator

_ARRAY = re.compile(r"\s*array\s+(\S+)(.*)", re.IGNORECASE)
_UUID = re.compile(r"\buuid=([0-9a-f:.-]+)", re.IGNORECASE)


def parse_arrays(text: str) -> Iterator[tuple[str, str]]:
    """Yield the UUID of each array, as 32 hexadecimal digits, and its device.

    A line that begins with white space continues the one before.
    """
    for line in re.sub(r"\n[ \t]+", " ", text).splitlines():
        found = _ARRAY.fullmatch(line.partition("#")[0])
        uuid = _UUID.search(found[2]) if found else None
        if found and uuid:
            name = found[1] if found[1].startswith("/") else f"/dev/md/{found[1]}"
            yield re.sub(r"[^0-9a-f]", "", uuid[1].lower()), name
