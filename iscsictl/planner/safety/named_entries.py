"""Which entries of fstab and crypttab are for a device, by whatever name and through what layers.

Every guard with this question uses this module, so that all of them know the same names.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from iscsictl.model.crypttab import CrypttabEntry
from iscsictl.model.disk_content import Filesystem, Signature
from iscsictl.model.fstab import Fstab, FstabLine, tag_of_spec
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Block, Disk, blocks
from iscsictl.planner.safety.storage_graph import (
    Carrier,
    StorageFacts,
    StorageGraph,
    named_devices,
    nodes_of,
)

# Nodes, and tags as `tag_of_spec` returns them.
_Names = tuple[frozenset[str], frozenset[tuple[str, str]]]

# Stands for the device in question among all that entries lead to; no device has this name.
_HERE = "the device"


@dataclass(frozen=True)
class DeviceNames:
    """The names of a disk, or of its partition `part`, by which an entry may refer to it.

    `tags` are as `tag_of_spec` returns them, `nodes` are those of the kernel. `units` are the LUNs
    by target and number, for udev links that do not exist now.
    """

    wwid: str | None
    nodes: frozenset[str] = frozenset()
    tags: frozenset[tuple[str, str]] = frozenset()
    units: frozenset[tuple[str, int]] = frozenset()
    part: int | None = None

    def include(self, inventory: Inventory, spec: str) -> bool:
        """Tell whether a first field of fstab, or a device of crypttab, is one of the names.

        A link that udev has now is resolved. A link that does not exist now is judged by its name,
        which contains the target and the LUN (by-path), or the WWID (by-id).
        """
        if tag_of_spec(spec) in self.tags or inventory.node_of(spec) in self._nodes(inventory):
            return True
        _, name = tag_of_spec(spec)
        return spec not in inventory.device_links and bool(self._links.fullmatch(name))

    def _nodes(self, inventory: Inventory) -> set[str]:
        return {*map(inventory.node_of, self.nodes)}

    @cached_property
    def _links(self) -> re.Pattern[str]:
        part = "[0-9]+" if self.part is None else str(self.part)
        wholes = [
            f"/dev/disk/by-path/.*-{re.escape(f'{target}-lun-{_lun_of_udev(lun)}')}"
            for target, lun in self.units
        ]
        found = [f"{whole}-part{part}" for whole in wholes]
        identifier = re.escape((self.wwid or "").partition(".")[2])
        if identifier:
            # multipath-tools names a map without an alias by its WWID.
            wholes += [f"/dev/(?:disk/by-id|mapper)/.*{identifier}"]
            found += [f"/dev/(?:disk/by-id|mapper)/.*{identifier}(?:-part|p){part}"]
        return re.compile("|".join(found if self.part is not None else (*wholes, *found)) or "(?!)")


def _lun_of_udev(lun: int) -> str:
    """Return a LUN as udev writes it in by-path (systemd, udev-builtin-path_id.c)."""
    return str(lun) if lun < 256 else f"0x{lun & 0xFFFF:04x}{lun >> 16 & 0xFFFF:04x}00000000"


def names_of_disk(inventory: Inventory, disk: Disk) -> DeviceNames:
    """Return the names of a disk with everything on it, as far as the listing knows them."""
    nodes, tags = _names_of_inactive(inventory, nodes_of([disk]))
    return DeviceNames(
        disk.wwid, nodes_of([disk]) | nodes, frozenset(tags_of(blocks(disk.block))) | tags,
        _units_of(inventory, disk),
    )  # fmt: skip


def names_of_partition(
    inventory: Inventory, disk: Disk, number: int, block: Block | None
) -> DeviceNames:
    """Return the names of one partition; `block` is None where the kernel does not have it."""
    nodes, tags = _names_inside(inventory, block)
    return DeviceNames(disk.wwid, nodes, tags, _units_of(inventory, disk), number)


def names_of_block(inventory: Inventory, block: Block) -> DeviceNames:
    """Return the names of a device on a disk that is not a partition: a volume, an array."""
    return DeviceNames(None, *_names_inside(inventory, block))


def _names_inside(inventory: Inventory, block: Block | None) -> _Names:
    inside = () if block is None else tuple(blocks(block))
    own = frozenset(one.device for one in inside)
    nodes, tags = _names_of_inactive(inventory, own)
    return own | nodes, frozenset(tags_of(inside)) | tags


def _names_of_inactive(inventory: Inventory, devices: Iterable[str]) -> _Names:
    """Return the nodes and tags of what is on these devices and not active."""
    found = [names for one in devices if (names := inventory.inactive.get(one)) is not None]
    tags = ((tag, value) for one in found for tag, value in one.tags)
    return (
        frozenset(node for one in found for node in one.nodes),
        frozenset((tag, value.lower() if tag == "UUID" else value) for tag, value in tags),
    )


def tags_of(found: Iterable[Block | Filesystem | Signature]) -> Iterator[tuple[str, str]]:
    """Yield the tags by which fstab(5) may name what was found, as `tag_of_spec` returns them."""
    for one in found:
        if one.uuid:
            yield "UUID", one.uuid.lower()
        if one.label:
            yield "LABEL", one.label


def _units_of(inventory: Inventory, disk: Disk) -> frozenset[tuple[str, int]]:
    return frozenset(
        (session.target, unit.lun)
        for path in disk.paths
        for session in inventory.index.sessions_with_sid(path.sid)
        for unit in session.luns or ()
        if unit.hctl == path.hctl
    )


def entries_for(
    inventory: Inventory, lines: Iterable[FstabLine], names: DeviceNames
) -> Iterator[FstabLine | CrypttabEntry]:
    """Yield those of the lines that are for the device, and then the entries of crypttab that are.

    Bind mounts, images, overlays, swap files and volumes of crypttab are followed to the device
    that they are on. Lines are judged by what they name; notes of iscsictl are left to the caller.
    """
    fstab = Fstab(tuple(lines))
    here = frozenset({Carrier(_HERE)})
    specs = named_devices(fstab, inventory.crypttab)
    facts = StorageFacts(
        carriers={_HERE: here},
        links={spec: _HERE for spec in specs if names.include(inventory, spec)},
        crypttab=inventory.crypttab,
    )
    graph = StorageGraph(fstab, facts, by_notes=False)
    yield from (line for line in fstab.entries if here <= (graph.behind_line(line) or frozenset()))
    yield from (
        entry for entry in facts.crypttab if here <= (graph.behind_volume(entry) or frozenset())
    )
