"""The output of `lsblk` (also -f, -S, -l, -J, -P and -o ...): disks, and what is on them."""

import re
from dataclasses import dataclass, replace

from iscsictl.model.capture import CapturedBlock, CapturedDisk, CapturedPath
from iscsictl.parse.lsblk_formats import DM_NUMBER, JsonBlock, row_of_pairs
from iscsictl.parse.lsblk_rows import (
    MAX_DEPTH,
    LsblkRow,
    device_name,
    is_partition_of,
    parent_of_flat_row,
)
from iscsictl.parse.multipath_list import read_size

_HEADER = re.compile(r"K?NAME(?:\s+[A-Z][A-Z%:_-]*)+")
# The titles anywhere in a line, followed only by the end of a string or a cell.
_TITLES = re.compile(
    r"(?P<before>.*?(?<![\w=]))K?NAME(?:\s+[A-Z][A-Z%:_-]*)+\s*(?:\\n)?[\"'`|,\]\s]*$"
)
_OTHER_FORM = re.compile(r"(?P<before>.*?)(?:\"blockdevices\":|(?<![\w=])NAME=\")")
_LINE_ENDING = re.compile(r"\s*(?:\\n)?(?:[\"'`],?\s*\]?|\|)?\s*$")
_CODE_POINT = re.compile(r"\\u(25[0-9a-fA-F]{2})")  # lines of boxes, in JSON
_TELLING = frozenset(
    {
        "FSTYPE", "MAJ:MIN", "SIZE", "MOUNTPOINT", "MOUNTPOINTS", "TYPE", "TRAN", "HCTL", "WWN",
        "SERIAL", "MODEL", "ALIGNMENT", "DISC-GRAN", "PKNAME",
    }
)  # fmt: skip
# The branches of the tree, in UTF-8 and as ASCII (-i), and what --merge draws before a tree: arrows
# to the disks that have a device in common, and a line to it (libsmartcols/src/table.c).
# In another character set they became question marks, or only their first byte is left (\u00e2).
_TREE = r"(?:[,|']->|[\s|`?\u00e2\ufffd\u2502\u2506\u2508\u250c\u251c\u2514\u252c\u2500\u25b6-])*"
_ARROW = re.compile(r"[\u250c\u251c\u2514][\u2508\u252c]\u25b6|[,|']->|\u2506")
_OF_GROUP = re.compile(r"[\u251c\u2514]\u2508+|[|`]-{2,}")
_ROW = re.compile(rf"(?P<tree>{_TREE})(?P<name>[\w/.:+!][\w/.:+!-]*)(?=\s|$)")
# With -p, a row also begins with a path, but with that of a device.
_MOUNT_ALONE = re.compile(rf"{_TREE}((?:/(?!dev/)|\[SWAP\]).*)")
# Any name may be below a disk; a line without a branch must have the name of a disk of the kernel,
# so that prose after the table is no disk.
_DISK_NAME = re.compile(
    r"(?:[shvx]d[a-z]+|xvd[a-z]+|dasd[a-z]+)\d*|(?:nvme\d+n\d+|mmcblk\d+|nbd\d+|loop\d+|md\d+)(?:p\d+)?"
    r"|(?:sr|fd|zram|dm-|pmem|rbd|drbd|mpath)\w+"
)
_UUID = re.compile(
    r"[0-9a-fA-F]{4}-[0-9a-fA-F]{4}|[0-9a-fA-F]{16}|\w{6}(?:-\w{4}){5}-\w{6}"
    r"|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
)
# The form of the cells of some columns; if one does not match, words are under wrong titles.
_CELL_SHAPES = {
    "UUID": _UUID,
    "MAJ:MIN": re.compile(r"\d+:\d+"),
    "SIZE": re.compile(r"\d+(?:[.,]\d+)?[BKMGTPE]?"),
    "TYPE": re.compile(r"disk|part|mpath|lvm|crypt|loop|rom|dm|md|linear|raid\w+"),
    "HCTL": re.compile(r"\d+:\d+:\d+:\d+"),
    "TRAN": re.compile(r"iscsi|sata|sas|ata|usb|nvme|fc|fcoe|spi|virtio|mmc|sbp"),
    "RM": re.compile(r"[01]"),
    "RO": re.compile(r"[01]"),
    "MOUNTPOINT": re.compile(r"/.*|\[SWAP\]"),
    "MOUNTPOINTS": re.compile(r"/.*|\[SWAP\]"),
}
_OTHER_SIZES = frozenset(
    {"FSAVAIL", "FSSIZE", "FSUSED", "DISC-GRAN", "DISC-MAX", "WSAME", "MIN-IO"}
)
_SIZE = re.compile(r"([\d.]+)([BKMGTPE]?)")
_KINDS = frozenset({"disk", "part", "mpath", "lvm", "crypt", "loop"})
# The type of what is on a device determines the kind of the device above it.
_KIND_ABOVE = {
    "mpath_member": "mpath",
    "LVM2_member": "lvm",
    "crypto_LUKS": "crypt",
    "linux_raid_member": "md",
}
# Names of maps, for a table without the column TYPE: of multipath, of LVM (GROUP-VOLUME), of
# cryptsetup as distributions and systemd name them.
_KINDS_BY_NAME = (
    ("dm", re.compile(r"dm-\d+")),
    ("mpath", re.compile(r"mpath\w+|[23][0-9a-f]{16,32}")),
    ("crypt", re.compile(r"luks-.*|.*_crypt")),
    ("md", re.compile(r"md[\d_]\w*")),
    ("lvm", re.compile(r"[\w.+]+(?:--[\w.+]+)*-.+")),
)
_FILESYSTEM = re.compile(
    r"ext[234]|xfs|btrfs|vfat|ntfs|swap|iso9660|squashfs|f2fs|exfat|jfs|reiserfs|ocfs2|gfs2|udf"
    r"|bcache|nilfs2|BitLocker|crypto_LUKS|ceph_bluestore|\w+_member"
)


