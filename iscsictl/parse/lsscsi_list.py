"""The output of `lsscsi` (also -b, -g, -i, -l, -L, -s, -t, -v, -w), and /proc/scsi/scsi."""

import re

from iscsictl.model.listing import Note
from iscsictl.parse.lsblk_list import LsblkReader
from iscsictl.parse.lsblk_rows import LsblkRow, device_name
from iscsictl.parse.multipath_list import standard_wwid

_LINE = re.compile(
    r"\[(?P<hctl>[\dN]+:\d+:\d+:\d+)\]\s+(?:(?P<type>disk|cd/dvd|enclosu|storage|tape|process|mediumx"
    r"|no dev|zbc|optical|scanner|printer|comms|osd|wlun)\s+(?:(?P<told>\S.*?)\s+)?)?"
    r"(?P<node>/dev/\w+|-)(?P<rest>\s+\S.*)?"
)
# What -i, -w and -u know of a disk's identity, and what -s and -ss know of its size. The first
# digit of the ID is its type, see `standard_wwid`.
_ID = re.compile(r"\s(?P<id>[23][0-9a-f]{16,32})(?=\s|$)")
_WWN = re.compile(r"(?:^|\s)(?:0x|naa\.)?(?P<wwn>[2356][0-9a-f]{15}(?:[0-9a-f]{16})?)(?=\s|$)")
_SIZE = re.compile(r"\s(?P<number>\d+(?:\.\d+)?)(?P<unit>[kKMGTPE])(?P<binary>i?)B(?=\s|$)")
_UNITS = "kMGTPE"
_LONGEST = 500  # characters
# The attributes below a disk (-l, -L), and its place in sysfs (-v), with the number of its session.
_ATTRIBUTES = re.compile(r"\w+=\S*(?: \w+=\S+)*")
_STATE = re.compile(r"(?:^| )state=([\w-]+)")
_DIRECTORY = re.compile(r"dir: /\S+(?:\s+\[\S*\])?")
_SESSION = re.compile(r"/session(\d+)/")
_NO_NODE_TEXT = "is left out, because it has no device node"
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
        self._row: LsblkRow | None = None
        self._left_out: set[str] = set()

    def take(self, line: str, number: int) -> bool:
        """Read one stripped line; False if it is not of these lists.

        What is no disk is accepted and skipped; a disk without a node gets a warning.
        """
        if line.startswith("["):
            # A name of iSCSI has at most 223 characters (RFC 7143, 4.2.7.1); no field is longer.
            found = _LINE.fullmatch(line) if len(line) < _LONGEST else None
            if found is None:
                return False
            self._row = None
            if self._table.first_line is None:
                self._table.first_line, self._table.tool = number, "lsscsi"
            if found["type"] == "disk" or found["node"].startswith("/dev/sd"):
                self._take_disk(found, number)
            return True
        if self._row is not None and self._take_attributes(self._row, line):
            return True
        if _PROC_LINE.fullmatch(line) is None or (
            not self._has_proc and not line.startswith(("Host: scsi", "Attached devices:"))
        ):
            return False
        if not self._has_proc:
            self._has_proc = True
            self._warnings.append(Note(_PROC_TEXT, number))
        return True

    def _take_disk(self, found: re.Match[str], number: int) -> None:
        hctl = found["hctl"]
        if hctl.startswith("N"):  # NVMe, which has no SCSI address
            return
        if found["node"] == "-":
            if hctl not in self._left_out:
                self._left_out.add(hctl)
                self._warnings.append(Note(f"SCSI disk {hctl} {_NO_NODE_TEXT}", number))
            return
        cells = {"HCTL": hctl, "TYPE": "disk"}
        told, rest = found["told"] or "", found["rest"] or ""
        if _TARGET.fullmatch(told):
            cells["TRAN"] = "iscsi"
        elif transport := _TRANSPORT.fullmatch(told):
            cells["TRAN"] = transport[1]
        elif wwn := _WWN.search(told):
            cells["WWN"] = f"0x{wwn['wwn']}"
        elif inquiry := _INQUIRY.match(told):
            cells |= {"VENDOR": inquiry["vendor"].strip(), "MODEL": inquiry["model"].strip()}
        if identity := _ID.search(rest):
            cells["WWID"] = standard_wwid(identity["id"])
        if size := _SIZE.search(rest):
            power = _UNITS.index(size["unit"].replace("K", "k")) + 1
            base = 1024 if size["binary"] else 1000
            cells["SIZE"] = str(round(float(size["number"]) * base**power))
        cells = {title: cell for title, cell in cells.items() if cell}
        name = device_name(found["node"])
        self._row = LsblkRow(name, 0, cells, titles=frozenset(cells))
        self._table.roots.append(self._row)

    def _take_attributes(self, row: LsblkRow, line: str) -> bool:
        """Read a line that -l, -L or -v prints below a disk: its state, or its session."""
        if _DIRECTORY.fullmatch(line):
            if session := _SESSION.search(line):
                row.cells |= {"SID": session[1], "TRAN": "iscsi"}
            return True
        if _ATTRIBUTES.fullmatch(line) is None:
            return False
        if state := _STATE.search(line):
            row.cells["STATE"] = state[1]
        return True

    def close(self) -> None:
        """End the list: no line about its last disk, or of /proc/scsi/scsi, is expected."""
        self._has_proc, self._row = False, None
