"""Sessions and their LUNs: whether they are up, recovering or down."""

from collections.abc import Iterator

from iscsictl.checks.services import start_iscsid
from iscsictl.model.finding import Finding, fail, ok, warn
from iscsictl.model.host_facts import Machine
from iscsictl.model.inventory import Known
from iscsictl.model.listing import Lun, Session
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.selection.session_index import SessionIndex
from iscsictl.planner.selection.surviving import has_other_paths, is_under_maps


def check(machine: Machine) -> Iterator[Finding]:
    """Report the state of each session, and which sessions are missing.

    A recovering session is a failure if it is the only path, and a warning below a map with another
    working path. A record on hold should have no session.
    """
    for session in machine.listing.sessions:
        subject = f"{session.target} {session.requested_portal}"
        yield _check_session_state(machine, session, subject)
        for lun in session.stopped_luns:
            yield _report_bad_lun(session, lun)
        if session.status == "up" and session.luns is not None and not session.luns:
            yield warn(
                "session-luns",
                "the session is up but has no LUN",
                "map a LUN to this host on the array, then: iscsictl rescan",
                subject,
            )
    yield from _check_missing_sessions(machine)
    yield from _check_startup_modes(machine)
    # The check of multipath reports these too, with a fix.
    unmapped = [d.wwid for d in machine.listing.disks or () if len(d.paths) > 1 and d.wwid]
    for note in machine.listing.warnings:
        if any(wwid in note.text for wwid in unmapped):
            continue
        yield warn("session-disks", note.text, "iscsictl ls -o json shows everything that is known")


def _check_session_state(machine: Machine, session: Session, subject: str) -> Finding:
    state = session.internal_state or session.session_state or "unknown"
    silent = machine.network.silent
    portal = session.requested_portal
    reason = None
    asked = isinstance(silent, Known) and session.over_tcp
    if isinstance(silent, Known) and session.over_tcp and portal is not None:
        reason = next((why for p, why in silent.value.items() if p.same_place(portal)), None)
    if session.status == "up":
        return ok("session-state", "logged in", subject)
    if session.status == "recovering":
        if machine.iscsid is not None and _is_bypassed(machine, session):
            return warn(
                "session-state",
                f"the path through {portal} is lost and iscsid tries again ({state}); I/O goes "
                "over the other paths of its map",
                f"bring {portal} back ({reason or 'see: journalctl -u iscsid'}): array, cable, "
                "route, firewall",
                subject,
            )
        wait = session.timeouts.recovery if session.timeouts else None
        message = f"the session is lost and iscsid is trying to restore it ({state}); I/O waits"
        # If the timeout is not known, there is nothing to add to "I/O waits".
        if is_under_maps(session, machine.index):
            message += " in its map, which no other path serves"
        elif wait is not None:
            message += " forever" if wait < 0 else f" {wait} s, then fails"
        if machine.iscsid is None:
            return fail(
                "session-state",
                f"the session is lost ({state}), and iscsid is not running to restore it",
                start_iscsid(machine),
                subject,
            )
        if reason is not None:
            fix = f"bring {portal} back ({reason}): array, cable, route, firewall"
        elif not asked:
            fix = f"check what iscsid logged about {portal}: journalctl -u iscsid"
        else:
            fix = (
                f"{portal} answers, so the login is refused: journalctl -u iscsid says why "
                "(account, access list, initiator name); once that is fixed, the session recovers "
                "by itself; if it does not, and nothing uses it: iscsictl logout -T "
                f"{shell_form(session.target)}"
            )
        return fail("session-state", message, fix, subject)
    if session.status == "down":
        return fail(
            "session-state",
            f"the session is down ({state}), and nothing is trying to restore it",
            "iscsictl reconnect",
            subject,
        )
    return warn(
        "session-state",
        f"the state of the session is unknown ({state})",
        "systemctl status iscsid.service" if machine.systemd.running else "pgrep -a iscsid",
        subject,
    )


def _is_bypassed(machine: Machine, session: Session) -> bool:
    """Return whether I/O bypasses a session over the other paths of its disks' maps."""
    return has_other_paths(session.target, session, machine.index)


def _report_bad_lun(session: Session, lun: Lun) -> Finding:
    fix = "iscsictl rescan"
    if lun.state == "offline" and lun.hctl:
        fix = (
            "the kernel took it offline: see dmesg; then: echo running > "
            f"/sys/class/scsi_device/{lun.hctl}/device/state"
        )
    return fail(
        "session-luns",
        f"LUN {lun.lun} ({lun.device or 'no disk'}) is {lun.state}",
        fix,
        f"{session.target} LUN {lun.lun}",
    )


def _check_startup_modes(machine: Machine) -> Iterator[Finding]:
    """Report the `onboot` targets that the login service of this host does not log in to.

    Targets that the host boots from are left out: the initramfs logs in to them.
    """
    systemd = machine.systemd
    records = machine.db.value.records if isinstance(machine.db, Known) else ()
    usable = [record for record in records if record.problem is None]
    by_boot = {r.target for r in usable if r.logged_in_by(systemd.login_startups)}
    meant = {record.target for record in usable if record.onboot}
    for target in sorted(meant - by_boot - machine.boot_targets) if systemd.running else ():
        yield warn(
            "session-startup",
            f"its record is onboot, which {systemd.login_service} ignores: it is not logged in at "
            "boot",
            f"iscsictl startup {shell_form(target)} automatic",
            target,
        )


def _check_missing_sessions(machine: Machine) -> Iterator[Finding]:
    records = machine.db.value.records if isinstance(machine.db, Known) else ()
    index = SessionIndex(records, machine.listing.sessions)
    for record in records:
        if record.problem is not None or not record.onboot:
            continue
        missing = index.missing_sessions(record)
        if missing == 0:
            continue
        subject = f"{record.target} {record.portal}"
        if any(hold.covers(record.target, record.portal, record.iface) for hold in machine.holds):
            yield ok("session-missing", "not logged in: it is on hold", subject)
        else:
            spared = has_other_paths(record.target, None, machine.index)
            make = warn if spared else fail
            yield make(
                "session-missing",
                f"the record is {record.startup}, but there is no session"
                if missing == record.session_count
                else f"{missing} of the {record.session_count} sessions that the record requires "
                "(node.session.nr_sessions) are missing",
                "iscsictl reconnect",
                subject,
            )
