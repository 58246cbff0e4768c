"""Have the kernel scan for LUNs, or forget one (sysfs of scsi_host and scsi_device)."""

import errno
import re
from pathlib import Path
from typing import Final

from iscsictl.errors import IscsictlError
from iscsictl.system.io.sysfs_attributes import list_names, read_attribute, to_integer

_TARGET: Final = re.compile(r"target\d+:(\d+):(\d+)")
# What stands for any number (SCAN_WILD_CARD, drivers/scsi/scsi_sysfs.c).
_ANY: Final = "-"


def scan_session(sid: int, host: int, lun: int | None, root: Path = Path("/")) -> None:
    """Scan for one LUN, or for all (None), of a session; `host` is the number of its SCSI host.

    Raises FileNotFoundError if the host is gone, IscsictlError if the kernel refuses.
    """
    place = f"{_session_address(sid, root)} {_ANY if lun is None else lun}"
    _write_attribute(root / f"sys/class/scsi_host/host{host}/scan", place)


def _session_address(sid: int, root: Path) -> str:
    """Return channel and target id of a session, in the form of its host's `scan` file.

    The sessions of an offload adapter share its SCSI host, and each has a target id of its own
    (drivers/scsi/scsi_transport_iscsi.c, iscsi_user_scan_session). It is part of the name of the
    session's target, once a LUN has been found, and in `target_id` since Linux 3.1. Without either,
    all sessions of the host are scanned.
    """
    session = root / f"sys/class/iscsi_session/session{sid}"
    for name in list_names(f"{session}/device"):
        if match := _TARGET.fullmatch(name):
            return f"{match[1]} {match[2]}"
    number = to_integer(read_attribute(f"{session}/target_id"))
    return f"0 {_ANY if number is None or number < 0 else number}"


def delete(hctl: str, root: Path = Path("/")) -> None:
    """Have the kernel forget a device; nothing happens if it is gone already.

    `hctl` is HOST:CHANNEL:TARGET:LUN. sd(4) flushes the disk's cache first, and waits for it.
    Raises IscsictlError for another form, or if the kernel refuses.
    """
    if not re.fullmatch(r"\d+:\d+:\d+:\d+", hctl):
        raise IscsictlError(f"{hctl!r} is not a HOST:CHANNEL:TARGET:LUN")
    _write_attribute(root / f"sys/class/scsi_device/{hctl}/device/delete", "1", errno.ENOENT)


def rescan(hctl: str, root: Path = Path("/")) -> None:
    """Have the kernel read a device's size and properties again.

    It waits for the disk's answer. Raises FileNotFoundError if the device is gone, IscsictlError.
    """
    _write_attribute(root / f"sys/class/scsi_device/{hctl}/device/rescan", "1")


def fail_at_once(sid: int, root: Path = Path("/")) -> None:
    """Fail the I/O that waits for a lost session now, instead of at the recovery timeout.

    Nothing happens if the session is gone. If it has failed already, the kernel refuses to change
    the timeout (EBUSY, scsi_transport_iscsi.c); then the logout itself ends what waits.
    """
    path = root / f"sys/class/iscsi_session/session{sid}/recovery_tmo"
    _write_attribute(path, "0", errno.ENOENT, errno.EBUSY)


def _write_attribute(path: Path, text: str, *ignored: int) -> None:
    """Write to an attribute; errors with these numbers (errno) are ignored."""
    try:
        with path.open("w") as file:
            file.write(text)
    except OSError as error:
        if error.errno in ignored:
            return
        if isinstance(error, FileNotFoundError):
            raise
        raise IscsictlError(f"{path}: {error.strerror}") from None
