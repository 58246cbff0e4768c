"""The sessions of the root filesystem: kept at shutdown, and able to outlast an array outage."""

from collections.abc import Iterator

from iscsictl.checks.initramfs import (
    accounts_of,
    kinds_below_root,
    nic_of,
    records_of,
    sessions_of,
)
from iscsictl.model.finding import Finding, fail, ok, warn
from iscsictl.model.host_facts import Machine
from iscsictl.model.inventory import Known
from iscsictl.model.listing import Block, blocks
from iscsictl.model.root_boot import RootBoot
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.safety.fstab_rules import DEVICE_LETTER

# Seconds. The first is what iscsictl gives a session without another path; open-iscsi's README
# (8.2) recommends a day for the root filesystem.
_RECOVERY_AT_LEAST = 600
_A_DAY = 86400
# An empty configuration of OpenSSL, which can be read without a disk (config(5) of OpenSSL).
_WITHOUT_OPENSSL_CONF = (
    "mkdir -p /etc/systemd/system/iscsid.service.d && "
    "printf '[Service]\\nEnvironment=OPENSSL_CONF=/dev/null\\n' > "
    "/etc/systemd/system/iscsid.service.d/openssl.conf && systemctl daemon-reload"
)
_KEY = "node.session.timeo.replacement_timeout"
# The kinds of device that Debian's umountiscsi.sh follows from a disk to a mount.
_FOLLOWED = frozenset({"disk", "part", "mpath", "crypt", "lvm"})
# Their mounts have a device number that is not that of a block device (btrfs(5)).
_ANONYMOUS = frozenset({"btrfs"})


def check(machine: Machine) -> Iterator[Finding]:
    """Report what may remove the disk below the root filesystem.

    Nothing is reported for a host whose root filesystem is elsewhere. If it is to be moved to a
    target, only what can be known beforehand is reported.
    """
    boot = machine.root_boot
    if boot is None:
        return
    if machine.systemd.running:
        yield _check_iscsid(machine)
        yield from _check_first_login(machine, boot)
    if boot.is_planned:
        return
    yield from _check_root_parameter(machine, boot)
    yield from _check_shutdown(machine, boot)
    yield from _check_nics(machine, boot)
    yield from _check_recovery(machine, boot)


def _check_iscsid(machine: Machine) -> Finding:
    """Check whether iscsid runs after the boot: the initramfs leaves a session but no daemon.

    Debian enables only its socket, to which nothing connects at boot unless the login service has a
    record to log in to. But a udev rule of Debian has systemd start the daemon when a disk of a
    session appears, and that of the root filesystem appears again when udev is restarted
    (systemd-udev-trigger.service).
    """
    systemd = machine.systemd
    daemon, login = (systemd.units.get(n) for n in ("iscsid.service", systemd.login_service))
    records = machine.db.value.records if isinstance(machine.db, Known) else ()
    by_login = any(r.logged_in_by(systemd.login_startups) for r in records if r.problem is None)
    if daemon is not None and daemon.enabled and not daemon.masked:
        return ok("boot-iscsid", "iscsid starts at boot")
    if daemon is not None and daemon.defined and not daemon.masked and systemd.iscsid_by_udev:
        return ok("boot-iscsid", "udev starts iscsid at boot, when the disk appears")
    if by_login and login is not None and login.enabled and not login.masked:
        return ok("boot-iscsid", f"{login.name} starts iscsid at boot, to log in to other records")
    return fail(
        "boot-iscsid",
        "nothing starts iscsid at boot: if the session of the root filesystem breaks, it is not "
        "restored",
        "systemctl enable iscsid.service",
    )


def _check_first_login(machine: Machine, boot: RootBoot) -> Iterator[Finding]:
    """Check whether iscsid can take over the session that the initramfs created.

    It drops the connection and logs in again (usr/initiator.c, iscsi_sync_session). With CHAP, this
    login is the first use of OpenSSL (usr/login.c, check_for_authentication), which then reads its
    configuration: from the root filesystem, which is waiting for this very login.
    """
    daemon = machine.systemd.units.get("iscsid.service")
    accounts = accounts_of(machine, boot)
    if daemon is None or daemon.masked or not accounts or "OPENSSL_CONF" in daemon.environment:
        return
    yield fail(
        "boot-iscsid",
        f"to use the account {accounts[0]}, iscsid reads /etc/ssl/openssl.cnf while it has no "
        "session to the root filesystem: the boot hangs until reads fail",
        _WITHOUT_OPENSSL_CONF,
    )


def _root_blocks(machine: Machine) -> list[Block]:
    """Return the devices from which the root filesystem is mounted."""
    return [
        block
        for disk in machine.listing.disks or ()
        for block in blocks(disk.block)
        if any(mount.path == "/" for mount in block.mounts)
    ]


