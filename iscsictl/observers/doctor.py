"""Observe everything that `doctor` checks, within one deadline. Nothing is changed."""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from iscsictl.checks.portals import wanted_portals
from iscsictl.checks.routing import find_route, is_local
from iscsictl.errors import IscsictlError, NeedsRootError
from iscsictl.model.firewall import Firewall
from iscsictl.model.fstab import Fstab, is_read_only_mount
from iscsictl.model.host_facts import Machine, MountHealth, Network, NodeDb, PathMtu, Program
from iscsictl.model.initiator_name import InitiatorName
from iscsictl.model.inventory import (
    DiskAnswers,
    Known,
    NotObserved,
    Observation,
    ReadFailed,
    observe_value,
)
from iscsictl.model.listing import Listing, blocks, mount_paths
from iscsictl.model.names import Portal
from iscsictl.model.reservation import LunReservations
from iscsictl.model.root_boot import RootBoot
from iscsictl.model.transports import TRANSPORT_MODULES
from iscsictl.observers.entries import observe_inactive
from iscsictl.observers.multipath import read_multipath
from iscsictl.observers.reservations import exclusive_disks, observe_reservations
from iscsictl.observers.root_boot import observe_root_boot, targets_of_root
from iscsictl.observers.sessions import ask_disks
from iscsictl.parse.iscsid_states import with_internal_states
from iscsictl.parse.mountinfo import MountLine
from iscsictl.planner.safety.storage_graph import (
    named_devices,
    nodes_of,
    root_filesystem_targets,
)
from iscsictl.system.block import multipath_conf
from iscsictl.system.block.device_links import absent_specs, named_nodes
from iscsictl.system.block.udev_db import known_uuids
from iscsictl.system.context import Context
from iscsictl.system.host import facts, firewall, kernel_modules, network, path_mtu, unit_files
from iscsictl.system.io import process, safe_paths
from iscsictl.system.io.bounded_call import call_within
from iscsictl.system.io.daemons import find_daemon
from iscsictl.system.io.package_manager import find_package_manager
from iscsictl.system.iscsi import (
    firmware_boot,
    holds,
    initiator_name,
    nodedb,
    portal_probe,
    secret_reuse,
)
from iscsictl.system.iscsi.sessions import read_listing
from iscsictl.system.mount import fstab_file, mounts, reserve_unit_file
from iscsictl.system.mount.crypttab_file import read_crypttab

T = TypeVar("T")
LIVE = Path("/")
MOST = 10.0
# The source of a mount that may be on a LUN: a SCSI disk, a map, a volume or an array.
_MAY_BE_ISCSI = re.compile(r"/dev/(?:sd|mapper/|dm-|md)")


def observe_machine(context: Context, *, probe: bool = True) -> Machine:
    """Return everything that `doctor` checks. Without `probe`, the network is not used.

    Waits on others last at most `context.wait` seconds, and at most ten, all in parallel. Below a
    root directory other than /, only files are read. What cannot be read, or not by this user, is a
    ReadFailed or NotObserved in the result.
    """
    root = context.root
    wait = min(MOST, context.wait)
    machine = observe_local_files(context)
    boot = partial(_observe_root_boot, machine, context, wait)
    if root != LIVE:
        return replace(machine, root_boot=boot())
    with ThreadPoolExecutor(8) as pool:
        asked: dict[str, Future[Any]] = {
            name: pool.submit(ask) for name, ask in _questions(machine, wait, probe=probe)
        }
        asked["root boot"] = pool.submit(boot)
        answers = {name: future.result() for name, future in asked.items()}
    return replace(_with_answers(machine, answers), mount_points=_mount_points(machine))


def _mount_points(machine: Machine) -> dict[str, Observation[tuple[str, ...]]]:
    """Return where disks of sessions are mounted, or will be, and who can write above that."""
    disks = machine.listing.disks or ()
    paths = {path for disk in disks for path in mount_paths(disk.block)}
    if isinstance(machine.fstab, Known):
        entries = machine.fstab.value.ours
        paths |= {entry.mount_point for entry in entries if entry.mount_point is not None}
    return {path: observe_value(partial(safe_paths.exposed_above, path)) for path in sorted(paths)}


