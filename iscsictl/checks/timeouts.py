"""How long I/O waits for a lost session: long on a single path, short below a map."""

from collections.abc import Iterator

from iscsictl.model.finding import Finding, fail, ok, warn
from iscsictl.model.host_facts import Machine
from iscsictl.model.inventory import Known
from iscsictl.model.listing import Session
from iscsictl.model.record import NodeRecord, number_of
from iscsictl.model.shell_form import shell_form

# Seconds: the default of iscsid.conf; with less, the filesystem fails when the array reboots.
SINGLE_AT_LEAST = 120
# Seconds: multipathd itself sets 5 (fast_io_fail_tmo); above this, a failover looks like an outage.
MULTI_AT_MOST = 30
# Seconds: the kernel's default for a disk (SD_TIMEOUT in drivers/scsi/sd.h).
DISK_AT_LEAST = 30
_KEY = "node.session.timeo.replacement_timeout"


def check(machine: Machine) -> Iterator[Finding]:
    """Report whether the timeouts, all in seconds, fit the number of paths.

    On a single path, `recovery_tmo` is how long I/O waits before the filesystem gets an error;
    below a map, it is how long before I/O is sent over another path. A negative value means
    forever.
    """
    several = {
        path.sid
        for disk in machine.listing.disks or ()
        if disk.block.kind == "mpath"
        for path in disk.paths
    }
    for session in machine.listing.sessions:
        wait = session.timeouts.recovery if session.timeouts else None
        if wait is not None and session.luns:
            yield _check_recovery_timeout(session, wait, mapped=session.sid in several)
    if isinstance(machine.db, Known):
        for record in machine.db.value.records:
            if record.problem is None:
                yield from _check_noop_interval(record)
    for device, seconds in sorted(machine.disk_timeouts.items()):
        if seconds < DISK_AT_LEAST:
            yield warn(
                "timeout-disk",
                f"{device} times out commands after {seconds} s: a busy array looks dead",
                f"echo 60 > /sys/block/{device.removeprefix('/dev/')}/device/timeout",
                device,
            )


def _check_recovery_timeout(session: Session, wait: int, *, mapped: bool) -> Finding:
    subject = session.target
    fix = f"iscsictl nodes set -T {shell_form(session.target)} {_KEY}="
    if mapped and (wait < 0 or wait > MULTI_AT_MOST):
        duration = "forever" if wait < 0 else f"{wait} s"
        return warn(
            "timeout-recovery",
            f"below a multipath map I/O waits {duration} before it takes another path",
            f"{fix}5, then log in again",
            subject,
        )
    if not mapped and wait == 0:
        return fail(
            "timeout-recovery",
            "I/O fails at once when the session breaks, and there is no other path",
            f"{fix}600, then log in again",
            subject,
        )
    if not mapped and 0 < wait < SINGLE_AT_LEAST:
        return warn(
            "timeout-recovery",
            f"I/O fails {wait} s after the session breaks, and there is no other path",
            f"{fix}600, then log in again",
            subject,
        )
    duration = "forever" if wait < 0 else f"{wait} s"
    return ok("timeout-recovery", f"I/O waits {duration} for a lost session", subject)


def _check_noop_interval(record: NodeRecord) -> Iterator[Finding]:
    key = "node.conn[0].timeo.noop_out_interval"
    if number_of(record.values.get(key)) == 0:
        yield warn(
            "timeout-noop",
            "the session is never pinged, so a dead array is noticed late",
            f"iscsictl nodes set -T {shell_form(record.target)} {key}=5",
            f"{record.target} {record.portal}",
        )
