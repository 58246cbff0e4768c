"""What a name means: a target, one of its LUNs, or anything else that has the name."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from iscsictl.errors import NotFoundError
from iscsictl.model.inventory import Inventory
from iscsictl.model.listing import Block, Disk, blocks
from iscsictl.planner.safety.duplicates import are_separate_copies


@dataclass(frozen=True)
class ResolvedLun:
    """One LUN, or all of a target (`lun` None). `disk` is None while there is no disk.

    `also_on` are the other LUNs if what was named spans several.
    """

    target: str
    lun: int | None
    wwid: str | None = None
    disk: Disk | None = None
    also_on: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the LUN in words."""
        return f"{self.target} LUN {self.lun}"


def _luns_with_disk(inventory: Inventory) -> Iterator[ResolvedLun]:
    """Yield every LUN with a disk, through every session."""
    for session in inventory.sessions:
        for unit in session.luns or ():
            disk = inventory.index.disk_of_path(session.sid, unit.hctl)
            if disk is not None:
                yield ResolvedLun(session.target, unit.lun, disk.wwid, disk)


def _is_called(inventory: Inventory, disk: Disk, name: str) -> bool:
    if name == disk.wwid or inventory.node_of(name) in {path.device for path in disk.paths}:
        return True
    return any(has_name(inventory, block, name) for block in blocks(disk.block))


def has_name(inventory: Inventory, block: Block, name: str) -> bool:
    """Tell whether a device has the name: its node or a link to it, its UUID, its mount point.

    Links in /dev/disk and /dev/mapper are resolved.
    """
    if inventory.node_of(name) == inventory.node_of(block.device):
        return True
    return name in {block.uuid, *(mount.path for mount in block.mounts)}


def _is_one_thing(inventory: Inventory, found: list[ResolvedLun], name: str) -> bool:
    """Tell whether one filesystem or device that spans all these LUNs has the name."""
    disks = {id(m.disk): m.disk for m in found if m.disk is not None}.values()
    named = [[b for b in blocks(d.block) if has_name(inventory, b, name)] for d in disks]
    return (
        len(named) > 1
        and all(named)
        and not any(are_separate_copies(*two) for two in combinations(named, 2))
    )


def find(
    inventory: Inventory, name: str, lun: int | None, *, spanning: bool = False
) -> tuple[ResolvedLun, ...]:
    """Return the LUNs that a name means, including those that are only in fstab or a record.

    A target means all its LUNs unless `lun` is given. Empty if nothing has that name. With
    `spanning`, a filesystem or device over several LUNs means the first, and `also_on` the others.
    Raises NotFoundError if the name fits several LUNs.
    """
    there = list(_luns_with_disk(inventory))
    # The name of a target is that of nothing else.
    if any(name == t for t in _known_targets(inventory)):
        found = [m for m in there if m.target == name and lun in {None, m.lun}]
        lines = _luns_in_fstab(inventory, there)
        found += [m for m in lines if m.target == name and lun in {None, m.lun}]
        return _without_repeats(found) or (ResolvedLun(name, lun),)
    found = [m for m in there if m.disk is not None and _is_called(inventory, m.disk, name)]
    found = found or list(_luns_in_fstab(inventory, there, name))
    if spanning and _is_one_thing(inventory, found, name):
        first, *others = _without_repeats(found)
        return (replace(first, also_on=tuple(map(str, others))),)
    if len({(m.target, m.lun) for m in found}) > 1:
        what = ", ".join(map(str, _without_repeats(found)))
        raise NotFoundError(
            f"{name} matches several LUNs: {what}", hint="name the target and --lun"
        )
    return _without_repeats(found)


def _known_targets(inventory: Inventory) -> set[str]:
    return {
        *(s.target for s in inventory.sessions),
        *(r.target for r in inventory.records),
        *(x.target for x in inventory.fstab.ours if x.target),
    }


def _luns_in_fstab(
    inventory: Inventory, there: list[ResolvedLun], name: str | None = None
) -> Iterator[ResolvedLun]:
    """Yield what entries written by iscsictl mean: the disk where it is now, else where it was."""
    for line in inventory.fstab.ours:
        called = {line.uuid, line.wwid, line.mount_point}
        if line.target is not None and (name is None or name in called):
            present = [m for m in there if line.wwid is not None and m.wwid == line.wwid]
            # Of several disks with that WWID the one behind the target of the entry is meant.
            own = [m for m in present if (m.target, m.lun) == (line.target, line.lun)]
            yield from own or present or [ResolvedLun(line.target, line.lun, line.wwid)]


def _without_repeats(found: list[ResolvedLun]) -> tuple[ResolvedLun, ...]:
    """Return each disk of each LUN once, and a LUN without a disk if none is behind it.

    One LUN can have two disks: if the array put another one there, an older session still has the
    first, and both may be in use.
    """
    with_disk = {(m.target, m.lun) for m in found if m.disk is not None}
    kept: dict[tuple[str, int | None, int], ResolvedLun] = {}
    for meant in found:
        if meant.disk is not None or (meant.target, meant.lun) not in with_disk:
            kept.setdefault((meant.target, meant.lun, id(meant.disk)), meant)
    return tuple(kept.values())
