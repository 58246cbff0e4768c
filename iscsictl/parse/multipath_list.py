"""The output of `multipath -ll`, of 0.4.7 (RHEL 5) to today: maps and their paths."""

import re
from dataclasses import replace
from itertools import takewhile

from iscsictl.model.capture import CapturedBlock, CapturedDisk, CapturedPath
from iscsictl.model.listing import Note
from iscsictl.model.word_lists import first_names

_ACTION = r"(?:(?:create|reload|reject|rename|resize|switchpg|undef|nothing)?: )?"
# NAME (WWID) dm-N VENDOR,PRODUCT; a map without a name of its own has its WWID as the name, which
# contains blanks if it is of the type T10 vendor ID (1IET 00010001). RHEL 4 printed neither the
# device nor the vendor, and the size on the same line; a map without paths has no vendor.
_MAP = re.compile(
    rf"{_ACTION}(?!\d+[:-]\w)(?:(?P<name>[\w.:-]+) \((?P<wwid>[\w.:+-](?:[\w.:+ -]*[\w.:+-])?)\)"
    r"|(?P<bare>[\w.:-]{8,}|[0-8]\w+ [\w.:+ -]*?[\w.:+-]))"
    r"(?:\s+(?P<device>dm-\d+|undef|n/a|-)(?:\s+(?P<vendor>[^,\[\\]*),(?P<model>[^\[\\]*?)|\s+\w+)?)?"
    r"\s*(?:(?:\s|(?=\[))(?P<rest>\[?size=.*))?"
)
_HEXADECIMAL_ID = re.compile(r"[0-9a-f]{17,33}")
_SIZE = re.compile(r"\[?size=([\d.]+) ?([KMGTPE]?)i?B?\b")
_READ_ONLY = re.compile(r"\bwp=(ro|rw)\b|\[(ro|rw)\]")
# Blogs replace quotes, backticks and hyphens by typographic ones.
_GROUP = re.compile(
    r"[\s|`+\\_\u2018\u2013-]*"
    r"(?:policy=['\u2018\u2019]|\w[\w-]*(?: \d+)? ?\[(?:prio|active|enabled))"
)
_PATH = re.compile(
    r"[\s|`+\\_\u2018\u2013-]*(?P<hctl>\d+:\d+:\d+:\d+|#:#:#:#)\s+(?P<device>[\w!-]+)"
    r"\s+(?:\d+:\d+|#:#|-:-|-)\s+(?P<states>\[?(?:active|failed|undef)[\]\[ ].*)"
)
# NVMe multipathing of the kernel itself, which multipath lists after its own maps.
_FOREIGN = re.compile(r"\S+ \[\w+\]:\w+ NVMe,.*")
_FOREIGN_PART = re.compile(r"size=.*|[\s|`+\\_-]*(?:policy=.*|\d+:\d+:\d+ +nvme\w+ .*)")
#: The states that a checker (libmultipath/checkers.c) gives a path that is not lost. A ghost is a
#: path of a passive controller; `undef` means that nothing was checked (multipath -l).
SOUND_CHECKS = frozenset({"ready", "ghost", "undef", "i/o pending", "unchecked", None})
_CHECKER_WORDS = frozenset(
    {
        "ready", "ghost", "undef", "i/o", "pending", "unchecked", "faulty", "shaky", "delayed",
        "timeout", "removed", "down", "up", "wild", "disconnected", "unknown", "n/a",
    }
)  # fmt: skip
_SOUND_SCSI_STATES = frozenset({"running", "unknown", "undef", None})
_SHOWN_PATHS = 4  # paths that the warning about a map names
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40, "P": 50, "E": 60}
#: The kernel's states of a SCSI device (drivers/scsi/scsi_sysfs.c).
SCSI_STATES = frozenset(
    {"running", "offline", "blocked", "quiesce", "transport-offline", "cancel", "deleted"}
)


