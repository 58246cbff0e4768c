"""Observe one disk in the detail that a disk, mount or fstab command needs."""

import os.path
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from iscsictl.errors import NotFoundError
from iscsictl.model.disk_content import (
    kinds_found_from_end,
    signatures_beside_table,
)
from iscsictl.model.fstab import Fstab
from iscsictl.model.inventory import (
    DiskUsage,
    Inventory,
    Known,
    MountPointState,
    Observation,
    observe_value,
)
from iscsictl.model.listing import Block, Session
from iscsictl.observers.disk_content import probe_content
from iscsictl.observers.entries import observe_entries, observe_inactive
from iscsictl.observers.host_facts import read_host_facts
from iscsictl.observers.reservations import ask_reservations
from iscsictl.planner.disks.mounts import filesystem
from iscsictl.planner.safety.storage_graph import (
    StorageFacts,
    named_devices,
    nodes_of,
    storage_facts,
)
from iscsictl.planner.selection.disks import (
    DiskFacts,
    DiskInventory,
    DiskRow,
    DiskSelection,
    choose,
    disk_id,
    part_as_disk,
    part_block,
    reachable_mount,
)
from iscsictl.system.block import partition_table, probe, resize
from iscsictl.system.block.block_tree import device_number
from iscsictl.system.block.device_links import absent_specs, named_nodes
from iscsictl.system.block.table_reader import read_table
from iscsictl.system.block.udev_db import device_properties, known_uuids
from iscsictl.system.context import Context
from iscsictl.system.host import systemd
from iscsictl.system.host.unit_files import read_login_startups
from iscsictl.system.iscsi import holds, nodedb
from iscsictl.system.iscsi.firmware_boot import firmware_targets
from iscsictl.system.iscsi.sessions import read_listing
from iscsictl.system.mount import fstab_file, mounts, usage
from iscsictl.system.mount.crypttab_file import read_crypttab

# A volume or an array does not answer INQUIRY; nothing is created on one here.
_PROBED = frozenset({"disk", "part", "mpath"})


@dataclass(frozen=True)
class DiskQuery:
    """What to observe: the disk that `name` means, or a part of it, and in which detail.

    `whole_disk` selects the disk even if a partition was named, `part` a partition by its number,
    `filesystem` the filesystem that is on it. With `missing_ok`, a name that matches nothing is no
    error. `full_probe` reads all of its content (`--verify-blank=full`). `reservations` asks the
    LUN for its persistent reservations, without reading its content.
    """

    name: str
    lun: int | None = None
    loose: bool = False
    whole_disk: bool = False
    part: int | None = None
    content: bool = False
    table: bool = False
    growth: bool = False
    open_files: bool = False
    missing_ok: bool = False
    directory: str | None = None
    filesystem: bool = False
    full_probe: bool = False
    reservations: bool = False


def base(context: Context) -> DiskInventory:
    """Observe sessions, disks, fstab, records and holds; no disk is read.

    Raises NeedsRootError if the records may not be read.
    """
    root = context.root
    listing = read_listing(root, details=False)
    return DiskInventory(
        nodedb.read_records(context.db),
        listing.sessions,
        listing.disks or (),
        fstab_file.read_fstab(root),
        host=read_host_facts(root),
        holds=holds.read_holds(root),
        mounted=mounts.mounted_sources(root),
    )


