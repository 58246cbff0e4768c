"""The JSON of lvs(8) and pvs(8), see lvmreport(7)."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from iscsictl.errors import IscsictlError
from iscsictl.model.inactive_volumes import LogicalVolume, VolumeStart

#: What `parse_volumes` reads, for the option -o of `lvs --all`.
VOLUME_FIELDS = "vg_name,vg_uuid,lv_name,lv_uuid,pool_lv,metadata_lv,origin,devices"
#: What `parse_starts` reads, for the option -o of `pvs --segments --units b --nosuffix`.
SEGMENT_FIELDS = "pv_name,lv_name,pe_start,vg_extent_size,pvseg_start,pvseg_size,seg_start_pe"


def parse_volumes(text: str) -> tuple[LogicalVolume, ...]:
    """Return all logical volumes, hidden ones too. Raises IscsictlError."""
    found: dict[tuple[str, str], LogicalVolume] = {}
    for row in _rows(text, "lv"):
        group, name = row["vg_name"], _bare(row["lv_name"])
        key = f"{row['vg_uuid']}{row['lv_uuid']}".replace("-", "")
        # There is a line for each segment: "/dev/sda(0),/dev/sdb(0)", or "data_rimage_0(0)".
        parts = {one.rpartition("(")[0] for one in row["devices"].split(",")}
        parts |= {_bare(row[field]) for field in ("pool_lv", "metadata_lv", "origin")}
        before = found.get((group, name))
        if before is not None:
            parts |= before.parts
        found[group, name] = LogicalVolume(group, name, key, frozenset(parts - {""}))
    return tuple(found.values())


def parse_starts(text: str) -> tuple[VolumeStart, ...]:
    """Return where logical volumes begin. Raises IscsictlError."""
    try:
        return tuple(_starts(text))
    except ValueError as error:
        raise IscsictlError(f"the output of pvs cannot be understood: {error}") from None


def _starts(text: str) -> Iterator[VolumeStart]:
    for row in _rows(text, "pvseg"):
        if row["lv_name"] and row["seg_start_pe"] == "0":
            extent = int(row["vg_extent_size"])
            offset = int(row["pe_start"]) + int(row["pvseg_start"]) * extent
            yield VolumeStart(row["pv_name"], offset, int(row["pvseg_size"]) * extent)


def _rows(text: str, kind: str) -> list[Mapping[str, Any]]:
    try:
        fields = VOLUME_FIELDS if kind == "lv" else SEGMENT_FIELDS
        return [
            {name: str(row[name]) for name in fields.split(",")}
            for report in json.loads(text)["report"]
            for row in report[kind]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IscsictlError(f"the report of LVM cannot be understood: {error}") from None


def _bare(name: str) -> str:
    """Return the name of a volume without the brackets in which LVM prints a hidden one."""
    return name.removeprefix("[").removesuffix("]")


def volumes_on(volumes: Iterable[LogicalVolume], device: str) -> tuple[LogicalVolume, ...]:
    """Return the volumes that are partly on a device, directly or through volumes below."""
    by_name = {(one.group, one.name): one for one in volumes}

    def is_on_device(volume: LogicalVolume, visited: frozenset[str]) -> bool:
        if device in volume.parts:
            return True
        below = (by_name.get((volume.group, part)) for part in volume.parts - visited)
        inner = visited | volume.parts
        return any(is_on_device(one, inner) for one in below if one is not None)

    return tuple(one for one in by_name.values() if is_on_device(one, frozenset({one.name})))