def _observe_root_boot(machine: Machine, context: Context, wait: float) -> RootBoot | None:
    targets = targets_of_root(machine)
    return observe_root_boot(context, targets, wait) if targets else None


def observe_local_files(context: Context) -> Machine:
    """Read everything that is in files; nothing here waits for others."""
    root = context.root
    listing = read_listing(root)
    db = observe_value(lambda: _read_node_database(context))
    names = dict.fromkeys(TRANSPORT_MODULES.values())
    name = observe_value(lambda: initiator_name.read_initiator(root))
    disks = {p.device.removeprefix("/dev/") for d in listing.disks or () for p in d.paths}
    fstab = observe_value(lambda: fstab_file.read_fstab(root))
    crypttab = observe_value(lambda: read_crypttab(root))
    specs = named_devices(
        fstab.value if isinstance(fstab, Known) else Fstab(),
        crypttab.value if isinstance(crypttab, Known) else (),
    )
    target_of = {session.sid: session.target for session in listing.sessions}
    return Machine(
        root=os.geteuid() == 0,
        now=time.time(),
        kernel=kernel_modules.read_kernel(names, root),
        programs=facts.find_programs(root),
        iscsid=find_daemon("iscsid", root),
        multipathd=find_daemon("multipathd", root),
        multipath=read_multipath(root),
        systemd=unit_files.read_systemd(root),
        initiator=name.value if isinstance(name, Known) else InitiatorName(),
        initiator_error=name.error.text if isinstance(name, ReadFailed) else None,
        lock=facts.observe_lock(root),
        db=db,
        listing=listing,
        network=Network(
            network.read_nics(root),
            network.read_routes(root),
            open_port=network.listening_address(root),
        ),
        clock=facts.read_clock(root),
        trouble=observe_value(lambda: facts.read_trouble(root)) if root == LIVE else NotObserved(),
        fstab=fstab,
        filesystems=known_uuids(root),
        crypttab=crypttab,
        links=named_nodes(specs, nodes_of(listing.disks or ()), root),
        absent=absent_specs(specs, root),
        holds=holds.read_holds(root),
        boot_targets=firmware_boot.firmware_targets(root)
        | root_filesystem_targets(listing.disks or (), target_of),
        disk_timeouts=facts.disk_timeouts(disks, root),
        reserve_program=reserve_unit_file.find_program(root),
        package_manager=find_package_manager(root),
    )


def _read_node_database(context: Context) -> NodeDb:
    db, root = context.db, context.root
    records = nodedb.read_records(db)
    mode, secret = facts.config_secrets(root)
    sound = [record for record in records if record.problem is None]
    others = [root / place for place in nodedb.CANDIDATES if root / place != db]
    return NodeDb(
        str(db),
        records,
        nodedb.read_discovery_records(db),
        nodedb.read_ifaces(db),
        tuple(str(other) for other in others if _has_records(other)),
        mode,
        secret,
        secret_reuse.groups_sharing_a_secret(sound),
        tuple(map(str, nodedb.stray_files(db))),
        context.open_iscsi,
    )


def _has_records(db: Path) -> bool:
    try:
        return any((db / "nodes").iterdir()) and (db / "nodes").resolve() != db
    except OSError:
        return False


Question = tuple[str, Callable[[], Any]]


