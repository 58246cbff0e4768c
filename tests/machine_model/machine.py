"""The array behind the network, and a machine whose parts tell the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from iscsictl.model.disk_content import Content
from iscsictl.model.inventory import DiskUsage, Inventory, Known, Observation
from iscsictl.model.listing import Block, Disk, Mount
from iscsictl.model.names import Portal
from iscsictl.model.partition_table import partition_node

MIB = 1 << 20
AnyInventory = TypeVar("AnyInventory", bound=Inventory)


@dataclass(frozen=True)
class Unit:
    """A LUN of the array: what a login brings to light; `late` takes a scan.

    `content` None: nobody could probe it, for it has no name. `access` is what a portal lets be
    done with it (`listing.Path.access`), where that is known.
    """

    target: str
    lun: int
    wwid: str | None
    content: Observation[Content] | None
    usage: DiskUsage = field(default_factory=DiskUsage)
    late: bool = False
    access: Mapping[Portal, str] = field(default_factory=dict, hash=False)


Array = tuple[Unit, ...]


def coherent(inventory: Inventory) -> Inventory:
    """Draw the device trees, and who uses a disk, from contents and users."""
    disks, words = [], dict[str, tuple[str, ...]]()
    for disk in inventory.disks:
        used = inventory.usage_of(disk) or DiskUsage()
        content = inventory.contents.get(disk.wwid or "")
        disks.append(disk._replace(block=_block(disk, content, used)))
        words[disk.wwid or ""] = words.get(disk.wwid or "", ()) + used.holders
    contents: dict[str, Observation[Content]] = {}
    for wwid, content in inventory.contents.items():
        if isinstance(content, Known):
            contents[wwid] = Known(replace(content.value, usage=words.get(wwid, ())))
        else:
            contents[wwid] = content
    reservations = {
        wwid: content.value.reservations
        for wwid, content in contents.items()
        if isinstance(content, Known)
    }
    return replace(inventory, disks=tuple(disks), contents=contents, reservations=reservations)


def with_disks(inventory: AnyInventory, disks: Sequence[Disk]) -> AnyInventory:
    """Return the inventory with other disks; who uses one stays with it under its new device."""
    devices = {path.device: new.block.device for new in disks for path in new.paths}
    usage = {
        new: used
        for disk in inventory.disks
        if (used := inventory.usage_of(disk)) is not None
        and (new := next((devices[p.device] for p in disk.paths if p.device in devices), None))
    }
    return replace(inventory, disks=tuple(disks), usage=usage)


def _block(disk: Disk, content: Observation[Content] | None, used: DiskUsage) -> Block:
    device, kind = disk.block.device, disk.block.kind
    mounts = tuple(Mount(path) for path in used.mounts)
    if not isinstance(content, Known):
        return Block(device, kind, mounts=mounts)
    value = content.value
    parts = [Block(partition_node(device, p.number), "part", p.size) for p in value.partitions]
    there = value.filesystem
    if there is None:
        return Block(device, kind, value.size, mounts=mounts, children=tuple(parts))
    if not parts:
        return Block(device, kind, value.size, there.type, there.label, there.uuid, mounts)
    inner = parts[0]._replace(fstype=there.type, label=there.label, uuid=there.uuid, mounts=mounts)
    return Block(device, kind, value.size, children=(inner, *parts[1:]))