@dataclass(frozen=True)
class _Column:
    """A title of the table, and its position."""

    title: str
    start: int
    end: int


class TablePrefix:
    """What is before and after each line of a table: of a log, a list, a string.

    It is learned from the line of titles, or from the first line of JSON or of KEY="value".
    """

    def __init__(self) -> None:
        self._shape: re.Pattern[str] | None = None
        self._has_ending = False

    def learn(self, raw: str) -> str | None:
        """Return the titles in a line, None if there are none or nothing is before them."""
        found = _TITLES.match(raw) or _OTHER_FORM.match(raw)
        if found is None or not found["before"].strip():
            return None
        self._has_ending = found.re is _TITLES
        if self._has_ending and not _TELLING & set(found[0].split()):
            return None
        before = re.sub(r"(?:\\ )*\d+", r"\\s*\\d+", re.escape(found["before"].rstrip(" ")))
        self._shape = re.compile(before)
        return self.strip(raw)

    def strip(self, raw: str) -> str | None:
        """Return the line without its prefix, None if it does not have it."""
        found = self._shape.match(raw) if self._shape is not None else None
        if found is None:
            return None
        if not self._has_ending:
            return raw[found.end() :]
        text = _CODE_POINT.sub(lambda code: chr(int(code[1], 16)), raw[found.end() :])
        return _LINE_ENDING.sub("", text)


