"""One line of `lsblk`, in whatever form it was printed, and its place in the tree."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

#: Devices on top of each other; a real stack (disk, map, partition, crypt, LVM, ...) has few.
MAX_DEPTH = 32
_NEAR = 512  # rows; a disk has at most 128 partitions, each with a few devices on it
_WHOLE = frozenset({"disk", "rom", "loop", None})


@dataclass
class LsblkRow:
    """One line, with the lines below it in the tree; `depth` is its indentation.

    `cells` has the values that are not empty, by title; `titles` are all columns of the table.
    """

    name: str
    depth: int
    cells: dict[str, str]
    mounts: list[str] = field(default_factory=list)
    children: list["LsblkRow"] = field(default_factory=list)
    titles: frozenset[str] = frozenset()
    parent: "LsblkRow | None" = field(default=None, repr=False, compare=False)


def device_name(path: str) -> str:
    """Return the name of a device as lsblk prints it without -p: `mpatha` of /dev/mapper/mpatha."""
    return path.removeprefix("/dev/").removeprefix("mapper/")


def parent_of_flat_row(
    row: LsblkRow, before: Sequence[LsblkRow], *, is_in_tree_order: bool
) -> LsblkRow | None:
    """Find the row that a row without branches stands below; None for a disk, or if unknown.

    lsblk prints lists (-l, -P) in the order of its tree, so what is no partition is on the row
    before it, or beside that. `is_in_tree_order` is False if only some devices may be listed.
    """
    kind = row.cells.get("TYPE")
    near = islice(reversed(before), _NEAR)
    if "PKNAME" in row.titles:
        name = device_name(row.cells.get("PKNAME", ""))
        if not name:
            return None
        names = ((r, (r.name, device_name(r.cells.get("KNAME", "")))) for r in near)
        return next((above for above, both in names if name in both), None)
    if kind in _WHOLE or not before:
        return None
    if kind == "part":
        return next((r for r in near if is_partition_of(row.name, r.name)), None)
    last = before[-1]
    if kind == "mpath" and not is_in_tree_order and last.cells.get("FSTYPE") != "mpath_member":
        return None
    if last.cells.get("TYPE") == kind:
        return last.parent
    return last


def place_flat_rows(rows: Iterable[LsblkRow]) -> list[LsblkRow]:
    """Return the disks of a list without branches; other rows are put below what they stand on."""
    roots: list[LsblkRow] = []
    before: list[LsblkRow] = []
    for row in rows:
        above = parent_of_flat_row(row, before, is_in_tree_order=False)
        row.parent = above
        (roots if above is None else above.children).append(row)
        before.append(row)
    return roots


def is_partition_of(name: str, disk: str) -> bool:
    """Compare names: sda10 is on sda, not on sda1; kpartx writes p1, -part1 or _part1."""
    number = name.removeprefix(disk)
    if number == name:
        return False
    form = r"p\d+" if disk[-1:].isdigit() else r"p?\d+"
    return bool(re.fullmatch(rf"{form}|[-_]part\d+", number))


def _contradicts(one: LsblkRow, other: LsblkRow) -> bool:
    """Return whether two rows of one name differ in what both contain, down to the leaves."""
    if any(one.cells[key] != value for key, value in other.cells.items() if key in one.cells):
        return True
    both = one.titles & other.titles
    if both & {"MOUNTPOINT", "MOUNTPOINTS"} and set(one.mounts) != set(other.mounts):
        return True
    below = {child.name: child for child in one.children}
    return any(
        child.name in below and _contradicts(below[child.name], child) for child in other.children
    )


def upright_rows(rows: Iterable[LsblkRow]) -> Iterator[LsblkRow]:
    """Yield the rows with disks as the roots; `lsblk -s` prints what is on a disk above it.

    A row that stands on several disks occurs once for each of them: `merge_rows` joins the disks.
    """
    for row in rows:
        if row.cells.get("TYPE") not in _WHOLE and _stands_on_disk(row):
            yield from _turned_rows(row, None)
        else:
            yield row


def _stands_on_disk(row: LsblkRow) -> bool:
    return any(
        child.cells.get("TYPE") in {"disk", "rom"} or _stands_on_disk(child)
        for child in row.children
    )


def _turned_rows(row: LsblkRow, above: LsblkRow | None) -> Iterator[LsblkRow]:
    def turned() -> LsblkRow:
        children = [] if above is None else [above]
        return LsblkRow(row.name, 0, dict(row.cells), [*row.mounts], children, row.titles)

    if not row.children:
        yield turned()
    for below in row.children:
        yield from _turned_rows(below, turned())


def merge_rows(rows: Sequence[LsblkRow]) -> list[LsblkRow]:
    """Merge the rows of devices that were listed several times, such as by `lsblk` and `lsblk -f`.

    Rows of one name that contradict each other are from two hosts or times: the last one is kept.
    """
    merged: dict[str, LsblkRow] = {}
    for row in rows:
        first = merged.get(row.name)
        if first is None or _contradicts(first, row):
            merged[row.name] = row
            continue
        first.cells |= row.cells
        first.titles |= row.titles
        first.mounts += [mount for mount in row.mounts if mount not in first.mounts]
        first.children = merge_rows([*first.children, *row.children])
    return list(merged.values())
