"""The entries of fstab and crypttab that a detach drops, keeps, or leaves to the admin."""

from collections.abc import Iterator

from iscsictl.model import actions
from iscsictl.model.crypttab import CrypttabEntry
from iscsictl.model.fstab import FstabLine
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import blocks
from iscsictl.planner.builder import PlanBuilder
from iscsictl.planner.safety.named_entries import entries_for, names_of_disk
from iscsictl.planner.selection.luns import ResolvedLun


def entries_to_drop(inventory: Inventory, meant: tuple[ResolvedLun, ...]) -> Iterator[FstabLine]:
    """Yield the fstab entries of the LUN, except those of a disk that has moved elsewhere.

    The entry of a filesystem that is mounted from another disk, such as a copy with the same WWID,
    is left out, too.
    """
    wwids = {m.wwid for m in meant if m.wwid}
    own = {id(one.disk) for one in meant}
    rest = [disk for disk in inventory.disks if id(disk) not in own]
    elsewhere = {disk.wwid for disk in rest}
    mounted = {
        (mount.path, block.uuid)
        for disk in rest
        for block in blocks(disk.block)
        for mount in block.mounts
    }
    for line in inventory.fstab.ours:
        same = line.target == meant[0].target and line.lun in {m.lun for m in meant}
        if (line.mount_point, line.uuid) in mounted:
            continue
        # The same WWID behind another target: its entry belongs to the disk that is there now.
        if line.wwid in elsewhere and not (same and line.wwid in wwids):
            continue
        if line.wwid is not None and (line.wwid in wwids or same):
            yield line


def drop_entries(
    builder: PlanBuilder, inventory: Inventory, entries: tuple[FstabLine, ...]
) -> None:
    """Drop the fstab entries and drop-ins of the LUN, last: until then they identify it."""
    for line in entries:
        path = line.mount_point
        if path is not None and any(path in p for p in inventory.host.required.values()):
            builder.add(actions.DropRequire(path), path, "no unit waits for it any longer")
        drop = actions.DropFstab(line)
        builder.add(drop, path or line.uuid or line.wwid or "", "no longer mounted at boot")


def note_entries_of_others(
    builder: PlanBuilder, inventory: Inventory, meant: tuple[ResolvedLun, ...]
) -> None:
    """Note which of an admin's own entries will miss the LUN at the next boot."""
    lines = [line for line in inventory.fstab.entries if not line.is_ours]
    disks = {id(one.disk): one.disk for one in meant if one.disk is not None}
    found = {
        entry: None
        for disk in disks.values()
        for entry in entries_for(inventory, lines, names_of_disk(inventory, disk))
        if entry.at_boot
    }
    for entry in found:
        if isinstance(entry, CrypttabEntry):
            file, does = "/etc/crypttab", f"opens {entry.name}"
        else:
            file, does = "/etc/fstab", f"mounts {entry.mount_point or entry.spec}"
        wait = (
            "" if entry.nofail else (", and the boot waits for it: add nofail, or delete the entry")
        )
        builder.notes.append(f"{file} line {entry.number} still {does} at boot{wait}")