class MultipathReader:
    """Reads a map, the line with its size, and its paths; the groups of paths are skipped."""

    def __init__(self, disks: list[CapturedDisk], warnings: list[Note]) -> None:
        self._disks = disks
        self._warnings = warnings
        self._disk: CapturedDisk | None = None
        self._line = 0
        self._failed: list[tuple[int, str]] = []
        self._has_lost_head = False
        self._is_foreign = False
        self._places: dict[tuple[str, str | None], int] = {}
        self._notes: dict[tuple[str, str | None], list[Note]] = {}

    def take(self, line: str, number: int) -> bool:
        """Read one stripped line; False if it is not of this format.

        For paths that do not work, the map gets one warning, which names the first of them.
        """
        if self._is_foreign and _FOREIGN_PART.fullmatch(line):
            return True
        if (self._disk is not None or self._has_lost_head) and self._take_part(line, number):
            return True
        if _FOREIGN.fullmatch(line):
            self.close()
            self._is_foreign = True
            return True
        found = _MAP.fullmatch(line)
        if found is None:
            return self._take_lone_path(line, number)
        wwid = found["wwid"] or found["bare"]
        if (found["device"] or "-")[:3] != "dm-":
            # Prose may contain "NAME (WORD) - WORDS, WORDS", too: two features must indicate a map,
            # one of them a size or an identifier.
            certain = bool(found["rest"]), bool(_HEXADECIMAL_ID.fullmatch(wwid))
            if not any(certain) or sum((*certain, *map(bool, found.group("name", "vendor")))) < 2:
                return False
        # device-mapper writes a blank of a name as \x20
        name = (found["name"] or wwid).replace(" ", r"\x20")
        disk = CapturedDisk(
            CapturedBlock(f"/dev/mapper/{name}", "mpath"),
            standard_wwid(wwid),
            vendor=_text_if_known(found["vendor"]),
            model=_text_if_known(found["model"]),
        )
        self.begin_map(_with_size(disk, found["rest"] or ""), number)
        return True

    def _take_part(self, line: str, number: int) -> bool:
        """Read a line of the current map, or of one whose first line could not be read."""
        if line.startswith(("size=", "[size=")):
            if self._disk is not None and self._disk.block.size is None:
                self._disk = _with_size(replace(self._disk, paths=()), line)
                return True
            self.close()
            self._has_lost_head = True
            text = "the first line of this map is missing, so the map is left out"
            self._warnings.append(Note(text, number))
            return True
        if found := _PATH.fullmatch(line):
            device = f"/dev/{found['device']}" if found["device"] != "-" else None
            hctl = found["hctl"] if found["hctl"][0] != "#" else None
            words = found["states"].replace("[", " ").replace("]", " ").split()
            self.add_path(CapturedPath(hctl=hctl, device=device), words, number)
            return True
        return _GROUP.match(line) is not None

    def _take_lone_path(self, line: str, number: int) -> bool:
        """Read a path without its map, such as `grep` leaves."""
        if _PATH.fullmatch(line) is None:
            return False
        self._has_lost_head = True
        self._warnings.append(
            Note("the map of these paths is not given, so they are left out", number)
        )
        return True

    def begin_map(self, disk: CapturedDisk, line: int) -> None:
        """End the current map, and begin this one."""
        self.close()
        self._disk, self._line = disk, line

    def add_path(self, path: CapturedPath, states: list[str], number: int) -> None:
        """Add a path to the current map, if there is one.

        `states` are its states: the map's, the checker's, and the kernel's if it is printed. What
        follows them is a remark of whoever pasted this.
        """
        disk = self._disk
        if disk is None:
            return
        in_map, *words = states
        checked = [*takewhile(_CHECKER_WORDS.__contains__, words)]
        state = next((word for word in words[len(checked) :][:1] if word in SCSI_STATES), None)
        checker = " ".join(word for word in checked if word != "unknown") or None
        states = [in_map, *checked, *([state] if state else [])]
        if in_map == "failed" and checker in (None, "undef"):
            checker = "failed"  # nothing was checked: the map itself has given the path up
        path = replace(path, state=state, checker=checker)
        self._disk = replace(disk, paths=(*(disk.paths or ()), path))
        if in_map == "failed" or checker not in SOUND_CHECKS or state not in _SOUND_SCSI_STATES:
            name = (path.device or "a path").removeprefix("/dev/")
            self._failed.append((number, " ".join([name, *states]).removesuffix(" running")))

    def close(self) -> None:
        """End the current map and keep it; warn about its paths that do not work."""
        disk, self._disk = self._disk, None
        failed, self._failed = self._failed, []
        self._has_lost_head = self._is_foreign = False
        if disk is None:
            return
        self._keep_last(disk)
        name = disk.block.device.rpartition("/")[2]
        if disk.paths == ():
            self._warn_about(disk, Note(f"map {name}: no path is listed", self._line))
        if failed:
            shown = first_names([text for _, text in failed], _SHOWN_PATHS)
            paths = len(disk.paths or ())
            verb = "does" if len(failed) == 1 else "do"
            verdict = f"{len(failed)} of {paths} paths {verb} not work"
            if len(failed) == paths:
                verdict = "its only path does not work"
                if paths > 1:
                    verdict = f"none of its {paths} paths works"
            self._warn_about(disk, Note(f"map {name}: {verdict}: {shown}", failed[0][0]))

    def _keep_last(self, disk: CapturedDisk) -> None:
        """Keep a map; of several listings the last one counts, and earlier warnings are removed."""
        key = disk.block.device, disk.wwid
        place = self._places.setdefault(key, len(self._disks))
        if place == len(self._disks):
            self._disks.append(disk)
            return
        before, self._disks[place] = self._disks[place], disk
        for note in self._notes.pop(key, []):
            if note in self._warnings:
                self._warnings.remove(note)
        if before.paths is not None and disk.paths is not None and before != disk:
            name = disk.block.device.rpartition("/")[2]
            text = f"map {name} is listed several times; the last one is used"
            self._warn_about(disk, Note(text, self._line))

    def _warn_about(self, disk: CapturedDisk, note: Note) -> None:
        self._notes.setdefault((disk.block.device, disk.wwid), []).append(note)
        self._warnings.append(note)


