"""The file of volumes of a host as it is: records, sessions and our fstab lines put together.

A secret is never in it: `chap` names the user alone, and the record keeps the secret.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from iscsictl.core.build import SINGLE_PATH_TIMEOUT
from iscsictl.core.choice import session_at
from iscsictl.core.wishing import FILESYSTEMS
from iscsictl.lazyclass import dataclass
from iscsictl.model.fstab import FstabLine
from iscsictl.model.inventory import Inventory, Place
from iscsictl.model.listing import Session
from iscsictl.model.names import DEFAULT_IFACE, DEFAULT_PORT, Portal
from iscsictl.model.record import NodeRecord

_TIMEOUT: Final = "node.session.timeo.replacement_timeout"
_FIXED: Final = frozenset({"_netdev", "nofail", "noauto", "auto", "defaults"})
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}
_NOT_HERE: Final = 'the secret stays in the record; elsewhere add: secret-file = "/etc/iscsictl/'

Row = dict[str, Any]


@dataclass(frozen=True)
class Export:
    """The volumes as a file has them, and why something is not among them."""

    volumes: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def export(inventory: Inventory, places: Mapping[str, Place]) -> Export:
    """Return the volumes of the host: one for each LUN. `places` are the roots of mounts."""
    made = _Export(inventory, places)
    made.collect()
    return Export(tuple(made.rows), tuple(made.notes))


class _Export:
    def __init__(self, inventory: Inventory, places: Mapping[str, Place]) -> None:
        self.inventory = inventory
        self.places = places
        self.rows: list[Row] = []
        self.notes: list[str] = []
        self.luns: set[tuple[str, int]] = set()

    def collect(self) -> None:
        for line in self.inventory.fstab.ours:
            if line.is_claim:
                self.notes.append(f"left out: a disk that is being made for {line.mount_point}")
            elif line.target is not None and line.lun is not None:
                self._line(line, line.target, line.lun)
        for session in self.inventory.sessions:
            for lun in session.luns or ():
                if lun.device is not None and (session.target, lun.lun) not in self.luns:
                    self._add({}, session.target, lun.lun, lun.wwid, boot=False)

    def _line(self, line: FstabLine, target: str, lun: int) -> None:
        disk = next((d for d in self.inventory.disks if d.wwid == line.wwid), None)
        row: Row = {}
        if disk is not None and disk.block.fstype is not None:
            row["table"] = "none"
        if line.fstype in FILESYSTEMS:
            row["fs"] = line.fstype
        path = line.mount_point
        if path is not None:
            row["mount"] = path
            row |= self._mounted(line, path)
        self._add(row, target, lun, line.wwid, boot=line.auto)

    def _mounted(self, line: FstabLine, path: str) -> Row:
        """Return what of a volume goes with its mount point."""
        row: Row = {}
        service = f"x-systemd.after={self.inventory.host.login_service}"
        options = [
            o for o in line.options
            if o not in {*_FIXED, service} and not o.startswith("x-iscsictl.")
        ]  # fmt: skip
        if options:
            row["options"] = options
        place = self.places.get(path, Place())
        if place.mounted is not None:
            if (place.uid, place.gid) != (0, 0):
                row["owner"] = f"{place.uid}:{place.gid}"
            if place.mode is not None and place.mode != 0o755:
                row["mode"] = f"{place.mode:04o}"
        units = [unit for unit, paths in self.inventory.host.required.items() if path in paths]
        if units:
            row["required-by"] = units
        return row

    def _add(self, row: Row, target: str, lun: int, wwid: str | None, *, boot: bool) -> None:
        records = tuple(self._records(target))
        what = f"{target} LUN {lun}"
        if (target, lun) in self.luns:
            self.notes.append(f"left out: another filesystem of {what}; a volume is one of a LUN")
            return
        self.luns.add((target, lun))
        if not records:
            self.notes.append(f"left out: {what}, which has no sound node record")
            return
        first = records[0]
        same = [r for r in records if r.iface == first.iface]
        whole: Row = {
            "name": self._name(row.get("mount"), target, lun),
            "portals": list(dict.fromkeys(_portal(r.portal) for r in same)),
            "target": target,
            "lun": lun,
        }
        if first.iface != DEFAULT_IFACE:
            whole["iface"] = first.iface
        if wwid is not None:
            whole["wwid"] = wwid
        if first.username is not None and first.has_secret:
            whole["chap"] = {"user": first.username}
            if first.username_in is not None and first.has_secret_in:
                whole["mutual"] = {"user": first.username_in}
        whole |= row
        timeout = first.values.get(_TIMEOUT)
        if not self.inventory.host.multipathd and timeout not in {None, SINGLE_PATH_TIMEOUT}:
            whole["set"] = {_TIMEOUT: timeout}
        if not (boot or first.onboot):
            whole["boot"] = False
        elif not boot and "mount" in whole:
            whole["options"] = ["noauto", *whole.get("options", ())]
        if any("\udc80" <= c <= "\udcff" for c in repr_of(whole)):
            self.notes.append(f"left out: {what}, whose names are not UTF-8")
            return
        self.rows.append(whole)

    def _records(self, target: str) -> Iterator[NodeRecord]:
        """Yield the sound records of a target, those that have a session first."""
        sound = [r for r in self.inventory.records if r.target == target and r.problem is None]
        yield from sorted(sound, key=lambda r: self._session(r) is None)

    def _session(self, record: NodeRecord) -> Session | None:
        return session_at(self.inventory.sessions, record.target, record.portal, record.iface)

    def _name(self, path: str | None, target: str, lun: int) -> str:
        words = (path or target).replace(":", "/").rstrip("/").rsplit("/", 1)[-1]
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", words).strip("-") or "volume"
        if path is None and lun:
            name = f"{name}-{lun}"
        taken = {row["name"] for row in self.rows}
        number = 2
        free = name
        while free in taken:
            free, number = f"{name}-{number}", number + 1
        return free


def repr_of(row: Row) -> str:
    """Return all text of a volume in one."""
    return "".join(_value(value) for value in row.values())


def _portal(portal: Portal) -> str:
    return portal.address if portal.port == DEFAULT_PORT else str(portal)


def _text(text: str) -> str:
    inside = "".join(
        _ESCAPES.get(c) or (f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else c) for c in text
    )
    return f'"{inside}"'


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        pairs = (
            f"{key if _BARE.fullmatch(key) else _text(key)} = {_value(inner)}"
            for key, inner in value.items()
        )
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return str(value) if isinstance(value, int) else _text(str(value))


def render(export_: Export) -> str:
    """Return the TOML text."""
    lines: list[str] = []
    for row in export_.volumes:
        lines += ["", "[[volume]]"] if lines else ["[[volume]]"]
        for key, value in row.items():
            if key in {"chap", "mutual"}:
                suffix = ".secret" if key == "chap" else ".mutual"
                lines.append(f'# {_NOT_HERE}{row["name"]}{suffix}"')
            lines.append(f"{key} = {_value(value)}")
    return "".join(f"{line}\n" for line in lines)
