"""The text of a record: parsed as by open-iscsi, edited without changing anything else.

`idbm_recinfo_config` and `idbm_print` of open-iscsi (usr/idbm.c) define the format; the lines `#
BEGIN RECORD` and `# END RECORD` are comments in it, which releases up to 2.0-870 did not write.
Text is UTF-8 with surrogateescape, so all bytes are preserved.
"""

import functools
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, Literal

from iscsictl.errors import RefusedError, UsageError
from iscsictl.lazy_import import lazy_import
from iscsictl.model.record_text import (
    BLANKS,
    MASK,
    MAX_KEY,
    MAX_VALUE,
    SECRET_KEYS,
    unstorable_reason,
)
from iscsictl.model.secret import Secret

if TYPE_CHECKING:
    from iscsictl.model import record_keys
else:
    # The order of the settings matters only for a record that is edited.
    record_keys = lazy_import("iscsictl.model.record_keys")

Changes = Mapping[str, str | Secret | None]
#: Replaces, adds or removes (None) the line of one key.
LineEditor = Callable[[list[str], str, str | None], list[str]]

#: The reader's buffer has 2048 bytes (idbm_recinfo_config); a longer line is skipped.
MAX_LINE: Final = 2047

_BEGIN = "# BEGIN RECORD"
_END = "# END RECORD"
# One character of any kind comes between the name and the equals sign: `key=value` has no value.
_LINE = re.compile(r"([^\s=]*)[\s=]\s*=\s*(.+)", re.ASCII | re.DOTALL)
_KEY = re.compile(r"[^\s=#\0]+")
# The form of idbm_print(), and lines without a setting.
_PLAIN_LINE = re.compile(r"^([^ =#\n][^ =\n]*) = (.+)\n", re.MULTILINE)
_NO_SETTING = re.compile(r"^(?:#.*)?\n", re.MULTILINE)


@functools.cache
def _places_of_keys(scope: Literal["node", "sendtargets"]) -> dict[str, int]:
    """Return the positions of the keys; those of an interface share one position."""
    generic = dict.fromkeys(map(_generic_key, record_keys.KEYS[scope]))
    return {key: place for place, key in enumerate(generic)}


def _generic_key(key: str) -> str:
    return "iface.*" if key.startswith("iface.") else key


def parse_values(text: str) -> dict[str, str]:
    """Return the values that open-iscsi would use, the last of each key; secrets are masked.

    Like open-iscsi, it skips comments, lines without a value, with a NUL or longer than 2047 bytes,
    and a last line without a newline. `<empty>` (printed by `-o show`) means unset.
    """
    values = _parse_raw_values(text)
    for key in SECRET_KEYS & values.keys():
        values[key] = MASK
    return values


def _parse_raw_values(text: str) -> dict[str, str]:
    """Return the values, with secrets in clear text."""
    values = _parse_values_fast(text)
    if values is None:
        values = dict(filter(None, map(_split_pair, text.split("\n")[:-1])))
    if "<empty>" in values.values():
        return {key: value for key, value in values.items() if value != "<empty>"}
    return values


def find_damage(text: str) -> str | None:
    """Return, in one line, why this text is no record; None if it may be one.

    iscsiadm writes records in place and without fsync(2), so a kill or a power failure can leave
    such files.
    """
    if not text:
        return "is empty (0 bytes): its writer was killed"
    if not text.strip("\0"):
        return "contains only zero bytes: power failed while it was being written"
    return None


def is_truncated(text: str) -> bool:
    """Return whether the end of a record is missing. What is left of it may still be usable.

    A text without the line `# BEGIN RECORD` is complete: releases up to 2.0-870 wrote none.
    """
    lines = "\n" + text
    begin = lines.find("\n" + _BEGIN)
    return begin >= 0 and "\n" + _END not in lines[begin:]


def oversized_keys(text: str) -> tuple[str, ...]:
    """Return the keys whose name or value is too long for iscsiadm's buffers, which overrun.

    Lengths are in bytes (idbm.h, NAME_MAXVAL and VALUE_MAXVAL).
    """
    if _is_surely_in_limits(text):
        return ()
    pairs = filter(None, map(_split_pair, text.split("\n")[:-1]))
    return tuple(k for k, v in pairs if _byte_length(v) > MAX_VALUE or _byte_length(k) > MAX_KEY)


def edit_record(text: str, changes: Changes) -> str:
    """Return the text with keys set, added (where open-iscsi has them) or removed (None).

    Everything else is unchanged, except that a truncated record gets its end. A key that occurs
    twice is set once. Raises UsageError for a key or value that open-iscsi cannot store,
    RefusedError if the text is no record.
    """
    damage = find_damage(text)
    if damage is not None:
        raise RefusedError(f"the record {damage}", hint="iscsictl doctor --fix removes it")
    lines = _complete_record(split_lines(text)) if is_truncated(text) else split_lines(text)
    for key, change in changes.items():
        lines = set_line(lines, key, rendered_line(key, change))
    return "".join(lines)


