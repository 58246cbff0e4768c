"""Edit iscsid.conf: keys set, added or taken out; every other byte stays.

open-iscsi reads it as it reads a record (`idbm_recinfo_config`): `key = value` lines, `#`
comments on lines of their own, the last of a key wins.
"""

import re
from collections.abc import Mapping
from typing import Final

from iscsictl.model.record import MASK, SECRET_KEYS
from iscsictl.model.secret import Secret
from iscsictl.parse.record import edit_record, parse_values

_FRAME: Final = ("# BEGIN RECORD\n", "# END RECORD\n")


def conf_values(text: str) -> dict[str, str]:
    """Return the values that open-iscsi would take; secrets are masked."""
    return parse_values(text if text.endswith("\n") else text + "\n")


def edit_conf(text: str, changes: Mapping[str, str | Secret | None]) -> str:
    """Return the text with keys set, added or removed (None).

    A new line goes after the comment that shows the key, or to the end. Raises UsageError for a
    value that open-iscsi cannot keep.
    """
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    for key, change in changes.items():
        lines = _edited(lines, key, _rendered(key, change))
    return "".join(lines) if any(lines) else ""


def _rendered(key: str, change: str | Secret | None) -> str | None:
    framed = edit_record("".join(_FRAME), {key: change})
    inside = framed.removeprefix(_FRAME[0]).removesuffix(_FRAME[1])
    return inside or None


def _edited(lines: list[str], key: str, rendered: str | None) -> list[str]:
    own = re.compile(rf"\s*{re.escape(key)}\s*=")
    shown = re.compile(rf"\s*#\s*{re.escape(key)}\s*=")
    here = [n for n, line in enumerate(lines) if own.match(line)]
    examples = [n for n, line in enumerate(lines) if shown.match(line)]
    made: list[str] = []
    for n, line in enumerate(lines):
        if n not in here:
            made.append(line)
        elif rendered is not None and n == here[0]:
            made.append(rendered)
        if rendered is not None and not here and examples and n == examples[-1]:
            made.append(rendered)
    if rendered is not None and not here and not examples:
        made.append(rendered)
    return made


def masked(values: Mapping[str, str], key: str) -> bool:
    """Tell whether a secret is set under this key."""
    return key in SECRET_KEYS and values.get(key) == MASK
