"""The output of the sfnet driver's `iscsi-ls`, also with -l, of the 3.x and 4.x drivers."""

import re

from iscsictl.model.listing import Host, Lun, Note, Session, Status
from iscsictl.model.names import Portal
from iscsictl.parse.found_sessions import FoundSessions
from iscsictl.parse.printed_values import read_name, read_printed_portal

_LABELS = frozenset(
    {
        "TARGET NAME", "TARGET ALIAS", "HOST ID", "HOST NO", "BUS ID", "BUS NO", "TARGET ID",
        "TARGET ADDRESS", "SESSION STATUS", "SESSION ID", "NO. OF PORTALS", "DEVICE DETAILS",
        "LUN ID",
    }
)  # fmt: skip
_PORTAL = re.compile(r"PORTAL ADDRESS +\d+")
_SESSION_ID = re.compile(r"ISID\s+([0-9A-Fa-f]+)(?:\s+(?:TSIH|TSID)\s+([0-9A-Fa-f]+))?.*")
_PAGE = re.compile(r"page(83|80)[^:]*:\s*(\S*).*")


class SfnetReader:
    """Reads the labelled lines between rows of stars; each row ends a target.

    The 4.x driver prints one `TARGET ADDRESS`; the 3.x driver also lists `PORTAL ADDRESS n`.
    """

    def __init__(self, sessions: FoundSessions, warnings: list[Note]) -> None:
        self._sessions = sessions
        self._warnings = warnings
        self._labels: dict[str, str] | None = None
        self._line = 0
        self._portals: list[Portal] = []
        self._luns: list[Lun] | None = None
        self._in_lun = False
        self._in_banner = False

    def take(self, line: str, number: int) -> bool:
        """Read one stripped line; False if it is not of this format.

        A row of stars ends a target; the driver's own heading counts only after one.
        """
        if line.startswith("*" * 40) and not line.strip("*"):
            self.close()
            self._in_banner = True
            return True
        if self._in_banner and line.startswith("SFNet iSCSI "):
            return True
        label, colon, value = line.partition(":")
        label, value = label.rstrip(), value.strip()
        if colon and label == "TARGET NAME":
            name = read_name(value)
            if name is None and value:
                return False
            self.close()
            self._labels, self._line = {label: name or ""}, number
            return True
        if self._labels is None:
            return False
        if colon and (label in _LABELS or _PORTAL.fullmatch(label)):
            self._read_label(label, value, number)
            return True
        return self._read_detail(line)

    def _read_label(self, label: str, value: str, number: int) -> None:
        if self._labels is None:
            return
        if label.startswith("PORTAL ADDRESS"):
            if portal := read_printed_portal(value):
                self._portals.append(portal)
            else:
                self._warnings.append(Note("the portal is not ADDRESS:PORT,TPGT", number))
        elif label == "DEVICE DETAILS":
            self._luns = self._luns or []
        elif label == "LUN ID":
            self._in_lun = value.isascii() and value.isdigit() and len(value) <= 20
            if self._in_lun:
                self._luns = self._luns or []
                self._luns.append(Lun(int(value), hctl=self._scsi_address(value)))
            else:
                self._warnings.append(Note("the LUN is not a number", number))
        else:
            self._labels[label] = value
            if label == "TARGET ADDRESS" and read_printed_portal(value) is None:
                self._warnings.append(Note("the portal is not ADDRESS:PORT,TPGT", number))

    def _scsi_address(self, lun: str) -> str | None:
        labels = self._labels or {}
        address = (
            _first_number(labels, "HOST ID", "HOST NO"),
            _first_number(labels, "BUS ID", "BUS NO"),
            _first_number(labels, "TARGET ID"),
        )
        if None in address:
            return None
        return ":".join([*(str(part) for part in address), str(int(lun))])

    def _read_detail(self, line: str) -> bool:
        """Read a line under DEVICE DETAILS; it belongs to the last LUN.

        A second inquiry, and the lines after it, belong to another LUN whose number is lost.
        """
        if not line.strip("-"):
            return self._luns is not None
        if not self._luns or not self._in_lun:
            return False
        lun = self._luns[-1]
        if inquiry := _read_inquiry(line):
            self._in_lun = lun.vendor is None and lun.model is None
            if not self._in_lun:
                return False
            lun = lun._replace(vendor=inquiry[0] or None, model=inquiry[1] or None)
        elif found := _PAGE.fullmatch(line):
            value = found[2] or None
            lun = lun._replace(page83=value) if found[1] == "83" else lun._replace(page80=value)
        elif line.startswith("Device:"):
            lun = lun._replace(device=line[7:].strip() or None)
        elif not line.startswith("Type:"):
            return False
        self._luns[-1] = lun
        return True

    def close(self) -> None:
        """End the target that is open.

        LUNs are None without `-l`: the listing does not contain them then.
        """
        labels, self._labels = self._labels, None
        portals, self._portals = self._portals, []
        luns, self._luns = self._luns, None
        self._in_lun = self._in_banner = False
        if labels is None or not labels["TARGET NAME"]:
            return
        status, since = _read_status(labels.get("SESSION STATUS", ""))
        ids = _SESSION_ID.fullmatch(labels.get("SESSION ID", ""))
        number = _first_number(labels, "HOST ID", "HOST NO")
        self._sessions.add(
            Session(
                "sfnet",
                labels["TARGET NAME"],
                alias=labels.get("TARGET ALIAS") or None,
                portal=_complete_portal(labels.get("TARGET ADDRESS", ""), portals),
                status=status,
                host=None if number is None else Host(number),
                luns=None if luns is None else tuple(luns),
                since=since,
                isid=ids[1] if ids else None,
                tsih=ids[2] if ids else None,
            ),
            self._line,
        )


def _read_inquiry(line: str) -> tuple[str, str] | None:
    """Read vendor and model of `Vendor: V Model: M Rev: R`."""
    vendor, named, rest = line.partition("Model:")
    model, ended, _ = rest.partition("Rev:")
    if not (line.startswith("Vendor:") and named and ended):
        return None
    return vendor.removeprefix("Vendor:").strip(), model.strip()


def _first_number(labels: dict[str, str], *names: str) -> int | None:
    for name in names:
        text = labels.get(name, "")
        if text.isascii() and text.isdigit() and len(text) <= 10:
            return int(text)
    return None


def _complete_portal(text: str, portals: list[Portal]) -> Portal | None:
    """Add the group tag from the list of portals to the address in use.

    If that address is lost, it can only be known from a list with one portal.
    """
    portal = read_printed_portal(text)
    if portal is None:
        return portals[0] if len(portals) == 1 else None
    if portal.tpgt is None:
        return next((one for one in portals if one.same_place(portal)), portal)
    return portal


def _read_status(text: str) -> tuple[Status, str | None]:
    word, _, rest = text.partition(" AT ")
    since = rest.strip() or None
    if word.strip() == "ESTABLISHED":
        return "up", since
    if word.strip() == "DROPPED":
        return "down", since
    return "unknown", since
