"""Which disk a command means, what is known about it, and what the command may do to it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from iscsictl.errors import InUseError, IscsictlError, NotFoundError, RefusedError
from iscsictl.model.actions import DiskId
from iscsictl.model.disk_content import Content, Signature, refuse_beside_table
from iscsictl.model.fstab import plain
from iscsictl.model.inventory import (
    DiskUsage,
    Inventory,
    Known,
    NotObserved,
    Observation,
    ReadFailed,
)
from iscsictl.model.listing import Block, Disk, blocks
from iscsictl.model.listing import Path as DiskPath
from iscsictl.model.partition_table import GPT_ENTRY_SIZE, Table, Topology
from iscsictl.model.shell_form import shell_form
from iscsictl.planner.safety import overwrite
from iscsictl.planner.selection.luns import ResolvedLun, find, has_name


@dataclass(frozen=True)
class DiskSelection:
    """A disk of a session, and the device of it that was named: itself, or a partition.

    `also_on` are the other LUNs where what was named spans several.
    """

    target: str
    lun: int
    disk: Disk
    block: Block
    also_on: tuple[str, ...] = ()

    @property
    def part(self) -> int | None:
        """The number of the partition that was named, None for the disk or anything else."""
        return part_number(self.disk, self.block) if self.block.kind == "part" else None


@dataclass(frozen=True)
class DiskFacts:
    """The facts of one disk. `total` are logical sectors, `capacity` and `filled` bytes.

    `capacity` is what the disk itself reports now, `path_sizes` what it reports over each path, by
    the path's device, None over one that does not work. `kernel` has start and size of the
    partitions that the kernel works with, `filled` the size of the filesystem that is to grow.
    `settled`: the kernel already knew the disk's size at the earlier observation, so everything
    that could grow has grown. `again`: the disk was observed before in this run, and the table was
    `earlier` then. `beside` is what is on the disk outside any partition of its table, `from_end`
    what is in the partition that is to grow and is found from its end.
    """

    total: int = 0
    capacity: int | None = None
    path_sizes: Mapping[str, int | None] = field(default_factory=dict)
    topology: Topology = field(default_factory=Topology)
    table: Table | None = None
    kernel: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    filled: int | None = None
    settled: bool = False
    again: bool = False
    earlier: Table | None = None
    beside: tuple[Signature, ...] = ()
    from_end: tuple[str, ...] = ()


@dataclass(frozen=True)
class DiskInventory(Inventory):
    """An inventory with the details of one disk; `used` are the users of what was named."""

    chosen: DiskSelection | None = None
    content: Observation[Content] = field(default_factory=NotObserved)
    used: DiskUsage = field(default_factory=DiskUsage)
    facts: DiskFacts = field(default_factory=DiskFacts)

    @property
    def one(self) -> DiskSelection:
        """What was named. Raises IscsictlError if it was not observed."""
        if self.chosen is None:
            raise IscsictlError("no disk was examined")
        return self.chosen

    @property
    def found(self) -> Content:
        """What is on it. Raises IscsictlError if it was not observed or could not be read."""
        if isinstance(self.content, Known):
            return self.content.value
        if isinstance(self.content, ReadFailed):
            raise self.content.error
        raise IscsictlError(f"{self.one.block.device} was not probed")


@dataclass(frozen=True)
class DiskRow:
    """A disk for the list: what udev and sysfs report about it. `sector` is bytes."""

    disk: Disk
    sector: int
    label: str | None
    usage: DiskUsage


def part_number(disk: Disk, block: Block) -> int | None:
    """Return the number at the end of a partition's name: /dev/sda1, /dev/mapper/x-part1.

    None if the name is not that of the disk with a number: a volume or another device on it.
    """
    match = re.fullmatch(r"(?:-part|p)?([0-9]+)", block.device.removeprefix(disk.block.device))
    return int(match[1]) if match else None


def part_block(disk: Disk, number: int) -> Block | None:
    """Return the partition of that number as the kernel has it.

    None where the kernel has none, though the table on the disk may. A volume on the whole disk
    does not count, though its name may end as that of a partition does.
    """
    parts = (block for block in disk.block.children if block.kind == "part")
    return next((block for block in parts if part_number(disk, block) == number), None)


def reachable_mount(block: Block, used: DiskUsage) -> str | None:
    """Return where a filesystem is mounted with nothing mounted over it; None if nowhere.

    Tools that take a path, such as xfs_growfs(8), would reach what is on top.
    """
    covered = {path for path, _ in used.covered}
    return next((mount.path for mount in block.mounts if mount.path not in covered), None)


def part_as_disk(disk: Disk, block: Block) -> Disk:
    """Return a partition in the form of a disk, in order to find out who uses it.

    It has one path, the partition's own node: users of another partition do not use this one.
    """
    first = disk.paths[0]
    return disk._replace(paths=(DiskPath(first.sid, first.hctl, block.device),), block=block)


def choose(
    inventory: Inventory, name: str, lun: int | None = None, *, loose: bool = False
) -> DiskSelection:
    """Return the disk that a name means: device, WWID, UUID, mount point, or target and LUN.

    With `loose`, an unambiguous part of a target's name is accepted too. If the named thing spans
    several LUNs, the first is returned. Raises NotFoundError.
    """
    name = plain(name)
    found = find(inventory, name, lun, spanning=True)
    if not found and name.startswith("/"):
        uuids = {line.uuid for line in inventory.fstab.by_dir(name) if line.uuid}
        found = find(inventory, uuids.pop(), None, spanning=True) if len(uuids) == 1 else ()
    if not found and loose:
        targets = {s.target for s in inventory.sessions if name.lower() in s.target.lower()}
        if len(targets) > 1:
            raise NotFoundError(f"{name} matches several targets: {', '.join(sorted(targets))}")
        found = find(inventory, targets.pop(), lun) if targets else ()
    with_disk = [
        (one, disk) for one in found if (disk := _find_disk_of(inventory, one)) is not None
    ]
    if not found:
        raise NotFoundError(
            f"no disk of a session is named {name}", hint="list the disks: iscsictl disk ls"
        )
    if not with_disk:
        raise NotFoundError(
            f"{name} has no disk on this host now",
            hint="log in to the target first: iscsictl reconnect, or iscsictl login -T "
            + shell_form(found[0].target),
        )
    if len({id(disk) for _, disk in with_disk}) > 1:
        if len({(one.target, one.lun) for one, _ in with_disk}) == 1:
            devices = ", ".join(disk.block.device for _, disk in with_disk)
            raise NotFoundError(
                f"{found[0]} is two disks, seen by different sessions: {devices}",
                hint="name the device; the array has put another disk behind that number",
            )
        rows = ", ".join(f"{one.lun} ({disk.block.device})" for one, disk in with_disk)
        raise NotFoundError(
            f"{name} has {len(with_disk)} LUNs: {rows}", hint="name one of them with --lun"
        )
    meant, disk = with_disk[0]
    return DiskSelection(
        meant.target, meant.lun or 0, disk, _find_named_block(inventory, disk, name), meant.also_on
    )


def _find_disk_of(inventory: Inventory, meant: ResolvedLun) -> Disk | None:
    if meant.disk is not None or meant.wwid is None:
        return meant.disk
    return next((disk for disk in inventory.disks if disk.wwid == meant.wwid), None)


def _find_named_block(inventory: Inventory, disk: Disk, name: str) -> Block:
    """Return the part of the disk with the name; for a directory of fstab, its filesystem."""
    lines = inventory.fstab.by_dir(name) if name.startswith("/") else ()
    uuids = {line.uuid.lower() for line in lines if line.uuid}
    for block in blocks(disk.block):
        if has_name(inventory, block, name):
            return block
        if block.uuid is not None and block.uuid.lower() in uuids:
            return block
    return disk.block


def disk_id(inventory: Inventory, chosen: DiskSelection, *, spanning: bool = False) -> DiskId:
    """Return the disk by its WWID. Raises RefusedError if that is not certain.

    Raises NotFoundError if what was named spans several LUNs, unless `spanning` permits that.
    """
    if chosen.also_on and not spanning:
        names = ", ".join((f"{chosen.target} LUN {chosen.lun}", *chosen.also_on))
        raise NotFoundError(
            f"{chosen.block.device} spans several LUNs: {names}",
            hint="name the target and --lun",
        )
    alike = inventory.index.disks_named_alike(chosen.disk)
    overwrite.require_all_paths_in_map(chosen.disk, alike, inventory.index)
    wwid = overwrite.verify_identity(chosen.disk, alike, None)
    return DiskId(chosen.target, chosen.lun, wwid, chosen.disk.block.device)


def subject(chosen: DiskSelection, number: int | None = None) -> str:
    """Return the name of a disk or partition for a plan: the LUN, never a letter.

    Letters change with the next login, and the id of a step has to be the same in every plan.
    """
    name = f"{chosen.target} LUN {chosen.lun}"
    return name if number is None else f"{name} part {number}"


def require_free(device: str, used: DiskUsage) -> None:
    """Raise InUseError if anybody uses the device.

    Mounts and other holders count. Open files do not; the commands that unmount check those. The
    hint names the command that ends the use if one is known.
    """
    if used.holders:
        hint = used.release_hint
        if used.mounts and not used.releases:
            hint = f"stop that use first: iscsictl umount {shell_form(used.mounts[0])}"
        raise InUseError(f"{device} is in use: {', '.join(used.holders)}", hint=hint)


def require_table(inventory: DiskInventory) -> Table:
    """Return the partition table. Raises RefusedError if there is none.

    A kind of table that sfdisk cannot write counts as none. Raises RefusedError or InUseError also
    if the disk itself is used for something else, so that its table is only a leftover.
    """
    table, chosen = inventory.facts.table, inventory.one
    if table is None:
        raise RefusedError(
            f"{chosen.disk.block.device} has no partition table that sfdisk can change",
            hint=f"create one: iscsictl disk label {shell_form(chosen.disk.block.device)} gpt",
        )
    require_table_alone(inventory)
    return table


def require_table_alone(inventory: DiskInventory) -> None:
    """Raise unless the disk contains only its table and what is in its partitions.

    Raises RefusedError too for a GPT that sfdisk can change but the kernel cannot read.
    """
    block, table = inventory.one.disk.block, inventory.facts.table
    if table is not None and table.label == "gpt" and table.entry_size != GPT_ENTRY_SIZE:
        raise RefusedError(
            f"the gpt table of {block.device} has entries of {table.entry_size} bytes: the kernel "
            f"reads only entries of {GPT_ENTRY_SIZE}, and none of these partitions",
            hint="change it on the system that created it; to see its content: "
            + shell_form("sfdisk", "--dump", block.device),
        )
    above = [child for child in block.children if child.kind != "part"]
    if above or block.mounts:
        what = block.mounts[0].path if block.mounts else above[0].device
        raise InUseError(
            f"{block.device} is in use as a whole: {what} is on it directly, not on a partition",
            hint=f"see what is on it: iscsictl disk show {shell_form(block.device)}",
        )
    refuse_beside_table(block.device, inventory.facts.beside)


def require_writable(disk: Disk) -> None:
    """Raise RefusedError for a disk that is read-only in the kernel.

    The array may export it that way (SBC-3, WP bit), or an admin may have set it (blockdev
    --setro).
    """
    if disk.read_only:
        raise RefusedError(
            f"{disk.block.device} is read-only", hint="make the LUN writable on the array"
        )
