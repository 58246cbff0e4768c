"""Facts about the host for `doctor`: programs, daemons, the lock, the clock, the kernel's log."""

import ctypes
import errno
import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from iscsictl.errors import IscsictlError, NeedsRootError
from iscsictl.limits import KERNEL_LOG_WINDOW
from iscsictl.model.host_facts import Clock, KernelLogErrors, Lock, Program
from iscsictl.system.block.block_tree import device_path
from iscsictl.system.io.process import PATH, run
from iscsictl.system.io.sysfs_attributes import to_integer
from iscsictl.system.iscsi.nodedb_lock import PROOF, possible_owners

PROGRAMS = ("iscsictl", "iscsiadm", "iscsid", "sfdisk", "findmnt", "udevadm", "mkfs.ext4",
            "multipath")  # fmt: skip
_VERSION = re.compile(r"version\s+(\S+)")
LOCK_LINK = "run/lock/iscsi/lock.write"


def find_programs(root: Path = Path("/")) -> dict[str, Program]:
    """Return where each program is, by name; no program is run for its version.

    Tools are searched where iscsictl would find them to run them; iscsictl itself in the caller's
    PATH, too.
    """
    found = {}
    for name in PROGRAMS:
        directories = PATH.split(":")
        if name == "iscsictl":
            directories = [d for d in os.get_exec_path() if d.startswith("/")] + directories
        first, *others = _files_named(name, directories, root) or (None,)
        found[name] = Program(name, first, also_at=tuple(filter(None, others)))
    return found


def _files_named(name: str, directories: Iterable[str], root: Path) -> list[str]:
    """Return the programs of that name; one linked into two directories counts once."""
    files: dict[tuple[int, int], str] = {}
    for directory in directories:
        path = f"{directory}/{name}"
        real = root / path.lstrip("/")
        if os.access(real, os.X_OK):
            status = os.stat(real)
            files.setdefault((status.st_dev, status.st_ino), path)
    return list(files.values())


def ask_version(name: str, timeout: float) -> str | None:
    """Ask iscsiadm or iscsid for its version; None if it does not say.

    Also None if it is not installed or does not end within `timeout` seconds.
    """
    flag = "-V" if name == "iscsiadm" else "-v"
    try:
        result = run([name, flag], timeout=timeout, ok=None)
    except IscsictlError:
        return None
    match = _VERSION.search(result.out + result.err)
    return match[1] if match else None


def observe_lock(root: Path = Path("/")) -> Lock | None:
    """Return the lock of the node database if it is held long enough to be seen twice.

    Its owner is determined as in `nodedb_lock` before a lock is taken over: at both moments. None
    if the lock is free, or was released and taken again in between.
    """
    link = root / LOCK_LINK
    try:
        first = os.lstat(link)
    except OSError:
        return None
    proc = root / "proc"
    owners = _possible_owners(first.st_uid, proc)
    time.sleep(PROOF)
    try:
        again = os.lstat(link)
    except OSError:
        return None
    if (first.st_ino, first.st_ctime_ns) != (again.st_ino, again.st_ctime_ns):
        return None
    still = owners & _possible_owners(first.st_uid, proc)
    return Lock(f"/{LOCK_LINK}", max(0.0, time.time() - again.st_ctime), tuple(sorted(still)))


def _possible_owners(uid: int, proc: Path) -> set[str]:
    try:
        return {str(owner) for owner in possible_owners(uid, proc)}
    except OSError:
        return set()


class _Timex(ctypes.Structure):
    """The beginning of struct timex (adjtimex(2)), with room for the rest."""

    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_byte * 252))


# TIME_ERROR of <sys/timex.h>: the clock is not synchronized.
_TIME_ERROR = 5


def read_clock(root: Path = Path("/")) -> Clock:
    """Return the time, and whether the kernel knows of a time server (adjtimex(2)).

    In seconds since the epoch. Below another root directory, only systemd-timesyncd's mark is
    known, and no time.
    """
    if root != Path("/"):
        synchronized = (root / "run/systemd/timesync/synchronized").exists()
        return Clock(0.0, True if synchronized else None)
    state = ctypes.CDLL(None).adjtimex(ctypes.byref(_Timex(modes=0)))
    return Clock(time.time(), None if state < 0 else state != _TIME_ERROR)


