"""What systemd starts at boot, in which order, and what tells it that the network is online."""

from collections.abc import Iterator

from iscsictl.model.actions import EnableService, Reload
from iscsictl.model.finding import Finding, fail, ok, warn
from iscsictl.model.host_facts import Machine
from iscsictl.model.inventory import Known
from iscsictl.model.packages import install_command
from iscsictl.model.services import Unit
from iscsictl.model.shell_form import shell_form

ISCSID = ("iscsid.service", "iscsid.socket")


def needed_at_boot(machine: Machine) -> bool:
    """Return whether the login service is needed at boot, for a record or an entry of iscsictl.

    Targets that the machine boots from do not count, as the initramfs logs in to them. Records and
    an fstab that could not be read do not count.
    """
    records = machine.db.value.records if isinstance(machine.db, Known) else ()
    if any(r.onboot and r.target not in machine.boot_targets for r in records):
        return True
    lines = machine.fstab.value.ours if isinstance(machine.fstab, Known) else ()
    return any(line.at_boot and not line.is_claim for line in lines)


def start_iscsid(machine: Machine) -> str:
    """Return the command that starts iscsid; without systemd, the daemon itself."""
    return "systemctl start iscsid.service" if machine.systemd.running else "iscsid"


def check(machine: Machine) -> Iterator[Finding]:
    """Report whether a boot restores sessions and mounts.

    This checks the systemd units, their order, and what tells systemd that the network is online.
    Without systemd, only its absence is reported.
    """
    systemd = machine.systemd
    if not systemd.running:
        yield warn(
            "service-systemd",
            "systemd is not the init system here: what starts at boot could not be checked",
            "make the init system start iscsid, then `iscsiadm -m node --loginall=automatic`",
        )
        return
    if systemd.stale:
        yield warn(
            "service-reload",
            "fstab or a unit has changed since systemd last read it",
            "systemctl daemon-reload",
            repair=Reload(),
        )
    login = systemd.units.get(systemd.login_service, Unit(systemd.login_service))
    needed = needed_at_boot(machine)
    if not login.defined:
        # If open-iscsi is not installed, only the check of the tools reports that.
        if not machine.has_program("iscsiadm"):
            return
        yield fail(
            "service-login",
            f"there is no unit {login.name}: nothing logs in at boot",
            install_command("open-iscsi", machine.package_manager),
            login.name,
        )
        return
    unmask = _unmask_command(machine, login)
    yield _check_unit_enabled(login, "service-login", needed, unmask)
    yield _check_iscsid_units(machine, unmask)
    yield from _check_unit_order(login)
    yield from _check_network_online(machine, needed)


def _iscsid_units(machine: Machine) -> list[Unit]:
    return [u for name in ISCSID if (u := machine.systemd.units.get(name)) and u.defined]


def _unmask_command(machine: Machine, login: Unit) -> str:
    """Return what unmasks all units that `iscsictl service enable` needs, and then enables them.

    It refuses while one of them is masked, and one that was not enabled before is not afterwards.
    """
    iscsid = _iscsid_units(machine)
    units = [login] if login.masked else []
    units += iscsid if all(unit.masked for unit in iscsid) else []
    return f"systemctl unmask {shell_form(*(u.name for u in units))} && iscsictl service enable"


def _check_unit_enabled(unit: Unit, id_: str, needed: bool, unmask: str) -> Finding:
    if unit.masked:
        make = fail if needed else warn
        return make(id_, "it is masked: it never starts", unmask, unit.name)
    if unit.enabled:
        return ok(id_, "it starts at boot", unit.name)
    if not needed:
        return ok(id_, "it does not start at boot, and nothing requires it to", unit.name)
    return fail(
        id_,
        "it does not start at boot, so nothing is logged in then",
        "iscsictl service enable",
        unit.name,
        EnableService(unit.name),
    )


def _check_iscsid_units(machine: Machine, unmask: str) -> Finding:
    units = _iscsid_units(machine)
    if not units:
        return fail(
            "service-iscsid",
            "systemd has no unit for iscsid",
            install_command("open-iscsi", machine.package_manager),
        )
    if any(u.enabled and not u.masked for u in units):
        names = ", ".join(u.name for u in units if u.enabled and not u.masked)
        return ok("service-iscsid", f"started at boot or on demand by {names}")
    if all(u.masked for u in units):
        return fail("service-iscsid", "iscsid is masked", unmask)
    # The socket, if there is one: it starts iscsid on demand.
    unit = next(u for u in reversed(units) if not u.masked)
    return fail(
        "service-iscsid",
        "neither iscsid's service nor its socket is enabled",
        "iscsictl service enable",
        unit.name,
        EnableService(unit.name),
    )


def _check_unit_order(login: Unit) -> Iterator[Finding]:
    wrong = []
    if not login.after & {"iscsid.service", "iscsid.socket"}:
        wrong.append("after iscsid.service")
    if "network-online.target" not in login.after:
        wrong.append("after network-online.target")
    if not login.before & {"remote-fs-pre.target", "remote-fs.target"}:
        wrong.append("before remote-fs-pre.target")
    if wrong:
        yield warn(
            "service-order",
            f"it is not ordered {', '.join(wrong)}",
            f"systemctl edit {shell_form(login.name)}: "
            "give it After=network-online.target iscsid.service "
            "and Before=remote-fs-pre.target",
            login.name,
        )
    else:
        yield ok("service-order", "network, iscsid, login, mounts: in this order", login.name)


def _check_network_online(machine: Machine, needed: bool) -> Iterator[Finding]:
    providers = machine.systemd.online_providers
    if providers:
        yield ok("boot-network-online", f"provided by {', '.join(providers)}")
    elif needed:
        yield warn(
            "boot-network-online",
            "no unit waits for the network: at boot, logins may start before it is up",
            "systemctl enable NetworkManager-wait-online.service, or "
            "systemd-networkd-wait-online.service, or the equivalent of your network manager",
        )
