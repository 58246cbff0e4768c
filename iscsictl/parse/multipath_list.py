"""The output of `multipath -ll`, of 0.4.7 (RHEL 5) to today: maps and their paths."""

import re
from dataclasses import replace

from iscsictl.model.capture import CapturedBlock, CapturedDisk, CapturedPath
from iscsictl.model.listing import Note

_ACTION = r"(?:(?:create|reload|reject|rename|resize|switchpg|undef|nothing): )?"
# NAME (WWID) dm-N VENDOR,PRODUCT; without a name of its own a map is called by its WWID. RHEL 4
# printed neither the device nor the vendor, and the size on the same line.
_MAP = re.compile(
    rf"{_ACTION}(?:(?P<name>[\w.:-]+) \((?P<wwid>[\w.:-]+)\)|(?P<bare>[\w.:-]{{8,}}))"
    r"\s*(?:(?:dm-\d+|undef|-)\s+(?P<vendor>[^,\[]*),(?P<model>[^\[]*?))?\s*(?P<rest>\[size=.*|size=.*)?"
)
_SIZE = re.compile(r"\[?size=([\d.]+) ?([KMGTPE]?)i?B?\b")
_READ_ONLY = re.compile(r"\bwp=(ro|rw)\b|\[(ro|rw)\]")
_GROUP = re.compile(r"[\s|`+\\_-]*(?:policy='|\w[\w-]*(?: \d+)? ?\[(?:prio|active|enabled))")
_PATH = re.compile(
    r"[\s|`+\\_-]*(?P<hctl>\d+:\d+:\d+:\d+|#:#:#:#)\s+(?P<device>[\w!-]+)"
    r"\s+(?:\d+:\d+|#:#|-:-|-)\s+(?P<states>[\w\[\] ]+)"
)
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40, "P": 50, "E": 60}
_SCSI_STATES = frozenset(
    {"running", "offline", "blocked", "quiesce", "transport-offline", "cancel", "deleted"}
)


class MultipathReader:
    """Reads a map, the line of its size, and its paths; the groups of paths are passed over."""

    def __init__(self, disks: list[CapturedDisk], warnings: list[Note]) -> None:
        self._disks = disks
        self._warnings = warnings
        self._disk: CapturedDisk | None = None

    def take(self, line: str, number: int) -> bool:
        """Read one stripped line; False if it is not of this format.

        A path that multipath calls failed or faulty becomes a warning, with the map and the line.
        """
        if self._disk is not None and (found := _PATH.match(line)):
            self._add_path(self._disk, found, number)
            return True
        if self._disk is not None and line.startswith(("size=", "[size=")):
            self._disk = _with_size(self._disk, line)
            return True
        if self._disk is not None and _GROUP.match(line):
            return True
        found = _MAP.fullmatch(line)
        if found is None:
            return False
        wwid = found["wwid"] or found["bare"]
        is_told = found["vendor"] is not None or found["rest"]
        if not is_told and not (found["name"] and re.fullmatch(r"[0-9a-f]{17,33}", wwid)):
            return False
        self.close()
        block = CapturedBlock(f"/dev/mapper/{found['name'] or wwid}", "mpath")
        self._disk = _with_size(
            CapturedDisk(
                block,
                standard_wwid(wwid),
                vendor=_text_if_known(found["vendor"]),
                model=_text_if_known(found["model"]),
                paths=(),
            ),
            found["rest"] or "",
        )
        return True

    def _add_path(self, disk: CapturedDisk, found: re.Match[str], number: int) -> None:
        states = found["states"].replace("[", " ").replace("]", " ").split()
        device = f"/dev/{found['device']}" if found["device"] != "-" else None
        hctl = found["hctl"] if found["hctl"][0] != "#" else None
        state = states[-1] if states[-1:] and states[-1] in _SCSI_STATES else None
        path = CapturedPath(hctl=hctl, device=device, state=state)
        self._disk = replace(disk, paths=(*(disk.paths or ()), path))
        if {"failed", "faulty"} & set(states):
            name = disk.block.device.rpartition("/")[2]
            words = " ".join(states)
            self._warnings.append(Note(f"map {name}: a path is {words}", number))

    def close(self) -> None:
        """End the map that is open, and keep it."""
        disk, self._disk = self._disk, None
        if disk is not None:
            self._disks.append(disk)


def standard_wwid(text: str) -> str:
    """Return multipath's name of a disk in the kernel's spelling: 36001405... is naa.6001405...

    Its first digit is the type of the identifier (SPC-5, 7.7.6): 3 is NAA, 2 is EUI-64. Any other
    name is kept.
    """
    if re.fullmatch(r"3(?:[0-9a-fA-F]{16}|[0-9a-fA-F]{32})", text):
        return f"naa.{text[1:].lower()}"
    if re.fullmatch(r"2[0-9a-fA-F]{16}", text):
        return f"eui.{text[1:].lower()}"
    return text


def read_size(number: str, unit: str) -> int | None:
    """Return bytes of a number and one of K, M, G, T, P, E (powers of 1024); None if it is none.

    The tools round what they print, so the result is no more exact than that.
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