def _questions(machine: Machine, wait: float, *, probe: bool) -> Iterator[Question]:
    for name in ("iscsiadm", "iscsid"):
        program = machine.programs.get(name)
        if program is not None and program.path is not None:
            yield name, partial(facts.ask_version, name, wait)
    yield "iscsid answers", lambda: _ask_iscsid(machine, wait)
    yield "mounts", lambda: _mount_health(machine, wait)
    yield "disk answers", lambda: _disk_answers(machine, wait)
    yield "reservations", lambda: _reservations(machine, wait)
    yield "multipath", lambda: multipath_conf.ask_daemon(machine.multipath)
    yield "inactive", lambda: observe_inactive(machine.listing.disks or (), machine.absent, LIVE)
    yield "policies", lambda: observe_value(lambda: _read_ipsec_policies(wait))
    if wanted_portals(machine):
        yield "firewall", lambda: observe_value(lambda: _read_firewall(wait))
    if probe:
        places = tuple(wanted_portals(machine))
        yield "silent", lambda: portal_probe.find_silent_portals(places, wait)
        yield "mtu", lambda: _path_mtus(machine, min(wait, 3.0))


def _read_ipsec_policies(wait: float) -> Any:
    if os.geteuid() != 0:
        raise NeedsRootError("only root can read the kernel's IPsec policies")
    return network.read_policies(wait)


def _read_firewall(wait: float) -> Firewall:
    if os.geteuid() != 0:
        raise NeedsRootError("only root can read the firewall's rules", hint="sudo iscsictl doctor")
    return firewall.read_firewall(wait)


def _with_answers(machine: Machine, answers: Mapping[str, Any]) -> Machine:
    programs: dict[str, Program] = dict(machine.programs)
    for name in ("iscsiadm", "iscsid"):
        if name in answers:
            programs[name] = replace(programs[name], version=answers[name])
    listing, error = answers["iscsid answers"]
    net = replace(
        machine.network,
        silent=Known(answers["silent"]) if "silent" in answers else NotObserved(),
        path_mtu=answers.get("mtu", {}),
        policies=answers["policies"],
        firewall=answers.get("firewall", NotObserved()),
        own_addresses=firewall.find_own_addresses(
            portal.address for portal in wanted_portals(machine)
        ),
    )
    return replace(
        machine,
        programs=programs,
        listing=listing,
        iscsid_error=error,
        network=net,
        mounts=answers["mounts"],
        disk_answers=answers["disk answers"],
        reservations=answers["reservations"],
        multipath=answers["multipath"],
        root_boot=answers["root boot"],
        inactive=answers["inactive"],
    )


def _ask_iscsid(machine: Machine, wait: float) -> tuple[Listing, str | None]:
    """Ask iscsid for the states that only it knows; return also why it did not answer, if so."""
    listing, daemon = machine.listing, machine.iscsid
    # iscsiadm would wait for a stopped daemon, and if none runs, its socket would start one.
    if os.geteuid() != 0 or not listing.sessions or daemon is None or daemon.stopped:
        return listing, None
    try:
        result = process.run(["iscsiadm", "-m", "session", "-P", "1"], timeout=wait, ok=None)
    except IscsictlError as error:
        return listing, f"iscsid (pid {daemon.pid}) does not answer: {error.text}"
    return with_internal_states(listing, result.out), None


def _path_mtus(machine: Machine, wait: float) -> dict[Portal, PathMtu]:
    sizes = {}
    for portal in wanted_portals(machine):
        route = find_route(portal.address, machine.network.routes)
        nic = machine.network.nics.get(route.nic) if route is not None else None
        # The loopback interface has an MTU of 64 KiB, which no network has.
        if nic is not None and not is_local(portal.address):
            sizes[portal] = nic.mtu
    if not sizes:
        return {}
    try:
        return path_mtu.path_mtus(sizes, wait)
    except IscsictlError:
        return {}


def _disk_answers(machine: Machine, wait: float) -> Observation[DiskAnswers]:
    """Ask mounted disks, and the paths of maps, what they are.

    This has a deadline, because a command to a disk may wait for a long time.
    """
    if os.geteuid() != 0:
        return NotObserved()
    changed = machine.trouble.value.lun_changes if isinstance(machine.trouble, Known) else ()
    asked = {
        path.sid
        for disk in machine.listing.disks or ()
        for path in disk.paths
        if path.hctl in changed or disk.block.kind == "mpath" or mount_paths(disk.block)
    }
    sessions = [s for s in machine.listing.sessions if s.sid in asked and s.status == "up"]
    try:
        return Known(call_within(wait, lambda: ask_disks(sessions)))
    except TimeoutError:
        return NotObserved()


