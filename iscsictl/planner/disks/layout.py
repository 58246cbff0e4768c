"""The arithmetic of partition tables: where there is room, what a type is, what is wrong.

Positions are counted in logical sectors. The rules are those of UEFI 2.10 section 5 (GPT), of the
DOS table with its 32-bit numbers, of the Sun label with its 16-bit cylinders, and of libfdisk's
alignment.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from iscsictl.errors import RefusedError, UsageError
from iscsictl.model.partition_table import SUN_WHOLE, Entry, Table, Topology, normal_type

MIB = 1 << 20
# Start and size of a partition are 32 bits in the table (UEFI 2.10, 5.2.1): 2 TiB with sectors of
# 512 bytes.
DOS_LIMIT = 2**32
EXTENDED = frozenset({"5", "f", "85"})
SUN_CYLINDER = 255 * 63
SUN_CYLINDERS = 65535
_MAX = {"dos": 4, "sun": 8}
_ALIASES: Mapping[str, Mapping[str, str]] = {
    "gpt": {
        "linux": "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
        "lvm": "E6D6D379-F507-44C2-A23C-238F2A3DF928",
        "raid": "A19D880F-05FC-4D3B-A006-743F0F84911E",
        "swap": "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F",
        "efi": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
    },
    "dos": {"linux": "83", "lvm": "8e", "raid": "fd", "swap": "82", "efi": "ef"},
    "sun": {"linux": "83", "lvm": "8e", "raid": "fd", "swap": "82"},
}


def resolve_type(label: str, text: str, names: Mapping[str, str]) -> str:
    """Return the type that a word, a code, a GUID or a full name stands for in such a table.

    `names` are the names by type that sfdisk knows. Raises UsageError.
    """
    known = _ALIASES.get(label, {})
    found = known.get(text.lower())
    if found is None and re.fullmatch(
        r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}" if label == "gpt"
        else r"(0x)?[0-9A-Fa-f]{1,2}", text
    ):  # fmt: skip
        found = normal_type(text.lower().removeprefix("0x"))
    if found is None:
        called = [code for code, name in names.items() if name.lower() == text.lower()]
        found = called[0] if len(called) == 1 else None
    if found is None:
        kind = "a GUID" if label == "gpt" else "a hexadecimal code"
        raise UsageError(
            f"--type {text}: not a type of a {label} table",
            hint=f"use {', '.join(known)}, {kind}, or a name of: "
            f"iscsictl disk part type --list {label}",
        )
    if label == "dos" and (found in EXTENDED or found == "0"):
        raise UsageError(
            f"--type {text}: extended and empty partitions are not supported",
            hint="for more than four partitions use a gpt table",
        )
    return found


def alignment_grain(topology: Topology, total: int) -> int:
    """Return the number of sectors to which starts of partitions are aligned: at least 1 MiB.

    A larger optimal I/O size is used if it is plausible and the disk has `total` sectors to spare
    for it; tiny disks are aligned to their physical sectors.
    """
    size = total * topology.logical
    unit = MIB
    optimal = topology.optimal
    if optimal > 0 and optimal % max(4096, topology.physical) == 0:
        whole = -(-MIB // optimal) * optimal
        if size >= 16 * whole:
            unit = whole
    # On so small a disk 1 MiB at the start would be a quarter of it.
    if size < 4 * MIB:
        unit = max(topology.physical, topology.logical)
    return max(1, unit // topology.logical)


def last_usable(table: Table, total: int) -> int:
    """Return the last sector that a partition may use on a disk of `total` sectors.

    A GPT keeps the last sector for its backup header and those before it for the backup entries
    (UEFI 2.10, 5.3.1): 16 KiB of them unless the tool that made it was told otherwise. A Sun label
    ends with its last whole cylinder, a DOS table at 2^32 sectors.
    """
    if table.label == "gpt":
        return total - 2 - -(-table.slots * table.entry_size // table.sector)
    if table.label == "sun":
        return min(total // SUN_CYLINDER, SUN_CYLINDERS) * SUN_CYLINDER - 1
    return min(total, DOS_LIMIT) - 1


def is_logical(entry: Entry, label: str) -> bool:
    """Tell whether the partition is inside an extended one.

    Linux numbers such partitions from 5 on, however many primary ones there are, and renumbers them
    when one is deleted.
    """
    return label == "dos" and entry.number > _MAX["dos"]


def is_backup_left_behind(table: Table, total: int) -> bool:
    """Tell whether the disk has grown since its GPT was written: the backup is not at its end.

    Less than 1 MiB does not count, because some tools leave that much unused.
    """
    usable = last_usable(table, total)
    slack = MIB // table.sector
    return table.label == "gpt" and table.last is not None and table.last < usable - slack


def table_of_whole_disk(table: Table, total: int) -> Table:
    """Return the table as it will be once its backup is at the end of the disk."""
    if not is_backup_left_behind(table, total):
        return table
    return replace(table, last=last_usable(table, total))


def is_extended(entry: Entry, label: str) -> bool:
    """Tell whether the partition is the one that contains the logical ones of a DOS table."""
    return label == "dos" and entry.type in EXTENDED


def _space_taking_partitions(table: Table) -> list[Entry]:
    """Return the partitions that take up space themselves: no whole-disk entry, no logical ones."""
    found = [e for e in table.entries if not (table.label == "sun" and e.type == SUN_WHOLE)]
    if table.label == "dos":
        found = [e for e in found if not is_logical(e, table.label)]
    return sorted(found, key=lambda e: e.start)


def free_gaps(table: Table, total: int) -> tuple[tuple[int, int], ...]:
    """Return the free ranges as (first sector, sector after the last).

    They are the ranges that the table allows, not aligned ones. In a DOS table, an extended
    partition takes up its space whether or not it contains anything.
    """
    at = table.first if table.first is not None else 1
    if table.label == "sun":
        at = SUN_CYLINDER
    end = last_usable(table, total) + 1
    if table.last is not None:
        end = min(end, table.last + 1)
    found = []
    for entry in _space_taking_partitions(table):
        if entry.start > at:
            found.append((at, min(entry.start, end)))
        at = max(at, entry.end)
    if end > at:
        found.append((at, end))
    return tuple((a, b) for a, b in found if b > a)


def place_partition(
    table: Table, total: int, topology: Topology, *, size: int | None, start: int | None
) -> tuple[int, int]:
    """Return start and size of a new partition; `size` None takes the rest of the largest gap.

    Raises RefusedError if there is no room for it.
    """
    step = alignment_grain(topology, total)
    offset = topology.offset // topology.logical
    end_step = MIB // topology.logical
    if table.label == "sun":
        step = end_step = SUN_CYLINDER
        offset, size = 0, None if size is None else -(-size // step) * step
    fits = []
    for first, end in free_gaps(table, total):
        begin = -(-max(first - offset, 0) // step) * step + offset
        if start is not None:
            begin = start if first <= start < end else end
        elif begin < step:
            begin = step + offset
        room = end - begin
        if size is None and start is None:
            uneven = (begin + room) % end_step
            room -= uneven if room > max(step, uneven) else 0
        if room > 0 and (size is None or room >= size):
            fits.append((begin, room if size is None else size))
    if not fits:
        largest = max((b - a for a, b in free_gaps(table, total)), default=0)
        where = "" if start is None else f" at sector {start}"
        wanted = "any partition" if size is None else f"{size} sectors"
        raise RefusedError(
            f"there is no room for {wanted}{where}: the largest gap has {largest} sectors",
            hint="see the layout: iscsictl disk show DISK",
        )
    return max(fits, key=lambda fit: fit[1]) if size is None else fits[0]


def find_rest_partition(table: Table, total: int, topology: Topology) -> Entry | None:
    """Return the partition that took the rest, None if there is none.

    Without it, the rest would begin inside it, and it cannot grow. While anything is free, only the
    partition with the last number can be it.
    """
    try:
        place_partition(table, total, topology, size=None, start=None)
        candidates = sorted(table.entries, key=lambda entry: entry.number)[-1:]
    except RefusedError:
        candidates = list(table.entries)
    for entry in candidates:
        others = tuple(other for other in table.entries if other is not entry)
        try:
            begin, _ = place_partition(
                replace(table, entries=others), total, topology, size=None, start=None
            )
        except RefusedError:
            continue
        if entry.start <= begin < entry.end and grown_size(table, total, entry) == entry.size:
            return entry
    return None


def number_limit(table: Table) -> int:
    """Return the greatest number that a partition can get in a table.

    For dos it is 4, because logical partitions are not created. For gpt it is the number of entries
    that the table has room for, 128 unless it was made otherwise.
    """
    return _MAX.get(table.label, table.slots)


def next_number(table: Table) -> int:
    """Return the number that a new partition gets. Raises RefusedError if all are taken.

    It is the lowest free number, so that of a deleted partition is used again. In a Sun label the
    third stays free for the entry that spans the whole disk.
    """
    skip = {3} if table.label == "sun" else set()
    taken = {entry.number for entry in table.entries} | skip
    limit = number_limit(table)
    for number in range(1, limit + 1):
        if number not in taken:
            return number
    raise RefusedError(
        f"the {table.label} table already has {limit} partitions, the maximum",
        hint="a gpt table has 128" if table.label == "dos" else "delete one first",
    )


def grown_size(table: Table, total: int, entry: Entry) -> int:
    """Return the size that a partition can have on a disk of `total` sectors, never less than now.

    It ends before the next partition and at a multiple of 1 MiB (sun: of a cylinder). A logical
    partition keeps its size, because it cannot leave the extended one around it.
    """
    if is_logical(entry, table.label):
        return entry.size
    end = last_usable(table, total) + 1
    after = [e.start for e in _space_taking_partitions(table) if e.start >= entry.end]
    end = min([end, *after])
    end -= end % (SUN_CYLINDER if table.label == "sun" else MIB // table.sector)
    return max(entry.size, end - entry.start)


def find_other_change(before: Table, after: Table, named: int) -> str | None:
    """Tell what differs between two tables besides partition `named`; None if nothing does.

    It is applied to the table that is read back after sfdisk has run: nothing but the named
    partition may have changed. The text is for the error.
    """
    if (before.label, before.id) != (after.label, after.id):
        return f"the table is now {after.label} {after.id}, not {before.label} {before.id}"
    for entry in before.entries:
        if entry.number != named and after.entry(entry.number) != entry:
            return f"partition {entry.number} has changed"
    for entry in after.entries:
        if entry.number != named and before.entry(entry.number) is None:
            return f"there is a new partition {entry.number}"
    return None


def with_bootable(entry: Entry, label: str, *, on: bool) -> Entry:
    """Return the partition with its boot flag set or cleared, as the table stores it.

    In a GPT it is bit 2 of the attributes, legacy BIOS bootable; other attributes stay.
    """
    if label != "gpt":
        return replace(entry, bootable=on)
    others = tuple(word for word in entry.attrs if word != BOOT_ATTRIBUTE)
    return replace(entry, attrs=(*others, BOOT_ATTRIBUTE) if on else others)


BOOT_ATTRIBUTE = "LegacyBIOSBootable"


def is_bootable(entry: Entry, label: str) -> bool:
    """Tell whether the boot flag is set: the active flag of dos, legacy BIOS bootable of gpt."""
    return BOOT_ATTRIBUTE in entry.attrs if label == "gpt" else entry.bootable


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with a table. `number` is the partition, None for the whole table."""

    id: str
    severity: Literal["fail", "warn"]
    text: str
    fix: str
    number: int | None = None


