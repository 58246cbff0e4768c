"""Holds, kept in /run/iscsictl/holds so that they end with a boot; one small file for each."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iscsictl.errors import UsageError
from iscsictl.lazy_import import lazy_import
from iscsictl.model.names import Portal
from iscsictl.system.io import runtime_dir
from iscsictl.system.io.files import explained, read_file, remove_file, replace_file

if TYPE_CHECKING:
    import hashlib
    import json

    from iscsictl.model import hold as hold_model
    from iscsictl.model.hold import Hold
else:
    # Most hosts have no hold.
    hashlib = lazy_import("hashlib")
    json = lazy_import("json")
    hold_model = lazy_import("iscsictl.model.hold")

_NAME = "holds"


def directory_of(root: Path = Path("/")) -> Path:
    """Return the directory of the holds. It may not exist: most hosts never had a hold."""
    return runtime_dir.place(root) / _NAME


def now() -> float:
    """Return the time on the clock of holds: seconds since the boot, sleep included.

    Neither a time server nor an admin sets it (CLOCK_BOOTTIME, clock_gettime(2)).
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def add_hold(hold: "Hold", root: Path = Path("/"), *, seconds: float | None = None) -> bool:
    """Set a hold, for so many seconds or until the next boot; it replaces one on the same thing.

    Returns False if the same hold existed already.
    """
    if (hold.target is None) == (hold.mount_point is None):
        raise UsageError("a hold needs a target or a mount point")
    if seconds is not None:
        hold = replace(hold, until=now() + seconds)
    try:
        directory = runtime_dir.made(root, _NAME)
    except OSError as error:
        raise explained(error, "create", directory_of(root)) from error
    text = json.dumps(_hold_as_json(hold), sort_keys=True) + "\n"
    return replace_file(directory / _file_name_for(hold), text.encode(), mode=0o644)


def remove_hold(hold: "Hold", root: Path = Path("/")) -> bool:
    """End the hold on exactly this; False if there was none.

    A hold on less or more, such as another portal of the target, stays. Raises NeedsRootError,
    IscsictlError.
    """
    return remove_file(directory_of(root) / _file_name_for(hold))


def read_holds(root: Path = Path("/")) -> "tuple[Hold, ...]":
    """Return the holds in force, sorted by name; ended and unreadable ones are left out.

    Every user may read them. Raises IscsictlError if the directory cannot be read.
    """
    directory = directory_of(root)
    try:
        paths = sorted(directory.glob("*.json"))
    except OSError as error:
        raise explained(error, "read", directory) from error
    moment = now()
    holds = [hold for path in paths if (hold := _parse_hold(read_file(path) or b"")) is not None]
    in_force = (hold for hold in holds if hold.until is None or hold.until > moment)
    return tuple(sorted(in_force, key=lambda hold: hold.name))


def _file_name_for(hold: "Hold") -> str:
    place = hold.portal and hold.portal.place
    mount_point = hold.mount_point and (hold.mount_point.rstrip("/") or "/")
    key = json.dumps([hold.target, place, hold.iface, mount_point])
    return f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def _hold_as_json(hold: "Hold") -> dict[str, Any]:
    portal = hold.portal
    return {
        "target": hold.target,
        "portal": portal and {"address": portal.address, "port": portal.port, "tpgt": portal.tpgt},
        "iface": hold.iface,
        "mount_point": hold.mount_point,
        "until": hold.until,
        "why": hold.why,
    }


def _parse_hold(data: bytes) -> "Hold | None":
    try:
        fields = json.loads(data)
        portal = fields["portal"]
        return hold_model.Hold(
            target=_text_or_none(fields["target"]),
            portal=portal and Portal(str(portal["address"]), int(portal["port"]), portal["tpgt"]),
            iface=_text_or_none(fields["iface"]),
            mount_point=_text_or_none(fields["mount_point"]),
            until=None if fields["until"] is None else float(fields["until"]),
            why=str(fields["why"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)
