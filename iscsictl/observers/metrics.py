"""The metrics of a host: from its inventory, and from the kernel's counters of each LUN."""

import re
from pathlib import Path
from typing import Final

from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Lun
from iscsictl.model.metrics import HostMetrics, LunPath, SessionLabels
from iscsictl.parse.statistics import parse_command_count, parse_disk_counters
from iscsictl.planner.attach.session_counts import count_sessions
from iscsictl.system.io.sysfs_attributes import path_below, read_attribute, read_disk_attribute

_LAST_SUCCESS: Final = re.compile(
    r"^iscsictl_reconnect_last_success_timestamp_seconds ([0-9]{1,12})$", re.MULTILINE
)


def read_host_metrics(inventory: Inventory, root: Path) -> HostMetrics:
    """Return the metrics of the sessions of an inventory. Starts no process, needs no iscsid."""
    counts, labels_of = count_sessions(inventory)
    paths = tuple(
        _read_lun_path(lun, labels_of[session.sid], root, up=session.status == "up")
        for session in inventory.sessions
        for lun in session.luns or ()
    )
    return HostMetrics(counts, paths)


def last_success(text: str) -> int | None:
    """Return when reconnect last succeeded, from the metrics of the previous run; None if unknown.

    No other place has that time.
    """
    found = _LAST_SUCCESS.search(text)
    return None if found is None else int(found[1])


def _read_lun_path(lun: Lun, labels: SessionLabels, root: Path, *, up: bool) -> LunPath:
    # iotmo_cnt exists since Linux 6.1. Neither counter includes retries.
    unit = path_below(root, f"sys/bus/scsi/devices/{lun.hctl}")
    stat = None if lun.device is None else read_disk_attribute(root, lun.device, "stat")
    return LunPath(
        labels,
        lun.lun,
        lun.wwid,
        active=up and lun.state == "running",
        counters=None if stat is None else parse_disk_counters(stat),
        errors=parse_command_count(read_attribute(f"{unit}/ioerr_cnt")),
        timeouts=parse_command_count(read_attribute(f"{unit}/iotmo_cnt")),
    )
