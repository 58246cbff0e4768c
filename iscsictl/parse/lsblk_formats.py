"""The forms of `lsblk` that are no table: JSON (-J) and KEY="value" (-P)."""

import json
import re
from collections.abc import Iterator
from typing import Any

from iscsictl.parse.lsblk_rows import MAX_DEPTH, LsblkRow, device_name, place_flat_rows

_PAIRS = re.compile(r"(?:[A-Z][A-Z0-9:%_-]*=\"(?:[^\"\\]|\\.)*\"(?:\s+|$))+")
_PAIR = re.compile(r"([A-Z][A-Z0-9:%_-]*)=\"((?:[^\"\\]|\\.)*)\"")
DM_NUMBER = re.compile(r"(?<=\S) \(dm-\d+\)")  # after names, up to util-linux 2.22
_HEX = re.compile(r"\\x([0-9a-fA-F]{2})")
# In the shell form (--shell), a title contains only what a variable's name may contain.
_SHELL_TITLES = {"MAJ_MIN": "MAJ:MIN", "FSUSE_PCT": "FSUSE%"}
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_TOKEN = re.compile(rf"{_STRING.pattern}|[\[\]{{}}]")
_JSON_LINE = re.compile(r"\s*(?:[\[\]{},\"]|null\b|true\b|false\b|-?\d)")


class JsonBlock:
    """Collects lines of JSON, from the one that begins with a key to the last bracket.

    The key is that of `lsblk -J`, or another one of the outermost object.
    """

    def __init__(self, line: str, key: str = "blockdevices") -> None:
        self._lines: list[str] = []
        self._depth = 0
        self._is_begun = False
        self.add(line[line.index(f'"{key}"') :])

    def add(self, line: str) -> bool:
        """Add the next line; False if it is no JSON, and nothing after it can be."""
        if self._lines and line.strip() and not _JSON_LINE.match(line):
            return False
        self._lines.append(line)
        marks = _STRING.sub("", line)
        opened, closed = marks.count("[") + marks.count("{"), marks.count("]") + marks.count("}")
        self._is_begun = self._is_begun or opened > 0
        self._depth += opened - closed
        return True

    @property
    def is_whole(self) -> bool:
        """Whether all brackets are closed."""
        return self._is_begun and self._depth <= 0

    def rows(self) -> list[LsblkRow] | None:
        """Return the disks, even of a truncated block; None if it is no JSON of lsblk."""
        devices = (self.document() or {}).get("blockdevices")
        try:
            return _tree_of_json(devices) if isinstance(devices, list) else None
        except RecursionError:
            return None

    def document(self) -> dict[str, Any] | None:
        """Return the object, as far as it is complete; None if it is no JSON."""
        try:
            document = json.loads(_whole_part("{" + "\n".join(self._lines)))
        except (ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None


def _whole_part(text: str) -> str:
    """Truncate a JSON text after the last closed bracket, and close those around it."""
    closing: list[str] = []
    end, left_open = 0, ""
    for found in _TOKEN.finditer(text):
        mark = found[0]
        if mark in "[{":
            closing.append("]" if mark == "[" else "}")
        elif mark in "]}" and closing:
            closing.pop()
            end, left_open = found.end(), "".join(reversed(closing))
            if len(closing) == 1:
                break  # the array of disks is complete; what follows it is another output
    return text[:end] + left_open


def _tree_of_json(devices: list[Any]) -> list[LsblkRow]:
    """Return the disks; what --list prints beside them is placed where it belongs."""
    rows = list(_rows_of_json(devices, 0))
    return rows if any(row.children for row in rows) else place_flat_rows(rows)


def _rows_of_json(devices: list[Any], depth: int) -> Iterator[LsblkRow]:
    for device in devices:
        name = device.get("name") or device.get("kname") if isinstance(device, dict) else None
        if not isinstance(name, str):
            continue
        cells = {key.upper(): _cell(value) for key, value in device.items()}
        row = LsblkRow(
            device_name(name),
            depth,
            {key: value for key, value in cells.items() if value},
            titles=frozenset(cells),
        )
        mounts = device.get("mountpoints") or [device.get("mountpoint")]
        row.mounts += [one for one in mounts if isinstance(one, str)]
        children = device.get("children")
        if isinstance(children, list) and depth < MAX_DEPTH:
            row.children += _rows_of_json(children, depth + 1)
        yield row


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return str(value).strip() if isinstance(value, str | int | float) else ""


def row_of_pairs(line: str) -> LsblkRow | None:
    """Return the row of one line of KEY="value", None if it is none or has no NAME.

    Also None for NAME alone, which many other files have, such as os-release(5). Its position in
    the tree is known only if PKNAME is among the keys.
    """
    if _PAIRS.fullmatch(line) is None:
        return None
    cells = {
        _SHELL_TITLES.get(key, key): _HEX.sub(lambda found: chr(int(found[1], 16)), value).strip()
        for key, value in _PAIR.findall(line)
    }
    name = cells.pop("NAME", None) or cells.get("KNAME")
    titles = frozenset(cells)
    if not name or not titles:
        return None
    row = LsblkRow(
        device_name(DM_NUMBER.sub("", name)),
        0,
        {key: value for key, value in cells.items() if value},
        titles=titles,
    )
    mounts = cells.get("MOUNTPOINTS") or cells.get("MOUNTPOINT") or ""
    row.mounts += [mount for mount in mounts.split("\n") if mount]
    return row