class LsblkReader:
    """Reads the lines below a header by the columns that they stand under.

    If the blanks between columns were squeezed, the form of a word decides.
    """

    def __init__(self) -> None:
        self.roots: list[LsblkRow] = []
        #: Paths and maps in tables of multipathd, which count only if there is no topology.
        self.multipathd_rows: list[LsblkRow] = []
        self.first_line: int | None = None
        #: The tool that printed the disks from this line on; lsscsi lists disks, too.
        self.tool = "lsblk"
        self._columns: list[_Column] = []
        self._open: list[LsblkRow] = []
        self._flat: list[LsblkRow] = []
        self._has_branches = False
        # The disks with an arrow (--merge), and whether what they have in common has begun.
        self._members: list[LsblkRow] = []
        self._is_group_told = False
        self._block: JsonBlock | None = None
        self._block_line = 0
        #: The lines where truncated JSON begins.
        self.broken_lines: list[int] = []

    @property
    def is_open(self) -> bool:
        """Whether the next line may be a row of a table."""
        return bool(self._columns) or self._block is not None

    def take(self, raw: str, number: int) -> bool:
        """Read one line with its indentation; False if it is no line of such a table.

        The indentation is the depth in the tree, so leading blanks must not be stripped.
        """
        if self._block is not None:
            if self._block.add(raw):
                if self._block.is_whole:
                    self._end_json(self._block)
                return True
            self.close()
        # Hardly any line of a long capture of sessions has one of these.
        if not self._columns and "NAME" not in raw and '"blockdevices"' not in raw:
            return False
        if '"' in raw and self._take_other_form(raw, number):
            return True
        line = DM_NUMBER.sub(lambda found: " " * len(found[0]), raw.expandtabs().rstrip())
        if _HEADER.fullmatch(line.strip()) and _TELLING & set(line.split()):
            self._columns = [_Column(c[0], c.start(), c.end()) for c in re.finditer(r"\S+", line)]
            self._open, self._flat, self._has_branches = [], [], False
            self._members, self._is_group_told = [], False
            self.first_line = self.first_line or number
            return True
        if not self._columns:
            return False
        if self._open and (alone := _MOUNT_ALONE.fullmatch(line)):
            self._open[-1].mounts.append(alone[1])
            return True
        found = _ROW.match(line)
        if found is None or not self._add_row(found, line):
            if raw[:1].strip():
                self.close()
            return False
        return True

    def _take_other_form(self, raw: str, number: int) -> bool:
        """Read a line of JSON or of KEY="value"."""
        if '"blockdevices"' in raw:
            self.close()
            self._block = JsonBlock(raw)
            self._block_line = number
            if self._block.is_whole:
                self._end_json(self._block)
            return True
        row = row_of_pairs(raw.strip())
        if row is None:
            return False
        self.first_line = self.first_line or number
        self._add_flat(row, is_in_tree_order=True)
        return True

    def _end_json(self, block: JsonBlock) -> None:
        """Keep the disks of a block that ends here, as far as they are complete."""
        self._block = None
        rows = block.rows()
        if not block.is_whole:
            self.broken_lines.append(self._block_line)
        if rows is not None:
            self.first_line = self.first_line or self._block_line
            self.roots += rows

    def close(self) -> None:
        """End the table: what follows is no row of it. The rows that were read stay."""
        if self._block is not None:
            self._end_json(self._block)
        self._columns, self._open, self._flat = [], [], []

    def _add_row(self, found: re.Match[str], line: str) -> bool:
        """Add a row; False for a line without a branch that names no device."""
        words = [word for word in re.finditer(r"\S+", line) if word.start() >= found.end()]
        titles = [column.title for column in self._columns]
        by_column = self._cells_below(words)
        in_order = by_column or _cells_in_order(line[found.start("name") :], titles)
        cells = in_order or _cells_by_format([word[0] for word in words], titles)
        has_branch = bool(_ARROW.sub("", found["tree"]).strip())
        name = device_name(found["name"])
        # Without a branch, it is a device if the words below the titles, or their forms, say so. If
        # blanks were squeezed out of a tree, nobody knows what it stands on.
        is_told = "TYPE" in by_column or (
            {"TYPE", "MAJ:MIN"} <= cells.keys() and not (in_order and self._has_branches)
        )
        if not has_branch and not _DISK_NAME.fullmatch(name) and not is_told:
            return False
        depth = found.start("name") if has_branch else 0
        row = LsblkRow(name, depth, cells)
        row.titles = frozenset(titles)
        mount = cells.get("MOUNTPOINT") or cells.get("MOUNTPOINTS")
        if mount is not None:
            row.mounts.append(mount)
        self._add_to_tree(row, found["tree"], has_branch=has_branch)
        return True

    def _add_to_tree(self, row: LsblkRow, tree: str, *, has_branch: bool) -> None:
        """Add a row below those that the characters before it lead to."""
        if self._members and _OF_GROUP.search(_ARROW.sub("", tree)):
            self._is_group_told = True
            for member in self._members:
                member.children.append(row)
            self._open = [row]
            return
        if has_branch:
            self._has_branches = True
            while self._open and (self._open[-1].depth >= row.depth or len(self._open) > MAX_DEPTH):
                self._open.pop()
            (self._open[-1].children if self._open else self.roots).append(row)
            self._open.append(row)
        else:
            self._add_flat(row, is_in_tree_order=False)
        if "\u25b6" in tree or "->" in tree:
            self._members = [row] if self._is_group_told else [*self._members, row]
            self._is_group_told = False

    def _add_flat(self, row: LsblkRow, *, is_in_tree_order: bool) -> None:
        """Add a row without a branch: the root of a tree, or a row of a list (-l)."""
        above = None
        if not self._has_branches:
            above = parent_of_flat_row(row, self._flat, is_in_tree_order=is_in_tree_order)
        row.depth = 0 if above is None else above.depth + 1
        if row.depth > MAX_DEPTH:
            above, row.depth = None, 0
        row.parent = above
        (self.roots if above is None else above.children).append(row)
        self._flat.append(row)
        self._open = [row]

    def _cells_below(self, words: list[re.Match[str]]) -> dict[str, str]:
        """Assign each word to the column that it is under; {} if one is under none or several.

        Text begins below its title, and numbers end below theirs, so each overlaps its own title.
        """
        cells: dict[str, str] = {}
        for word in words:
            touched = [
                c for c in self._columns[1:] if word.start() < c.end and word.end() > c.start
            ]
            if not touched:  # a further word of a text that is longer than its title
                touched = [c for c in self._columns[1:] if c.start <= word.start()][-1:]
                if not touched or touched[0].title not in cells:
                    return {}
            if len(touched) != 1:
                return {}
            title = touched[0].title
            cells[title] = f"{cells[title]} {word[0]}" if title in cells else word[0]
        is_sound = all(
            shape.fullmatch(cells[title]) for title, shape in _CELL_SHAPES.items() if title in cells
        )
        return cells if is_sound else {}


