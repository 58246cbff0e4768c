"""Counters of sessions and disks: `iscsiadm -m session -s`, and /sys/block/DISK/stat."""

import re
from typing import Final

from iscsictl.model.listing import LunLoad, SessionErrors
from iscsictl.model.metrics import DiskCounters

_SESSION: Final = re.compile(r"Stats for session \[sid: (\d{1,9}),")
_HEXADECIMAL: Final = re.compile(r"0x[0-9a-f]{1,16}")
#: Digits of the greatest number of 64 bits.
_LONGEST: Final = 20
_COUNTER: Final = re.compile(r"\s*(digest_err|timeout_err): (\d{1,20})\s*")
# Fields of Documentation/block/stat.rst, counted from 0; ticks are milliseconds.
_READS, _READ_SECTORS, _READ_TICKS = 0, 2, 3
_WRITES, _WRITE_SECTORS, _WRITE_TICKS, _IN_FLIGHT = 4, 6, 7, 8
# The file counts in this unit, whatever the sector size of the disk is.
_SECTOR: Final = 512


def parse_session_errors(text: str) -> dict[int, SessionErrors]:
    """Return the counts of digest and timeout errors by session id; anything else is skipped.

    The kernel counts them since the login (struct iscsi_stats in scsi/iscsi_if.h).
    """
    found: dict[int, dict[str, int]] = {}
    sid = None
    for line in text.splitlines():
        if heading := _SESSION.match(line):
            sid = int(heading[1])
        elif sid is not None and (counter := _COUNTER.fullmatch(line)):
            found.setdefault(sid, {})[counter[1]] = int(counter[2])
    return {
        sid: SessionErrors(counts.get("digest_err"), counts.get("timeout_err"))
        for sid, counts in found.items()
    }


def parse_disk_load(stat: str, queue_depth: str) -> LunLoad | None:
    """Return the load of a disk, from the contents of `stat` and `device/queue_depth`.

    The latency is the mean of all requests since the disk appeared; None before the first.
    """
    counts = _disk_counts(stat)
    if counts is None:
        return None
    requests = counts[_READS] + counts[_WRITES]
    ticks = counts[_READ_TICKS] + counts[_WRITE_TICKS]
    depth = queue_depth.strip()
    return LunLoad(
        counts[_IN_FLIGHT],
        int(depth) if depth.isascii() and depth.isdigit() and len(depth) < 10 else None,
        ticks / requests if requests else None,
    )


def parse_disk_counters(stat: str) -> DiskCounters | None:
    """Return what a disk has done since it appeared, from the contents of `stat`."""
    counts = _disk_counts(stat)
    if counts is None:
        return None
    return DiskCounters(
        counts[_READS], counts[_READ_SECTORS] * _SECTOR, counts[_READ_TICKS],
        counts[_WRITES], counts[_WRITE_SECTORS] * _SECTOR, counts[_WRITE_TICKS],
    )  # fmt: skip


def parse_command_count(text: str | None) -> int | None:
    """Return a counter of SCSI commands, which the kernel prints as 0x1f (scsi_sysfs.c)."""
    if text is None or not _HEXADECIMAL.fullmatch(text.strip()):
        return None
    return int(text, 16)


def _disk_counts(stat: str) -> list[int] | None:
    """Return the fields of `stat`, None if there are too few or one is no number."""
    fields = stat.split()
    if len(fields) <= _IN_FLIGHT or not all(
        field.isascii() and field.isdigit() and len(field) <= _LONGEST for field in fields
    ):
        return None
    return [int(field) for field in fields]
