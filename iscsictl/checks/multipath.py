"""Disks with several paths: whether one map covers them, and how it waits when all are lost."""

from collections.abc import Iterable, Iterator, Mapping

from iscsictl.checks.routing import find_route
from iscsictl.checks.timeouts import SINGLE_AT_LEAST
from iscsictl.model.finding import Finding, fail, ok, warn
from iscsictl.model.host_facts import Machine
from iscsictl.model.listing import Disk, mount_paths
from iscsictl.model.multipath import MULTIPATHD
from iscsictl.model.packages import install_command
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.safety.duplicates import confusable_disks, outside_map

_CONF = "/etc/multipath/conf.d"


def check(machine: Machine) -> Iterator[Finding]:
    """Report whether each disk has its own WWID and map, and each map all of its paths.

    Several disks that cannot be told apart are a failure, and nothing else is reported about them.
    What only multipathd knows is checked if it answered.
    """
    disks = machine.listing.disks or ()
    alike = confusable_disks(disks)
    outside = {id(d): outside_map(d, alike[id(d)], machine.index) for d in disks if id(d) in alike}
    confusable = {key: others for key, others in alike.items() if len(outside[key]) < len(others)}
    yield from _check_confusable_disks(disks, confusable)
    for disk in disks:
        if id(disk) in confusable:
            continue
        if paths := outside.get(id(disk)):
            if disk.block.kind != "mpath":
                continue  # It is reported with its map.
            yield from _report_paths_outside(disk, paths)
        if disk.block.kind == "mpath":
            yield _check_paths(disk, machine.multipath.checked)
            yield from _check_queueing(machine, disk)
            yield from _check_single_nic(machine, disk)
        elif len(disk.paths) > 1:
            yield _report_missing_map(machine, disk)
    if any(disk.block.kind == "mpath" for disk in disks):
        yield from _check_common_configuration(machine)


def _wwid_or_device(disk: Disk) -> str:
    return disk.wwid or disk.block.device


def _report_missing_map(machine: Machine, disk: Disk) -> Finding:
    devices = ", ".join(path.device for path in disk.paths)
    why, fix = _explain_missing_map(machine, disk)
    return fail(
        "multipath-map",
        f"{devices} are one disk without a multipath map: writing through two of them destroys "
        f"data{why}",
        fix,
        _wwid_or_device(disk),
    )


def _explain_missing_map(machine: Machine, disk: Disk) -> tuple[str, str]:
    """Return why a disk with several paths has no map (as far as is known), and what to do."""
    facts, first = machine.multipath, disk.paths[0].device
    program = machine.programs.get("multipath")
    if machine.multipathd is None and program is not None and program.path is not None:
        return "", f"systemctl unmask {MULTIPATHD}; systemctl enable --now {MULTIPATHD}"
    if machine.multipathd is None:
        install = install_command("multipath-tools", machine.package_manager)
        return "", f"{install}; systemctl enable --now {MULTIPATHD}"
    places = mount_paths(disk.block)
    if places:
        return (
            f"; {places[0]} is mounted on a single path, so multipathd cannot take it",
            f"iscsictl detach {shell_form(places[0])}, then attach it again",
        )
    if facts.spelled and first not in facts.spelled:
        return (
            "; multipath's configuration excludes it",
            (
                f"find the line that does: multipath -v3 {shell_form(first)}; multipathd show "
                "blacklist"
            ),
        )
    wwid = facts.spelled.get(first)
    unlisted = facts.files_were_read and wwid not in facts.listed
    if wwid is not None and unlisted and facts.find_multipaths == "strict":
        return (
            f"; its WWID {wwid} is not in /etc/multipath/wwids",
            (
                f"multipath -a {shell_form(first)}; then iscsictl attach over all portals creates "
                "the map"
            ),
        )
    return "", f"find out why there is no map: multipath -v3 {shell_form(first)}"


def _dead_paths(disk: Disk) -> list[str]:
    return [path.device for path in disk.paths if not path.works]