def _check_root_parameter(machine: Machine, boot: RootBoot) -> Iterator[Finding]:
    """Check root= on the kernel's command line."""
    if not isinstance(boot.parameters, Known):
        return
    source, root = boot.parameters.value.source, boot.parameters.value.root
    uuids = sorted({block.uuid for block in _root_blocks(machine) if block.uuid})
    by_uuid = f"replace root={root} with root=UUID={uuids[0]} in {source}" if uuids else ""
    if source.endswith("grub.cfg") and by_uuid:
        by_uuid = "update-grub"
    if root is None:
        return
    if DEVICE_LETTER.fullmatch(root):
        yield warn(
            "boot-root", f"root={root} may name another disk after the next boot",
            by_uuid or "replace it with root=UUID=...", source,
        )  # fmt: skip
    elif root.startswith("UUID=") and uuids and root.removeprefix("UUID=").lower() not in {
        uuid.lower() for uuid in uuids
    }:  # fmt: skip
        yield fail(
            "boot-root", f"it has root={root}, but the root filesystem is UUID={uuids[0]}",
            by_uuid, source,
        )  # fmt: skip
    else:
        yield ok("boot-root", f"root={root}", source)


def _check_shutdown(machine: Machine, boot: RootBoot) -> Iterator[Finding]:
    """Check whether the login service leaves the session of the root filesystem alone.

    Debian's umountiscsi.sh searches for the sessions below / and /usr, and logout-all.sh keeps
    them. If it finds none, and in other distributions (iscsi.service of open-iscsi), `iscsiadm
    --logoutall` decides: it keeps sessions whose record is `onboot`, missing, or from the
    firmware's boot table (usr/iscsiadm.c, __logout_by_startup).
    """
    reason = _not_followed(machine)
    for target in sorted(boot.targets):
        startups = {
            record.startup
            for record in records_of(machine, boot)
            if record.target == target and record.values.get("node.discovery_type") != "fw"
        }
        if boot.logs_out_at_shutdown and (reason is None or boot.keeps_sessions):
            yield ok("boot-shutdown", "open-iscsi keeps its session at shutdown", target)
        elif startups <= {"onboot"}:
            yield ok("boot-shutdown", "nothing logs it out at shutdown", target)
        elif boot.logs_out_at_shutdown:
            yield fail(
                "boot-shutdown",
                f"open-iscsi does not find the root filesystem {reason}: at shutdown it ends the "
                "session under it",
                f"iscsictl startup {shell_form(target)} onboot",
                target,
            )
        else:
            yield fail(
                "boot-shutdown",
                f"its record is {min(startups)}: the login service ends the session at shutdown",
                f"iscsictl startup {shell_form(target)} onboot",
                target,
            )


def _not_followed(machine: Machine) -> str | None:
    """Return why Debian's script does not find the root filesystem, None if it does."""
    for block in _root_blocks(machine):
        if block.fstype in _ANONYMOUS:
            return f"if it is {block.fstype}"
    strange = sorted(kinds_below_root(machine) - _FOLLOWED)
    return f"on a device of type {strange[0]}" if strange else None


def _check_nics(machine: Machine, boot: RootBoot) -> Iterator[Finding]:
    nics = {
        nic_of(machine, session.requested_portal.address)
        for session in sessions_of(machine, boot)
        if session.requested_portal is not None
    }
    for nic in sorted(name for name in nics if name is not None):
        if nic in boot.nics_taken_down:
            yield warn(
                "boot-nic",
                "ifupdown takes it down at shutdown, while the root filesystem still needs it",
                f"add the line `no-auto-down {nic}` to /etc/network/interfaces",
                nic,
            )
        else:
            yield ok("boot-nic", "ifupdown does not take it down at shutdown", nic)


def _check_recovery(machine: Machine, boot: RootBoot) -> Iterator[Finding]:
    """Check how many seconds the root filesystem waits for a lost session on a single path.

    Below a map, multipathd decides that.
    """
    if "mpath" in kinds_below_root(machine):
        return
    known = {record.target for record in records_of(machine, boot)}
    for session in sessions_of(machine, boot):
        wait = session.timeouts.recovery if session.timeouts else None
        if wait is None:
            continue
        target = session.target
        if 0 <= wait < _RECOVERY_AT_LEAST:
            fix = f"iscsictl nodes set -T {shell_form(target)} {_KEY}={_A_DAY}"
            if target not in known and session.requested_portal is not None:
                portal = session.requested_portal
                fix = f"iscsictl discover {shell_form(portal.address)} --save && {fix}"
            yield warn(
                "boot-timeout",
                f"{wait} s after its session breaks, the root filesystem gets I/O errors, and "
                "then only a reset helps",
                f"{fix}, then reboot",
                target,
            )
        else:
            duration = "forever" if wait < 0 else f"{wait} s"
            yield ok("boot-timeout", f"the root filesystem waits {duration} for it", target)