def observe(context: Context, what: DiskQuery, before: Inventory | None) -> DiskInventory:
    """Observe the disk that is meant, in the detail that `what` asks for.

    `before` is the inventory of the previous round, None in the first. Raises NotFoundError if
    nothing, or several LUNs, match the name, and IscsictlError if the partition table or the
    reservations are needed and cannot be read. A probe that fails is a ReadFailed in `content`.
    """
    inventory, root = base(context), context.root
    earlier = before if isinstance(before, DiskInventory) else None
    again = DiskFacts(again=earlier is not None)
    inventory = replace(inventory, place=_observe_mount_point(what), facts=again)
    inventory = observe_entries(inventory, what.name, root)
    try:
        chosen = choose(inventory, what.name, what.lun, loose=what.loose)
    except NotFoundError:
        if what.missing_ok:
            return inventory
        raise
    if what.whole_disk:
        chosen = replace(chosen, block=chosen.disk.block)
    if what.filesystem:
        chosen = replace(chosen, block=filesystem(chosen))
    if what.part is not None:
        named = part_block(chosen.disk, what.part)
        if named is not None:
            chosen = replace(chosen, block=named)
    # What a process has open is compared by stat(2), which would hang on a dead array.
    alive = inventory.index.has_session_up(chosen.disk)
    used = holders_of(chosen, context.root, open_files=what.open_files and alive)
    inventory = replace(inventory, chosen=chosen, used=used)
    if what.table or what.growth:
        inventory = replace(
            inventory,
            facts=_read_disk_facts(context, chosen, what, earlier, inventory.sessions, used),
        )
    if what.reservations:
        wwid = disk_id(inventory, chosen).wwid
        asked = ask_reservations(chosen.disk, context.root)
        inventory = replace(inventory, reservations={wwid: asked})
    if what.content and chosen.block.kind in _PROBED:
        content = probe_content(
            context, chosen.block.device, chosen.disk.wwid or "", used, full=what.full_probe
        )
        found = {}
        if isinstance(content, Known):
            found[content.value.wwid] = content.value.reservations
        inventory = replace(inventory, content=content, reservations=found)
    return inventory


def _observe_mount_point(what: DiskQuery) -> Observation[MountPointState]:
    if what.directory is None:
        return Known(MountPointState())
    directory = what.directory
    return observe_value(lambda: mounts.read_mount_point(directory))


def holders_of(chosen: DiskSelection, root: Path, *, open_files: bool = False) -> DiskUsage:
    """Return who uses what was named: the disk with everything on it, or one partition.

    `open_files` also finds processes that work in its mounts, by reading /proc for all processes.
    """
    disk = chosen.disk
    if chosen.block is not disk.block:
        disk = part_as_disk(disk, chosen.block)
    return usage.disk_usage(disk, root, open_files=open_files)


def kernel_name(device: str) -> str:
    """Return the kernel's name of a node: sda, dm-3.

    Links are followed, such as /dev/mapper/x to /dev/dm-3. sysfs knows devices by this name only.
    """
    return Path(os.path.realpath(device)).name


