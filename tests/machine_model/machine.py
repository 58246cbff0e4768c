"""The array behind the network, and a machine whose parts tell the same."""

from dataclasses import dataclass, field, replace

from iscsictl.model.disk_content import Content
from iscsictl.model.inventory import DiskUsage, Inventory, Known, Observation
from iscsictl.model.listing import Block, Disk, Mount
from iscsictl.system.block.probe import part_device

MIB = 1 << 20


@dataclass(frozen=True)
class Unit:
    """A LUN of the array: what a login brings to light; `late` takes a scan.

    `content` None: nobody could probe it, for it has no name.
    """

    target: str
    lun: int
    wwid: str | None
    content: Observation[Content] | None
    usage: DiskUsage = field(default_factory=DiskUsage)
    late: bool = False


Array = tuple[Unit, ...]


def coherent(inventory: Inventory) -> Inventory:
    """Draw the device trees, and who uses a disk, from contents and users."""
    disks, seen = [], set[str | None]()
    for disk in inventory.disks:
        used = (
            inventory.usage.get(disk.wwid or "", DiskUsage())
            if disk.wwid not in seen
            else DiskUsage()
        )
        content = inventory.contents.get(disk.wwid or "")
        disks.append(disk._replace(block=_block(disk, content, used)))
        seen.add(disk.wwid)
    contents: dict[str, Observation[Content]] = {}
    for wwid, content in inventory.contents.items():
        used = inventory.usage.get(wwid, DiskUsage())
        words = (*(f"the mount on {path}" for path in used.mounts), *used.other_holders)
        if isinstance(content, Known):
            contents[wwid] = Known(replace(content.value, usage=words))
        else:
            contents[wwid] = content
    reservations = {
        wwid: content.value.reservations
        for wwid, content in contents.items()
        if isinstance(content, Known)
    }
    return replace(inventory, disks=tuple(disks), contents=contents, reservations=reservations)


def _block(disk: Disk, content: Observation[Content] | None, used: DiskUsage) -> Block:
    device, kind = disk.block.device, disk.block.kind
    mounts = tuple(Mount(path) for path in used.mounts)
    if not isinstance(content, Known):
        return Block(device, kind, mounts=mounts)
    value = content.value
    parts = [Block(part_device(device, p.number), "part", p.size) for p in value.partitions]
    there = value.filesystem
    if there is None:
        return Block(device, kind, value.size, mounts=mounts, children=tuple(parts))
    if there.part is None:
        return Block(device, kind, value.size, there.type, there.label, there.uuid, mounts)
    inner = parts[0]._replace(fstype=there.type, label=there.label, uuid=there.uuid, mounts=mounts)
    return Block(device, kind, value.size, children=(inner, *parts[1:]))