def _check_paths(disk: Disk, checked: Mapping[str, str]) -> Finding:
    """Check the paths of a map: a lost path is a warning, no working path at all a failure.

    `checked` is what multipathd's checker found of each path.
    """
    devices = ", ".join(path.device for path in disk.paths)
    dead = _dead_paths(disk)
    if len(dead) == len(disk.paths):
        return fail(
            "multipath-paths",
            f"{disk.block.device} has no working path ({devices}): I/O waits, and fails once "
            "no_path_retry is exhausted",
            "restore the array or a network path to it; then: iscsictl reconnect; multipath -ll",
            _wwid_or_device(disk),
        )
    if len(disk.paths) == 1:
        return warn(
            "multipath-paths",
            f"{disk.block.device} has only one path left ({devices})",
            "iscsictl reconnect; multipath -ll shows the other paths",
            _wwid_or_device(disk),
        )
    closed = [path.device for path in disk.paths if path.is_passive and not path.works]
    if dead == closed != []:
        states = ", ".join(
            f"{path.device} is {path.access}" for path in disk.paths if not path.works
        )
        return warn(
            "multipath-paths",
            f"the array does not serve {disk.block.device} over every path: {states}",
            "see the state of its controllers and target port groups on the array (ALUA)",
            _wwid_or_device(disk),
        )
    if dead:
        return warn(
            "multipath-paths",
            f"{disk.block.device} lost {', '.join(dead)}",
            "iscsictl reconnect; multipath -ll",
            _wwid_or_device(disk),
        )
    if all(path.is_passive for path in disk.paths):
        return warn(
            "multipath-paths",
            f"the array serves {disk.block.device} over none of its paths ({devices}): I/O waits "
            "until it does",
            "see the state of its controllers and target port groups on the array (ALUA)",
            _wwid_or_device(disk),
        )
    # The checker "directio" reads, which a standby path does not answer (checkers/directio.c).
    failed = [
        path.device
        for path in disk.paths
        if path.is_passive and checked.get(path.device) == "faulty"
    ]
    if failed:
        return warn(
            "multipath-paths",
            f"{', '.join(failed)} of {disk.block.device} counts as failed for multipathd, whose "
            "checker does not know standby: when the other paths fail, I/O waits until the array "
            "itself makes this one active",
            f"set path_checker tur and detect_checker yes for this array in a file in {_CONF}; "
            "then: multipathd reconfigure",
            _wwid_or_device(disk),
        )
    named = ", ".join(
        f"{path.device} ({path.access})" if path.is_passive else path.device for path in disk.paths
    )
    return ok("multipath-paths", f"{disk.block.device} over {named}", _wwid_or_device(disk))


def _report_paths_outside(disk: Disk, outside: Iterable[Disk]) -> Iterator[Finding]:
    mounted = [other for other in outside if mount_paths(other.block)]
    for other in mounted:
        place = mount_paths(other.block)[0]
        yield fail(
            "multipath-paths",
            f"{place} is mounted on {other.block.device}, beside its map {disk.block.device}: a "
            "write through the map destroys the filesystem",
            f"iscsictl detach {shell_form(place)}, then attach it again over all portals",
            _wwid_or_device(disk),
        )
    outside = [other for other in outside if other not in mounted]
    for device in (path.device for other in outside for path in other.paths):
        yield warn(
            "multipath-paths",
            f"{device} is a path of {_wwid_or_device(disk)}, but the map {disk.block.device} does "
            "not use it",
            "attach it again, which verifies that the path leads to that disk and adds it; to see "
            f"why it is not used: multipath -v3 {shell_form(device)}",
            _wwid_or_device(disk),
        )


