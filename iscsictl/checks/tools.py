"""The required programs, their versions, and the state of iscsid."""

from collections.abc import Iterator

from iscsictl.checks.services import start_iscsid
from iscsictl.model.finding import Finding, fail, ok, skip, warn
from iscsictl.model.host_facts import Machine, Program
from iscsictl.model.packages import install_command, install_program_command, remove_command

_OPEN_ISCSI = ("iscsiadm", "iscsid")
_ON_DISKS = ("sfdisk", "findmnt", "udevadm", "mkfs.ext4")


def check(machine: Machine) -> Iterator[Finding]:
    """Report whether the tools are installed, in one version, and whether iscsid works.

    iscsiadm and iscsid exchange structures that change between releases, so two different releases
    misunderstand each other. `multipath`, which only some hosts need, is left to another check.
    """
    install = install_command("open-iscsi", machine.package_manager)
    missing = [name for name in _OPEN_ISCSI if not machine.has_program(name)]
    if missing == [*_OPEN_ISCSI]:
        yield fail("tools-open-iscsi", "it is not installed", install, "open-iscsi")
    else:
        for name in missing:
            yield fail("tools-open-iscsi", f"{name} is not installed", install, name)
    for name in _OPEN_ISCSI:
        program = machine.programs.get(name)
        if program is not None and program.path is not None:
            version = f" {program.version}" if program.version else ""
            yield ok("tools-open-iscsi", f"{program.path}{version}", name)
    yield from _check_versions(machine)
    yield from _check_other_installations(machine)
    yield from _check_iscsid(machine)
    for name in _ON_DISKS:
        program = machine.programs.get(name)
        if program is not None and program.path is None:
            fix = install_program_command(name, machine.package_manager)
            yield warn("tools-disk", f"{name} is not installed", fix, name)


def _check_versions(machine: Machine) -> Iterator[Finding]:
    known = {
        name: program.version
        for name in ("iscsiadm", "iscsid")
        if (program := machine.programs.get(name)) is not None and program.version
    }
    if len(set(known.values())) > 1:
        versions = ", ".join(f"{name} is {version}" for name, version in known.items())
        yield fail(
            "tools-versions",
            f"{versions}: they do not work together",
            "install both from one package: "
            f"{install_command('open-iscsi', machine.package_manager)}",
        )
    elif len(known) == 2:
        yield ok("tools-versions", f"both are {known['iscsiadm']}")
    if machine.iscsid is not None and machine.iscsid.replaced:
        yield warn(
            "tools-versions",
            f"iscsid (pid {machine.iscsid.pid}) runs from a file that has since been replaced",
            "systemctl restart iscsid.service (sessions stay up); doctor never does it itself",
            "iscsid",
        )


def _check_other_installations(machine: Machine) -> Iterator[Finding]:
    """Warn of a second iscsictl: the schedule, a shell and Ansible may each run a different one."""
    program = machine.programs.get("iscsictl", Program("iscsictl"))
    for path in program.also_at:
        yield warn(
            "tools-iscsictl",
            f"there is a second installation; a shell runs {program.path}",
            "remove one of them: "
            f"{remove_command('iscsictl', machine.package_manager)}, or pipx uninstall iscsictl",
            path,
        )


def _check_iscsid(machine: Machine) -> Iterator[Finding]:
    daemon = machine.iscsid
    socket = machine.systemd.units.get("iscsid.socket")
    if daemon is None:
        if machine.listing.sessions:
            yield fail(
                "iscsid-running",
                "iscsid is not running: broken sessions are not restored",
                start_iscsid(machine),
            )
        elif not machine.has_program("iscsid"):
            return  # That is reported already, and it must be installed before it can be started.
        elif machine.systemd.running and socket and socket.enabled and not socket.masked:
            yield ok("iscsid-running", "iscsid is started by its socket when needed")
        else:
            yield warn("iscsid-running", "iscsid is not running", start_iscsid(machine))
        return
    if daemon.stopped:
        yield fail(
            "iscsid-answers",
            f"iscsid (pid {daemon.pid}) is stopped (state {daemon.state}) and does not answer",
            "kill -CONT $(pidof iscsid)",
        )
    # A process in this state reacts to no signal, not even SIGKILL (proc(5)).
    elif daemon.state == "D":
        yield fail(
            "iscsid-answers",
            f"iscsid (pid {daemon.pid}) hangs in the kernel (state D)",
            f"to see where: cat /proc/{daemon.pid}/stack; repair the path to the array",
        )
    elif machine.iscsid_error is not None:
        yield fail(
            "iscsid-answers",
            machine.iscsid_error,
            "check journalctl -u iscsid; then: systemctl restart iscsid.service",
        )
    elif not machine.root and machine.listing.sessions:
        yield skip("iscsid-answers", "only root can query iscsid", "sudo iscsictl doctor")
    else:
        yield ok("iscsid-running", f"pid {daemon.pid}")
