"""Versions of open-iscsi."""

import re
from typing import Final

Version = tuple[int, int, int]

# Releases up to 2.0-878 have a dash before the last number; RHEL prepends the epoch 6.
_VERSION: Final = re.compile(r"(?:6\.)?(2)\.(\d{1,3})[.-](\d{1,4})(?![\d])", re.ASCII)


def parse_version(text: str) -> Version | None:
    """Parse a version such as 2.1.8, 2.0-873 or 6.2.0.874-10; return None for anything else.

    Whatever follows the third number is ignored: distributions append their own revision.
    """
    match = _VERSION.match(text.strip())
    return None if match is None else (int(match[1]), int(match[2]), int(match[3]))


def version_text(version: Version) -> str:
    """Return a version as upstream writes it: 2.0-873, 2.1.8.

    RHEL's epoch and revision are not part of it: 6.2.0.874-10 is returned as 2.0-874.
    """
    major, minor, patch = version
    return f"{major}.{minor}{'-' if minor == 0 else '.'}{patch}"