def _cells_in_order(text: str, titles: list[str]) -> dict[str, str]:
    """Assign the words of a row by their order, as -r prints them; {} if that may be wrong.

    Between two values -r prints one blank, so that an empty value leaves two of them. If a web page
    has squeezed the blanks, the order is right only where no value was empty.
    """
    words = text.split(" ")
    if len(words) > len(titles) or (len(words) < len(titles) and "" not in words):
        return {}
    cells = {title: word for title, word in zip(titles, words, strict=False) if word}
    cells.pop(titles[0])
    is_sound = all(
        shape.fullmatch(cells[title]) for title, shape in _CELL_SHAPES.items() if title in cells
    )
    return cells if is_sound else {}


def _cells_by_format(words: list[str], titles: list[str]) -> dict[str, str]:
    """Assign the words of a row to columns by their form, if the columns are lost."""
    cells: dict[str, str] = {}
    has_size = "SIZE" in titles and not _OTHER_SIZES & set(titles)
    for word in words:
        if word.startswith("/") or word == "[SWAP]":
            cells["MOUNTPOINT"] = word
        elif _FILESYSTEM.fullmatch(word):
            cells["FSTYPE"] = word
        elif word in _KINDS:
            cells["TYPE"] = word
        elif _UUID.fullmatch(word):
            cells["UUID"] = word
        elif "MAJ:MIN" in titles and re.fullmatch(r"\d+:\d+", word):
            cells["MAJ:MIN"] = word
        elif has_size and re.fullmatch(r"\d+(?:[.,]\d+)?[KMGTPE]", word):
            cells["SIZE"] = word
        elif "FSTYPE" in cells and "UUID" not in cells and not re.fullmatch(r"[\d.]+|LVM2", word):
            cells["LABEL"] = word
    return cells