def rendered_line(key: str, change: str | Secret | None) -> str | None:
    """Return the line of a setting, None if it is removed. Raises UsageError if invalid.

    The line ends with a newline: open-iscsi ignores one that does not.
    """
    if not _KEY.fullmatch(key) or _byte_length(key) > MAX_KEY:
        raise UsageError(f"{key!r} is not the name of a setting", hint="see: iscsictl nodes show")
    return None if change is None else f"{key} = {checked(key, change)}\n"


def checked(key: str, change: str | Secret) -> str:
    """Return the value as in a record. Raises UsageError for what no record can store.

    A secret is accepted only as a `Secret`: plain text would come from a command line.
    """
    if isinstance(change, Secret):
        return change.reveal()
    if key in SECRET_KEYS:
        raise UsageError(
            f"{key} is a secret and is not accepted in clear text", hint="use: iscsictl chap set"
        )
    if not change:
        raise UsageError(f"{key}: the value is empty", hint="unset it instead")
    if why := unstorable_reason(change):
        raise UsageError(f"{key}: the value {why}")
    return change


def split_lines(text: str) -> list[str]:
    """Return the lines, each with its newline; the last may have none.

    Only a newline ends a line: str.splitlines() would split values at other characters, too.
    """
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _complete_record(lines: list[str]) -> list[str]:
    """Return a truncated record with an end, and without a last line that has no newline."""
    whole = lines if lines[-1].endswith("\n") else lines[:-1]
    return [*whole, f"{_END}\n"]


def _is_surely_in_limits(text: str) -> bool:
    return text.isascii() and "\0" not in text and max(map(len, text.split("\n"))) <= MAX_KEY


def _byte_length(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _parse_values_fast(text: str) -> dict[str, str] | None:
    """Parse the form of `idbm_print`, five times as fast as `_split_pair`; None for others."""
    if not text.isascii() or "\0" in text or max(map(len, text.split("\n"))) > MAX_VALUE:
        return None
    if any(odd in text for odd in ("  ", " \n", "\n ", *"\t\v\f\r")):
        return None
    pairs = _PLAIN_LINE.findall(text)
    if len(pairs) + len(_NO_SETTING.findall(text)) != text.count("\n"):
        return None
    # Records have the same keys, and mostly the same values: interned, a record takes 2 kB instead
    # of 8.
    return {sys.intern(key): sys.intern(value) for key, value in pairs}


def _split_pair(line: str) -> tuple[str, str] | None:
    if _byte_length(line) >= MAX_LINE:
        return None
    line = line.strip(BLANKS)
    if not line or line[0] == "#" or "\0" in line:
        return None
    match = _LINE.fullmatch(line)
    return (match[1], match[2]) if match else None


def set_line(lines: list[str], key: str, rendered: str | None) -> list[str]:
    """Return the lines of a record with one line for a key, or with none (None).

    A new key is added where idbm_print() would write it, so that a diff stays small.
    """
    return list(_edit_lines(lines, key, rendered))


def _edit_lines(lines: list[str], key: str, rendered: str | None) -> Iterator[str]:
    pending = rendered
    here = [n for n, line in enumerate(lines) if (_split_pair(line) or ("",))[0] == key]
    before = _line_for_new_key(lines, key) if not here else -1
    for n, line in enumerate(lines):
        if n == before and pending is not None:
            yield pending
            pending = None
        if n not in here:
            yield line
        elif pending is not None:
            yield pending
            pending = None
    if pending is not None:
        yield pending


def _line_for_new_key(lines: list[str], key: str) -> int:
    """Return the number of the line before which a new key is inserted."""
    begin = next((n for n, line in enumerate(lines) if line.startswith(_BEGIN)), -1)
    end = _end_of_settings(lines, begin)
    places = _places_of_keys("sendtargets" if key.startswith("discovery.") else "node")
    place = places.get(_generic_key(key))
    if place is None:
        return end
    before = begin + 1
    for n, line in enumerate(lines[:end]):
        pair = _split_pair(line)
        other = places.get(_generic_key(pair[0])) if pair else None
        if other is not None and other <= place:
            before = n + 1
    return before


def _end_of_settings(lines: list[str], begin: int) -> int:
    """Return the number of the line before which the settings end."""
    for n in range(begin + 1, len(lines)):
        if lines[n].startswith(_END):
            return n
    # A line without a newline is ignored; a line after it would make it count.
    cut_off = bool(lines) and not lines[-1].endswith("\n")
    return len(lines) - cut_off


def revert_edit(current: str, before: str, after: str, edit_line: LineEditor = set_line) -> str:
    """Return the text with the keys restored that an edit from `before` to `after` changed.

    A key that somebody set to something else since then stays, and so does everything that the
    edit did not change.
    """
    if current == after:
        return before
    now, old, new = _parse_raw_values(current), _parse_raw_values(before), _parse_raw_values(after)
    lines = split_lines(current)
    for key in {**old, **new}:
        if old.get(key) != new.get(key) and now.get(key) == new.get(key):
            # The line was in the file before, whatever a setting may be today.
            rendered = f"{key} = {old[key]}\n" if key in old else None
            lines = edit_line(lines, key, rendered)
    return "".join(lines)
