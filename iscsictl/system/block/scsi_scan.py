"""Ask the kernel to look for LUNs, or to forget one (sysfs of scsi_host and scsi_device)."""

import re
from pathlib import Path

from iscsictl.errors import IscsictlError


def scan(host: int, lun: int | None, root: Path = Path("/")) -> None:
    """Look for one LUN, or for all, behind a host. Channel and target are 0 with iSCSI."""
    _write(root / f"sys/class/scsi_host/host{host}/scan", f"0 0 {'-' if lun is None else lun}")


def delete(hctl: str, root: Path = Path("/")) -> None:
    """Have the kernel forget a device; one that is gone already is fine."""
    if not re.fullmatch(r"\d+:\d+:\d+:\d+", hctl):
        raise IscsictlError(f"{hctl!r} is not a HOST:CHANNEL:TARGET:LUN")
    try:
        _write(root / f"sys/class/scsi_device/{hctl}/device/delete", "1")
    except FileNotFoundError:
        return


def rescan(hctl: str, root: Path = Path("/")) -> None:
    """Have the kernel read a device's size and properties again."""
    _write(root / f"sys/class/scsi_device/{hctl}/device/rescan", "1")


def fail_at_once(sid: int, root: Path = Path("/")) -> None:
    """Have what waits for a lost session fail now instead of at the recovery timeout."""
    try:
        _write(root / f"sys/class/iscsi_session/session{sid}/recovery_tmo", "0")
    except FileNotFoundError:
        return


def _write(path: Path, text: str) -> None:
    try:
        with path.open("w") as file:
            file.write(text)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise IscsictlError(f"{path}: {error.strerror}") from None
