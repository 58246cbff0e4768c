"""What sfdisk prints: tables as JSON (`--json`) and the names of types (`--list-types`)."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from iscsictl.errors import IscsictlError
from iscsictl.model.partition_table import Entry, Table, normal_type

_TYPE = re.compile(
    r"\s*([0-9A-Fa-f]{1,2}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\s+(.+)"
)


@contextmanager
def _require_own_format() -> Iterator[None]:
    """Turn whatever is not sfdisk's own format into an IscsictlError."""
    try:
        yield
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise IscsictlError(f"sfdisk's table cannot be understood: {error}") from None


def parse_table(text: str) -> Table:
    """Parse the output of `sfdisk --json DEVICE`. Raises IscsictlError for anything else.

    Positions and sizes are in sectors, of the size that sfdisk prints or else 512 bytes; entries
    are sorted by number. sfdisk prints for how many partitions a GPT has room, unless that is 128,
    and never the size of an entry.
    """
    with _require_own_format():
        found = json.loads(text)["partitiontable"]
        device = str(found["device"])
        rows = sorted(
            (_read_entry(row, device) for row in found.get("partitions", ())),
            key=lambda e: e.number,
        )
        return Table(
            str(found["label"]),
            int(found.get("sectorsize", 512)),
            found.get("id"),
            found.get("firstlba"),
            found.get("lastlba"),
            tuple(rows),
            int(found.get("table-length", 128)),
        )


def parse_gpt_entry_size(header: bytes, otherwise: int) -> int:
    """Return how many bytes describe a partition, from a GPT header (UEFI 2.10, 5.3.2).

    Returns `otherwise` if this is no such header: sfdisk then read the table from its backup.
    """
    if len(header) < 92 or not header.startswith(b"EFI PART"):
        return otherwise
    return int.from_bytes(header[84:88], "little")


def _partition_number(row: Mapping[str, Any], device: str) -> int:
    number = re.fullmatch(r"(?:-part|p)?([0-9]+)", str(row["node"]).removeprefix(device))
    if number is None:
        raise ValueError(f"{row['node']} is not a partition of {device}")
    return int(number[1])


def _read_entry(row: Mapping[str, Any], device: str) -> Entry:
    return Entry(
        _partition_number(row, device),
        int(row["start"]),
        int(row["size"]),
        normal_type(str(row.get("type", ""))),
        row.get("uuid"),
        row.get("name"),
        tuple(_split_attributes(str(row.get("attrs", "")))),
        bool(row.get("bootable", False)),
    )


def _split_attributes(text: str) -> list[str]:
    """Split `RequiredPartition GUID:60,63` at blanks; several bits are printed after one GUID:."""
    found = []
    for word in re.split(r" +", text.strip()):
        if word.startswith("GUID:"):
            found += [f"GUID:{bit}" for bit in word[5:].split(",")]
        elif word:
            found.append(word)
    return found


def parse_types(text: str) -> dict[str, str]:
    """Parse `sfdisk --label KIND --list-types`: names by type. Other lines are left out.

    The names are for users; sfdisk itself expects types.
    """
    found = {}
    for line in text.splitlines():
        match = _TYPE.fullmatch(line.rstrip())
        if match:
            found[normal_type(match[1])] = match[2].strip()
    return found