def _read_disk_facts(
    context: Context,
    chosen: DiskSelection,
    what: DiskQuery,
    earlier: DiskInventory | None,
    sessions: Iterable[Session],
    used: DiskUsage,
) -> DiskFacts:
    device = chosen.disk.block.device
    kname = kernel_name(device)
    topology = partition_table.topology(kname, context.root)
    size = chosen.disk.block.size or 0
    sizes: dict[str, int | None] = {}
    if what.growth:
        sizes = _path_sizes(chosen, sessions)
        if None in sizes.values():
            # The plan will be refused, and a read from a map without a path would wait for one.
            return DiskFacts(size // topology.logical, path_sizes=sizes, topology=topology)
    facts = DiskFacts(
        size // topology.logical,
        topology=topology,
        table=read_table(device),
        kernel=partition_table.kernel_view(kname, topology.logical, context.root),
        again=earlier is not None,
        earlier=earlier.facts.table if earlier is not None else None,
    )
    if facts.table is not None:
        beside = signatures_beside_table(probe.read_signatures(device), facts.table)
        facts = replace(facts, beside=beside)
    if not what.growth:
        return facts
    capacity = next(iter(sizes.values()), None)
    block = _growing_block(chosen, facts)
    mounted = None if block is None else reachable_mount(block, used)
    filled = None
    from_end: tuple[str, ...] = ()
    if block is not None and block.kind == "part":
        found = probe.read_signatures(block.device)
        from_end = kinds_found_from_end(found, block.device, block.size)
    if block is not None and block.fstype is not None:
        filled = resize.filesystem_size(block.device, block.fstype, mounted)
    settled = earlier is not None and earlier.facts.capacity == (earlier.one.disk.block.size or 0)
    return replace(
        facts, capacity=capacity, path_sizes=sizes, filled=filled, settled=settled,
        from_end=from_end,
    )  # fmt: skip


def _path_sizes(chosen: DiskSelection, sessions: Iterable[Session]) -> dict[str, int | None]:
    """Ask the disk for its size over each path; None if a path of a map does not work."""
    up = {session.sid for session in sessions if session.status == "up"}
    mapped = chosen.disk.block.kind == "mpath"
    return {
        path.device: resize.capacity(path.device)
        if not mapped or (path.sid in up and path.works)
        else None
        for path in chosen.disk.paths
    }


def _growing_block(chosen: DiskSelection, facts: DiskFacts) -> Block | None:
    """Return the device whose filesystem grows: the named one, or the last partition."""
    if chosen.block is chosen.disk.block and facts.table is not None and facts.table.entries:
        last = max(facts.table.entries, key=lambda entry: entry.start)
        return part_block(chosen.disk, last.number)
    return chosen.block


def fstab_facts(context: Context, inventory: Inventory) -> StorageFacts:
    """Return the facts for the check of fstab; this does not need root.

    A disk is read only for root, and only if an entry names something that does not exist. Raises
    IscsictlError if /etc/crypttab exists and cannot be read.
    """
    root, disks = context.root, inventory.disks
    crypttab = read_crypttab(root)
    specs = named_devices(inventory.fstab, crypttab)
    service = systemd.login_service(root)
    return storage_facts(
        disks,
        inventory.sessions,
        known=known_uuids(root),
        links=named_nodes(specs, nodes_of(disks), root),
        absent=absent_specs(specs, root),
        records=inventory.records,
        login_service=service,
        login_startups=read_login_startups(service, root),
        crypttab=crypttab,
        boot_targets=firmware_targets(root),
        inactive=observe_inactive(disks, specs, root),
    )


def disk_rows(context: Context) -> tuple[DiskRow, ...]:
    """Return all disks of sessions. No disk is read: the kind of table is what udev found.

    Raises NeedsRootError if the node records may not be read.
    """
    rows, disks = [], base(context).disks
    scan = usage.UsageScan(context.root) if disks else None
    for disk in disks:
        kname = kernel_name(disk.block.device)
        sector = partition_table.topology(kname, context.root).logical
        number = device_number(context.root, kname)
        found = device_properties(context.root, number) if number else {}
        label = found.get("ID_PART_TABLE_TYPE") or None
        used = usage.disk_usage(disk, context.root, scan=scan)
        rows.append(DiskRow(disk, sector, label, used))
    return tuple(rows)


def partition_type_names(label: str) -> dict[str, str]:
    """Return the names of the partition types in one kind of table, as sfdisk(8) lists them.

    The keys are types: a GUID in capitals, or a hexadecimal code.
    """
    return partition_table.type_names(label)


def partition_table_errors(device: str) -> tuple[str, ...]:
    """Return what sfdisk(8) finds wrong with a partition table, a line for each.

    Empty if it finds nothing. The disk is only read.
    """
    return partition_table.verify(device)


def read_fstab(root: Path) -> Fstab:
    """Return /etc/fstab; a host without one has an empty one.

    A line that cannot be parsed has a `problem` and does not affect the others.
    """
    return fstab_file.read_fstab(root)


def mounted_paths(root: Path) -> set[str]:
    """Return all mount points of this mount namespace, as /proc/self/mountinfo has them.

    Links are resolved in it, so a path of fstab may need to be resolved before it is looked up.
    """
    return {mount.path for mount in mounts.mounted(root)}
