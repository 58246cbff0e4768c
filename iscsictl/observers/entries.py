"""What the entries of fstab and crypttab name on this machine now."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from iscsictl.model.inactive_volumes import InactiveNames
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Disk
from iscsictl.planner.safety.storage_graph import named_devices, nodes_of
from iscsictl.system.block.device_links import absent_specs, find_nodes, named_nodes
from iscsictl.system.block.inactive_volumes import read_inactive
from iscsictl.system.mount.crypttab_file import read_crypttab
from iscsictl.system.mount.swaps import names_of_swap

AnyInventory = TypeVar("AnyInventory", bound=Inventory)


def observe_entries(inventory: AnyInventory, name: str, root: Path) -> AnyInventory:
    """Add crypttab, the links of `name` and of all entries, and the names in use to an inventory.

    Disks and fstab are those of the inventory. A disk is read only if an entry names something that
    does not exist, see `observe_inactive`. Raises IscsictlError if /etc/crypttab exists and cannot
    be read.
    """
    crypttab, disks = read_crypttab(root), inventory.disks
    specs = named_devices(inventory.fstab, crypttab)
    links = named_nodes(specs, nodes_of(disks), root) | find_nodes(name, disks, root)
    opened = {
        ("", entry.mapper) for entry in crypttab if (root / entry.mapper.lstrip("/")).exists()
    }
    return replace(
        inventory, crypttab=crypttab, device_links=links,
        names_in_use=names_of_swap(root) | opened, inactive=observe_inactive(disks, specs, root),
    )  # fmt: skip


def observe_inactive(
    disks: Iterable[Disk], specs: Iterable[str], root: Path
) -> dict[str, InactiveNames]:
    """Return what is on the disks but not active, if an entry may name it.

    `specs` are the names in entries. If all of them exist, nothing inactive is named and no disk is
    read.
    """
    return read_inactive(disks, root) if absent_specs(specs, root) else {}