def captured_block(row: LsblkRow, parent: CapturedBlock | None = None) -> CapturedBlock:
    """Return a row of the table, and what is below it, as a block device.

    Sizes are bytes, rounded as lsblk printed them. A missing mount point means "not mounted" only
    if there is a column for it.
    """
    kind = _kind_of_row(row, parent)
    is_mapped = kind in {"mpath", "lvm", "crypt"} or (
        parent is not None and parent.kind == "mpath" and kind == "part"
    )
    is_mapped = is_mapped and not re.fullmatch(r"dm-\d+", row.name)  # that is the kernel's name
    size = _SIZE.fullmatch(row.cells.get("SIZE", "").replace(",", "."))  # a decimal comma
    tells_mounts = bool({"MOUNTPOINT", "MOUNTPOINTS"} & row.titles)
    block = CapturedBlock(
        device=f"/dev/mapper/{row.name}" if is_mapped else f"/dev/{row.name}",
        kind=kind,
        size=None if size is None else read_size(size[1], size[2].removesuffix("B")),
        fstype=row.cells.get("FSTYPE"),
        label=row.cells.get("LABEL"),
        uuid=row.cells.get("UUID"),
        mounts=tuple(row.mounts) if tells_mounts else None,
    )
    children = tuple(captured_block(child, block) for child in row.children)
    return replace(block, children=children)


def captured_disk(row: LsblkRow, block: CapturedBlock) -> CapturedDisk:
    """Return a disk of the table, which is its own only path; those of other devices are unknown.

    The WWID is known if there is a column WWN, which lsblk does not print by default.
    """
    cells = row.cells
    sid = int(cells["SID"]) if "SID" in cells else None
    path = CapturedPath(
        sid, cells.get("HCTL"), block.device, cells.get("STATE"), cells.get("CHECKER")
    )
    paths = (path,) if block.kind in {"disk", "md"} else None
    return CapturedDisk(
        block,
        cells.get("WWID") or _read_wwn(cells.get("WWN")),
        serial=row.cells.get("SERIAL"),
        vendor=row.cells.get("VENDOR"),
        model=row.cells.get("MODEL"),
        read_only={"0": False, "1": True}.get(row.cells.get("RO", "")),
        paths=paths,
    )


def _read_wwn(text: str | None) -> str | None:
    """Return 0x6001405... as naa.6001405...; None for the half of one that old udev has."""
    digits = (text or "").removeprefix("0x").lower()
    length = 32 if digits.startswith("6") else 16  # NAA 6 has 16 bytes, NAA 2, 3 and 5 have 8
    return f"naa.{digits}" if re.fullmatch(rf"[2356][0-9a-f]{{{length - 1}}}", digits) else None


def _kind_of_row(row: LsblkRow, parent: CapturedBlock | None) -> str:
    printed = row.cells.get("TYPE")
    if printed is not None:
        return "md" if printed.startswith(("raid", "linear", "md")) else printed
    if parent is not None:
        if parent.fstype in _KIND_ABOVE:
            return _KIND_ABOVE[parent.fstype]
        if is_partition_of(row.name, device_name(parent.device)):
            return "part"
    named = (kind for kind, names in _KINDS_BY_NAME if names.fullmatch(row.name))
    if parent is None and row.name.startswith("loop"):
        return "loop"
    return next(named, "disk" if parent is None else "part")