def standard_wwid(text: str) -> str:
    """Return multipath's name of a disk in the kernel's spelling: 36001405... is naa.6001405...

    Its first digit is the type of the identifier (SPC-5, 7.7.6): 3 is NAA, 2 is EUI-64. Any other
    name is returned unchanged.
    """
    if re.fullmatch(r"3(?:[0-9a-fA-F]{16}|[0-9a-fA-F]{32})", text):
        return f"naa.{text[1:].lower()}"
    if re.fullmatch(r"2[0-9a-fA-F]{16}", text):
        return f"eui.{text[1:].lower()}"
    return text


def read_size(number: str, unit: str) -> int | None:
    """Return the bytes of a number with K, M, G, T, P or E (powers of 1024); None if invalid.

    The result is only as exact as what the tools print, which is rounded.
    """
    try:
        return round(float(number) * (1 << _UNITS[unit]))
    except (ValueError, KeyError, OverflowError):
        return None


def _with_size(disk: CapturedDisk, text: str) -> CapturedDisk:
    if found := _SIZE.search(text):
        disk = replace(disk, block=replace(disk.block, size=read_size(found[1], found[2])))
    if found := _READ_ONLY.search(text):
        disk = replace(disk, read_only=(found[1] or found[2]) == "ro")
    return disk


def _text_if_known(text: str | None) -> str | None:
    """Return a vendor or product, None for the ## of a path that could not be asked."""
    text = (text or "").strip()
    return None if not text or text.startswith("##") else text
