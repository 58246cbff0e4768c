"""What udev found on a block device: its database in /run/udev/data, read without udev."""

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from iscsictl.system.io.sysfs_attributes import path_below, read_all, read_small


def device_properties(root: Path, number: str) -> Mapping[str, str]:
    """Return the properties (ID_FS_TYPE, ...) of the block device MAJOR:MINOR; {} if unknown.

    udev promises nothing about the format of its database; only `E:` lines are read.
    """
    return read_properties(path_below(root, f"run/udev/data/b{number}"))


def read_properties(path: str) -> dict[str, str]:
    """Read one file of the database; {} if it is not there."""
    return parse_properties(read_all(path))


def parse_properties(data: bytes) -> dict[str, str]:
    """Return the properties in one file of the database: its lines `E:KEY=VALUE`."""
    found = {}
    for line in data.split(b"\n"):
        if line.startswith(b"E:"):
            key, _, value = line[2:].partition(b"=")
            found[_text(key)] = _text(value)
    return found


# It begins with a newline, which a search finds fast; `^` would be tried at each character.
_ABOUT_DISKS = re.compile(
    r"\nE:(ID_FS_TYPE|ID_FS_UUID|ID_FS_UUID_ENC|ID_FS_UUID_SUB|ID_FS_LABEL|ID_FS_LABEL_ENC|ID_VENDOR_ENC"
    r"|ID_MODEL_ENC|ID_SCSI_SERIAL|ID_SERIAL_SHORT|ID_WWN_WITH_EXTENSION)=(.*)"
)


def read_disk_properties(path: str) -> dict[str, str]:
    """Read only the properties that a listing shows: a file has forty more lines.

    {} if it is not there. Values that end in _ENC are not decoded.
    """
    return dict(_ABOUT_DISKS.findall("\n" + _text(read_small(path))))


@lru_cache(1024)
def decoded(value: str | None) -> str | None:
    r"""Undo the \x20 of properties that end in _ENC; None for nothing.

    Bytes that are not UTF-8 come back as surrogates.
    """
    if not value or "\\" not in value:
        return value or None
    raw = value.encode("utf-8", "surrogateescape")
    return _text(re.sub(rb"\\x([0-9a-fA-F]{2})", lambda found: bytes((int(found[1], 16),)), raw))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def is_known_uuid(root: Path, uuid: str) -> bool:
    """Return whether udev knows a filesystem with this UUID, in upper or lower case."""
    folder = path_below(root, "dev/disk/by-uuid")
    return any(os.path.lexists(f"{folder}/{one}") for one in {uuid, uuid.lower(), uuid.upper()})


def known_uuids(root: Path) -> frozenset[str] | None:
    """Return the UUIDs of all filesystems that udev knows; None if there is no udev.

    Those of disks that have just gone may still be included.
    """
    folder = root / "dev/disk/by-uuid"
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return None
    return frozenset(decoded(name) or name for name in names)
