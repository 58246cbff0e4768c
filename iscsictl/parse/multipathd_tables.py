"""Tables of `multipathd show paths` and `show maps`, and the list of paths of `multipath -v3`.

Titles are those of libmultipath's print.c; a user's own format may contain any of them in any
order.
"""

import re

from iscsictl.model.listing import Note
from iscsictl.model.word_lists import first_names
from iscsictl.parse.lsblk_list import LsblkReader
from iscsictl.parse.lsblk_rows import LsblkRow
from iscsictl.parse.multipath_list import SCSI_STATES, SOUND_CHECKS, standard_wwid

_OF_PATHS = frozenset({"uuid", "hcil", "dev", "dev_t", "pri", "dm_st", "chk_st", "dev_st"})
_OF_MAPS = frozenset({"sysfs", "dm-st"})
_TITLES = re.compile(r"[a-z][\w/-]*(?:\s+(?:[a-zA-Z][\w/-]*|\[?undef\]?))+")
_LIST_HEAD = re.compile(r"=+ paths list =+")
_PATH = re.compile(
    r"(?:(?P<wwid>\S.*?)\s+)?(?P<hctl>\d+:\d+:\d+:\d+|#:#:#:#)\s+(?P<dev>\w+)\s+(?P<rest>\d+:\d+\s.*)"
)
_DEVICE = re.compile(r"(?:sd|dasd|nvme|vd)\w+")
_WWID = re.compile(r"[0-9a-f]{17,33}|(?:eui|naa|t10|uuid|nvme)[.\w+-]+")
_HCTL = re.compile(r"\d+:\d+:\d+:\d+")
_TITLES_OF_ROW = frozenset({"TYPE"})
# A number before a dash or colon is a line number of `grep -n`, a number alone one of `cat -n`.
_NAME = re.compile(r"(?!\d+[:-]\w)(?=\w*[A-Za-z]|\d{17})\w[\w.:+-]*")
_STATES = frozenset({"active", "failed", "undef"})
# The states of checkers and the kernel (libmultipath's checkers.c, scsi_sysfs.c) of one word.
_CHECKS = frozenset({"ready", "faulty", "shaky", "ghost", "delayed", "timeout", "removed", "down"})
_SHOWN_PATHS = 4  # of those that do not work


class MultipathdReader:
    """Reads the rows below a line of titles, and keeps them as if `lsblk` had printed them."""

    def __init__(self, table: LsblkReader, warnings: list[Note]) -> None:
        self._table = table
        self._warnings = warnings
        self._titles: tuple[str, ...] = ()
        self._is_whole_list = False
        self._paths = 0
        self._failed: list[tuple[int, str]] = []

    def take(self, line: str, number: int) -> bool:
        """Read one stripped line; False if it is not of such a table."""
        if self._titles and self._take_row(line, number):
            return True
        words = line.split() if line[:1].islower() else []
        is_head = (len(_OF_PATHS.intersection(words)) > 2 and "dev" in words) or (
            bool(_OF_MAPS.intersection(words)) and words[0] in {"name", "uuid"}
        )
        if is_head and _TITLES.fullmatch(line):
            self._titles = tuple(words)
            return True
        if _LIST_HEAD.fullmatch(line) is None:
            return False
        self._is_whole_list = True
        return True

    def _take_row(self, line: str, number: int) -> bool:
        if "dev" in self._titles:
            return self._take_path(line, number)
        cells = dict(zip(self._titles, line.split(), strict=False))
        name, wwid = cells.get("name", ""), cells.get("uuid", "")
        # The row must have something that only a map has.
        is_map = _WWID.fullmatch(wwid) or cells.get("dm-st") in {"active", "suspend"}
        device = cells.get("sysfs", "dm-0")
        if not _NAME.fullmatch(name) or not device.startswith("dm-"):
            return False
        if "dm-st" in self._titles and not is_map:  # `queueing` is one word or two: `-`, `5 chk`
            is_map = re.search(r"\s(?:active|suspend)\s+r[ow]$", line) is not None
        if not is_map:
            return False
        row = LsblkRow(name, 0, {"TYPE": "mpath"}, titles=_TITLES_OF_ROW)
        if wwid:
            row.cells["WWID"] = standard_wwid(wwid)
        self._table.multipathd_rows.append(row)
        if re.search(r"\s0\s+(?:active|suspend)\s+r[ow]$", line):
            self._warnings.append(Note(f"map {name}: no path is left", number))
        return True

    def _take_path(self, line: str, number: int) -> bool:
        """Read a path: by its titles, or by its form if the first cell is empty."""
        cells = dict(zip(self._titles, line.split(), strict=False))
        device, state = cells.get("dev", ""), cells.get("dm_st", "undef")
        wwid, map_name = cells.get("uuid"), cells.get("multipath", "").rstrip("\"',`|")
        if not _DEVICE.fullmatch(device) or state not in _STATES:
            found = _PATH.fullmatch(line)
            if found is None or not _DEVICE.fullmatch(found["dev"]):
                return False
            device, wwid, map_name = found["dev"], found["wwid"], ""
            after = self._titles[self._titles.index("dev") + 1 :]
            rest = re.sub(r"\[(\w+)\]\[?(\w*)\]?", r"\1 \2", found["rest"])  # 0.4.7: [undef][ready]
            cells = {**dict(zip(after, rest.split(), strict=False)), "hcil": found["hctl"]}
        row = LsblkRow(device, 0, {"TYPE": "disk"}, titles=_TITLES_OF_ROW)
        state = cells.get("dev_st", "")
        if self._titles[-1] == "dev_st":  # the vendor before it may have blanks
            state = line.rsplit(maxsplit=1)[-1]
        if _HCTL.fullmatch(cells.get("hcil", "")):
            row.cells["HCTL"] = cells["hcil"]
        if cells.get("chk_st") in _CHECKS:
            row.cells["CHECKER"] = cells["chk_st"]
        if state in SCSI_STATES:
            row.cells["STATE"] = state
        if cells.get("dm_st") == "failed":
            row.cells.setdefault("CHECKER", "failed")
        self._paths += 1
        if row.cells.get("CHECKER", "ready") not in SOUND_CHECKS or (
            row.cells.get("STATE", "running") != "running"
        ):
            words = (device, row.cells.get("CHECKER"), row.cells.get("STATE"))
            self._failed.append((number, " ".join(filter(None, words)).removesuffix(" running")))
        if wwid and _WWID.fullmatch(wwid):
            row.cells["WWID"] = standard_wwid(wwid)
        if _NAME.fullmatch(map_name) and "uuid" in self._titles:
            above = LsblkRow(map_name, 1, {"TYPE": "mpath"}, titles=_TITLES_OF_ROW)
            row.children.append(above)
        self._table.multipathd_rows.append(row)
        return True

    def close(self) -> None:
        """End the table: what follows is no row of it. The rows that were read stay."""
        self._titles = ()
        failed, paths = self._failed, self._paths
        self._failed, self._paths = [], 0
        # The topology that multipath prints below its list of paths shows what does not work.
        is_told_below, self._is_whole_list = self._is_whole_list, False
        if failed and not is_told_below:
            shown = first_names([text for _, text in failed], _SHOWN_PATHS)
            verb = "does" if len(failed) == 1 else "do"
            text = f"{len(failed)} of {paths} paths {verb} not work: {shown}"
            self._warnings.append(Note(text, failed[0][0]))
