"""Edit iscsid.conf: set, add or remove keys, without changing any other byte.

open-iscsi parses it like a record (`idbm_recinfo_config`): `key = value` lines, `#` comments on
separate lines, and the last value of a key counts.
"""

import re

from iscsictl.parse.record import (
    Changes,
    parse_values,
    rendered_line,
    revert_edit,
    split_lines,
)


def conf_values(text: str) -> dict[str, str]:
    """Return the values that open-iscsi would use; secrets are masked.

    Unlike a record, the file may end without a newline: `edit_conf` adds one.
    """
    return parse_values(text if text.endswith("\n") else text + "\n")


def edit_conf(text: str, changes: Changes) -> str:
    """Return the text with keys set, added or removed (None).

    A new line goes after the comment that shows the key, or to the end. Raises UsageError for a
    value that open-iscsi cannot store.
    """
    lines = split_lines(text)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    for key, change in changes.items():
        lines = _set_conf_line(lines, key, rendered_line(key, change))
    return "".join(lines)


def revert_conf_edit(current: str, before: str, after: str) -> str:
    """Return the text with the keys that an edit changed restored, as `revert_edit` does.

    `before` and `after` are the file before and after the edit, `current` is its present content.
    """
    return revert_edit(current, before, after, _set_conf_line)


def _set_conf_line(lines: list[str], key: str, rendered: str | None) -> list[str]:
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