def _check_queueing(machine: Machine, disk: Disk) -> Iterator[Finding]:
    """Check how long I/O waits while no path works (no_path_retry in multipath.conf(5))."""
    if len(_dead_paths(disk)) == len(disk.paths):
        return  # Here "off" may just mean that the wait is over (libmultipath/print.c).
    facts = machine.multipath
    word = facts.queueing.get(disk.block.device.removeprefix("/dev/mapper/"), "")
    checks = word.removesuffix(" chk")
    if word in {"off", "-"}:
        problem = "when no path works, I/O fails at once, and the filesystem with it"
    elif word == "on":
        problem = (
            "when no path works, I/O waits forever: programs hang, and the host cannot shut down"
        )
    elif not checks.isdecimal():
        return  # Unknown, or "55 sec": no path works, and it is counting down now.
    elif (seconds := int(checks) * facts.polling_interval) < SINGLE_AT_LEAST:
        problem = (
            f"I/O fails {seconds} s after the last path is lost: the restart of an array takes "
            "longer"
        )
    else:
        yield ok("multipath-queue", f"I/O waits {seconds} s for a path", _wwid_or_device(disk))
        return
    retries = SINGLE_AT_LEAST // facts.polling_interval
    yield warn(
        "multipath-queue",
        problem,
        f"set no_path_retry {retries} or more for it in a file in {_CONF}; then: "
        "multipathd reconfigure",
        _wwid_or_device(disk),
    )


def _check_single_nic(machine: Machine, disk: Disk) -> Iterator[Finding]:
    """Warn if all paths of a map use one NIC, and therefore one cable."""
    sids = {path.sid for path in disk.paths}
    sessions = [session for sid in sids for session in machine.index.sessions_with_sid(sid)]
    if len(sessions) < 2 or len({session.iface for session in sessions}) > 1:
        return  # An iface may be bound to a NIC, whatever the routes are.
    nics = set()
    for session in sessions:
        portal = session.requested_portal
        route = portal and find_route(portal.address, machine.network.routes)
        nics.add(route.nic if route and session.over_tcp else None)
    (nic, *others) = nics
    if nic is not None and not others:
        yield warn(
            "multipath-nic",
            f"all {len(sessions)} paths of {disk.block.device} go through {nic}",
            "give each portal its own subnet, and each subnet its own NIC; or bind each path to a "
            "NIC: iscsictl iface add",
            _wwid_or_device(disk),
        )


def _check_common_configuration(machine: Machine) -> Iterator[Finding]:
    """Check the configuration that applies to all maps."""
    facts = machine.multipath
    if facts.installed and not facts.running:
        # The kernel continues with the paths it has, and nobody counts the checks of no_path_retry.
        yield fail(
            "multipath-daemon",
            f"{MULTIPATHD} is not running: a failed path is not used again when it recovers, and "
            "I/O may wait forever when the last one fails",
            f"systemctl start {MULTIPATHD}",
        )
    elif not facts.answers:
        yield warn(
            "multipath-daemon",
            "multipathd does not answer, so some of its state could not be checked",
            "check what it is doing: journalctl -u multipathd; then run this again",
        )
    if facts.installed and not facts.enabled:
        yield warn(
            "multipath-boot",
            f"{MULTIPATHD} does not start at boot, so nothing creates the maps then",
            f"systemctl enable {MULTIPATHD}",
        )
    for section in facts.endless_failover:
        yield warn(
            "multipath-failover",
            f"fast_io_fail_tmo is off in the section {section}: I/O never leaves a path that "
            "failed",
            f"set fast_io_fail_tmo 5 in a file in {_CONF}; then: multipathd reconfigure",
        )


def _check_confusable_disks(
    disks: Iterable[Disk], confusable_with: Mapping[int, tuple[Disk, ...]]
) -> Iterator[Finding]:
    """Report each group of disks that share a WWID or a map: a write may reach any of them."""
    reported: set[int] = set()
    for disk in disks:
        confusable = [o for o in confusable_with.get(id(disk), ()) if id(o) not in reported]
        if id(disk) in reported or not confusable:
            continue
        reported.update(map(id, (disk, *confusable)))
        words = "; ".join(
            f"{', '.join(path.device for path in member.paths)} ({member.wwid}, serial "
            f"{member.serial or 'none'}, {member.block.size} bytes)"
            for member in (disk, *confusable)
        )
        joined = disk.block.kind == "mpath"
        how = f"{disk.block.device} joins" if joined else f"the WWID {disk.wwid} is that of"
        fix = "give each LUN its own WWID on the array, then log in again"
        if joined:
            fix += f"; until then: iscsictl umount, multipath -f {shell_form(disk.block.device)}"
        yield fail("disk-identity", f"{how} different disks: {words}", fix, disk.wwid)