def find_problems(
    table: Table, total: int, topology: Topology, kernel: Mapping[int, tuple[int, int]]
) -> tuple[Problem, ...]:
    """Return what is wrong. `kernel` is what the kernel works with: start and size by number.

    `kernel` is empty if that could not be read; then nothing is compared with it. An extended
    partition is not compared either: the kernel gives it only two sectors, so that nobody
    overwrites its content.
    """
    found = [*_find_overlaps(table), *_find_problems_at_end(table, total)]
    step = max(1, topology.physical // topology.logical)
    for entry in _space_taking_partitions(table):
        if table.label != "sun" and (entry.start - topology.offset // topology.logical) % step:
            found.append(
                Problem(
                    "unaligned", "warn",
                    f"partition {entry.number} starts inside a physical sector "
                    f"of {topology.physical} bytes: writes are slow",
                    "back it up, then recreate it with: iscsictl disk part add", entry.number,
                )
            )  # fmt: skip
        used = kernel.get(entry.number)
        plain = not is_extended(entry, table.label)
        if kernel and plain and used not in {None, (entry.start, entry.size)}:
            found.append(
                Problem(
                    "kernel", "fail",
                    f"the kernel's partition {entry.number} differs from the one in the table",
                    "unmount what is on the disk, then: blockdev --rereadpt", entry.number,
                )
            )  # fmt: skip
    active = [entry.number for entry in table.entries if entry.bootable]
    if table.label == "dos" and len(active) > 1:
        names = ", ".join(map(str, active))
        found.append(
            Problem("two-bootable", "warn", f"partitions {names} are all marked bootable",
                    "iscsictl disk part bootable DISK N --off")
        )  # fmt: skip
    return tuple(found)


def _find_overlaps(table: Table) -> list[Problem]:
    found, before = [], None
    for entry in _space_taking_partitions(table):
        if before is not None and entry.start < before.end:
            found.append(
                Problem(
                    "overlap", "fail",
                    f"partitions {before.number} and {entry.number} overlap by "
                    f"{min(before.end, entry.end) - entry.start} sectors",
                    "copy the data elsewhere before anything is written there", entry.number,
                )
            )  # fmt: skip
        if before is None or entry.end > before.end:
            before = entry
    return found


def _find_problems_at_end(table: Table, total: int) -> list[Problem]:
    found = [
        Problem(
            "beyond", "fail",
            f"partition {entry.number} ends {entry.end - total} sectors after the end of the disk",
            "the LUN was shrunk: restore its size on the array", entry.number,
        )
        for entry in _space_taking_partitions(table)
        if entry.end > total
    ]  # fmt: skip
    if is_backup_left_behind(table, total):
        fix = "iscsictl disk grow" if table.entries else "iscsictl disk part add"
        found.append(
            Problem(
                "backup", "warn", "the disk has grown, and the backup table is not at its end", fix
            )
        )
    if table.label == "dos" and total > DOS_LIMIT:
        found.append(
            Problem("dos-limit", "warn",
                    f"a dos table covers {DOS_LIMIT} sectors, but the disk has {total}",
                    "use a gpt table for the whole disk")
        )  # fmt: skip
    return found