_BREAK = re.compile(r"connection(\d+):\d+: detected conn error \((\d+)\)")
# As block/blk-core.c names them, without those that only say that a request is not supported.
_DISK = re.compile(
    r"((?:critical )?(?:space allocation|medium|target|I/O|nexus|timeout|recoverable transport|"
    r"reservation conflict|protection|device offline)(?: \w+)? error), dev ([\w-]+)"
)
# DISCARD, SECURE_ERASE and WRITE_ZEROES (enum req_op in include/linux/blk_types.h) are optional: if
# an array refuses one, the kernel or mkfs does without it. LIO refuses the last on a new disk.
_OPTIONAL = re.compile(r"critical target error, dev [\w-]+, sector \d+ op 0x[359]:")
# scsi_report_sense() in drivers/scsi/scsi_error.c, for REPORTED LUNS DATA HAS CHANGED (3F/0E),
# INQUIRY DATA HAS CHANGED (3F/03) and CAPACITY DATA HAS CHANGED (2A/09).
_LUNS = re.compile(
    r"\b(\d+:\d+:\d+:\d+): .*(?:LUN assignments on this target have changed|"
    r"Inquiry data has changed|Capacity data has changed)"
)
# ISCSI_ERR_TCP_CONN_CLOSE, ISCSI_ERR_CONN_FAILED and ISCSI_ERR_SESSION_FAILED (scsi/iscsi_if.h):
# with these, a target ends a session when another host logs in under the same name. A ping without
# an answer (1022) is a matter of the network.
_CLOSED = frozenset({"1020", "1011", "1013"})


def parse_log(records: Iterable[str], since: float) -> KernelLogErrors:
    """Parse records of /dev/kmsg (`prio,seq,microseconds,flags;text`) from `since` seconds on.

    Seconds count from the boot, as in the kernel's log. Only connections that the target closed
    count as breaks.
    """
    breaks: dict[int, int] = {}
    errors: dict[str, str] = {}
    changed: set[str] = set()
    for record in records:
        head, _, text = record.partition(";")
        fields = head.split(",")
        stamp = to_integer(fields[2]) if len(fields) > 2 else None
        if stamp is None or stamp / 1e6 < since:
            continue
        text = text.partition("\n")[0]
        match = _BREAK.search(text)
        if match and match[2] in _CLOSED:
            breaks[int(match[1])] = breaks.get(int(match[1]), 0) + 1
        elif _OPTIONAL.search(text):
            continue
        elif match := _DISK.search(text):
            errors[f"/dev/{match[2]}"] = f"the kernel says: {match[1]} on {match[2]}"
        elif match := _LUNS.search(text):
            changed.add(match[1])
    return KernelLogErrors(breaks, errors, lun_changes=frozenset(changed))


def read_trouble(root: Path = Path("/")) -> KernelLogErrors:
    """Read the kernel's log of the last ten minutes; maps are given by name.

    Reading does not consume the records (/dev/kmsg, Documentation/ABI/testing/dev-kmsg). Raises
    NeedsRootError, and IscsictlError if there is no such device.
    """
    path = root / "dev/kmsg"
    records = []
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        raise NeedsRootError("only root can read the kernel's log") from None
    except OSError as error:
        raise IscsictlError(f"cannot read the kernel's log: {error.strerror}") from None
    try:
        while True:
            try:
                chunk = os.read(fd, 8192)
            except BlockingIOError:
                break
            except OSError as error:
                # The record was overwritten while we read: the next read continues after it.
                if error.errno == errno.EPIPE:
                    continue
                if error.errno == errno.EPERM:
                    raise NeedsRootError("only root can read the kernel's log") from None
                break
            if not chunk:
                break
            records.append(chunk.decode("utf-8", "replace"))
    finally:
        os.close(fd)
    trouble = parse_log(records, time.clock_gettime(time.CLOCK_MONOTONIC) - KERNEL_LOG_WINDOW)
    errors = {
        device_path(root, device.removeprefix("/dev/")): text
        for device, text in trouble.disk_errors.items()
    }
    return replace(trouble, disk_errors=errors)


def config_secrets(root: Path = Path("/")) -> tuple[int | None, bool]:
    """Return the mode of iscsid.conf, and whether it contains a secret.

    The mode is None if it cannot be read; a secret that is commented out does not count.
    """
    path = root / "etc/iscsi/iscsid.conf"
    try:
        mode = path.stat().st_mode & 0o7777
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return None, False
    secret = any(re.match(r"\s*[a-z.]+\.password(_in)?\s*=\s*\S", line) for line in lines)
    return mode, secret


def disk_timeouts(knames: Iterable[str], root: Path = Path("/")) -> Mapping[str, int]:
    """Return how many seconds the kernel waits for a command, by device.

    Disks that are gone are left out. The value is `device/timeout` of sysfs, by default 30.
    """
    found = {}
    for kname in knames:
        try:
            seconds = to_integer((root / f"sys/block/{kname}/device/timeout").read_text().strip())
        except OSError:
            continue
        if seconds is not None:
            found[f"/dev/{kname}"] = seconds
    return found
