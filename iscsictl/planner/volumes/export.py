"""The file of volumes of a host as it is: records, sessions and fstab entries written by iscsictl.

The result is planned immediately: what cannot be expressed so that `plan` accepts it is left out,
and what `plan` would still have to do is noted. It never contains a secret: `chap` names only the
user, and the record keeps the secret.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from iscsictl.errors import UnreachableError, UsageError
from iscsictl.model.disk_content import Content, Filesystem, Signature
from iscsictl.model.fstab import FstabLine
from iscsictl.model.inventory import (
    Inventory,
    Known,
    MountPointState,
    NotObserved,
    Observation,
    ReadFailed,
)
from iscsictl.model.listing import Disk, Session, blocks
from iscsictl.model.names import DEFAULT_IFACE, DEFAULT_PORT
from iscsictl.model.plan import Plan, Status
from iscsictl.model.record import NodeRecord
from iscsictl.model.reserve_unit import requires_option
from iscsictl.model.spec import AttachSpec
from iscsictl.model.values import FILESYSTEMS
from iscsictl.planner.attach.attach import values_for_record
from iscsictl.planner.selection.paths import sound_records
from iscsictl.planner.selection.session_index import SessionIndex
from iscsictl.planner.volumes.apply import plan_volume
from iscsictl.planner.volumes.file import read_volumes

_METHOD: Final = "node.session.auth.authmethod"
_FIXED: Final = frozenset({"_netdev", "nofail", "noauto", "auto", "defaults"})
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}
_NOT_HERE: Final = 'the secret stays in the record; elsewhere add: secret-file = "/etc/iscsictl/'
_NOWHERE: Final = "volume, line 1, column 1: "

Row = dict[str, Any]


@dataclass(frozen=True)
class Export:
    """The volumes as a file has them, and notes on what is missing or not yet so."""

    volumes: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def export(inventory: Inventory, places: Mapping[str, MountPointState]) -> Export:
    """Return the volumes of the host: one for each disk. `places` are the roots of mounts.

    Owner and mode come from there; for a mount point that is not in it, they are unknown and left
    out. Never raises: what cannot be a volume is a note.
    """
    made = _Export(inventory, places)
    made.collect()
    return Export(tuple(made.rows), tuple(dict.fromkeys(made.notes)))


# What differs in notes that say the same of different volumes: targets, portals, WWIDs, devices,
# paths, LUNs and the names of volumes. Lists of them count as one.
_NAMES: Final = re.compile(
    r"(?:iqn|eui|naa|t10|scsi)\.\S+|/\S+|UUID=\S+|LUN \d+|(?:\d+\.){3}\S+|\[[0-9a-f:]+\]\S*"
    r"|(?<=plan will stop at )\S+|(?<=the disk of )\S+"
)
_LIST: Final = re.compile(r"\*(?:,? \*)+")


def brief_notes(export_: Export) -> tuple[str, ...]:
    """Return a line for each reason: the first note with it, and the number of the others."""
    groups: dict[str, list[str]] = {}
    for note in export_.notes:
        groups.setdefault(_LIST.sub("*", _NAMES.sub("*", note)), []).append(note)
    return tuple(
        notes[0]
        if len(notes) == 1
        else f"{notes[0]} ({len(notes) - 1} more like this; to see all: iscsictl export -v)"
        for notes in groups.values()
    )


class _Export:
    def __init__(self, inventory: Inventory, places: Mapping[str, MountPointState]) -> None:
        contents = {
            disk.wwid: Known(_content_from_udev(disk)) for disk in inventory.disks if disk.wwid
        }
        self.inventory = replace(inventory, contents=contents)
        self.places = places
        self.index = SessionIndex.of(inventory)
        self.rows: list[Row] = []
        self.notes: list[str] = []
        self.luns: set[tuple[str, int]] = set()
        self.disks: dict[str, str] = {}
        self.names: set[str] = set()
        self.units: dict[str, list[str]] = {}
        for unit, paths in inventory.host.required.items():
            for path in dict.fromkeys(paths):
                self.units.setdefault(path, []).append(unit)

    def collect(self) -> None:
        for line in self.inventory.fstab.ours:
            if line.is_claim:
                self.notes.append(f"left out: a disk that is being made for {line.mount_point}")
            elif line.target is None or line.lun is None:
                self.notes.append(f"left out: {line.spec}, whose fstab line names no LUN")
            else:
                self._add_volume_of_line(line, line.target, line.lun)
        for session in self.inventory.sessions:
            for lun in session.luns or ():
                if lun.device is not None and (session.target, lun.lun) not in self.luns:
                    self._add_volume({}, session.target, lun.lun, lun.wwid, boot=False)

    def _add_volume_of_line(self, line: FstabLine, target: str, lun: int) -> None:
        disk = self._find_disk(line.wwid)
        row: Row = {}
        if disk is not None and disk.block.fstype is not None:
            row["table"] = "none"
        if line.fstype in FILESYSTEMS:
            row["fs"] = line.fstype
        path = line.mount_point
        if path is not None:
            row["mount"] = path
            row |= self._row_of_mount(line, path)
        self._add_volume(row, target, lun, line.wwid, boot=line.auto)

    def _row_of_mount(self, line: FstabLine, path: str) -> Row:
        """Return the part of a volume that depends on its mount point."""
        row: Row = {}
        service = f"x-systemd.after={self.inventory.host.login_service}"
        options = [
            o for o in line.options
            if o not in {*_FIXED, service, requires_option(line.uuid or "")}
            and not o.startswith("x-iscsictl.")
        ]  # fmt: skip
        if line.exclusive:
            row["exclusive"] = True
        if options:
            row["options"] = options
        place = self.places.get(path, MountPointState())
        if place.mounted is not None:
            # What a new filesystem has by itself need not be said.
            if (place.uid, place.gid) != (0, 0):
                row["owner"] = f"{place.uid}:{place.gid}"
            if place.mode is not None and place.mode != 0o755:
                row["mode"] = f"{place.mode:04o}"
        if path in self.units:
            row["required-by"] = self.units[path]
        return row

    def _add_volume(self, row: Row, target: str, lun: int, wwid: str | None, *, boot: bool) -> None:
        """Add the volume of a LUN, without the filesystem if that cannot be included."""
        what = f"{target} LUN {lun}"
        if (target, lun) in self.luns:
            self.notes.append(
                f"left out: another filesystem of {what}; a volume is one filesystem of a LUN"
            )
            return
        self.luns.add((target, lun))
        if wwid in self.disks:
            self.notes.append(f"left out: {what}, another path to the disk of {self.disks[wwid]}")
            return
        disk = self._find_disk(wwid)
        mapped = disk is not None and disk.block.kind == "mpath"
        records = self._records_of_volume(target, mapped=mapped)
        if not records:
            self.notes.append(f"left out: {what}, which has no intact node record")
            return
        head: Row = {
            "name": self._unused_name(row.get("mount"), target, lun),
            "portals": list(dict.fromkeys(map(self._portal_as_text, records))),
            "target": target,
            "lun": lun,
        }
        if wwid is not None:
            head["wwid"] = wwid
        # Otherwise `plan` would put a map over all portals.
        if not mapped and len(records) > 1 and self.inventory.host.multipath.installed:
            head["multipath"] = "off"
        ifaces = list(dict.fromkeys(record.iface for record in records))
        if ifaces != [DEFAULT_IFACE]:
            head["iface"] = ifaces[0] if len(ifaces) == 1 else ifaces
        several = mapped and len(records) > 1
        whole, plan = self._complete_row(head, row, records[0], boot=boot, several=several)
        why = plan.refusal
        if row and why is not None and not isinstance(why, UnreachableError):
            head["name"] = self._unused_name(None, target, lun)
            whole, plan = self._complete_row(head, {}, records[0], boot=False, several=several)
            if plan.refusal is None:
                self.notes.append(f"without its filesystem: {what}: {why.text}")
                why = None
        if why is not None and not isinstance(why, UnreachableError):
            self.notes.append(f"left out: {what}: {why.text}")
            return
        self.rows.append(whole)
        self.names.add(whole["name"])
        if wwid is not None:
            self.disks[wwid] = whole["name"]
        self._note_plan_of_row(target, whole, plan)

    def _note_plan_of_row(self, target: str, row: Row, plan: Plan) -> None:
        """Note what `plan` will say about a row that is not complete on this host."""
        if plan.refusal is not None:
            self.notes.append(f"plan will stop at {row['name']}: {plan.refusal.text}")
        for step in plan.steps:
            if step.status is Status.PLANNED:
                what = f"{step.action.verb} {step.subject}"
                self.notes.append(f"plan will show a change: {what} ({step.why})")
        if _METHOD in row.get("set", {}):
            self.notes.append(
                f"{target}: authmethod is None, although open-iscsi still uses the account; to "
                "require it: remove authmethod from set"
            )

    def _complete_row(
        self, head: Row, body: Row, record: NodeRecord, *, boot: bool, several: bool
    ) -> tuple[Row, Plan]:
        """Return a whole row, with the other values of its record, and its plan."""
        row = dict(head)
        if record.username is not None and record.has_secret:
            row["chap"] = {"user": record.username}
            if record.username_in is not None and record.has_secret_in:
                row["mutual"] = {"user": record.username_in}
        row |= body
        if not (boot or record.onboot):
            row["boot"] = False
        elif not boot and "mount" in row:
            row["options"] = ["noauto", *row.get("options", ())]
        if any("\udc80" <= c <= "\udcff" for c in repr_of(row)):
            return row, Plan(refusal=UsageError("its names are not UTF-8"))
        try:
            (volume,) = read_volumes({"volume": [row]}, {}, "volume")
            asked = values_for_record(self.inventory, volume.spec, record, multipath=several)
            own = {k: has for k, v in asked.items() if (has := record.values.get(k, v)) != v}
            # What the record has otherwise than `plan` would set it belongs to the volume.
            if own:
                row["set"] = own
                (volume,) = read_volumes({"volume": [row]}, {}, "volume")
        except UsageError as error:
            return row, Plan(refusal=UsageError(error.text.removeprefix(_NOWHERE)))
        inventory = self._inventory_after(volume.spec, several=several)
        return row, plan_volume(inventory, volume, volume.spec)

    def _inventory_after(self, spec: AttachSpec, *, several: bool) -> Inventory:
        """Return the inventory that `plan` will have for a spec."""
        unsettled = {}
        for record in sound_records(self.inventory.index, spec):
            asked = values_for_record(self.inventory, spec, record, multipath=several)
            wrong = tuple(k for k, v in asked.items() if record.values.get(k) != v)
            unsettled[str(record.path)] = wrong
        place: Observation[MountPointState] = NotObserved()
        if spec.mount is not None:
            error = UnreachableError(f"the owner and mode of {spec.mount} could not be read")
            found = self.places.get(spec.mount)
            place = ReadFailed(error) if found is None else Known(found)
        return replace(self.inventory, unsettled=unsettled, place=place)

    def _records_of_volume(self, target: str, *, mapped: bool) -> tuple[NodeRecord, ...]:
        """Return the sound records of a volume, those that have a session first.

        They are those of one iface or, under a map, of all ifaces that have a session.
        """
        sound = [r for r in self.inventory.index.records(target) if r.problem is None]
        sound.sort(key=lambda r: self._session_of_record(r) is None)
        ifaces = {record.iface for record in sound[:1]}
        if mapped:
            ifaces |= {
                record.iface for record in sound if self._session_of_record(record) is not None
            }
        for record in sound:
            if record.iface not in ifaces and self._session_of_record(record) is not None:
                self.notes.append(
                    f"{target}: its sessions through the iface {record.iface} are left out; "
                    "without a multipath map a volume has one path"
                )
        return tuple(record for record in sound if record.iface in ifaces)

    def _find_disk(self, wwid: str | None) -> Disk | None:
        return next(iter(self.inventory.index.disks_with_wwid(wwid)), None)

    def _session_of_record(self, record: NodeRecord) -> Session | None:
        return self.index.session_of(record)

    def _portal_as_text(self, record: NodeRecord) -> str:
        portal = record.portal
        if self.index.differs_only_in_tpgt(record):
            return f"{portal},{portal.tpgt}"
        return portal.address if portal.port == DEFAULT_PORT else str(portal)

    def _unused_name(self, path: str | None, target: str, lun: int) -> str:
        words = (path or target).replace(":", "/").rstrip("/").rsplit("/", 1)[-1]
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", words).strip("-") or "volume"
        if path is None and lun:
            name = f"{name}-{lun}"
        number = 2
        free = name
        while free in self.names:
            free, number = f"{name}-{number}", number + 1
        return free


def _content_from_udev(disk: Disk) -> Content:
    """Return what udev knows about a disk in the form of a probe's result."""
    found = list(blocks(disk.block))
    usage = [f"the mount on {mount.path}" for block in found for mount in block.mounts]
    usage += [block.device for block in found if block.kind in {"lvm", "crypt", "md", "loop"}]
    ends = [b for b in found if b.fstype is not None and not b.children]
    there = [Filesystem(b.device, b.fstype or "", b.uuid, b.label) for b in ends]
    return Content(
        disk.wwid or "",
        disk.block.size or 0,
        512,
        signatures=tuple(Signature(one.type, uuid=one.uuid, label=one.label) for one in there),
        usage=tuple(dict.fromkeys(usage)),
        filesystem=there[0] if len(there) == 1 else None,
    )


