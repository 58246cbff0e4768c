"""The output of `lsscsi` (also -t, -g, -s), and /proc/scsi/scsi, which names no devices."""

import re

from iscsictl.model.listing import Note
from iscsictl.parse.lsblk_list import LsblkReader
from iscsictl.parse.lsblk_rows import LsblkRow, device_name

_LINE = re.compile(
    r"\[(?P<hctl>\d+:\d+:\d+:\d+)\]\s+(?P<type>disk|cd/dvd|enclosu|storage|tape|process|mediumx"
    r"|no dev|zbc|optical|scanner|printer|comms|osd|wlun)\s+(?P<told>\S.*?)\s+(?P<node>/dev/\w+|-)"
    r"(?:\s+\S.*)?"
)
# Vendor, model and revision have 8, 16 and 4 characters (SPC, standard INQUIRY data).
_INQUIRY = re.compile(r"(?P<vendor>.{8}) (?P<model>.{16}) .{1,4}")
_TARGET = re.compile(r"(?:iqn|eui|naa)\.\S+,t,0x[0-9a-f]+", re.IGNORECASE)
_TRANSPORT = re.compile(r"(sata|sas|ata|usb|fc|fcoe|spi|sbp):\S*")
_PROC_LINE = re.compile(
    r"Host: scsi\d+ Channel: \d+ Id: \d+ Lun: \d+|Attached devices:"
    r"|Vendor: .{0,9} *Model: .* Rev: .*|Type: +[\w -]+ANSI +SCSI revision: .*"
)
_PROC_TEXT = "/proc/scsi/scsi does not name the devices, so none of them is shown"


class LsscsiReader:
    """Reads disks, and keeps them as rows of `lsblk`, which has the same fields and more."""

    def __init__(self, table: LsblkReader, warnings: list[Note]) -> None:
        self._table = table
        self._warnings = warnings
        self._has_proc = False

    def take(self, line: str, number: int) -> bool:
        """Read one stripped line; False if it is not of these lists.

        What is no disk, and a disk without a node, is accepted and skipped.
        """
        if line.startswith("["):
            found = _LINE.fullmatch(line)
            if found is None:
                return False
            if found["type"] == "disk" and found["node"] != "-":
                self._add_disk(found, number)
            return True
        if _PROC_LINE.fullmatch(line) is None or (
            not self._has_proc and not line.startswith(("Host: scsi", "Attached devices:"))
        ):
            return False
        if not self._has_proc:
            self._has_proc = True
            self._warnings.append(Note(_PROC_TEXT, number))
        return True

    def _add_disk(self, found: re.Match[str], number: int) -> None:
        cells = {"HCTL": found["hctl"], "TYPE": "disk"}
        if _TARGET.fullmatch(found["told"]):
            cells["TRAN"] = "iscsi"
        elif transport := _TRANSPORT.fullmatch(found["told"]):
            cells["TRAN"] = transport[1]
        elif inquiry := _INQUIRY.match(found["told"]):
            cells |= {"VENDOR": inquiry["vendor"].strip(), "MODEL": inquiry["model"].strip()}
        cells = {title: cell for title, cell in cells.items() if cell}
        name = device_name(found["node"])
        self._table.roots.append(LsblkRow(name, 0, cells, titles=frozenset(cells)))
        if self._table.first_line is None:
            self._table.first_line, self._table.tool = number, "lsscsi"

    def close(self) -> None:
        """End the list: no line of /proc/scsi/scsi is expected to follow."""
        self._has_proc = False