def _reservations(machine: Machine, wait: float) -> Observation[Mapping[str, LunReservations]]:
    """Ask the disks of exclusive volumes who has reserved them; only root can."""
    fstab = machine.fstab.value if isinstance(machine.fstab, Known) else Fstab()
    asked = exclusive_disks(fstab, machine.listing.disks or ())
    if asked and os.geteuid() != 0:
        return NotObserved()
    try:
        return Known(call_within(wait, lambda: observe_reservations(asked)))
    except TimeoutError:
        return NotObserved()


def _mount_health(machine: Machine, wait: float) -> tuple[MountHealth, ...]:
    """Check each filesystem on an iSCSI disk, in a separate process each, because it may hang."""
    fstab = machine.fstab.value if isinstance(machine.fstab, Known) else None
    types = {line.path: line for line in mounts.mounted(LIVE)}
    disks = machine.listing.disks or ()
    alive = filter(machine.index.has_session_up, disks)
    asked = {path for disk in alive for path in mount_paths(disk.block)}
    # A thread for each: one that hangs must not keep the others from their answer.
    with ThreadPoolExecutor(len(asked) or 1) as pool:
        answers = dict(
            zip(asked, pool.map(lambda path: _list_first_entry(path, wait), asked), strict=True)
        )
    found = []
    for disk in disks:
        for block in blocks(disk.block):
            for mount in block.mounts:
                line = types.get(mount.path)
                fstype = line.fstype if line is not None else block.fstype or ""
                found.append(
                    MountHealth(
                        mount.path,
                        block.device,
                        fstype,
                        read_only="ro" in mount.options,
                        meant_read_only=meant_read_only(mount.path, line, fstab),
                        errors=_noted_errors(fstype, block.device),
                        error=answers.get(mount.path),
                    )
                )
    # A mount that has lost its disk belongs to no session any longer. If iscsictl did not make it,
    # nothing tells any more whether its disk was an iSCSI disk.
    own = [] if fstab is None else [line.mount_point for line in fstab.ours]
    own += (path for path, line in types.items() if _MAY_BE_ISCSI.match(line.source))
    # The mounts are read again: the filesystems took seconds to answer, and some may be new.
    found += (
        MountHealth(line.path, line.source, line.fstype, stranded=reason)
        for line, reason in mounts.stranded_mounts((p for p in own if p is not None), LIVE)
    )
    return tuple(found)


def meant_read_only(path: str, line: MountLine | None, fstab: Fstab | None) -> bool:
    """Return whether a mount is read-only on purpose: by fstab, or else by whoever mounted it.

    `line` is the mount's line in /proc/self/mountinfo, which lists the options of the mount and of
    the superblock separately: a filesystem that fell back to read-only has `ro` only in the latter.
    """
    entries = fstab.by_dir(path) if fstab is not None else ()
    if entries:
        return any(is_read_only_mount(entry.options) for entry in entries)
    return line is not None and line.read_only


def _noted_errors(fstype: str, device: str) -> int:
    if not fstype.startswith("ext"):
        return 0
    name = os.path.realpath(device).rpartition("/")[2]
    try:
        return int(Path(f"/sys/fs/ext4/{name}/errors_count").read_text())
    except (OSError, ValueError):
        return 0


def _list_first_entry(path: str, wait: float) -> str | None:
    """Have the first entry of its root directory read; return the error if that fails."""
    command = ["find", path, "-mindepth", "1", "-maxdepth", "1", "-quit"]
    try:
        result = process.run(command, timeout=wait, ok=None)
    except IscsictlError as error:
        return error.text
    return result.last_line if result.code else None