def repr_of(row: Row) -> str:
    """Return all text of a volume as one string, with values as TOML has them.

    A lone surrogate in it stands for a byte that was not UTF-8 (PEP 383), which no TOML file can
    contain.
    """
    return "".join(_format_value(value) for value in row.values())


def _quote_string(text: str) -> str:
    inside = "".join(
        _ESCAPES.get(c) or (f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else c) for c in text
    )
    return f'"{inside}"'


def _format_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        pairs = (
            f"{key if _BARE.fullmatch(key) else _quote_string(key)} = {_format_value(inner)}"
            for key, inner in value.items()
        )
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_format_value, value))}]"
    return str(value) if isinstance(value, int) else _quote_string(str(value))


def render(export_: Export) -> str:
    """Return the TOML text.

    It contains no secret; a comment says which file `chap` and `mutual` would need on another host.
    """
    lines: list[str] = []
    for row in export_.volumes:
        lines += ["", "[[volume]]"] if lines else ["[[volume]]"]
        for key, value in row.items():
            if key in {"chap", "mutual"}:
                suffix = ".secret" if key == "chap" else ".mutual"
                lines.append(f'# {_NOT_HERE}{row["name"]}{suffix}"')
            lines.append(f"{key} = {_format_value(value)}")
    return "".join(f"{line}\n" for line in lines)
